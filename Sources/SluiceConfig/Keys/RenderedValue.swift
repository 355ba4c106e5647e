import SluiceBytes

/// A JSON value with ordered keys: for `/config` and the schema, readable by people and machines.
indirect enum RenderedValue: Equatable, Sendable {
    case text(String)
    case integer(Int)
    case number(Double)
    case boolean(Bool)
    case list([RenderedValue])
    case object([(key: String, value: RenderedValue)])

    static func == (a: RenderedValue, b: RenderedValue) -> Bool { a.json() == b.json() }

    /// Indented JSON; empty lists and objects and lists of scalars on one line.
    func json(indent: Int = 0) -> String {
        let inner = String(repeating: " ", count: indent + 2)
        let outer = String(repeating: " ", count: indent)
        switch self {
        case .text(let text): return Self.quoted(text)
        case .integer(let integer): return "\(integer)"
        case .number(let number):
            if !number.isFinite { return "null" }
            let isWhole = number == number.rounded() && abs(number) < 1e15
            return isWhole ? "\(Int(exactly: number) ?? 0)" : "\(number)"
        case .boolean(let boolean): return "\(boolean)"
        case .list(let list):
            let isFlat = list.allSatisfy { value in
                switch value {
                case .text, .integer, .number, .boolean: true
                case .list, .object: false
                }
            }
            if isFlat { return "[" + list.map { $0.json() }.joined(separator: ", ") + "]" }
            let items = list.map { inner + $0.json(indent: indent + 2) }
            return "[\n" + items.joined(separator: ",\n") + "\n\(outer)]"
        case .object(let entries):
            if entries.isEmpty { return "{}" }
            let lines = entries.map {
                "\(inner)\(Self.quoted($0.key)): \($0.value.json(indent: indent + 2))"
            }
            return "{\n" + lines.joined(separator: ",\n") + "\n\(outer)}"
        }
    }

    private static func quoted(_ text: String) -> String { "\"\(text.jsonEscaped)\"" }
}
