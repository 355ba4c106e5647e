/// Why a text is not a value: the caller knows place and key.
struct ValueProblem: Error, Equatable {
    /// Continues the sentence that begins with the key: "`12` is below …".
    var problem: String
    var advice: String?
    /// The text may hold a secret and is not repeated.
    var hidesLine = false

    init(_ problem: String, advice: String? = nil, hidesLine: Bool = false) {
        self.problem = problem
        self.advice = advice
        self.hidesLine = hidesLine
    }
}

/// The value as an error repeats it: quoted, on one line, at most 80 characters.
func quoted(_ text: String) -> String {
    let line = String(masked(text).prefix(80).map { $0.isNewline || $0 == "\t" ? " " : $0 })
    return "`\(line)\(text.count > 80 ? "…" : "")`"
}

/// The text with what stands before an `@` starred out: a password in a URL must not reach a log.
///
/// As many scalars as before, so that columns stay.
func masked(_ text: some StringProtocol) -> String {
    var scalars = Array(text.unicodeScalars)
    for at in scalars.indices where scalars[at] == "@" {
        var index = at - 1
        while index >= 0, !"/ \t\"'`,[]{}".unicodeScalars.contains(scalars[index]) {
            scalars[index] = "*"
            index -= 1
        }
    }
    return String(String.UnicodeScalarView(scalars))
}
