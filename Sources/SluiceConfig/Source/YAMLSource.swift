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
    /// Duplicate keys are all reported, with their second place: Yams stops at the first mapping
    /// with any and names only the first place, so each is renamed in a copy and composed again.
    package func parse(_ text: String, into error: inout ConfigurationError) -> SourceNode {
        var text = text
        var renamed = 0
        while true {
            do {
                guard let root = try Yams.compose(yaml: text) else { return emptyRoot }
                var budget = Self.nodesMax
                let node = convert(root, at: place(root.mark), &budget)
                guard budget > 0 else {
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
                let first = Place(line: context.mark.line, column: context.mark.column)
                guard renamed < ConfigurationError.issuesMax,
                    let second = secondPlace(of: key, after: first, in: text),
                    let next = rename(at: second, in: text, ordinal: renamed)
                else {
                    error.add(duplicate(key, second: first, first: nil))
                    return emptyRoot
                }
                error.add(duplicate(key, second: second, first: first))
                text = next
                renamed += 1
            } catch let failure {
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

    /// A place in the text, as Yams counts: from 1, columns in scalars; its own type has no
    /// initialiser for others.
    private struct Place {
        var line: Int
        var column: Int
    }

    // MARK: Nodes

    /// Recursion is bounded by libYAML's nesting limit of 1,000, the total by `budget`.
    private func convert(_ node: Node, at origin: Origin, _ budget: inout Int) -> SourceNode {
        budget -= 1
        guard budget > 0 else { return SourceNode(.empty, at: origin) }
        switch node {
        case .scalar(let scalar):
            let isPlain = scalar.style == .plain || scalar.style == .any
            let isEmpty = isPlain && ["", "~", "null"].contains(scalar.string)
            return SourceNode(isEmpty ? .empty : .scalar(scalar.string), at: origin)
        case .sequence(let sequence):
            var nodes: [SourceNode] = []
            for child in sequence where budget > 0 {
                nodes.append(convert(child, at: place(child.mark), &budget))
            }
            return SourceNode(.list(nodes), at: origin)
        case .mapping(let mapping):
            var entries: [SourceNode.Entry] = []
            for (key, value) in mapping where budget > 0 {
                // The spelling of a key that is not a scalar is unknown to every table: refused there.
                let spelling = key.scalar?.string ?? "?"
                if spelling.unicodeScalars.first.map(Self.isMarker) == true { continue }
                // An empty value has the mark of what follows; the key is where to look.
                let child = convert(value, at: place(value.mark), &budget)
                let isEmpty = child.content == .empty
                let keyPlace = place(key.mark)
                entries.append(
                    SourceNode.Entry(
                        key: spelling, origin: keyPlace,
                        value: isEmpty ? SourceNode(.empty, at: keyPlace) : child))
            }
            return SourceNode(.mapping(entries), at: origin)
        case .alias:
            return SourceNode(.empty, at: origin)  // Yams resolves aliases; this is unreachable.
        }
    }

    // MARK: Duplicates

    /// Private-use scalars that replace the first letter of a duplicate key.
    private static func isMarker(_ scalar: Unicode.Scalar) -> Bool {
        (0xE000..<0xE000 + 64).contains(scalar.value)
    }

    private func duplicate(_ key: String, second: Place, first: Place?) -> ConfigurationIssue {
        let earlier = first.map { " (first on line \($0.line))" } ?? ""
        return ConfigurationIssue(
            .file(name: name, line: second.line, column: second.column), "",
            "key `\(key)` is given twice\(earlier)",
            advice: "Keep one of them; neither silently wins.")
    }

    /// The same key at the same column below, before the mapping ends; nil in `{flow, style}`.
    private func secondPlace(of key: String, after first: Place, in text: String) -> Place? {
        let lines = text.split(separator: "\n", omittingEmptySubsequences: false)
        guard first.line >= 1, first.line <= lines.count else { return nil }
        for index in first.line..<lines.count {
            let scalars = Array(lines[index].unicodeScalars)
            guard let start = scalars.firstIndex(where: { $0 != " " }), scalars[start] != "#" else {
                continue
            }
            if start < first.column - 1 { return nil }
            guard start == first.column - 1 else { continue }
            var rest = String(String.UnicodeScalarView(scalars[start...]))
            for quote in ["\"", "'"] where rest.hasPrefix(quote) { rest.removeFirst() }
            guard rest.hasPrefix(key) else { continue }
            let tail = rest.dropFirst(key.count).drop { $0 == "\"" || $0 == "'" || $0 == " " }
            if tail.first == ":" { return Place(line: index + 1, column: start + 1) }
        }
        return nil
    }

    /// The text with one scalar replaced, so that columns stay; nil when there is nothing to replace.
    private func rename(at mark: Place, in text: String, ordinal: Int) -> String? {
        var lines = text.split(separator: "\n", omittingEmptySubsequences: false)
        var scalars = Array(lines[mark.line - 1].unicodeScalars)
        var column = mark.column - 1
        if column < scalars.count, scalars[column] == "\"" || scalars[column] == "'" { column += 1 }
        guard column < scalars.count, let marker = Unicode.Scalar(0xE000 + UInt32(ordinal)) else {
            return nil
        }
        scalars[column] = marker
        lines[mark.line - 1] = Substring(String(String.UnicodeScalarView(scalars)))
        return lines.joined(separator: "\n")
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
