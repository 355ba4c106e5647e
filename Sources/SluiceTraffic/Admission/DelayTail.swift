/// What engines add to one request in fifty, as a part of its objective: followed as engines, and the
/// gateways that share them, change.
struct DelayTail: Sendable {
    /// More is not left for an engine's delay.
    static let partMax = 1.0 / 3
    private var walk = TailWalk(in: 0...partMax)
    /// Part of an objective, 0 … ``partMax``.
    var part: Double { walk.value }

    /// A request's delay, as a part of its objective.
    mutating func observe(_ delay: Double) { walk.observe(delay) }
}
