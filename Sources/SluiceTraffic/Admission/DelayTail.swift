/// The delay that one request in fifty exceeds, followed as engines and other gateways change.
///
/// A walk of uneven steps, which stands still where it is pushed up as often as down times their ratio:
/// no samples are kept. Source: H. Robbins and S. Monro, *A stochastic approximation method*, 1951.
struct DelayTail: Sendable {
    /// The part of the samples that exceeds it.
    private static let part = 0.02
    /// Seconds, zero or more.
    private(set) var seconds = 0.0

    /// - Parameter step: what one sample above it adds, nearly, seconds.
    mutating func observe(_ delay: Double, step: Double) {
        if delay > seconds {
            seconds += min((1 - Self.part) * step, delay - seconds)
        } else {
            seconds = max(0, seconds - Self.part * step)
        }
    }
}
