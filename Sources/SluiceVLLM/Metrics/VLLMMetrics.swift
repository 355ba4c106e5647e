import SluiceBytes
import SluiceTelemetry

/// Reads a page of a replica's metrics as it arrives, whatever release wrote it.
///
/// State is fixed (some 500 bytes and at most one cut line). The caller bounds the page (4 MiB) and
/// throws away what a page that did not arrive whole has said: sums over engines would lack some.
/// One value serves one replica, page after page.
package struct VLLMMetrics: ~Copyable {
    private var parser = PrometheusTextParser()
    private var page = Page()

    /// At the beginning of a page.
    package init() {}

    /// Takes the next bytes of the page, cut anywhere.
    package mutating func feed(_ bytes: Span<UInt8>) {
        // A copy for the call: the closure may not reach into `self` while its parser is in use.
        var page = self.page
        parser.feed(bytes, wants: { VLLMSeries.named($0, $1) != nil }) { page.take($0) }
        self.page = page
    }

    /// Ends the page and says what was on it; the next page may follow.
    package mutating func finish() -> ReplicaMetrics {
        var page = self.page
        parser.finish(wants: { VLLMSeries.named($0, $1) != nil }) { page.take($0) }
        let badLines = parser.badLines &+ parser.longLines
        reset()
        return page.metrics(badLines: badLines)
    }

    /// Forgets the page, as after a connection that broke.
    package mutating func reset() {
        parser = PrometheusTextParser()
        page = Page()
    }
}

/// The sums of one page.
private struct Page {
    private var tallies = InlineArray<22, SeriesTally>(repeating: SeriesTally())
    private var badSamples = 0
    /// The newest word on LoRA adapters, and when it was said (Unix seconds).
    private var adapters: (running: [String], limit: Int?, at: Double)?

    /// Adds a sample to its series.
    mutating func take(_ sample: borrowing PrometheusSample) {
        guard let (series, rank) = VLLMSeries.named(sample.line, sample.name) else { return }
        switch series {
        case .kvUsage: add(sample.value, series, rank, isMaximum: true, bound: 1)
        case .waitingByReason:
            let reason = sample.label("reason")
            let isDeferred = reason.map { sample.line.equals("deferred", in: $0) } ?? false
            add(sample.value, isDeferred ? .deferred : .waitingByReason, rank)
        case .sleeping:
            // One series per state; only those other than awake can say that it sleeps.
            let state = sample.label("sleep_state")
            let isAwake = state.map { sample.line.equals("awake", in: $0) } ?? true
            let isBad = sample.value.isNaN || sample.value < 0
            add(isAwake && !isBad ? 0 : sample.value, series, rank, isMaximum: true)
        case .kvTokens: takeGeometry(sample, rank)
        case .adapters: takeAdapters(sample)
        case .waiting, .deferred, .running, .iterationCount, .prefixQueries, .prefixHits,
            .promptTokens, .generationTokens, .preemptions, .requestTokensSum,
            .requestTokensCount, .itlSum, .itlCount, .queueTimeSum, .queueTimeCount, .prefillSum,
            .prefillCount:
            add(sample.value, series, rank)
        }
    }

    private mutating func add(
        _ value: Double, _ series: VLLMSeries, _ rank: VLLMSeries.Rank, isMaximum: Bool = false,
        bound: Double = ReplicaMetrics.magnitudeMax
    ) {
        let index = Int(series.rawValue)
        if !tallies[index].add(value, rank, isMaximum: isMaximum, bound: bound) {
            badSamples &+= 1
        }
    }

    /// The figures of `cache_config_info` are labels; `None` before the engine has measured them.
    private mutating func takeGeometry(
        _ sample: borrowing PrometheusSample, _ rank: VLLMSeries.Rank
    ) {
        guard let size = sample.number("block_size"), let blocks = sample.number("num_gpu_blocks")
        else { return tallies[Int(VLLMSeries.kvTokens.rawValue)].spoil(rank) }
        // Two negative factors must not make a size.
        add(size >= 0 && blocks >= 0 ? size * blocks : -1, .kvTokens, rank)
    }

    /// The figures are labels, the value is the time: of all label sets that linger the newest counts.
    private mutating func takeAdapters(_ sample: borrowing PrometheusSample) {
        guard sample.value.isFinite, sample.value > 0,
            let text = sample.label("running_lora_adapters")
        else {
            badSamples &+= 1
            return
        }
        guard sample.value >= adapters?.at ?? 0 else { return }
        var running: [String] = []
        var start = text.lowerBound
        while start < text.upperBound, running.count < ReplicaMetrics.adaptersMax {
            let end = sample.line.firstIndex(of: 0x2C, from: start, to: text.upperBound)
            let name = sample.line.text(in: start..<end)
            if !name.isEmpty { running.append(name) }
            start = end + 1
        }
        let limit = sample.number("max_lora").flatMap { $0 >= 1 && $0 <= 1e6 ? Int($0) : nil }
        adapters = (running, limit, sample.value)
    }

    /// What the sums come to.
    func metrics(badLines: Int) -> ReplicaMetrics {
        var metrics = ReplicaMetrics()
        metrics.badSamples = badSamples
        metrics.badLines = badLines
        metrics.waitingDeferred = value(.deferred)
        metrics.waiting = waiting
        metrics.running = value(.running)
        metrics.kvUsage = value(.kvUsage)
        metrics.iterationTokensCount = value(.iterationCount)
        metrics.prefixCacheQueries = value(.prefixQueries)
        metrics.prefixCacheHits = value(.prefixHits)
        metrics.promptTokens = value(.promptTokens)
        metrics.generationTokens = value(.generationTokens)
        metrics.preemptions = value(.preemptions)
        metrics.isSleeping = value(.sleeping).map { $0 > 0 }
        metrics.kvTokensMax = value(.kvTokens).flatMap { $0 > 0 ? $0 : nil }
        metrics.requestGenerationTokens = totals(.requestTokensSum, .requestTokensCount)
        metrics.interTokenLatency = totals(.itlSum, .itlCount)
        metrics.queueTime = totals(.queueTimeSum, .queueTimeCount)
        metrics.prefillTime = totals(.prefillSum, .prefillCount)
        metrics.runningAdapters = adapters?.running
        metrics.runningAdaptersMax = adapters?.limit
        for signal in Signal.allCases where !Self.has(signal, metrics) {
            metrics.missing.insert(signal)
        }
        return metrics
    }

    private func value(_ series: VLLMSeries) -> Double? { tallies[Int(series.rawValue)].value }

    /// Without the deferred requests: they wait for an adapter or a transfer, not for a free slot.
    private var waiting: Double? {
        // The total first: it also has reasons that a later release may add.
        guard let total = value(.waiting) else { return value(.waitingByReason) }
        return max(0, total - (value(.deferred) ?? 0))
    }

    private func totals(_ sum: VLLMSeries, _ count: VLLMSeries) -> HistogramTotals? {
        // The sum of one metric over the count of another would be a mean of nothing.
        guard tallies[Int(sum.rawValue)].rank == tallies[Int(count.rawValue)].rank,
            let sum = value(sum), let count = value(count)
        else { return nil }
        return HistogramTotals(sum: sum, count: count)
    }

    private static func has(_ signal: Signal, _ metrics: ReplicaMetrics) -> Bool {
        switch signal {
        case .waiting: metrics.waiting != nil
        case .waitingDeferred: metrics.waitingDeferred != nil
        case .running: metrics.running != nil
        case .kvUsage: metrics.kvUsage != nil
        case .iterationTokens: metrics.iterationTokensCount != nil
        case .prefixCacheQueries: metrics.prefixCacheQueries != nil
        case .prefixCacheHits: metrics.prefixCacheHits != nil
        case .promptTokens: metrics.promptTokens != nil
        case .generationTokens: metrics.generationTokens != nil
        case .preemptions: metrics.preemptions != nil
        case .sleeping: metrics.isSleeping != nil
        case .kvTokens: metrics.kvTokensMax != nil
        case .requestGenerationTokens: metrics.requestGenerationTokens != nil
        case .interTokenLatency: metrics.interTokenLatency != nil
        }
    }
}
