import SluiceBytes

/// The series of vLLM that are read; each has one accumulator.
enum VLLMSeries: UInt8, CaseIterable {
    case waiting, waitingByReason, deferred, running, kvUsage, iterationCount, prefixQueries
    case prefixHits, promptTokens, generationTokens, preemptions, sleeping, kvTokens
    case requestTokensSum, requestTokensCount, itlSum, itlCount, adapters
    case queueTimeSum, queueTimeCount, prefillSum, prefillCount

    /// How a sample names its series: smaller is better, and only the best kind on a page counts.
    ///
    /// Releases in between export a metric under its old and its new name at once, and a collector
    /// may add its own spelling: adding them up would double the load.
    struct Rank: Comparable {
        var value: UInt8
        static let absent = Rank(value: .max)
        static func < (a: Rank, b: Rank) -> Bool { a.value < b.value }
    }

    /// The series a metric belongs to, nil for the many that are of no interest.
    ///
    /// `waitingByReason` stands for both reasons; the sample's label decides. A page has some 600
    /// names of which 29 are wanted: prefix and length are compared before any text.
    static func named(_ line: Span<UInt8>, _ name: Range<Int>) -> (VLLMSeries, Rank)? {
        guard name.count >= 22, name.count <= 40 else { return nil }
        // "vllm" in a word, first byte lowest.
        let word = line.word(at: name.lowerBound)
        guard word & 0xFFFF_FFFF == 0x6D6C_6C76 else { return nil }
        let mark = line[name.lowerBound &+ 4]
        guard mark == 0x3A || mark == 0x5F else { return nil }
        let rest = (name.lowerBound &+ 5)..<name.upperBound
        guard let (series, isOld) = spelled(line, rest) else { return nil }
        return (series, Rank(value: (isOld ? 2 : 0) | (mark == 0x5F ? 1 : 0)))
    }

    /// The series of a name without its prefix, and whether it is the name of older releases.
    private static func spelled(_ line: Span<UInt8>, _ rest: Range<Int>) -> (VLLMSeries, Bool)? {
        func named(_ text: StaticString) -> Bool { line.equals(text, in: rest) }
        switch rest.count {
        case 17: return named("cache_config_info") ? (.kvTokens, false) : nil
        case 18:
            if named("lora_requests_info") { return (.adapters, false) }
            return named("engine_sleep_state") ? (.sleeping, false) : nil
        case 19:
            if named("kv_cache_usage_perc") { return (.kvUsage, false) }
            return named("prompt_tokens_total") ? (.promptTokens, false) : nil
        case 20:
            if named("num_requests_waiting") { return (.waiting, false) }
            if named("num_requests_running") { return (.running, false) }
            return named("gpu_cache_usage_perc") ? (.kvUsage, true) : nil
        case 21: return named("num_preemptions_total") ? (.preemptions, false) : nil
        case 23:
            if named("generation_tokens_total") { return (.generationTokens, false) }
            return named("prefix_cache_hits_total") ? (.prefixHits, false) : nil
        case 26: return named("prefix_cache_queries_total") ? (.prefixQueries, false) : nil
        case 27: return named("gpu_prefix_cache_hits_total") ? (.prefixHits, true) : nil
        case 28: return named("iteration_tokens_total_count") ? (.iterationCount, false) : nil
        case 29: return named("request_generation_tokens_sum") ? (.requestTokensSum, false) : nil
        case 30:
            if named("num_requests_waiting_by_reason") { return (.waitingByReason, false) }
            if named("request_queue_time_seconds_sum") { return (.queueTimeSum, false) }
            return named("gpu_prefix_cache_queries_total") ? (.prefixQueries, true) : nil
        case 31:
            if named("request_generation_tokens_count") { return (.requestTokensCount, false) }
            return named("inter_token_latency_seconds_sum") ? (.itlSum, false) : nil
        case 32:
            if named("request_queue_time_seconds_count") { return (.queueTimeCount, false) }
            return named("request_prefill_time_seconds_sum") ? (.prefillSum, false) : nil
        case 33:
            if named("inter_token_latency_seconds_count") { return (.itlCount, false) }
            return named("time_per_output_token_seconds_sum") ? (.itlSum, true) : nil
        case 34: return named("request_prefill_time_seconds_count") ? (.prefillCount, false) : nil
        case 35: return named("time_per_output_token_seconds_count") ? (.itlCount, true) : nil
        default: return nil
        }
    }
}
