/// How much of one thing a connection may do in one turn of its loop; the rest waits for the next
/// turn, so that one peer that is never done cannot keep timers and other connections waiting.
struct TurnBudget {
    /// Reads of a connection in one turn: 256 KiB with the pool's blocks.
    static let readsMax = 16
    /// Requests of a connection in one turn.
    static let requestsMax = 16

    let max: Int
    private var turn: UInt64?
    private var used = 0

    init(max: Int) { self.max = max }

    /// Takes one; false when those of this turn are used up.
    mutating func take(in turn: UInt64) -> Bool {
        if self.turn != turn {
            self.turn = turn
            used = 0
        }
        guard used < max else { return false }
        used += 1
        return true
    }
}
