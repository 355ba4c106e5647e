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
    let line = String(text.prefix(80).map { $0.isNewline || $0 == "\t" ? " " : $0 })
    return "`\(line)\(text.count > 80 ? "…" : "")`"
}
