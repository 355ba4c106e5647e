import SluiceBytes
import SluiceTime

/// Spans of which percentiles are wanted: all of them up to a bound, a fair sample beyond.
///
/// A histogram with buckets was rejected: percentiles of a load test are compared across runs, and
/// a bucket's width is easily larger than the difference looked for.
package struct LatencySamples: Sendable {
    /// Spans kept at most (1.6 MB); up to so many, percentiles are exact.
    package let keptMax: Int
    private var kept: [Int64] = []
    private var random: SplitMix64
    /// Spans seen.
    package private(set) var count = 0
    /// The largest span seen; zero where there is none.
    package private(set) var max = Nanoseconds.zero
    private var sum = 0.0

    package init(keptMax: Int = 200_000, seed: UInt64 = 1) {
        self.keptMax = Swift.max(1, keptMax)
        random = SplitMix64(seed: seed)
    }

    /// Whether every span seen is still here.
    package var isExact: Bool { count <= keptMax }
    /// The mean of all spans seen; nil where there is none.
    package var mean: Nanoseconds? {
        count == 0 ? nil : .seconds(clamping: sum / Double(count) * 1e-9)
    }

    /// Takes one span. Source of the sampling: Vitter, algorithm R.
    package mutating func add(_ span: Nanoseconds) {
        count += 1
        sum += Double(span.count)
        if span > max { max = span }
        if kept.count < keptMax {
            kept.append(span.count)
        } else {
            let place = Int.random(in: 0..<count, using: &random)
            if place < keptMax { kept[place] = span.count }
        }
    }

    /// The percentiles by nearest rank, in the order asked for; nil where nothing was seen.
    ///
    /// - Parameter fractions: each 0 … 1.
    package func percentiles(_ fractions: [Double]) -> [Nanoseconds?] {
        guard !kept.isEmpty else { return fractions.map { _ in nil } }
        let sorted = kept.sorted()
        return fractions.map { fraction in
            let rank = Int((fraction * Double(sorted.count)).rounded(.up))
            return Nanoseconds(sorted[Swift.min(Swift.max(rank, 1), sorted.count) - 1])
        }
    }
}
