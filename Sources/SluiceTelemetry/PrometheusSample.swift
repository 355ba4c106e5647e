import SluiceBytes

/// One sample as scraped: offsets into its line, and its value.
///
/// Lives only inside the callback that receives it: it borrows the bytes of the line.
package struct PrometheusSample: ~Escapable {
    /// The line, without its end.
    package let line: Span<UInt8>
    /// The metric's name.
    package let name: Range<Int>
    /// What stands between the braces; empty if there are none.
    package let labels: Range<Int>
    /// The value: any double, NaN and infinities included.
    package let value: Double

    @_lifetime(copy line)
    init(line: Span<UInt8>, name: Range<Int>, labels: Range<Int>, value: Double) {
        self.line = line
        self.name = name
        self.labels = labels
        self.value = value
    }

    /// Whether the metric is called `literal`.
    package func isNamed(_ literal: StaticString) -> Bool { line.equals(literal, in: name) }

    /// The value of a label as written, still escaped; nil if the sample lacks it.
    package func label(_ literal: StaticString) -> Range<Int>? {
        var cursor = labels.lowerBound
        while let (name, value, next) = Self.nextLabel(line, from: cursor, to: labels.upperBound) {
            if line.equals(literal, in: name) { return value }
            cursor = next
        }
        return nil
    }

    /// The value of a label, unescaped and cut at 128 bytes; nil if the sample lacks it.
    package func text(_ literal: StaticString) -> InlineText<128>? {
        guard let range = label(literal) else { return nil }
        var text = InlineText<128>()
        forEachUnescaped(range) { text.append($0) }
        return text
    }

    /// All labels in the order of the line, unescaped.
    package var allLabels: [(name: String, value: String)] {
        var all: [(name: String, value: String)] = []
        var cursor = labels.lowerBound
        while let (name, value, next) = Self.nextLabel(line, from: cursor, to: labels.upperBound) {
            all.append((line.text(in: name), unescaped(value)))
            cursor = next
        }
        return all
    }

    private func unescaped(_ range: Range<Int>) -> String {
        var bytes: [UInt8] = []
        forEachUnescaped(range) { bytes.append($0) }
        return String(decoding: bytes, as: UTF8.self)
    }

    private func forEachUnescaped(_ range: Range<Int>, _ body: (UInt8) -> Void) {
        var index = range.lowerBound
        while index < range.upperBound {
            var byte = line[index]
            index += 1
            if byte == 0x5C, index < range.upperBound {
                byte = line[index] == 0x6E ? 0x0A : line[index]
                index += 1
            }
            body(byte)
        }
    }

    /// The value of a label read as a number, as for `le`; nil if it is none.
    package func number(_ literal: StaticString) -> Double? {
        guard let range = label(literal) else { return nil }
        return PrometheusNumber.parse(line, range)
    }

    /// The next `name="value"` from `start` on; nil at the end or if it is malformed.
    static func nextLabel(
        _ line: Span<UInt8>, from start: Int, to end: Int
    ) -> (name: Range<Int>, value: Range<Int>, next: Int)? {
        var index = start
        while index < end, line[index] == 0x2C || isBlank(line[index]) { index += 1 }
        let nameStart = index
        while index < end, isNameByte(line[index]) { index += 1 }
        let name = nameStart..<index
        while index < end, isBlank(line[index]) { index += 1 }
        guard !name.isEmpty, index < end, line[index] == 0x3D else { return nil }
        index += 1
        while index < end, isBlank(line[index]) { index += 1 }
        guard index < end, line[index] == 0x22 else { return nil }
        index += 1
        let valueStart = index
        while index < end, line[index] != 0x22 {
            index += line[index] == 0x5C ? 2 : 1
        }
        guard index < end else { return nil }
        return (name, valueStart..<index, index + 1)
    }

    static func isBlank(_ byte: UInt8) -> Bool { byte == 0x20 || byte == 0x09 }

    /// Whether `byte` may stand in a metric or label name: letters, digits, `_` and `:`.
    static func isNameByte(_ byte: UInt8) -> Bool {
        (byte | 0x20) &- 0x61 < 26 || byte &- 0x30 < 10 || byte == 0x5F || byte == 0x3A
    }
}

/// Numbers as Prometheus writes them.
package enum PrometheusNumber {
    /// Digits of a number that are looked at; none of Prometheus has more than 32.
    static let digitsMax = 64

    /// The number in `range`, nil if it is none.
    ///
    /// Short decimals are exact without text: a mantissa below 2^53 over a power of ten below
    /// 10^23 is rounded once. Everything else goes through the standard library.
    package static func parse(_ bytes: Span<UInt8>, _ range: Range<Int>) -> Double? {
        guard !range.isEmpty, range.count <= digitsMax else { return nil }
        var index = range.lowerBound
        let isNegative = bytes[index] == 0x2D
        if isNegative || bytes[index] == 0x2B { index += 1 }
        var mantissa: UInt64 = 0
        var digits = 0
        var scale = 0
        var hasPoint = false
        while index < range.upperBound {
            let byte = bytes[index]
            if byte == 0x2E, !hasPoint {
                hasPoint = true
            } else if byte &- 0x30 < 10, digits < 15 {
                mantissa = mantissa &* 10 &+ UInt64(byte &- 0x30)
                digits += 1
                if hasPoint { scale += 1 }
            } else {
                return parseSlowly(bytes, range)
            }
            index += 1
        }
        guard digits > 0 else { return nil }
        let magnitude = Double(mantissa) / powers[scale]
        return isNegative ? -magnitude : magnitude
    }

    private static let powers: [16 of Double] = [
        1, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15,
    ]

    private static func parseSlowly(_ bytes: Span<UInt8>, _ range: Range<Int>) -> Double? {
        let text = bytes.text(in: range)
        switch text.lowercased() {
        case "nan", "+nan", "-nan": return .nan
        case "inf", "+inf", "infinity", "+infinity": return .infinity
        case "-inf", "-infinity": return -.infinity
        default:
            // Only digits, sign, point and exponent: the library also reads hexadecimal.
            let isPlain = text.utf8.allSatisfy {
                $0 &- 0x30 < 10 || $0 == 0x2B || $0 == 0x2D || $0 == 0x2E || $0 | 0x20 == 0x65
            }
            return isPlain ? Double(text) : nil
        }
    }
}
