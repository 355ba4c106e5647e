/// What reading a tree collects besides the settings: issues, and where each value came from.
struct ReadingContext {
    var error = ConfigurationError()
    /// Place of each value set, by key path; what is missing here is a default.
    var origins: [String: Origin] = [:]
    /// All key paths there are, for "belongs under".
    let knownPaths: [String]

    mutating func report(_ problem: ValueProblem, at origin: Origin, _ path: String) {
        error.add(
            ConfigurationIssue(
                origin, path, problem.problem, advice: problem.advice, hidesLine: problem.hidesLine)
        )
    }

    /// Where a value was written, or the nearest thing around it.
    func origin(_ path: String) -> Origin {
        var path = path
        while true {
            if let origin = origins[path] { return origin }
            guard let cut = path.lastIndex(where: { $0 == "." || $0 == "[" }) else {
                return origins[""] ?? .unstated
            }
            path = String(path[..<cut])
        }
    }
}
