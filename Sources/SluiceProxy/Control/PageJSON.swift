/// JSON as the admin pages are written: small, rare, and read by people too.
enum PageJSON {
    /// Rounded to thousandths; null for what is no number.
    static func number(_ value: Double?) -> String {
        guard let value, value.isFinite else { return "null" }
        if value.magnitude < 1e15, value == value.rounded() { return "\(Int64(value))" }
        return "\((value * 1_000).rounded() / 1_000)"
    }

    /// An object on one line.
    static func object(_ members: [(String, String)]) -> String {
        "{" + members.map { "\"\($0.0)\":\($0.1)" }.joined(separator: ",") + "}"
    }

    /// An object with a line for each member, indented by `depth` steps: people read this page too.
    static func block(_ depth: Int, _ members: [(String, String)]) -> String {
        let margin = "\n" + String(repeating: "  ", count: depth)
        return "{" + members.map { "\(margin)  \"\($0.0)\": \($0.1)" }.joined(separator: ",")
            + margin + "}"
    }

    /// An array; its items are JSON already.
    static func list(_ items: [String], _ separator: String = ",") -> String {
        "[" + items.joined(separator: separator) + "]"
    }

    /// A string, escaped.
    static func quoted(_ text: String) -> String { "\"\(escaped(text))\"" }

    /// What stands between the quotes of a string: for names of members that come from elsewhere.
    ///
    /// Source: RFC 8259 section 7; what need not be escaped stays as it is, in UTF-8.
    static func escaped(_ text: String) -> String {
        var escaped = ""
        for scalar in text.unicodeScalars {
            switch scalar {
            case "\"": escaped += "\\\""
            case "\\": escaped += "\\\\"
            case "\n": escaped += "\\n"
            case _ where scalar.value < 0x20 || scalar.value == 0x7F:
                let code = String(scalar.value, radix: 16)
                escaped += "\\u" + String(repeating: "0", count: 4 - code.count) + code
            default: escaped.unicodeScalars.append(scalar)
            }
        }
        return escaped
    }
}
