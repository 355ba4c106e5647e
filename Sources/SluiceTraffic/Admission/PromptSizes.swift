/// Whether requests of late were served, by the length of their prompts: a ring of the last
/// ``samplesMax``.
package struct PromptSizes: Sendable {
    /// Decisions kept.
    package static let samplesMax = 1_024
    /// Fewer say nothing of ten parts.
    static let samplesMin = 100

    private struct Sample: Sendable {
        var tokens: Float
        var isServed: Bool
    }

    private var samples: [Sample] = []
    private var next = 0

    package init() {}

    mutating func record(tokens: Double, isServed: Bool) {
        let sample = Sample(tokens: Float(tokens), isServed: isServed)
        if samples.count < Self.samplesMax {
            samples.append(sample)
        } else {
            samples[next] = sample
            next = (next + 1) % Self.samplesMax
        }
    }

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
