import SluiceTime

/// Numbers for people: three digits or so, with a unit.
package enum Figure {
    /// A span as `850 µs`, `12.3 ms` or `4.56 s`; a dash where there is none.
    package static func span(_ span: Nanoseconds?) -> String {
        guard let span else { return "–" }
        let seconds = span.seconds
        if seconds < 0.001 { return "\(Int64((seconds * 1e6).rounded())) µs" }
        if seconds < 1 { return fixed(seconds * 1e3, seconds < 0.1 ? 1 : 0) + " ms" }
        return fixed(seconds, seconds < 10 ? 2 : 1) + " s"
    }

    /// A rate or count with as many decimals as it needs.
    package static func plain(_ value: Double) -> String {
        if value == value.rounded(), value.magnitude < 1e15 { return "\(Int64(value))" }
        return fixed(value, value.magnitude < 10 ? 2 : value.magnitude < 100 ? 1 : 0)
    }

    /// A share as a percentage.
    package static func percent(_ part: Int, of whole: Int) -> String {
        whole == 0 ? "–" : fixed(Double(part) / Double(whole) * 100, 1) + " %"
    }

    /// `value` with exactly `decimals` decimals, 0 … 6; not-a-number is a dash.
    package static func fixed(_ value: Double, _ decimals: Int) -> String {
        guard value.isFinite, value.magnitude < 1e15 else { return "–" }
        var scale = Int64(1)
        for _ in 0..<min(max(decimals, 0), 6) { scale *= 10 }
        guard value.magnitude * Double(scale) < 9e18 else { return "–" }
        let scaled = Int64((value.magnitude * Double(scale)).rounded())
        let sign = value < 0 && scaled > 0 ? "-" : ""
        guard decimals > 0 else { return "\(sign)\(scaled)" }
        let digits = String(scaled % scale)
        let zeros = String(repeating: "0", count: min(max(decimals, 0), 6) - digits.count)
        return "\(sign)\(scaled / scale).\(zeros)\(digits)"
    }

    /// `text` in a column of `width`, on the left.
    package static func left(_ text: String, _ width: Int) -> String {
        text + String(repeating: " ", count: max(0, width - text.count))
    }

    /// `text` in a column of `width`, on the right.
    package static func right(_ text: String, _ width: Int) -> String {
        String(repeating: " ", count: max(0, width - text.count)) + text
    }
}
