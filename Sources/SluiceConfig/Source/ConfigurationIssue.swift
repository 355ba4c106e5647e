/// One thing an operator has to change before the gateway starts.
package struct ConfigurationIssue: Sendable, Equatable {
    package var origin: Origin
    /// Key path such as `pools[0].replicas[1].url`; empty for the document as a whole.
    package var path: String
    /// What is wrong, with the value: no full stop, no capital.
    package var problem: String
    /// Allowed values, near misses, next steps: one sentence or more.
    package var advice: String?
    /// The value may hold a secret: the line of the file is not shown either.
    package var hidesLine = false

    package init(
        _ origin: Origin, _ path: String, _ problem: String, advice: String? = nil,
        hidesLine: Bool = false
    ) {
        self.origin = origin
        self.path = path
        self.problem = masked(problem)
        self.advice = advice.map { masked($0) }
        self.hidesLine = hidesLine
    }

    /// The issue as printed: place, key and problem; the line with a caret; what to do.
    ///
    /// - Parameter lines: the lines of the file that origins refer to.
    package func text(lines: [Substring] = []) -> String {
        var text = "\(origin.description): error: "
        if !path.isEmpty { text += "\(path): " }
        text += problem
        if !hidesLine, case .file(_, let line, let column) = origin, line >= 1, line <= lines.count
        {
            let shown = excerpt(of: lines[line - 1], column: column)
            let number = String(line)
            let margin = String(repeating: " ", count: number.count)
            text += "\n    \(number) | \(shown.line)\n    \(margin) | \(shown.caret)^"
        }
        if let advice {
            for line in advice.split(separator: "\n") { text += "\n    \(line)" }
        }
        return text
    }

    /// At most 100 scalars of a line around a column; tabs become spaces so that the caret fits.
    private func excerpt(of line: Substring, column: Int) -> (line: String, caret: String) {
        let scalars = Array(masked(line).unicodeScalars.prefix(4_096)).map { scalar in
            scalar.value < 32 || scalar.value == 127 ? " " : scalar
        }
        let first = column > 80 ? min(column - 40, scalars.count) : 0
        var shown = String.UnicodeScalarView()
        shown.append(contentsOf: scalars[first...].prefix(100))
        let caret = max(0, min(column - 1, scalars.count) - first)
        return (String(shown), String(repeating: " ", count: caret))
    }
}

/// Everything found wrong in one reading of file, environment and flags.
package struct ConfigurationError: Error, Sendable {
    /// In the order of the file once finished; at most ``issuesMax``.
    package private(set) var issues: [ConfigurationIssue] = []
    /// Issues beyond the bound.
    package private(set) var omittedCount = 0
    /// Lines of the file, to show them.
    package var lines: [Substring] = []

    /// A person repairs twenty errors and runs `sluice check` again; a thousand help nobody.
    package static let issuesMax = 20
    /// Issues kept while reading, so that those shown are the first of the file, not of the reader.
    static let collectedMax = 1_000

    package init() {}
    package init(_ issue: ConfigurationIssue) { add(issue) }

    package var isEmpty: Bool { issues.isEmpty }

    mutating func add(_ issue: ConfigurationIssue) {
        guard issues.count < Self.collectedMax else {
            omittedCount += 1
            return
        }
        issues.append(issue)
    }

    /// Puts issues in the order of the file and drops those beyond the bound.
    mutating func finish() {
        // sorted(by:) does not promise to be stable; the offset keeps equal places in reading order.
        issues = issues.enumerated()
            .sorted { a, b in
                let (first, second) = (a.element.origin.order, b.element.origin.order)
                return (first.0, first.1, a.offset) < (second.0, second.1, b.offset)
            }
            .map(\.element)
        omittedCount += max(0, issues.count - Self.issuesMax)
        issues.removeLast(max(0, issues.count - Self.issuesMax))
    }

    /// All issues as printed on standard error, with a last line that counts them.
    package var text: String { text(outcome: "nothing was started") }

    /// The same where it came to something else than no start, such as `nothing has changed`.
    package func text(outcome: String) -> String {
        var text = issues.map { $0.text(lines: lines) + "\n" }.joined(separator: "\n")
        let count = issues.count + omittedCount
        if omittedCount > 0 { text += "\n… and \(omittedCount) more\n" }
        text +=
            "\n\(count) \(count == 1 ? "error" : "errors") in the configuration; \(outcome).\n"
        return text
    }
}

extension ConfigurationError: CustomStringConvertible {
    package var description: String { text }
}
