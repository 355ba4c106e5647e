/// Exact percentiles of a few thousand values.
package struct Percentiles: Equatable, Sendable {
    private let sorted: [Double]

    package init(_ values: [Double]) { sorted = values.sorted() }

    /// How many values.
    package var count: Int { sorted.count }

    /// The value that a share of all do not exceed (nearest rank); not-a-number without values.
    package func value(at share: Double) -> Double {
        guard !sorted.isEmpty else { return .nan }
        let rank = (share * Double(sorted.count)).rounded(.up)
        return sorted[min(sorted.count - 1, max(0, Int(rank) - 1))]
    }
}
