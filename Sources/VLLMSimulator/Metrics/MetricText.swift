import SluiceBytes

/// The label set of one series, ready to write; labels stand in alphabetical order, so that one
/// more may have to go between two parts.
struct MetricLabels {
    /// Labels before and after the place of the additional one, without braces.
    let before: String
    let after: String

    init(_ before: String = "", _ after: String = "") {
        self.before = before
        self.after = after
    }

    /// The set alone, with braces; nothing when it is empty.
    var plain: String { with("") }

    /// The set with one more label between its parts.
    func with(_ label: String) -> String {
        let parts = [before, label, after].filter { !$0.isEmpty }
        return parts.isEmpty ? "" : "{\(parts.joined(separator: ","))}"
    }
}

/// Prometheus text 0.0.4 as the Python client writes it.
enum MetricText {
    /// A number as `floatToGoString` of prometheus_client writes it: Python's shortest form, and
    /// with an exponent from 1e6 on (`1.04024064e+09`).
    static func number(_ value: Double) -> String {
        if value == .infinity { return "+Inf" }
        if value == -.infinity { return "-Inf" }
        if value != value { return "NaN" }
        let text = value.description
        guard value > 0, let dot = text.firstIndex(of: ".") else { return text }
        let whole = text.distance(from: text.startIndex, to: dot)
        guard whole > 6, !text.contains("e") else { return text }
        var digits = text
        digits.remove(at: dot)
        digits.insert(".", at: digits.index(after: digits.startIndex))
        while digits.last == "0" || digits.last == "." { digits.removeLast() }
        return "\(digits)e+\(whole - 1 < 10 ? "0" : "")\(whole - 1)"
    }

    /// A label value with backslash, quote and line feed escaped.
    static func escaped(_ value: String) -> String {
        var result = ""
        for character in value.unicodeScalars {
            switch character {
            case "\\": result += "\\\\"
            case "\"": result += "\\\""
            case "\n": result += "\\n"
            default: result.unicodeScalars.append(character)
            }
        }
        return result
    }
}

extension ByteBuffer {
    /// Writes the two comment lines of a family.
    mutating func appendFamily(_ name: String, _ suffix: String, _ help: String, _ type: String) {
        append(text: "# HELP \(name)\(suffix) \(help)\n# TYPE \(name)\(suffix) \(type)\n")
    }

    /// Writes one sample.
    mutating func appendSeries(
        _ name: String, _ suffix: String, _ labels: String, _ value: Double
    ) {
        append(text: "\(name)\(suffix)\(labels) \(MetricText.number(value))\n")
    }

    /// Writes a gauge with its series.
    mutating func appendGauge(
        _ name: String, _ help: String, _ series: [(labels: String, value: Double)]
    ) {
        appendFamily(name, "", help, "gauge")
        for (labels, value) in series { appendSeries(name, "", labels, value) }
    }

    /// Writes a counter and, as the Python client does, when its series were created.
    mutating func appendCounter(
        _ name: String, _ help: String, created: Double,
        _ series: [(labels: String, value: Double)]
    ) {
        appendFamily(name, "_total", help, "counter")
        for (labels, value) in series { appendSeries(name, "_total", labels, value) }
        appendGauge("\(name)_created", help, series.map { ($0.labels, created) })
    }

    /// Writes a histogram with one label set and when it was created.
    mutating func appendHistogram(
        _ name: String, _ help: String, created: Double, _ labels: MetricLabels,
        _ histogram: SimulatedHistogram
    ) {
        appendFamily(name, "", help, "histogram")
        histogram.append(named: name, labels: labels, to: &self)
        appendGauge("\(name)_created", help, [(labels.plain, created)])
    }
}
