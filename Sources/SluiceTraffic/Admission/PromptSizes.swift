/// Whether requests of late were served, by the length of their prompts.
package struct PromptSizes: Sendable {
    /// Fewer decisions say nothing of ten parts.
    static let samplesMin = 100

    /// One request whose wait has come to an end.
    struct Sample: Sendable {
        var tokens: Float
        var isServed: Bool
    }

    private let samples: [Sample]

    init(_ samples: [Sample] = []) { self.samples = samples }

    /// The part that was served of each tenth by prompt length, the shortest first; empty before
    /// a hundred decisions.
    package var servedRatios: [Double] {
        guard samples.count >= Self.samplesMin else { return [] }
        let sorted = samples.sorted { $0.tokens < $1.tokens }
        return (0..<10).map { decile in
            let part = sorted[sorted.count * decile / 10..<sorted.count * (decile + 1) / 10]
            return Double(part.count { $0.isServed }) / Double(part.count)
        }
    }
}
