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
    /// after it: it counts as a stream from now on.
    func beginProgress(_ e: UInt32) {
        guard exchanges[e].progress == .none, !exchanges[e].isHeadParsed else { return }
        count(e, as: readers[e].peek.facts.isStream ? .stream : .wait)
    }

    /// The final head has come; what the answer is decides, not what was asked for.
    func headProgressed(_ e: UInt32, status: Int) {
        if exchanges[e].isEventStream {
            guard exchanges[e].progress != .stream else { return }
            endProgress(e)
            count(e, as: .stream)
        } else {
            endProgress(e)
            // A refusal is made by the API server alone and says nothing about the engine.
            guard status < 300 else { return }
            let replica = exchanges[e].lastReplica
            progress.with(exchanges[e].traffic) { $0.answerArrived(from: replica, now: now) }
        }
    }

    private func count(_ e: UInt32, as kind: CountedProgress) {
        let replica = exchanges[e].lastReplica
        exchanges[e].progress = kind
        progress.with(exchanges[e].traffic) { progress in
            switch kind {
            case .none: break
            case .wait: progress.waitBegan(at: replica, now: now)
            case .stream: progress.streamBegan(at: replica, now: now)
            }
        }
    }

    /// Nothing more is owed; harmless when it is said again.
    func endProgress(_ e: UInt32) {
        let kind = exchanges[e].progress
        guard kind != .none else { return }
        exchanges[e].progress = .none
        let (replica, stream) = (exchanges[e].lastReplica, exchanges[e].downstream)
        progress.with(exchanges[e].traffic) { progress in
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
