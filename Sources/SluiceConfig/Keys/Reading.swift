// How scalars, lists and mappings of the file are read by a table of keys; what is wrong is reported.

/// Numbers of a decimal integer within a range.
func readInteger(_ text: String, _ range: ClosedRange<Int>) throws(ValueProblem) -> Int {
    guard text.utf8.allSatisfy({ (48...57).contains($0) || $0 == 45 }), let value = Int(text) else {
        throw ValueProblem("\(quoted(text)) is not a whole number")
    }
    try checkRange(value, range, text)
    return value
}

/// Decimal numbers within a range.
func readNumber(
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
    switch defaultValue() {
    case .text(let text) where !text.isEmpty: advice += " Default: \(text)."
    case .integer(let integer): advice += " Default: \(integer)."
    case .number(let number): advice += " Default: \(RenderedValue.number(number).json())."
    case .boolean(let boolean): advice += " Default: \(boolean)."
    case .text, .list, .object, nil: break
    }
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
            // What is allowed is worth a line even where there is better advice, which may say it.
            if let given = problem.advice, !given.contains("Allowed: ") {
                problem.advice = "\(given)\n\(advice)"
            } else {
                problem.advice = problem.advice ?? advice
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
            ValueProblem(
                "`\(key.name)` is missing",
                advice: "\(key.summary)\nAllowed: \(key.form.allowed)."),
            at: node.origin, path)
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
