import SluiceTime

/// A request that waits, or whose grant or refusal waits for its worker to fetch it.
struct WaitNode: Sendable {
    /// Where it is on its way.
    enum Stage: Sendable {
        case free
        case waiting
        case granted(Reservation)
        case refused(Shed)
    }

    /// The list it is in follows from it.
    var stage = Stage.free
    /// Grows with each tenancy.
    var generation: UInt32 = 0
    /// Neighbours in its list; −1 is none.
    var previous: Int32 = -1
    var next: Int32 = -1
    /// Whose box its message goes to.
    var worker: UInt8 = 0
    /// The worker's name for the exchange.
    var token: UInt64 = 0
    /// What the router goes by.
    var request = RouteRequest()
    /// Counted against the byte bound while it waits.
    var bodyBytes = 0
    /// When it was queued.
    var since = Instant.unset
    /// When its wait ends.
    var deadline = Instant.never
    /// Its place in the line: before those that are due later. Its deadline, or earlier for a long
    /// prompt.
    var due = Instant.never
    /// Whether the deadline is the caller's own rather than ours.
    var deadlineIsCallers = false
    /// The wait that was predicted, before its correction by experience, seconds; negative: none.
    var predicted = -1.0
    /// It has waited its turn before: it goes first and is not charged again.
    var isRetry = false
}

/// A doubly linked list through the nodes of a ``WaitQueue``.
struct WaitList: Sendable {
    /// Ends of the list; −1 when empty.
    var first: Int32 = -1
    var last: Int32 = -1
    /// Nodes in it.
    var count = 0
}
