/// Sum and count of a histogram, its buckets left out; both grow since some start.
package struct HistogramTotals: Equatable, Sendable {
    /// The sum of all observations, in the metric's unit.
    package var sum: Double
    /// How many observations there were.
    package var count: Double

    /// Both figures.
    package init(sum: Double = 0, count: Double = 0) {
        self.sum = sum
        self.count = count
    }

    /// The mean observation; not a number without any.
    package var mean: Double { sum / count }

    /// What came since `earlier`; nil where nothing did, or counting began anew in between.
    package func since(_ earlier: HistogramTotals) -> HistogramTotals? {
        let more = HistogramTotals(sum: sum - earlier.sum, count: count - earlier.count)
        return more.count > 0 && more.sum >= 0 ? more : nil
    }

    /// Adds what another histogram has gained between two readings of it.
    package mutating func add(_ now: HistogramTotals, since earlier: HistogramTotals) {
        sum += now.sum - earlier.sum
        count += now.count - earlier.count
    }

    /// Of two histograms together.
    package static func + (a: HistogramTotals, b: HistogramTotals) -> HistogramTotals {
        HistogramTotals(sum: a.sum + b.sum, count: a.count + b.count)
    }
}
