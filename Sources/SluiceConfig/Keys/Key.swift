import SluiceTime

/// One key of the file: how it is read into settings, shown, and described.
///
/// The tables of keys are the only list there is: parser, `/config`, schema and the test of
/// sluice.yaml are all made from them.
struct Key<Root> {
    let name: String
    let form: ValueForm
    let summary: String
    var isRequired = false
    /// Whether the schema states the default of a fresh root.
    var statesDefault = true
    /// Checks the node and stores its value; reports what is wrong and leaves the default.
    let assign: (_ node: SourceNode, _ path: String, inout Root, inout ReadingContext) -> Void
    /// The value as shown; nil when not set.
    let show: (Root) -> RenderedValue?

    /// - Parameter fresh: a root with defaults.
    func description(fresh: Root) -> KeyDescription {
        KeyDescription(
            name: name, form: form, summary: summary,
            defaultValue: statesDefault ? show(fresh) : nil, isRequired: isRequired)
    }
}

extension Key {
    /// A value of one scalar; problems get the allowed form where they bring no advice of their own.
    static func scalar<Value>(
        _ name: String, _ target: WritableKeyPath<Root, Value>, _ form: ValueForm,
        _ summary: String, parse: @escaping (String, Origin) throws(ValueProblem) -> Value,
        show: @escaping (Value) -> RenderedValue?
    ) -> Key {
        Key(
            name: name, form: form, summary: summary,
            assign: { node, path, root, context in
                guard
                    let value = readScalar(
                        node, path, form, &context, default: { show(root[keyPath: target]) },
                        parse: parse)
                else { return }
                root[keyPath: target] = value
            },
            show: { show($0[keyPath: target]) })
    }

    static func duration(
        _ name: String, _ target: WritableKeyPath<Root, Nanoseconds>,
        _ range: ClosedRange<Nanoseconds>, _ summary: String
    ) -> Key {
        scalar(name, target, .duration(range, word: nil), summary) {
            text, _ throws(ValueProblem) in
            let value = try DurationText.parse(text)
            try checkRange(value, range, text)
            return value
        } show: {
            .text(DurationText.text($0))
        }
    }

    /// A span that may be absent: `none` is nil.
    static func optionalDuration(
        _ name: String, _ target: WritableKeyPath<Root, Nanoseconds?>,
        _ range: ClosedRange<Nanoseconds>, _ summary: String
    ) -> Key {
        scalar(name, target, .duration(range, word: "none"), summary) {
            text, _ throws(ValueProblem) -> Nanoseconds? in
            if text == "none" { return nil }
            let value = try DurationText.parse(text)
            try checkRange(value, range, text)
            return value
        } show: {
            .text($0.map { DurationText.text($0) } ?? "none")
        }
    }

    static func integer(
        _ name: String, _ target: WritableKeyPath<Root, Int>, _ range: ClosedRange<Int>,
        _ summary: String
    ) -> Key {
        scalar(name, target, .integer(range, word: nil), summary) { text, _ throws(ValueProblem) in
            try readInteger(text, range)
        } show: {
            .integer($0)
        }
    }

    /// An integer that may be missing: nil is written as `word`.
    static func integer(
        _ name: String, _ target: WritableKeyPath<Root, Int?>, _ range: ClosedRange<Int>,
        orNil word: String, _ summary: String
    ) -> Key {
        scalar(name, target, .integer(range, word: word), summary) {
            text, _ throws(ValueProblem) in
            text == word ? nil : try readInteger(text, range)
        } show: {
            $0.map { .integer($0) } ?? .text(word)
        }
    }

    static func size(
        _ name: String, _ target: WritableKeyPath<Root, Int>, _ range: ClosedRange<Int>,
        _ summary: String
    ) -> Key {
        scalar(name, target, .size(range, word: nil), summary) { text, _ throws(ValueProblem) in
            let value = try ByteSizeText.parse(text)
            try checkRange(value, range, text)
            return value
        } show: {
            .text(ByteSizeText.text($0))
        }
    }

    /// A size that may be left to the gateway: `auto` is nil.
    static func automaticSize(
        _ name: String, _ target: WritableKeyPath<Root, Int?>, _ range: ClosedRange<Int>,
        _ summary: String
    ) -> Key {
        scalar(name, target, .size(range, word: "auto"), summary) {
            text, _ throws(ValueProblem) -> Int? in
            if text == "auto" { return nil }
            let value = try ByteSizeText.parse(text)
            try checkRange(value, range, text)
            return value
        } show: {
            $0.map { .text(ByteSizeText.text($0)) } ?? .text("auto")
        }
    }

    static func number(
        _ name: String, _ target: WritableKeyPath<Root, Double>, _ range: ClosedRange<Double>,
        _ summary: String
    ) -> Key {
        scalar(name, target, .number(range), summary) { text, _ throws(ValueProblem) in
            try readNumber(text, range)
        } show: {
            .number($0)
        }
    }

    /// A number that may be missing.
    static func optionalNumber(
        _ name: String, _ target: WritableKeyPath<Root, Double?>, _ range: ClosedRange<Double>,
        _ summary: String
    ) -> Key {
        scalar(name, target, .number(range), summary) { text, _ throws(ValueProblem) -> Double? in
            try readNumber(text, range)
        } show: {
            $0.map { .number($0) }
        }
    }

    static func boolean(
        _ name: String, _ target: WritableKeyPath<Root, Bool>, _ summary: String
    ) -> Key {
        scalar(name, target, .boolean, summary) { text, _ throws(ValueProblem) in
            try BooleanText.parse(text)
        } show: {
            .boolean($0)
        }
    }

    /// A fixed set of words.
    static func choice<Value: RawRepresentable & CaseIterable>(
        _ name: String, _ target: WritableKeyPath<Root, Value>, _ summary: String
    ) -> Key where Value.RawValue == String {
        let words = Value.allCases.map(\.rawValue)
        return scalar(name, target, .choice(words), summary) { text, _ throws(ValueProblem) in
            if let value = Value(rawValue: text) { return value }
            let near = Suggestion.nearest(to: text, among: words)
            throw ValueProblem(
                "\(quoted(text)) is not one of the choices",
                advice: (near.map { "Did you mean \($0)? " } ?? "")
                    + "Allowed: \(words.joined(separator: ", ")).")
        } show: {
            .text($0.rawValue)
        }
    }

    /// Text that may be missing; `check` throws for what is not allowed and may change it.
    static func optionalText(
        _ name: String, _ target: WritableKeyPath<Root, String?>, _ form: ValueForm,
        _ summary: String, check: @escaping (String, Origin) throws(ValueProblem) -> String?
    ) -> Key {
        scalar(name, target, form, summary, parse: check) { $0.map { .text($0) } }
    }

    /// A list of scalars of one form.
    static func list<Value>(
        _ name: String, _ target: WritableKeyPath<Root, [Value]>, _ element: ValueForm, max: Int,
        _ summary: String, parse: @escaping (String, Origin) throws(ValueProblem) -> Value,
        show: @escaping (Value) -> RenderedValue
    ) -> Key {
        Key(
            name: name, form: .list(element, max: max), summary: summary,
            assign: { node, path, root, context in
                guard let nodes = readList(node, path, max, &context) else { return }
                var values: [Value] = []
                for (index, node) in nodes.enumerated() {
                    if let value = readScalar(
                        node, "\(path)[\(index)]", element, &context, default: { nil }, parse: parse
                    ) {
                        values.append(value)
                    }
                }
                root[keyPath: target] = values
            },
            show: { .list($0[keyPath: target].map(show)) })
    }

    /// A list of mappings of further keys; each begins as `fresh`.
    static func sections<Item>(
        _ name: String, _ target: WritableKeyPath<Root, [Item]>, _ keys: [Key<Item>], max: Int,
        fresh: Item, _ summary: String
    ) -> Key {
        Key(
            name: name,
            form: .list(.section(keys.map { $0.description(fresh: fresh) }), max: max),
            summary: summary, statesDefault: false,
            assign: { node, path, root, context in
                guard let nodes = readList(node, path, max, &context) else { return }
                root[keyPath: target] = nodes.enumerated().map { index, node in
                    var item = fresh
                    context.origins["\(path)[\(index)]"] = node.origin
                    readMapping(node, "\(path)[\(index)]", keys, into: &item, &context)
                    return item
                }
            },
            show: { .list($0[keyPath: target].map { showMapping($0, keys) }) })
    }

    /// A mapping of further keys.
    static func section<Section>(
        _ name: String, _ target: WritableKeyPath<Root, Section>, _ keys: [Key<Section>],
        fresh: Section, _ summary: String
    ) -> Key {
        Key(
            name: name, form: .section(keys.map { $0.description(fresh: fresh) }),
            summary: summary, statesDefault: false,
            assign: { node, path, root, context in
                context.origins[path] = node.origin
                readMapping(node, path, keys, into: &root[keyPath: target], &context)
            },
            show: { showMapping($0[keyPath: target], keys) })
    }
}

/// Numbers of a decimal integer within a range.
private func readInteger(_ text: String, _ range: ClosedRange<Int>) throws(ValueProblem) -> Int {
    guard text.utf8.allSatisfy({ (48...57).contains($0) || $0 == 45 }), let value = Int(text) else {
        throw ValueProblem("\(quoted(text)) is not a whole number")
    }
    try checkRange(value, range, text)
    return value
}

/// Decimal numbers within a range.
private func readNumber(
    _ text: String, _ range: ClosedRange<Double>
) throws(ValueProblem) -> Double {
    // What else Double reads (inf, nan, 1e9, 0x1p3) is no way to write a share or a weight.
    guard text.utf8.allSatisfy({ (48...57).contains($0) || $0 == 46 || $0 == 45 }),
        let value = Double(text)
    else { throw ValueProblem("\(quoted(text)) is not a number") }
    try checkRange(value, range, text)
    return value
}

/// Says on which side of the range a value lies.
func checkRange<Value: Comparable>(
    _ value: Value, _ range: ClosedRange<Value>, _ text: String
) throws(ValueProblem) {
    if value < range.lowerBound {
        throw ValueProblem("\(quoted(text)) is below the smallest allowed value")
    }
    if value > range.upperBound {
        throw ValueProblem("\(quoted(text)) is above the largest allowed value")
    }
}

/// Reads a scalar node; reports and returns nil for anything else.
func readScalar<Value>(
    _ node: SourceNode, _ path: String, _ form: ValueForm, _ context: inout ReadingContext,
    default defaultValue: () -> RenderedValue?,
    parse: (String, Origin) throws(ValueProblem) -> Value
) -> Value? {
    var advice = "Allowed: \(form.allowed)."
    if case .text(let text) = defaultValue(), !text.isEmpty { advice += " Default: \(text)." }
    if case .integer(let integer) = defaultValue() { advice += " Default: \(integer)." }
    switch node.content {
    case .empty:
        let problem = ValueProblem(
            "has no value", advice: advice + "\nTo use the default, remove the key.")
        context.report(problem, at: node.origin, path)
    case .list, .mapping:
        context.report(
            ValueProblem("is \(node.kindName), expected a single value", advice: advice),
            at: node.origin, path)
    case .scalar(let text):
        context.origins[path] = node.origin
        do throws(ValueProblem) {
            return try parse(text, node.origin)
        } catch {
            var problem = error
            // Ranges are worth a line even where there is better advice; what needs a form has it.
            switch (problem.advice, form) {
            case (nil, _): problem.advice = advice
            case (let given?, .integer), (let given?, .size), (let given?, .duration):
                problem.advice = "\(given)\n\(advice)"
            case (_, .address), (_, .number), (_, .numbers), (_, .boolean), (_, .choice),
                (_, .text), (_, .list), (_, .section), (_, .either):
                break
            }
            context.report(problem, at: node.origin, path)
        }
    }
    return nil
}

/// The items of a list within its bound; reports and returns nil for anything else.
func readList(
    _ node: SourceNode, _ path: String, _ max: Int, _ context: inout ReadingContext
) -> [SourceNode]? {
    context.origins[path] = node.origin
    switch node.content {
    case .list(let nodes):
        if nodes.count <= max { return nodes }
        context.report(
            ValueProblem("has \(nodes.count) items", advice: "Allowed: at most \(max)."),
            at: node.origin, path)
        return nil
    case .empty:
        context.report(
            ValueProblem(
                "has no value",
                advice: "Expected a list: lines that begin with `- `, indented below the key."),
            at: node.origin, path)
        return nil
    case .scalar(let text):
        context.report(
            ValueProblem(
                "is the single value \(quoted(text)), expected a list",
                advice: "Write it as [\(text)], or as a line `- \(text)` below the key."),
            at: node.origin, path)
        return nil
    case .mapping:
        context.report(
            ValueProblem(
                "is a mapping, expected a list",
                advice: "Put `- ` in front of the first key of each item."),
            at: node.origin, path)
        return nil
    }
}

/// Reads the entries of a mapping by a table of keys; unknown and missing keys are reported.
func readMapping<Root>(
    _ node: SourceNode, _ path: String, _ keys: [Key<Root>], into root: inout Root,
    _ context: inout ReadingContext
) {
    guard case .mapping(let entries) = node.content else {
        let example = keys.first.map { "`\($0.name): …`" } ?? ""
        context.report(
            ValueProblem(
                "is \(node.kindName), expected keys such as \(example)",
                advice: "Known keys: \(keys.map(\.name).joined(separator: ", "))."),
            at: node.origin, path)
        return
    }
    for entry in entries {
        let below = path.isEmpty ? entry.key : "\(path).\(entry.key)"
        if let key = keys.first(where: { $0.name == entry.key }) {
            key.assign(entry.value, below, &root, &context)
        } else {
            reportUnknown(entry, path, keys.map(\.name), &context)
        }
    }
    for key in keys where key.isRequired && !entries.contains(where: { $0.key == key.name }) {
        context.report(
            ValueProblem("`\(key.name)` is missing", advice: "\(key.summary)"), at: node.origin,
            path)
    }
}

/// The values of a mapping in the order of its keys; what is not set is left out.
func showMapping<Root>(_ root: Root, _ keys: [Key<Root>]) -> RenderedValue {
    .object(keys.compactMap { key in key.show(root).map { (key: key.name, value: $0) } })
}

/// An unknown key: a misspelling of a neighbour, or a key of another place.
private func reportUnknown(
    _ entry: SourceNode.Entry, _ path: String, _ known: [String], _ context: inout ReadingContext
) {
    var advice: String
    if let near = Suggestion.nearest(to: entry.key, among: known) {
        advice = "Did you mean `\(near)`?"
    } else {
        let elsewhere = context.knownPaths.filter {
            $0 == entry.key || $0.hasSuffix(".\(entry.key)")
        }
        advice =
            elsewhere.isEmpty
            ? "" : "There is `\(elsewhere.joined(separator: "`, `"))`: is the indentation right?\n"
        advice += "Known keys here: \(known.joined(separator: ", "))."
    }
    context.report(
        ValueProblem("unknown key", advice: advice),
        at: entry.origin, path.isEmpty ? entry.key : "\(path).\(entry.key)")
}
