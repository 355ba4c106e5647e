import SluiceTime

/// How a dispatched request ended, as far as its replica's health is concerned.
package enum PermitEnd: UInt8, Sendable {
    /// The replica did its part.
    case success
    /// A well-formed 5xx, or an error event: counts as ``failed`` only where the replica answers so
    /// far more often than the others of its pool, for else the requests are what is wrong.
    case serverError
    /// Says nothing about the replica: the client left, we cut it.
    case ignored
    /// The engine refused it by its own limit: it holds too much, and is not ill.
    case refused
    /// The replica failed it: lost connection, malformed or no answer.
    case failed
}

/// A slot at a replica; ends exactly once.
///
/// Giving it back twice does not compile. Losing it runs its `deinit`, which gives the slot back,
/// counts the leak and stops a debug build. Holding the pool costs one retain and one release per
/// request; a class reference is also why there is a flag instead of `discard self`.
package struct Permit: ~Copyable {
    private let pool: ReplicaPool
    /// Where the request goes.
    package let replica: ReplicaID
    /// When the slot was reserved.
    package let dispatched: Instant
    /// Why this replica.
    package let reason: RoutingReason
    /// Its place in the pool's ledger.
    private let flight: Int32
    private var isOpen = true

    /// The only maker of permits is the pool.
    init(pool: ReplicaPool, _ reservation: Reservation) {
        self.pool = pool
        replica = reservation.replica
        dispatched = reservation.dispatched
        reason = reservation.reason
        flight = reservation.flight
    }

    /// The engine has begun to answer: its first event with output came, whatever its content.
    ///
    /// Once per dispatch of an event stream; the prompt is no longer in the replica's backlog then.
    ///
    /// - Parameter sent: when the last byte of the request was written.
    /// - Returns: workers to wake: a prompt that did not fit before may fit now.
    package borrowing func outputBegan(sent: Instant, now: Instant) -> WakeSet {
        pool.outputBegan(flight, sent: sent, now: now)
    }

    /// Whether a recall means the request that holds this.
    package borrowing func isMeant(by recall: Recall) -> Bool {
        recall.flight == flight && recall.dispatched == dispatched
    }

    /// Gives the slot back.
    ///
    /// - Parameter service: what the request took, as far as known.
    /// - Returns: workers to wake, since the slot may have gone to a waiting request.
    package consuming func release(
        _ end: PermitEnd, _ service: Service = .unknown, now: Instant
    ) -> WakeSet {
        isOpen = false
        return pool.release(flight, end, service, now: now)
    }

    deinit {
        if isOpen { pool.takeBackLeaked(flight) }
    }
}

/// A reserved slot as a plain value: what a permit is made of outside of the lock.
struct Reservation: Sendable {
    /// Whose slot.
    var replica: ReplicaID
    /// When it was taken.
    var dispatched: Instant
    /// Why there.
    var reason: RoutingReason
    /// Its place in the ledger.
    var flight: Int32
}
