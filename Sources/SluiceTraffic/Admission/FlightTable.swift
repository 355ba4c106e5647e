import SluiceTime

/// One request at a replica, granted ones whose worker has not fetched them yet included.
struct Flight: Sendable {
    var replica = ReplicaID(slot: .max, generation: .max)
    var dispatched = Instant.unset
    /// Prompt tokens that have to be computed, as estimated.
    var promptTokens = 0.0
    /// Of its prompt, as many more are believed to be in the replica's cache.
    var believedTokens = 0.0
    var affinityKey: UInt64 = 0
    /// The same and those of the prompts before it at its replica.
    var backlogTokens = 0.0
    /// Tokens of KV cache set aside for it.
    var reserve = 0.0
    /// Output tokens it was charged with.
    var outputTokens = 0.0
    var promptBytes: Int32 = 0
    var model: UInt16 = 0
    var tenant: UInt16 = 0
    var classIndex: UInt8 = 0
    var isStream = true
    /// Its first output is still to come: counted in its replica's backlog of prompts.
    var isPending = true
    /// Who else was at the replica when it was dispatched.
    var crowd = ReplicaEstimates.Crowd.full
    /// See ``Arrival/recalls``.
    var recalls: UInt8 = 0
    /// Its worker has been asked to take it back; one that is still here stays.
    var isRecalled = false
    /// It waited: its dispatch counts towards the drain rate.
    var hasWaited = false
    /// Its tenant was charged for it.
    var isCharged = false
    /// When a request without events is taken to have been prefilled.
    var pendingUntil = Instant.never
    /// Steps of its replica's engine that had been seen when it was sent; −1: not yet noted.
    var stepsBefore: Int64 = -1
    /// The next free entry; −1 is none.
    var next: Int32 = -1

    /// The entry is nobody's: at no replica, and nothing of it is awaited.
    mutating func free(before other: Int32) {
        replica = ReplicaID(slot: .max, generation: .max)
        isPending = false
        next = other
    }
}

/// All requests that are at replicas: the ledger, one entry per permit.
struct FlightTable: Sendable {
    private(set) var flights: [Flight] = []
    private var firstFree: Int32 = -1
    /// Entries in use.
    private(set) var count = 0

    /// Adds a request; its number is that of its permit.
    mutating func add(_ flight: Flight) -> Int32 {
        count += 1
        guard firstFree >= 0 else {
            flights.append(flight)
            return Int32(flights.count - 1)
        }
        let index = firstFree
        firstFree = flights[Int(index)].next
        flights[Int(index)] = flight
        return index
    }

    /// Removes a request.
    mutating func remove(_ index: Int32) -> Flight {
        let flight = flights[Int(index)]
        flights[Int(index)].free(before: firstFree)
        firstFree = index
        count -= 1
        return flight
    }

    /// The request has come out of the queue.
    mutating func markWaited(_ index: Int32, isCharged: Bool) {
        flights[Int(index)].hasWaited = true
        flights[Int(index)].isCharged = isCharged
    }

    /// The request's first output has come, or is taken to have; nil when it had before.
    mutating func beginOutput(_ index: Int32) -> Flight? {
        guard flights[Int(index)].isPending else { return nil }
        flights[Int(index)].isPending = false
        return flights[Int(index)]
    }

    /// Notes how many steps its replica's engine had been seen to make, soon after it was sent there.
    mutating func watch(_ index: Int32, from steps: Int64) {
        flights[Int(index)].stepsBefore = steps
    }

    /// Notes that its worker is asked to take it back.
    mutating func markRecalled(_ index: Int32) { flights[Int(index)].isRecalled = true }

    /// Requests at a replica whose answers are no streams, taken to have begun, and sent there after
    /// `dispatched`.
    func silent(at replica: ReplicaID, after dispatched: Instant) -> Int {
        flights.count { flight in
            flight.replica == replica && !flight.isStream && !flight.isPending
                && flight.dispatched > dispatched
        }
    }

    /// Pending requests without events whose time is up.
    mutating func overdue(now: Instant, _ body: (Flight) -> Void) {
        for index in flights.indices
        where flights[index].isPending && flights[index].pendingUntil <= now {
            flights[index].isPending = false
            body(flights[index])
        }
    }
}
