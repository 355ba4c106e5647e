/// One thing that was found out about a replica.
package struct Finding: Equatable, Sendable {
    /// How bad it is.
    package enum Verdict: String, Sendable, CaseIterable {
        case ok = "OK"
        /// It works, and less well than it could.
        case warn = "WARN"
        /// The gateway cannot serve with it.
        case fail = "FAIL"
    }

    package let verdict: Verdict
    /// What was looked at, in a word.
    package let check: String
    /// What is the case.
    package let text: String
    /// What to do about it; nil where there is nothing to do.
    package let step: String?

    package init(_ verdict: Verdict, _ check: String, _ text: String, step: String? = nil) {
        self.verdict = verdict
        self.check = check
        self.text = text
        self.step = step
    }

    /// Lines of a table.
    package var lines: [String] {
        var lines = ["  \(Figure.left(verdict.rawValue, 5)) \(Figure.left(check, 11)) \(text)"]
        if let step { lines.append("        → \(step)") }
        return lines
    }
}
