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
    /// A value of one scalar; problems get the allowed form, besides advice of their own.
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
                advice: near.map { "Did you mean \($0)?" })
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
