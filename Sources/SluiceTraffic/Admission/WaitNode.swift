import SluiceTime

/// A request that waits, or whose grant or expiry waits for its worker to fetch it.
struct WaitNode: Sendable {
    enum Stage: Sendable {
        case free
        case waiting
        case granted(Reservation)
        case expired(ShedReason)
    }

    var stage = Stage.free
    var generation: UInt32 = 0
    var previous: Int32 = -1
    var next: Int32 = -1
    var worker: UInt8 = 0
    var token: UInt64 = 0
    var bodyBytes = 0
    var since = Instant.unset
    var deadline = Instant.never
    /// Whether the deadline is the caller's own rather than ours.
    var deadlineIsCallers = false
    /// Replicas it must not go to; not empty for retries only.
    var excluding = ReplicaIDs()
    var isRetry = false
}

/// A doubly linked list through the nodes of a ``WaitQueue``.
struct WaitList: Sendable {
    var first: Int32 = -1
    var last: Int32 = -1
    var count = 0
}
