import SluiceBytes

/// Writes a snapshot as the text a scraper reads.
///
/// Source: Prometheus, "Exposition formats"; OpenMetrics 1.0.
package enum Exposition {
    /// The whole page: families in the catalog's order, samples sorted.
    ///
    /// Families without samples are left out. Adds `sluice_metrics_series` and its limit.
    package static func render(
        _ snapshot: MetricSnapshot, format: ExpositionFormat
    ) -> [UInt8] {
        var snapshot = snapshot
        snapshot.addOwnSize()
        if format == .protobuf { return ProtobufExposition.render(snapshot) }
        var page = ByteBuffer(minimumCapacity: 262_144)
        render(snapshot, format: format, into: &page)
        return page.array()
    }

    private static func render(
        _ snapshot: MetricSnapshot, format: ExpositionFormat, into out: inout ByteBuffer
    ) {
        for metric in Metric.allCases {
            let samples = snapshot.families[Int(metric.rawValue)]
            if samples.isEmpty { continue }
            let row = metric.row
            appendHead(row, format, into: &out)
            for (labels, value) in samples.sorted(by: { $0.key < $1.key }) {
                append(row.name, labels, value, format, into: &out)
            }
        }
        if format == .openMetrics { out.append("# EOF\n") }
    }

    private static let names = Set(Metric.allCases.map(\.row.name))

    private static func appendHead(
        _ row: MetricRow, _ format: ExpositionFormat, into out: inout ByteBuffer
    ) {
        var family = row.name
        var type = row.type.label
        // OpenMetrics names a counter's family without the suffix of its samples; where a gauge has that
        // name already, its type is left open.
        if format == .openMetrics, row.type == .counter, family.hasSuffix("_total") {
            let bare = String(family.dropLast(6))
            if names.contains(bare) { type = "unknown" } else { family = bare }
        }
        out.append("# HELP ")
        out.append(text: family)
        out.append(0x20)
        out.append(text: escapedHelp(row.help, format))
        out.append("\n# TYPE ")
        out.append(text: family)
        out.append(0x20)
        out.append(type)
        out.append(0x0A)
        let unit = row.unit.label.description
        if format == .openMetrics, !unit.isEmpty, family.hasSuffix("_" + unit) {
            out.append("# UNIT ")
            out.append(text: family)
            out.append(0x20)
            out.append(text: unit)
            out.append(0x0A)
        }
    }

    private static func escapedHelp(_ help: String, _ format: ExpositionFormat) -> String {
        var text = ""
        for character in help {
            switch character {
            case "\\": text += "\\\\"
            case "\n": text += "\\n"
            case "\"" where format == .openMetrics: text += "\\\""
            default: text.append(character)
            }
        }
        return text
    }

    private static func append(
        _ name: String, _ labels: String, _ value: MetricSnapshot.Value,
        _ format: ExpositionFormat, into out: inout ByteBuffer
    ) {
        switch value {
        case .integer(let number):
            appendName(name, "", labels, into: &out)
            append(number, into: &out)
        case .real(let number):
            appendName(name, "", labels, into: &out)
            out.append(text: text(number))
            out.append(0x0A)
        case .histogram(let histogram):
            append(name, labels, histogram, format, into: &out)
        }
    }

    /// Buckets are kept apart and become cumulative only here; `_count` is their sum, so that it
    /// always equals the infinite bucket even while a worker counts.
    private static func append(
        _ name: String, _ labels: String, _ histogram: HistogramValue,
        _ format: ExpositionFormat, into out: inout ByteBuffer
    ) {
        let scale = histogram.scale
        var cumulative: UInt64 = 0
        for (index, count) in histogram.counts.enumerated() {
            cumulative &+= count
            out.append(text: name)
            out.append("_bucket{")
            if !labels.isEmpty {
                out.append(text: labels)
                out.append(0x2C)
            }
            out.append("le=\"")
            out.append(text: index < scale.count ? text(scale.bound(index)) : "+Inf")
            out.append("\"} ")
            out.appendDecimal(Int(min(cumulative, UInt64(Int.max))))
            if format == .openMetrics, let exemplar = histogram.exemplars[index] {
                append(exemplar, scale, into: &out)
            }
            out.append(0x0A)
        }
        appendName(name, "_sum", labels, into: &out)
        if scale.divisor == 1 {
            append(histogram.sum, into: &out)
        } else {
            out.append(text: text(histogram.total))
            out.append(0x0A)
        }
        appendName(name, "_count", labels, into: &out)
        append(cumulative, into: &out)
    }

    /// ` # {trace_id="…"} value timestamp`: only OpenMetrics has a place for it.
    private static func append(
        _ exemplar: Exemplar, _ scale: BucketScale, into out: inout ByteBuffer
    ) {
        out.append(" # {trace_id=\"")
        out.append(exemplar.traceID.bytes)
        out.append("\"} ")
        out.append(text: text(Double(exemplar.value) / scale.divisor))
        out.append(0x20)
        out.append(text: text(Double(exemplar.unixNanoseconds / 1_000_000) / 1_000))
    }

    private static func appendName(
        _ name: String, _ suffix: StaticString, _ labels: String, into out: inout ByteBuffer
    ) {
        out.append(text: name)
        out.append(suffix)
        if !labels.isEmpty {
            out.append(0x7B)
            out.append(text: labels)
            out.append(0x7D)
        }
        out.append(0x20)
    }

    private static func append(_ number: UInt64, into out: inout ByteBuffer) {
        out.appendDecimal(Int(min(number, UInt64(Int.max))))
        out.append(0x0A)
    }

    private static func text(_ number: Double) -> String {
        if number.isNaN { return "NaN" }
        if number.isInfinite { return number > 0 ? "+Inf" : "-Inf" }
        return number.description
    }
}
