import SluiceBytes

/// Names escaped for JSON, one after the other.
struct EscapedNames: Sendable {
    private let text: [UInt8]
    /// Where each name ends; the first begins at 0.
    private let ends: [Int]

    init(_ names: [String]) {
        var text: [UInt8] = []
        var ends: [Int] = []
        for name in names {
            text += Self.escape(name)
            ends.append(text.count)
        }
        self.text = text
        self.ends = ends
    }

    /// Appends the name of `index`, `other` if there is none.
    func append(_ index: Int, into out: inout ByteBuffer) {
        guard index >= 0, index < ends.count else { return out.append("other") }
        out.append(text.span, (index == 0 ? 0 : ends[index &- 1])..<ends[index])
    }

    /// Valid UTF-8 stays, except for what controls a terminal or ends a JSON string.
    private static func escape(_ name: String) -> [UInt8] {
        var text = ""
        for scalar in name.unicodeScalars {
            if text.utf8.count >= AccessLogFormatter.nameBytesMax { break }
            switch scalar.value {
            case 0x22, 0x5C:
                text += "\\"
                text.unicodeScalars.append(scalar)
            case 0..<0x20, 0x7F..<0xA0, 0x2028, 0x2029:
                let digits = String(scalar.value, radix: 16)
                text += "\\u" + String(repeating: "0", count: 4 - digits.count) + digits
            default: text.unicodeScalars.append(scalar)
            }
        }
        return Array(text.utf8)
    }
}
