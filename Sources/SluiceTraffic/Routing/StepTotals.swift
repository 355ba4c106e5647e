/// Gaps of a slot's probe streams since start, over all workers.
struct StepTotals: Sendable {
    /// Sum of the gaps.
    var nanoseconds: Int64 = 0
    /// Gaps.
    var steps: Int64 = 0
    /// Events that ended them.
    var events: Int64 = 0
}
