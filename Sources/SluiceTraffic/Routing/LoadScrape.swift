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
    /// Numbers of the LoRA adapters that run; nil where the page does not say.
    package var runningAdapters: [UInt16]?
    /// How many may run at once (`--max-loras`).
    package var adaptersMax: Int?

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
