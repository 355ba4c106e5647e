import SluiceTime
import SluiceTraffic

/// As what a request at a replica is counted when it is judged whether the replica moves.
enum CountedProgress: UInt8 {
    case none
    /// Sent, and its answer comes when it is whole.
    case wait
    /// A stream, asked for or open.
    case stream
}

/// What the replicas owe: told to ``ReplicaProgress`` in pairs, whatever becomes of a request.
extension Worker {
    /// The request is out as a whole. One that asks for a stream is owed a head at once and events
    /// after it: it counts as a stream from now on. What the API server answers by itself says nothing
    /// of the engine, neither that it stands nor that it goes.
    @inline(__always) func beginProgress(_ exchange: inout Exchange, asksForStream: Bool) {
        guard exchange.progress == .none, !exchange.isHeadParsed, exchange.record.route.needsEngine
        else { return }
        count(&exchange, as: asksForStream ? .stream : .wait)
    }

    /// The final head has come; what the answer is decides, not what was asked for.
    @inline(__always) func headProgressed(_ exchange: inout Exchange, status: Int) {
        if exchange.isEventStream {
            guard exchange.progress != .stream else { return }
            endProgress(&exchange)
            count(&exchange, as: .stream)
        } else {
            endProgress(&exchange)
            // A refusal, too, is made by the API server alone.
            guard status < 300, exchange.record.route.needsEngine else { return }
            let replica = exchange.lastReplica
            progress.with(exchange.traffic) { $0.answerArrived(from: replica, now: now) }
        }
    }

    private func count(_ exchange: inout Exchange, as kind: CountedProgress) {
        let replica = exchange.lastReplica
        exchange.progress = kind
        progress.with(exchange.traffic) { progress in
            switch kind {
            case .none: break
            case .wait: progress.waitBegan(at: replica, now: now)
            case .stream: progress.streamBegan(at: replica, now: now)
            }
        }
    }

    /// Nothing more is owed; harmless when it is said again.
    @inline(__always) func endProgress(_ exchange: inout Exchange) {
        if exchange.progress != .none { stopCounting(&exchange) }
    }

    private func stopCounting(_ exchange: inout Exchange) {
        let kind = exchange.progress
        exchange.progress = .none
        let (replica, stream) = (exchange.lastReplica, exchange.downstream)
        progress.with(exchange.traffic) { progress in
            switch kind {
            case .none: break
            case .wait: progress.waitEnded(at: replica)
            case .stream:
                progress.streamEnded(at: replica)
                progress.endProbe(at: replica, stream: stream)
            }
        }
    }
}
