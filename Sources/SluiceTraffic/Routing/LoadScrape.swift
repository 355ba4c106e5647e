import SluiceTime

/// What one scrape of a replica's `/metrics` said; counts that are not finite or negative are dropped.
package struct LoadScrape: Sendable {
    /// `vllm:num_requests_waiting` without the deferred ones.
    package var waiting: Double
    /// `vllm:num_requests_running`.
    package var running: Double
    /// KV cache use, 0 … 1.
    package var kvUsage: Double?
    /// Tokens that fit the KV cache (`vllm:cache_config_info`).
    package var cacheTokens: Double?
    /// `vllm:iteration_tokens_total_count`.
    package var heartbeat: Double?
    /// Whether the engine sleeps.
    package var isSleeping: Bool?
    /// Time per output token over the last interval.
    package var timePerToken: Nanoseconds?

    package init(
        waiting: Double, running: Double, kvUsage: Double? = nil, cacheTokens: Double? = nil,
        heartbeat: Double? = nil,
        isSleeping: Bool? = nil, timePerToken: Nanoseconds? = nil
    ) {
        self.waiting = waiting
        self.running = running
        self.kvUsage = kvUsage
        self.cacheTokens = cacheTokens
        self.heartbeat = heartbeat
        self.isSleeping = isSleeping
        self.timePerToken = timePerToken
    }

    /// Whether both counts can be used.
    var isUsable: Bool {
        waiting.isFinite && running.isFinite && waiting >= 0 && running >= 0 && waiting <= 1e9
            && running <= 1e9
    }
}
