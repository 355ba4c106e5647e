/// One thing a replica's metrics may say; the unit of "absent", which never means zero.
package enum Signal: UInt8, CaseIterable, Sendable {
    case waiting, waitingDeferred, running, kvUsage, iterationTokens, prefixCacheQueries
    case prefixCacheHits, promptTokens, generationTokens, preemptions, sleeping, kvTokens
    case requestGenerationTokens, interTokenLatency

    /// The value of the label `signal` of `sluice_replica_signal_missing`.
    package var label: StaticString {
        switch self {
        case .waiting: "waiting"
        case .waitingDeferred: "waiting_deferred"
        case .running: "running"
        case .kvUsage: "kv_usage"
        case .iterationTokens: "iteration_tokens"
        case .prefixCacheQueries: "prefix_cache_queries"
        case .prefixCacheHits: "prefix_cache_hits"
        case .promptTokens: "prompt_tokens"
        case .generationTokens: "generation_tokens"
        case .preemptions: "preemptions"
        case .sleeping: "sleeping"
        case .kvTokens: "kv_tokens"
        case .requestGenerationTokens: "request_generation_tokens"
        case .interTokenLatency: "inter_token_latency"
        }
    }
}

/// A set of signals: one bit each, no memory.
package struct SignalSet: Equatable, Sendable {
    private var bits: UInt32 = 0

    /// The empty set.
    package init() {}

    /// Whether no signal is in the set.
    package var isEmpty: Bool { bits == 0 }
    /// Signals in the set, 0 … 14.
    package var count: Int { bits.nonzeroBitCount }

    /// Whether `signal` is in the set.
    package func contains(_ signal: Signal) -> Bool { bits >> UInt32(signal.rawValue) & 1 == 1 }
    /// Puts `signal` into the set.
    package mutating func insert(_ signal: Signal) { bits |= 1 << UInt32(signal.rawValue) }
}
