import SluiceTime

/// One replica as the router saw it when it decided, and what spoke against it.
package struct RouteCandidate: Sendable {
    /// Why a replica could not take a request.
    package enum Obstacle: UInt8, Sendable, CaseIterable {
        /// Its state takes no new requests.
        case closed
        /// As many are there as may be.
        case full
        /// This request has been there before.
        case tried
        /// Its class has its part of the window.
        case classShare
        /// The prompts before it would take too long.
        case promptBacklog
        /// Its KV cache is spoken for.
        case cacheFull
        /// It does not list the LoRA adapter.
        case noAdapter

        /// As `/decisions` spells it.
        package var label: StaticString {
            switch self {
            case .closed: "closed"
            case .full: "full"
            case .tried: "tried"
            case .classShare: "class_share"
            case .promptBacklog: "prompt_backlog"
            case .cacheFull: "cache_full"
            case .noAdapter: "no_adapter"
            }
        }
    }

    package var name: String
    package var state: ReplicaState
    /// Our requests there, and how many there may be; 0 is closed.
    package var inflight: Int
    package var limit: Int
    /// Of ours, those without a first output, and their prompt tokens.
    package var pending: Int
    package var pendingTokens: Double
    /// Requests that are not ours.
    package var others: Double
    /// Age of the last usable scrape; nil before the first.
    package var signalAge: Nanoseconds?
    /// Requests its engine is believed to run at once.
    package var slots: Double
    /// Time per prompt token, per step, and from one generated token of a request to its next, seconds.
    package var promptTime: Double
    package var stepTime: Double
    package var tokenTime: Double
    /// Of the prompt, tokens believed to be in its cache.
    package var cachedTokens: Double
    /// Predicted time to the first token, seconds.
    package var predictedTime: Double
    /// What the router compares: the least wins.
    package var score: Double
    /// Nil: it could have been picked.
    package var obstacle: Obstacle?
}
