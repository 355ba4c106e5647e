/// Whether requests of late were served, by the length of their prompts: a ring of the last
/// ``samplesMax``.
package struct PromptSizes: Sendable {
    /// Decisions kept; a power of two.
    package static let samplesMax = 1_024
    /// Fewer say nothing of ten parts.
    static let samplesMin = 100

    private struct Sample: Sendable {
        var tokens: Float
        var isServed: Bool
    }

    private var samples = [Sample](
        repeating: Sample(tokens: 0, isServed: false), count: samplesMax)
    private var count = 0

    package init() {}

    mutating func record(tokens: Float, isServed: Bool) {
        samples[count & (Self.samplesMax - 1)] = Sample(tokens: tokens, isServed: isServed)
        count &+= 1
    }

    /// The part that was served of each tenth by prompt length, the shortest first; empty before
    /// a hundred decisions.
    package var servedRatios: [Double] {
        guard count >= Self.samplesMin else { return [] }
        let sorted = samples.prefix(count).sorted { $0.tokens < $1.tokens }
        return (0..<10).map { decile in
            let part = sorted[sorted.count * decile / 10..<sorted.count * (decile + 1) / 10]
            return Double(part.count { $0.isServed }) / Double(part.count)
        }
    }
}
