/// What one sample in fifty exceeds, followed as that changes.
///
/// A walk of uneven steps, which stands still where it is pushed up as often as down times their ratio:
/// no samples are kept. Source: H. Robbins and S. Monro, *A stochastic approximation method*, 1951.
struct TailWalk: Sendable {
    /// The share of the samples that are above it.
    private static let share = 0.02
    /// How far one sample above it pulls it up, nearly.
    private static let step = 0.05

    /// It is not followed beyond, so as to be back soon.
    private let range: ClosedRange<Double>
    private(set) var value: Double

    init(in range: ClosedRange<Double>) {
        self.range = range
        value = range.lowerBound
    }

    mutating func observe(_ sample: Double) {
        let sample = min(sample, range.upperBound)
        if sample >= value {
            value += min((1 - Self.share) * Self.step, sample - value)
        } else {
            value = max(range.lowerBound, value - Self.share * Self.step)
        }
    }
}
