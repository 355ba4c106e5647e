/// How a page of metrics is written.
package enum ExpositionFormat: Sendable {
    /// Prometheus text format, version 0.0.4.
    case prometheusText004
    /// OpenMetrics text format, version 1.0.0.
    case openMetrics
    /// Messages of Protocol Buffers behind each other, the only format with native histograms.
    case protobuf

    /// The format a scraper asks for: of those that its `Accept` names the one it likes best, of equals
    /// the first; Prometheus text where it names none.
    ///
    /// Source: RFC 9110 section 12.5.1; Prometheus, "Content negotiation".
    package init(accept: String) {
        var best: (format: ExpositionFormat, quality: Double)?
        for entry in accept.lowercased().split(separator: ",").prefix(Self.entriesMax) {
            let parts = entry.split(separator: ";").map { $0.filter { $0 != " " && $0 != "\t" } }
            guard let type = parts.first, let format = Self.named(type, parts.dropFirst()) else {
                continue
            }
            let quality =
                parts.first { $0.hasPrefix("q=") }.flatMap { Double($0.dropFirst(2)) } ?? 1
            if quality > 0, quality > best?.quality ?? 0 { best = (format, quality) }
        }
        self = best?.format ?? .prometheusText004
    }

    /// Entries of `Accept` that are looked at.
    private static let entriesMax = 32

    private static func named(
        _ type: String, _ parameters: ArraySlice<String>
    ) -> ExpositionFormat? {
        switch type {
        case "text/plain": .prometheusText004
        case "application/openmetrics-text": .openMetrics
        case "application/vnd.google.protobuf"
        where parameters.contains("proto=io.prometheus.client.metricfamily")
            && parameters.contains("encoding=delimited"):
            .protobuf
        default: nil
        }
    }

    /// The value of `Content-Type`.
    package var contentType: StaticString {
        switch self {
        case .prometheusText004: "text/plain; version=0.0.4; charset=utf-8"
        case .openMetrics: "application/openmetrics-text; version=1.0.0; charset=utf-8"
        case .protobuf:
            "application/vnd.google.protobuf; proto=io.prometheus.client.MetricFamily; encoding=delimited"
        }
    }
}
