import HTTPTestSupport
import SluiceBytes
import SluiceTelemetry
import SluiceVLLM

/// One sample as it was read.
private struct Sample: Equatable {
    var name: String
    var labels: [UInt8]
    var value: UInt64
    /// As text.
    var line: [UInt8]

    init(_ sample: borrowing PrometheusSample) {
        let (bytes, range) = (sample.line, sample.labels)
        name = bytes.text(in: sample.name)
        labels = range.map { bytes[$0] }
        value = sample.value.isNaN ? Double.nan.bitPattern : sample.value.bitPattern
        let number =
            sample.value.isNaN
            ? "NaN"
            : sample.value.isInfinite ? (sample.value < 0 ? "-Inf" : "+Inf") : "\(sample.value)"
        line = Array("\(name){".utf8) + labels + Array("} \(number)\n".utf8)
    }
}

/// What a page came to.
private struct PageRead: Equatable {
    var samples: [Sample] = []
    var badLines = 0
    var longLines = 0
}

/// One reading of a page at every cut; samples written anew are the same; figures can be believed.
func metricsProblem(_ input: [UInt8], readings: [[Int]]) -> String? {
    let whole = samples(input, [])
    for cuts in readings {
        let cut = samples(input, cuts)
        if cut != whole { return "\(whole) but \(cut) cut at \(cuts)" }
    }
    let again = samples(whole.samples.flatMap(\.line), [])
    if again.samples != whole.samples || again.badLines > 0 {
        return "\(whole) became \(again)"
    }
    let figures = metrics(input, [])
    for cuts in readings {
        let cut = metrics(input, cuts)
        if cut != figures { return "\(figures) but \(cut) cut at \(cuts)" }
    }
    for figure in [
        figures.waiting, figures.waitingDeferred, figures.running, figures.kvUsage,
        figures.iterationTokensCount, figures.prefixCacheQueries, figures.prefixCacheHits,
        figures.promptTokens, figures.generationTokens, figures.preemptions, figures.kvTokensMax,
        figures.queueTime?.sum, figures.queueTime?.count, figures.prefillTime?.sum,
        figures.interTokenLatency?.sum, figures.requestGenerationTokens?.count,
    ] {
        guard let figure else { continue }
        if !(0...ReplicaMetrics.magnitudeMax).contains(figure) { return "\(figure) in \(figures)" }
    }
    let all = MetricsSnapshot(input.span, prefix: "")
    return all.entries.count <= whole.samples.count ? nil : "\(all.entries.count) entries"
}

private func samples(_ input: [UInt8], _ cuts: [Int]) -> PageRead {
    var parser = PrometheusTextParser()
    var page = PageRead()
    for piece in pieces(input, cuts) {
        parser.feed(piece.span, wants: { _, _ in true }) { page.samples.append(Sample($0)) }
    }
    parser.finish(wants: { _, _ in true }) { page.samples.append(Sample($0)) }
    page.badLines = parser.badLines
    page.longLines = parser.longLines
    return page
}

private func metrics(_ input: [UInt8], _ cuts: [Int]) -> ReplicaMetrics {
    var reader = VLLMMetrics()
    for piece in pieces(input, cuts) { reader.feed(piece.span) }
    return reader.finish()
}
