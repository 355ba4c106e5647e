import SluiceTime

/// A request that waits, or whose grant or expiry waits for its worker to fetch it.
struct WaitNode: Sendable {
    /// Where it is on its way.
    enum Stage: Sendable {
        case free
        case waiting
        case granted(Reservation)
        case expired(ShedReason)
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
    /// Counted against the byte bound while it waits.
    var bodyBytes = 0
    /// When it was queued.
    var since = Instant.unset
    /// When its wait ends.
    var deadline = Instant.never
    /// Whether the deadline is the caller's own rather than ours.
    var deadlineIsCallers = false
    /// Replicas it must not go to; not empty for retries only.
    var excluding = ReplicaIDs()
    /// Goes before first attempts.
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
