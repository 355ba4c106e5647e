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
    private func progress(_ e: UInt32) -> ReplicaProgress {
        shared.pools[exchanges[e].traffic].progress[index]
    }

    /// The request is out as a whole. One that asks for a stream is owed a head at once and events
    /// after it: it counts as a stream from now on.
    func beginProgress(_ e: UInt32) {
        guard exchanges[e].progress == .none, !exchanges[e].isHeadParsed else { return }
        if exchanges[e].peek.isStream {
            exchanges[e].progress = .stream
            progress(e).streamBegan(at: exchanges[e].lastReplica, now: now)
        } else {
            exchanges[e].progress = .wait
            progress(e).waitBegan(at: exchanges[e].lastReplica, now: now)
        }
    }

    /// The final head has come; what the answer is decides, not what was asked for.
    func headProgressed(_ e: UInt32, status: Int) {
        if exchanges[e].isEventStream {
            guard exchanges[e].progress != .stream else { return }
            endProgress(e)
            exchanges[e].progress = .stream
            progress(e).streamBegan(at: exchanges[e].lastReplica, now: now)
        } else {
            endProgress(e)
            // A refusal is made by the API server alone and says nothing about the engine.
            if status < 300 {
                progress(e).answerArrived(from: exchanges[e].lastReplica, now: now)
            }
        }
    }

    /// Nothing more is owed; harmless when it is said again.
    func endProgress(_ e: UInt32) {
        switch exchanges[e].progress {
        case .none: return
        case .wait: progress(e).waitEnded(at: exchanges[e].lastReplica)
        case .stream: progress(e).streamEnded(at: exchanges[e].lastReplica)
        }
        exchanges[e].progress = .none
    }
}
