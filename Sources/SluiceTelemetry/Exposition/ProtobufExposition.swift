import SluiceBytes

/// Writes a snapshot as messages of Protocol Buffers, each behind its length.
///
/// Histograms of what users wait for have native buckets beside the classic ones; which of them it
/// keeps is for the scraper to decide (`scrape_native_histograms`, `always_scrape_classic_histograms`).
///
/// Source: prometheus/client_model, `io/prometheus/client/metrics.proto`; field numbers stand beside
/// the names.
enum ProtobufExposition {
    static func render(_ snapshot: MetricSnapshot) -> [UInt8] {
        var writer = WireWriter(bytes: 262_144)
        for metric in Metric.allCases {
            let samples = snapshot.families[Int(metric.rawValue)]
            if samples.isEmpty { continue }
            writer.delimited(lengthBytes: 3) { family in
                let row = metric.row
                family.text(1, row.name)  // MetricFamily.name
                family.text(2, row.help)  // help
                family.integer(3, type(row.type))  // type
                for (labels, value) in samples.sorted(by: { $0.key < $1.key }) {
                    family.message(4, lengthBytes: 2) { append(labels, value, row.type, to: &$0) }
                }
                let unit = row.unit.label.description
                if !unit.isEmpty { family.text(5, unit) }  // unit
            }
        }
        return writer.array()
    }

    /// `MetricType`.
    private static func type(_ type: MetricType) -> Int64 {
        switch type {
        case .counter: 0
        case .gauge: 1
        case .histogram: 4
        }
    }

    private static func append(
        _ labels: String, _ value: MetricSnapshot.Value, _ type: MetricType,
        to metric: inout WireWriter
    ) {
        for (name, value) in pairs(labels) {
            metric.message(1) { label in  // Metric.label
                label.text(1, name)
                label.text(2, value)
            }
        }
        switch value {
        case .integer(let number): append(Double(number), type, to: &metric)
        case .real(let number): append(number, type, to: &metric)
        case .histogram(let histogram):
            metric.message(7, lengthBytes: 2) { append(histogram, to: &$0) }  // histogram
        }
    }

    /// Names and values of labels as a snapshot keeps them: `a="x",b="y"`, values escaped.
    static func pairs(_ labels: String) -> [(name: String, value: String)] {
        let bytes = Array(labels.utf8)
        return PrometheusSample(line: bytes.span, name: 0..<0, labels: bytes.indices, value: 0)
            .allLabels
    }

    private static func append(_ number: Double, _ type: MetricType, to metric: inout WireWriter) {
        metric.message(type == .counter ? 3 : 2) { $0.real(1, number) }  // counter, gauge
    }

    private static func append(_ histogram: HistogramValue, to out: inout WireWriter) {
        let scale = histogram.scale
        // Both kinds of buckets are read while workers count: the native ones have the last word, as
        // what does not add up is refused.
        let native = histogram.native.flatMap { $0.isEmpty ? nil : $0 }
        let total = (native ?? histogram.counts).reduce(0, &+)
        out.integer(1, Int64(clamping: total))  // Histogram.sample_count
        out.real(2, histogram.total)  // sample_sum
        var cumulative: UInt64 = 0
        for (index, count) in histogram.counts.enumerated() {
            cumulative = index < scale.count ? min(cumulative &+ count, total) : total
            out.message(3) { bucket in  // bucket
                bucket.integer(1, Int64(clamping: cumulative))  // cumulative_count
                bucket.real(2, index < scale.count ? scale.bound(index) : .infinity)  // upper_bound
                if let exemplar = histogram.exemplars[index] {
                    bucket.message(3) { append(exemplar, scale, to: &$0) }  // exemplar
                }
            }
        }
        // Empty ones are told apart from classic ones by a span without buckets.
        guard let native else { return }
        out.signed(5, Int64(NativeBuckets.schema))  // schema
        out.real(6, NativeBuckets.zeroThreshold)  // zero_threshold
        out.integer(7, Int64(clamping: native.first ?? 0))  // zero_count
        let (spans, deltas) = NativeBuckets.sparse(native)
        for span in spans.isEmpty ? [NativeBuckets.Span(offset: 0, length: 0)] : spans {
            out.message(12) { message in  // positive_span
                message.signed(1, Int64(span.offset))
                message.integer(2, Int64(span.length))
            }
        }
        if !deltas.isEmpty { out.signed(13, deltas) }  // positive_delta
    }

    private static func append(
        _ exemplar: Exemplar, _ scale: BucketScale, to out: inout WireWriter
    ) {
        out.message(1) { label in  // Exemplar.label
            label.text(1, "trace_id")
            label.text(2, exemplar.traceID.text)
        }
        out.real(2, Double(exemplar.value) / scale.divisor)  // value
        out.message(3) { time in  // timestamp
            time.integer(1, Int64(clamping: exemplar.unixNanoseconds / 1_000_000_000))
            time.integer(2, Int64(clamping: exemplar.unixNanoseconds % 1_000_000_000))
        }
    }
}
