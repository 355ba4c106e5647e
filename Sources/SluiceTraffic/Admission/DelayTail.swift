/// What engines add to one request in fifty, as a part of its objective: followed as engines, and the
/// gateways that share them, change.
///
/// A walk of uneven steps, which stands still where it is pushed up as often as down times their ratio:
/// no samples are kept. Source: H. Robbins and S. Monro, *A stochastic approximation method*, 1951.
struct DelayTail: Sendable {
    /// The share of the requests that are above it.
    private static let share = 0.02
    /// How far one request above it pulls it up, nearly.
    private static let step = 0.05
    /// More is not left for an engine's delay; it is not followed further, so as to be back soon.
    static let partMax = 1.0 / 3
    /// Part of an objective, 0 … ``partMax``.
    private(set) var part = 0.0

    /// A request's delay, as a part of its objective.
    mutating func observe(_ delay: Double) {
        let delay = min(delay, Self.partMax)
        if delay >= part {
            part += min((1 - Self.share) * Self.step, delay - part)
        } else {
            part = max(0, part - Self.share * Self.step)
        }
    }
}
