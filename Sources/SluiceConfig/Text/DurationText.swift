import SluiceTime

/// Spans of time as written: `500ms`, `2s`, `1m30s`, `1h`, `1.5s`; `0` needs no unit.
enum DurationText {
    /// Units from large to small, in nanoseconds.
    private static let units: [(name: String, nanoseconds: Int64)] = [
        ("d", 86_400_000_000_000), ("h", 3_600_000_000_000), ("m", 60_000_000_000),
        ("s", 1_000_000_000), ("ms", 1_000_000), ("us", 1_000),
    ]

    static let form = "a number with a unit, such as 500ms, 2s, 1m30s or 1h"
    /// The same for JSON schema.
    static let pattern = #"^(0|([0-9]+(\.[0-9]{1,9})?(d|h|m|s|ms|us))+)$"#

    /// Reads a span; each unit at most once, from large to small.
    static func parse(_ text: String) throws(ValueProblem) -> Nanoseconds {
        if text == "0" { return .zero }
        if let number = Int64(text), number >= 0 {
            throw ValueProblem(
                "\(quoted(text)) has no unit", advice: "Write \(number)s or \(number)ms.")
        }
        var rest = Substring(text)
        var total = Nanoseconds.zero
        var firstUnit = 0
        while !rest.isEmpty {
            let whole = rest.prefix { $0.isASCII && $0.isNumber }
            rest = rest.dropFirst(whole.count)
            var fraction = Substring()
            if rest.first == "." {
                fraction = rest.dropFirst().prefix { $0.isASCII && $0.isNumber }
                rest = rest.dropFirst(fraction.count + 1)
                if fraction.isEmpty || fraction.count > 9 { throw malformed(text) }
            }
            let name = rest.prefix { $0.isASCII && $0.isLetter }
            rest = rest.dropFirst(name.count)
            guard let count = Int64(whole),
                let index = units.firstIndex(where: { $0.name == name }),
                index >= firstUnit
            else { throw malformed(text) }
            firstUnit = index + 1
            total += Nanoseconds(units[index].nanoseconds) * count
            if let numerator = Int64(fraction) {
                var scale = Int64(1)
                for _ in fraction { scale *= 10 }
                let (high, low) = units[index].nanoseconds.multipliedFullWidth(by: numerator)
                total += Nanoseconds(scale.dividingFullWidth((high, low)).quotient)
            }
        }
        guard !text.isEmpty, total.count < .max else { throw malformed(text) }
        return total
    }

    private static func malformed(_ text: String) -> ValueProblem {
        ValueProblem("\(quoted(text)) is not a duration", advice: "Expected \(form).")
    }

    /// The shortest exact spelling without days: `1m30s`, not `90s`; `24h`, not `1d`.
    static func text(_ span: Nanoseconds) -> String {
        if span == .zero { return "0s" }
        var rest = span.count
        var text = ""
        for unit in units.dropFirst() where rest >= unit.nanoseconds {
            text += "\(rest / unit.nanoseconds)\(unit.name)"
            rest %= unit.nanoseconds
        }
        return text.isEmpty ? "\(span.count)ns" : text
    }
}
