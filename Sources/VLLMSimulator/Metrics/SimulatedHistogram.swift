import SluiceBytes

/// A Prometheus histogram as the Python client keeps it; counts are turned cumulative on the way out.
struct SimulatedHistogram: Equatable {
    /// Upper bounds but for the infinite one, rising.
    let bounds: [Double]
    private var counts: [Int]
    private(set) var sum = 0.0
    private(set) var count = 0

    init(bounds: [Double]) {
        self.bounds = bounds
        counts = Array(repeating: 0, count: bounds.count)
    }

    /// Adds one sample; a sample on a bound belongs to that bucket.
    mutating func observe(_ value: Double) {
        count += 1
        sum += value
        if let bucket = bounds.firstIndex(where: { value <= $0 }) { counts[bucket] += 1 }
    }

    /// Writes the series of one label set.
    func append(named name: String, labels: MetricLabels, to buffer: inout ByteBuffer) {
        var cumulative = 0
        for (bound, count) in zip(bounds, counts) {
            cumulative += count
            buffer.appendSeries(
                name, "_bucket", labels.with("le=\"\(MetricText.number(bound))\""),
                Double(cumulative))
        }
        buffer.appendSeries(name, "_bucket", labels.with("le=\"+Inf\""), Double(count))
        buffer.appendSeries(name, "_count", labels.plain, Double(count))
        buffer.appendSeries(name, "_sum", labels.plain, sum)
    }

    // MARK: Bounds of vLLM 0.23

    /// 1, 2, 5, 10 … up to the model length, as `build_1_2_5_buckets` of vLLM.
    static func tokenBounds(upTo bound: Int) -> [Double] {
        var bounds: [Double] = []
        var decade = 1.0
        while decade <= 1e9 {
            for factor in [1.0, 2, 5] where factor * decade <= Double(bound) {
                bounds.append(factor * decade)
            }
            decade *= 10
        }
        return bounds
    }

    /// `vllm:time_to_first_token_seconds`.
    static let firstTokenBounds: [Double] = [
        0.001, 0.005, 0.01, 0.02, 0.04, 0.06, 0.08, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10, 20,
        40, 80, 160, 640, 2560,
    ]
    /// `vllm:inter_token_latency_seconds` and the mean per request.
    static let gapBounds: [Double] = [
        0.01, 0.025, 0.05, 0.075, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5, 0.75, 1, 2.5, 5, 7.5, 10, 20, 40,
        80,
    ]
    /// Queue, prefill, decode, inference and end-to-end times: they start at 0.3 s.
    static let requestBounds: [Double] = [
        0.3, 0.5, 0.8, 1, 1.5, 2, 2.5, 5, 10, 15, 20, 30, 40, 50, 60, 120, 240, 480, 960, 1920,
        7680,
    ]
    /// `vllm:iteration_tokens_total`.
    static let iterationBounds: [Double] = [
        1, 8, 16, 32, 64, 128, 256, 512, 1024, 2048, 4096, 8192, 16384,
    ]
    /// `http_request_duration_highr_seconds`.
    static let fineBounds: [Double] = [
        0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1, 1.5, 2, 2.5, 3, 3.5, 4, 4.5, 5, 7.5, 10,
        30, 60,
    ]
    /// `http_request_duration_seconds`.
    static let coarseBounds: [Double] = [0.1, 0.5, 1]
}
