import Foundation
import SluiceTelemetry

/// What the `/metrics` page of a replica that has worked tells about it: means since it started.
///
/// It is one point of the step law (how long a step takes with as many sequences as there were on
/// average), so it scales the default law; two points of different load are better.
package struct MetricsPageFit: Sendable {
    /// The point, and prompt tokens a second.
    package private(set) var engine = EngineFit()
    /// KV cache in tokens, where the page says so.
    package private(set) var cacheTokens: Int?
    /// Lengths, where enough requests have ended.
    package private(set) var prompts: LognormalLengths?
    package private(set) var outputs: LognormalLengths?

    /// Requests below which lengths are not read off a histogram.
    static let requestsMin = 20.0
    /// Bounds of a histogram at most.
    static let bucketsMax = 256

    private struct Bucket {
        let bound: Double
        let count: Double
    }

    /// Reads a page.
    package init(page: [UInt8]) throws(PlanTextError) {
        var sums: [String: Double] = [:]
        var histograms: [String: [Bucket]] = [:]
        var cache: (blocks: Double?, size: Double?)
        var parser = PrometheusTextParser()
        let read: (borrowing PrometheusSample) -> Void = { sample in
            if sample.isNamed("vllm:cache_config_info") {
                cache = (sample.number("num_gpu_blocks"), sample.number("block_size"))
            }
            for (name, key) in Self.wanted where sample.isNamed(name) {
                guard sample.value.isFinite, sample.value >= 0 else { continue }
                guard let bound = sample.number("le") else {
                    sums[key, default: 0] += sample.value
                    continue
                }
                guard histograms[key, default: []].count < Self.bucketsMax else { continue }
                histograms[key, default: []].append(Bucket(bound: bound, count: sample.value))
            }
        }
        parser.feed(page.span, wants: { $0.hasBytes("vllm:", at: $1.lowerBound) }, read)
        parser.finish(wants: { $0.hasBytes("vllm:", at: $1.lowerBound) }, read)
        func mean(_ sum: String, _ count: String) -> Double? {
            guard let sum = sums[sum], let count = sums[count], sum > 0, count > 0 else {
                return nil
            }
            return sum / count
        }
        guard let gap = mean("gap_sum", "gap_count"), let sequences = mean("tokens", "steps") else {
            throw PlanTextError(
                "the page",
                "it must be the /metrics page of a vLLM replica that has served requests, with "
                    + "vllm:inter_token_latency_seconds, vllm:generation_tokens_total and "
                    + "vllm:iteration_tokens_total_count above 0")
        }
        let busy = max(1, sequences)
        engine.points = [StepPoint(sequences: busy, tokensPerSecond: busy / gap)]
        if let prefill = mean("prefill_sum", "prefill_count"),
            let prompt = mean("prompt_tokens", "prefill_count"), prefill > gap
        {
            // A step of decodes beside it is not the prompt's own cost.
            engine.promptTokensPerSecond = prompt / (prefill - gap)
        }
        if let blocks = cache.blocks, let size = cache.size, (1...1e9).contains(blocks * size) {
            cacheTokens = Int(blocks * size)
        }
        prompts = Self.lengths(histograms["prompts"] ?? [])
        outputs = Self.lengths(histograms["outputs"] ?? [])
    }

    private static let wanted: [(StaticString, String)] = [
        ("vllm:inter_token_latency_seconds_sum", "gap_sum"),
        ("vllm:inter_token_latency_seconds_count", "gap_count"),
        ("vllm:generation_tokens_total", "tokens"),
        ("vllm:iteration_tokens_total_count", "steps"),
        ("vllm:request_prefill_time_seconds_sum", "prefill_sum"),
        ("vllm:request_prefill_time_seconds_count", "prefill_count"),
        ("vllm:prompt_tokens_total", "prompt_tokens"),
        ("vllm:request_prompt_tokens_bucket", "prompts"),
        ("vllm:request_generation_tokens_bucket", "outputs"),
    ]

    /// The lognormal whose median and 84th percentile are those of a histogram.
    private static func lengths(_ buckets: [Bucket]) -> LognormalLengths? {
        let buckets = buckets.sorted { $0.bound < $1.bound }
        guard let total = buckets.last?.count, total >= requestsMin,
            let median = quantile(0.5, buckets, total), let high = quantile(0.841, buckets, total),
            let most = buckets.first(where: { $0.count >= total && $0.bound.isFinite })?.bound
        else { return nil }
        return LognormalLengths(
            median: max(1, median), sigma: min(max(log(high / max(1, median)), 0.05), 3),
            tokensMax: Int(min(max(1, most), 1_000_000)))
    }

    /// Between the bounds of its bucket, in proportion.
    private static func quantile(
        _ share: Double, _ buckets: [Bucket], _ total: Double
    ) -> Double? {
        var below = (bound: 0.0, count: 0.0)
        for bucket in buckets {
            if bucket.count >= share * total {
                guard bucket.bound.isFinite else { return below.bound }
                let part = (share * total - below.count) / max(bucket.count - below.count, 1e-9)
                return below.bound + (bucket.bound - below.bound) * part
            }
            below = (bucket.bound, bucket.count)
        }
        return nil
    }
}
