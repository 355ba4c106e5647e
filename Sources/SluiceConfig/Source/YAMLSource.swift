import Foundation
import Yams

/// Reads YAML text into nodes with places: the step *parse*, which knows no key.
package struct YAMLSource {
    /// What errors call the file.
    let name: String
    /// Bytes of a file at most; ours has 10 KB, a thousand replicas take 100 KB.
    package static let bytesMax = FileCheck.bytesMax
    /// Values of a file at most, aliases expanded: nine lines of aliases of aliases make a billion.
    static let nodesMax = 200_000

    package init(name: String) { self.name = name }

    /// The root of the document; an empty file is an empty mapping.
    ///
    /// Duplicate keys are all reported, at their second and later places (``DuplicateKeys``).
    package func parse(_ text: String, into error: inout ConfigurationError) -> SourceNode {
        var text = text
        var duplicates = DuplicateKeys()
        while true {
            do {
                guard let root = try Yams.compose(yaml: text) else { return emptyRoot }
                var reading = Reading(duplicates: duplicates, error: error)
                let node = convert(root, at: place(root.mark), "", &reading)
                error = reading.error
                guard reading.budget > 0 else {
                    error.add(
                        ConfigurationIssue(
                            place(root.mark), "", "holds more than \(Self.nodesMax) values",
                            advice: "Aliases (*name) of aliases multiply: write fewer.",
                            hidesLine: true))
                    return emptyRoot
                }
                if case .empty = node.content { return emptyRoot }
                return node
            } catch let YamlError.duplicatedKeysInMapping(keys, context) {
                let key = keys.first ?? ""
                let first = SourceText.Place(line: context.mark.line, column: context.mark.column)
                guard duplicates.rename(key, at: first, in: &text) else {
                    report(duplicates.renamed + [(key, first)], into: &error)
                    return emptyRoot
                }
            } catch let failure {
                // Without a tree nobody knows the other place, nor the path.
                report(duplicates.renamed, into: &error)
                error.add(issue(of: failure, in: text))
                return emptyRoot
            }
        }
    }

    private var emptyRoot: SourceNode {
        SourceNode(.mapping([]), at: .file(name: name, line: 1, column: 1))
    }

    private func place(_ mark: Mark?) -> Origin {
        .file(name: name, line: mark?.line ?? 1, column: mark?.column ?? 1)
    }

    /// What reading a tree takes along.
    private struct Reading {
        let duplicates: DuplicateKeys
        var error: ConfigurationError
        /// Values left.
        var budget = YAMLSource.nodesMax
    }

    // MARK: Nodes

    /// Recursion is bounded by libYAML's nesting limit of 1,000, the total by `budget`.
    private func convert(
        _ node: Node, at origin: Origin, _ path: String, _ reading: inout Reading
    ) -> SourceNode {
        reading.budget -= 1
        guard reading.budget > 0 else { return SourceNode(.empty, at: origin) }
        let tag: Tag =
            switch node {
            // Yams says of what stands in quotes that it is a string, as a tag there would.
            case .scalar(let scalar) where scalar.style != .plain && scalar.tag == Tag(.str):
                .implicit
            case .scalar(let scalar): scalar.tag
            case .sequence(let sequence): sequence.tag
            case .mapping(let mapping): mapping.tag
            case .alias: .implicit
            }
        if tag != .implicit {
            reading.error.add(
                ConfigurationIssue(
                    origin, path, "has the YAML tag `\(tag)`",
                    advice: "Every key knows its type: remove the tag."))
        }
        switch node {
        case .scalar(let scalar):
            let isPlain = scalar.style == .plain || scalar.style == .any
            let isEmpty = isPlain && ["", "~", "null"].contains(scalar.string)
            return SourceNode(isEmpty ? .empty : .scalar(scalar.string), at: origin)
        case .sequence(let sequence):
            var nodes: [SourceNode] = []
            for child in sequence where reading.budget > 0 {
                let below = "\(path)[\(nodes.count)]"
                nodes.append(convert(child, at: place(child.mark), below, &reading))
            }
            return SourceNode(.list(nodes), at: origin)
        case .mapping(let mapping):
            return SourceNode(.mapping(entries(of: mapping, path, &reading)), at: origin)
        case .alias:
            return SourceNode(.empty, at: origin)  // Yams resolves aliases; this is unreachable.
        }
    }

    private func entries(
        of mapping: Node.Mapping, _ path: String, _ reading: inout Reading
    ) -> [SourceNode.Entry] {
        var entries: [SourceNode.Entry] = []
        var firstLines: [String: Int] = [:]
        for (key, value) in mapping where reading.budget > 0 {
            // The spelling of a key that is not a scalar is unknown to every table: refused there.
            let written = key.scalar?.string ?? "?"
            let original = reading.duplicates.original(of: written)
            let spelling = original ?? written
            let keyPlace = place(key.mark)
            let below = path.isEmpty ? spelling : "\(path).\(spelling)"
            if spelling == "<<" {
                reading.error.add(
                    ConfigurationIssue(
                        keyPlace, path, "merge keys (<<) are not read",
                        advice:
                            "They are no part of YAML 1.2: write the keys out. An alias (*name) may stand for a whole value."
                    ))
                continue
            }
            if let line = firstLines[spelling] {
                // A mapping with aliases stands in the tree as often as they do.
                if !reading.error.issues.contains(where: { $0.origin == keyPlace }) {
                    reading.error.add(duplicate(below, at: keyPlace, firstLine: line))
                }
            } else if original != nil {
                firstLines[spelling] = key.mark?.line ?? 1
            }
            // The last one is kept, to find what else is wrong.
            if original != nil { continue }
            // An empty value has the mark of what follows; the key is where to look.
            let child = convert(value, at: place(value.mark), below, &reading)
            let isEmpty = child.content == .empty
            entries.append(
                SourceNode.Entry(
                    key: spelling, origin: keyPlace,
                    value: isEmpty ? SourceNode(.empty, at: keyPlace) : child))
        }
        return entries
    }

    // MARK: Duplicates

    private func duplicate(_ path: String, at origin: Origin, firstLine: Int) -> ConfigurationIssue
    {
        let isSameLine =
            if case .file(_, let line, _) = origin { line == firstLine } else { false }
        return ConfigurationIssue(
            origin, path,
            "is given twice (first \(isSameLine ? "earlier on this line" : "on line \(firstLine)"))",
            advice: "Keep one of them; neither silently wins.")
    }

    /// Duplicates of a file that cannot be read as a whole.
    private func report(_ keys: [DuplicateKeys.Renamed], into error: inout ConfigurationError) {
        for (key, first) in keys {
            error.add(
                ConfigurationIssue(
                    .file(name: name, line: first.line, column: first.column), "",
                    "key `\(key)` is given twice, first here",
                    advice: "Keep one of them; neither silently wins."))
        }
    }

    // MARK: Syntax errors

    private func issue(of failure: any Error, in text: String) -> ConfigurationIssue {
        guard let failure = failure as? YamlError else {
            return ConfigurationIssue(place(nil), "", "the YAML cannot be read: \(failure)")
        }
        switch failure {
        case .scanner(let context, let problem, let mark, _),
            .parser(let context, let problem, let mark, _),
            .composer(let context, let problem, let mark, _):
            let line = SourceText.lines(of: text).dropFirst(mark.line - 1).first ?? ""
            var advice: String?
            if line.prefix(while: { $0 == " " || $0 == "\t" }).contains("\t") {
                advice = "The line is indented with a tab; YAML allows spaces only."
            } else if problem.contains("another document") {
                advice = "One file is one document: remove the `---` in the middle."
            } else if problem.contains("mapping values are not allowed") {
                advice =
                    "Often the line above is indented differently, or a value with a colon needs quotes."
            }
            if problem.contains("unexpected end of stream"), let context,
                context.text.contains("quoted scalar")
            {
                return ConfigurationIssue(
                    place(context.mark), "",
                    "not valid YAML: the quote that opens here never closes",
                    advice: "Write the same quote at the end of the value.")
            }
            let about = context.map { " (\($0.text))" } ?? ""
            return ConfigurationIssue(
                place(mark), "", "not valid YAML: \(problem)\(about)", advice: advice)
        case .reader(let problem, let offset, let value, _):
            // The offset counts characters, value is the scalar or -1.
            let index = text.index(text.startIndex, offsetBy: offset ?? 0, limitedBy: text.endIndex)
            let found = SourceText.place(of: index ?? text.endIndex, in: text)
            let digits = String(max(0, value), radix: 16, uppercase: true)
            let scalar = String(repeating: "0", count: max(0, 4 - digits.count)) + digits
            return ConfigurationIssue(
                .file(name: name, line: found.line, column: found.column), "",
                "not valid YAML: \(problem)\(value < 0 ? "" : " (U+\(scalar))")",
                advice:
                    "It is invisible in most editors: delete it, or write it as an escape in \"…\"."
            )
        case .no, .memory, .writer, .emitter, .representer, .dataCouldNotBeDecoded,
            .duplicatedKeysInMapping:
            return ConfigurationIssue(place(nil), "", "the YAML cannot be read: \(failure)")
        }
    }
}
