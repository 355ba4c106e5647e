import SluiceBytes

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
    static func quoted(_ text: String) -> String { "\"\(text.jsonEscaped)\"" }
}
