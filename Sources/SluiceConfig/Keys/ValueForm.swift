import SluiceTime

/// How a value is written and what is allowed: for errors, the schema and the documentation test.
indirect enum ValueForm: Sendable {
    /// `IP:PORT`; `word`, such as `off`, stands for none.
    case address(word: String?)
    case integer(ClosedRange<Int>, word: String?)
    case size(ClosedRange<Int>, word: String?)
    case duration(ClosedRange<Nanoseconds>, word: String?)
    case number(ClosedRange<Double>)
    /// One of a few whole numbers.
    case numbers([Int])
    case boolean
    case choice([String])
    /// Free text of a kind described in words; `pattern` is a JSON schema (ECMA) expression.
    case text(String, pattern: String?)
    case list(ValueForm, max: Int)
    case section([KeyDescription])
    case either(ValueForm, ValueForm)

    /// What is allowed, as errors say it.
    var allowed: String {
        switch self {
        case .address(let word): ListenAddress.form + orWord(word)
        case .integer(let range, let word):
            "\(grouped(range.lowerBound)) … \(grouped(range.upperBound))" + orWord(word)
        case .size(let range, let word):
            "\(ByteSizeText.text(range.lowerBound)) … \(ByteSizeText.text(range.upperBound))"
                + orWord(word)
        case .duration(let range, let word):
            "\(DurationText.text(range.lowerBound)) … \(DurationText.text(range.upperBound))"
                + orWord(word)
        case .number(let range):
            [range.lowerBound, range.upperBound].map { RenderedValue.number($0).json() }.joined(
                separator: " … ")
        case .numbers(let numbers): numbers.map { "\($0)" }.joined(separator: " or ")
        case .boolean: "true or false"
        case .choice(let choices): choices.joined(separator: ", ")
        case .text(let what, _): what
        case .list(let element, let max):
            "a list of at most \(grouped(max)), each \(element.allowed)"
        case .section(let keys): "the keys " + keys.map(\.name).joined(separator: ", ")
        case .either(let first, let second): "\(first.allowed), or \(second.allowed)"
        }
    }

    private func orWord(_ word: String?) -> String { word.map { ", or \($0)" } ?? "" }

    /// `65536` as `65,536`.
    private func grouped(_ number: Int) -> String {
        var result = ""
        for (index, digit) in String(number).reversed().enumerated() {
            if index > 0, index % 3 == 0, digit != "-" { result.append(",") }
            result.append(digit)
        }
        return String(result.reversed())
    }

    /// The value as JSON schema 2020-12, without description and default.
    var schema: [(key: String, value: RenderedValue)] {
        switch self {
        case .address(let word):
            return [
                ("type", .text("string")),
                ("pattern", .text(#"^([^ ]*:[0-9]{1,5}"# + (word.map { "|\($0)" } ?? "") + ")$")),
            ]
        case .integer(let range, let word):
            let integer: [(key: String, value: RenderedValue)] = [
                ("type", .text("integer")), ("minimum", .integer(range.lowerBound)),
                ("maximum", .integer(range.upperBound)),
            ]
            guard let word else { return integer }
            return [("anyOf", .list([.object(integer), .object([("const", .text(word))])]))]
        case .size(let range, let word):
            var pattern = ByteSizeText.pattern
            if let word { pattern = "^(\(word)|" + pattern.dropFirst().dropLast() + ")$" }
            return [
                ("type", .list([.text("integer"), .text("string")])),
                ("minimum", .integer(range.lowerBound)), ("maximum", .integer(range.upperBound)),
                ("pattern", .text(pattern)),
            ]
        case .duration(_, let word):
            var pattern = DurationText.pattern
            if let word { pattern = "^(\(word)|" + pattern.dropFirst().dropLast() + ")$" }
            return [
                ("type", .list([.text("string"), .text("integer")])), ("maximum", .integer(0)),
                ("pattern", .text(pattern)),
            ]
        case .number(let range):
            return [
                ("type", .text("number")), ("minimum", .number(range.lowerBound)),
                ("maximum", .number(range.upperBound)),
            ]
        case .numbers(let numbers): return [("enum", .list(numbers.map { .integer($0) }))]
        case .boolean:
            return [
                (
                    "enum",
                    .list([.boolean(true), .boolean(false)] + BooleanText.words.map { .text($0) })
                )
            ]
        case .choice(let choices): return [("enum", .list(choices.map { .text($0) }))]
        case .text(_, let pattern):
            return [("type", .text("string"))]
                + (pattern.map { [(key: "pattern", value: .text($0))] } ?? [])
        case .list(let element, let max):
            return [
                ("type", .text("array")), ("maxItems", .integer(max)),
                ("items", .object(element.schema)),
            ]
        case .section(let keys): return KeyDescription.schema(of: keys)
        case .either(let first, let second):
            return [("anyOf", .list([.object(first.schema), .object(second.schema)]))]
        }
    }

    /// Keys below this value.
    var keys: [KeyDescription] {
        switch self {
        case .section(let keys): keys
        case .list(let element, _): element.keys
        case .either(let first, let second): first.keys + second.keys
        case .address, .integer, .size, .duration, .number, .numbers, .boolean, .choice, .text: []
        }
    }
}

/// A key without the type of what holds it: name, form, what it means.
struct KeyDescription: Sendable {
    var name: String
    var form: ValueForm
    /// One sentence with unit and meaning, for editors.
    var summary: String
    /// Nil when there is none or it depends on the machine.
    var defaultValue: RenderedValue?
    var isRequired = false

    /// A mapping of these keys and no others.
    static func schema(of keys: [KeyDescription]) -> [(key: String, value: RenderedValue)] {
        let properties = keys.map { key in
            var entries: [(key: String, value: RenderedValue)] = [
                ("description", .text(key.summary))
            ]
            entries += key.form.schema
            if let value = key.defaultValue { entries.append(("default", value)) }
            return (key: key.name, value: RenderedValue.object(entries))
        }
        var schema: [(key: String, value: RenderedValue)] = [
            ("type", .text("object")), ("additionalProperties", .boolean(false)),
            ("properties", .object(properties)),
        ]
        let required = keys.filter(\.isRequired).map { RenderedValue.text($0.name) }
        if !required.isEmpty { schema.append(("required", .list(required))) }
        return schema
    }

    /// All key paths of a table, such as `pools[].replicas[].url`, in the table's order.
    static func paths(of keys: [KeyDescription], under prefix: String = "") -> [String] {
        keys.flatMap { key -> [String] in
            let path = prefix + key.name
            var below = path + "."
            if case .list = key.form { below = path + "[]." }
            return [path] + paths(of: key.form.keys, under: below)
        }
    }
}

/// Words for true and false.
enum BooleanText {
    /// Besides `true` and `false`; older YAML reads them as booleans, newer as text, people mean it.
    static let words = ["on", "off", "yes", "no"]

    static func parse(_ text: String) throws(ValueProblem) -> Bool {
        switch text {
        case "true", "on", "yes": return true
        case "false", "off", "no": return false
        case let other:
            throw ValueProblem("\(quoted(other)) is neither true nor false")
        }
    }
}
