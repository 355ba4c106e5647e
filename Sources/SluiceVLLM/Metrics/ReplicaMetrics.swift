import SluiceTelemetry

/// What one page of a replica's `/metrics` said; nil where it did not say.
///
/// Counts and tokens are finite, not negative and at most ``magnitudeMax``, so that each converts to
/// `Int` without a trap. Counters restart at zero with the replica: whoever takes differences sees
/// them fall.
package struct ReplicaMetrics: Equatable, Sendable {
    /// The largest value believed, 2^53: no count or sum of vLLM comes near it.
    package static let magnitudeMax = 9_007_199_254_740_992.0

    /// Adapters read of a page at most.
    package static let adaptersMax = 256

    /// Requests waiting for capacity, summed over engines, without the deferred ones.
    package var waiting: Double?
    /// Requests that wait for something else than capacity (LoRA, KV transfer); from about 0.20.
    package var waitingDeferred: Double?
    /// Requests in the running batch, summed over engines.
    package var running: Double?
    /// KV cache in use, 0 … 1, of the fullest engine.
    package var kvUsage: Double?
    /// Engine steps made, summed over engines: the heartbeat.
    package var iterationTokensCount: Double?
    /// Tokens looked up in the prefix cache since the start.
    package var prefixCacheQueries: Double?
    /// Tokens found in the prefix cache since the start.
    package var prefixCacheHits: Double?
    /// Prompt tokens processed since the start.
    package var promptTokens: Double?
    /// Tokens generated since the start.
    package var generationTokens: Double?
    /// Requests preempted since the start.
    package var preemptions: Double?
    /// Whether any engine sleeps.
    package var isSleeping: Bool?
    /// Tokens that fit the KV cache: `block_size` × `num_gpu_blocks`, summed over engines.
    package var kvTokensMax: Double?
    /// Generated tokens of finished requests.
    package var requestGenerationTokens: HistogramTotals?
    /// Latency between tokens; the sum is in seconds.
    package var interTokenLatency: HistogramTotals?
    /// Time of finished requests in the engine's queue, and in prefill; the sums are in seconds.
    package var queueTime: HistogramTotals?
    package var prefillTime: HistogramTotals?

    /// LoRA adapters with requests in the running batch, at most ``adaptersMax``; nil without LoRA.
    package var runningAdapters: [String]?
    /// Adapters that may run at once (`--max-loras`).
    package var runningAdaptersMax: Int?

    /// Signals without a value here: not on the page, or with a series that cannot be believed.
    package var missing = SignalSet()
    /// Samples dropped because they were NaN, infinite, negative or beyond their bound.
    package var badSamples = 0
    /// Lines that were wanted, or could not be told apart, and not understood.
    package var badLines = 0

    /// A page that said nothing, with nothing counted as missing yet.
    package init() {}

    /// Whether the page had any signal; a replica with `--disable-log-stats` has none.
    package var isEmpty: Bool { missing.count == Signal.allCases.count }
}
