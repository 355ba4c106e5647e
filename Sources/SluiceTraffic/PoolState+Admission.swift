import SluiceTime

/// What an arrival came to, before a permit is made of it.
enum ArrivalDecision: Sendable {
    /// A slot is taken.
    case dispatch(Reservation)
    /// Queued.
    case wait(QueueTicket)
    /// Refused, with its Retry-After.
    case shed(ShedReason, Nanoseconds?)
}

/// What became of the queue, and whether another lock hold is due.
struct PumpResult: Sendable {
    /// Workers whose box was empty.
    var wakes = WakeSet()
    /// Stopped at ``PoolState/pumpMax``.
    var hasMore = false
}

extension PoolState {
    // MARK: Arrival

    /// Admits, queues or refuses.
    ///
    /// - Parameter retry: the replicas tried before; nil for a first attempt.
    mutating func arrive(
        _ arrival: Arrival, worker: Int, token: UInt64, retry: ReplicaIDs?, now: Instant,
        dice: UInt64
    ) -> ArrivalDecision {
        let excluding = retry ?? ReplicaIDs()
        if isDraining && retry == nil { return .shed(.draining, nil) }
        if arrival.deadline <= now { return .shed(.deadline, nil) }
        guard hasHope(excluding) else {
            return .shed(.noReplica, Self.jittered(.seconds(5), dice))
        }
        // A retry has waited its turn; anyone else stays behind those who wait.
        if queue.isEmpty || retry != nil,
            let reservation = reserve(
                excluding: excluding, isRetry: retry != nil, now: now, dice: dice)
        {
            return .dispatch(reservation)
        }
        let bytes = max(0, arrival.bodyBytes)
        guard queue.count < limits.queueLengthMax, bytes <= limits.queueBytesMax - queue.bytes
        else { return .shed(.full, retryAfter(now: now, dice: dice)) }
        var node = WaitNode()
        node.worker = UInt8(worker)
        node.token = token
        node.bodyBytes = bytes
        node.since = now
        let bound = now + limits.queueWaitMax
        node.deadlineIsCallers = arrival.deadline < bound
        node.deadline = min(arrival.deadline, bound)
        node.excluding = excluding
        node.isRetry = retry != nil
        return .wait(queue.enqueue(node))
    }

    /// Whether a replica not tried yet serves now or may soon.
    private func hasHope(_ excluding: ReplicaIDs) -> Bool {
        var left = hopeful
        for index in 0..<excluding.count {
            guard let slot = slot(excluding[index]), isHopeful(entries[slot].health.state)
            else { continue }
            left -= 1
        }
        return left > 0
    }

    /// Whether waiting for a replica in this state is worth while.
    func isHopeful(_ state: ReplicaState) -> Bool {
        switch state {
        case .warming, .ready, .busy: true
        case .wedged, .ejected: isPanicking
        case .draining, .cordoned, .sleeping, .unauthorized, .dead: false
        }
    }

    /// Picks the least loaded open replica and takes a slot there, in one step.
    private mutating func reserve(
        excluding: ReplicaIDs, isRetry: Bool, now: Instant, dice: UInt64
    ) -> Reservation? {
        guard let pick = Router.pick(lanes, excluding: excluding, dice: dice) else { return nil }
        let reason: RoutingReason
        if isRetry {
            reason = .retry
        } else if isPanicking {
            reason = .panic
        } else {
            reason = pick.choices == 1 ? .onlyChoice : .leastLoaded
        }
        return take(pick.slot, reason, now: now)
    }

    /// Takes a slot at a replica.
    private mutating func take(_ slot: Int, _ reason: RoutingReason, now: Instant) -> Reservation {
        lanes[slot].inflight += 1
        entries[slot].dispatched &+= 1
        inflight += 1
        dispatched &+= 1
        budget.recordDispatch(now: now)
        return Reservation(replica: id(slot), dispatched: now, reason: reason)
    }

    /// Admits a request that one replica only can answer, whatever its state, or refuses it.
    ///
    /// It never waits: most of what is asked so costs the engine nothing, and what continues a
    /// response would wait for one replica in a queue that is served by all. Its replica may drain or
    /// be sick and still know.
    ///
    /// - Returns: nil when the replica is gone.
    mutating func arrive(at replica: ReplicaID, now: Instant, dice: UInt64) -> ArrivalDecision? {
        guard let slot = slot(replica) else { return nil }
        if isDraining { return .shed(.draining, nil) }
        guard lanes[slot].inflight < limits.replicaInflightMax else {
            return .shed(.full, retryAfter(now: now, dice: dice))
        }
        return .dispatch(take(slot, .owner, now: now))
    }

    // MARK: Release

    /// Gives a slot back and passes it on.
    mutating func release(_ replica: ReplicaID, _ end: PermitEnd, now: Instant) -> PumpResult {
        giveBack(replica)
        if let slot = slot(replica) {
            switch end {
            case .success:
                entries[slot].succeeded &+= 1
                entries[slot].serverErrors.record(isError: false, now: now)
                observe(slot, .requestSucceeded, now: now)
            case .serverError:
                entries[slot].serverErrors.record(isError: true, now: now)
                if isServerErrorOutlier(slot, now: now) {
                    entries[slot].failed &+= 1
                    observe(slot, .requestFailed, now: now)
                }
            case .failed:
                entries[slot].failed &+= 1
                observe(slot, .requestFailed, now: now)
            case .ignored: break
            }
            retireIfDrained(slot)
        }
        return pump(now: now)
    }

    /// Whether the share of server errors among a replica's recent answers is more than five times
    /// its pool's median. Source: DESIGN section 8.
    ///
    /// The median is that of the replicas which have answered lately, this one included, the lower
    /// of two: a replica alone is never worse than its pool. It is not sorted for but counted – more
    /// than half must be five times better – in one pass without memory.
    private mutating func isServerErrorOutlier(_ slot: Int, now: Instant) -> Bool {
        let share = entries[slot].serverErrors
        guard share.isAboveFloor else { return false }
        var compared = 0
        var better = 0
        for other in entries.indices
        where entries[other].isUsed && !entries[other].serverErrors.isEmpty(now: now) {
            compared += 1
            if share.isOutlier(beside: entries[other].serverErrors) { better += 1 }
        }
        return better > (compared - 1) / 2
    }

    /// The ledger's part of a release. A permit outlives its replica's tenancy never: a slot is
    /// reused only at zero in flight.
    private mutating func giveBack(_ replica: ReplicaID) {
        guard let slot = slot(replica), lanes[slot].inflight > 0 else {
            return assertionFailure("a permit outlived its replica")
        }
        lanes[slot].inflight -= 1
        inflight -= 1
        finished &+= 1
    }

    /// A permit was lost: its slot comes back without a verdict on the replica. Who waits gets it
    /// with the next tick, as a `deinit` can wake nobody.
    mutating func takeBackLeaked(_ replica: ReplicaID) {
        leakedPermits &+= 1
        giveBack(replica)
        if let slot = slot(replica) { retireIfDrained(slot) }
    }

    // MARK: Queue

    /// Hands free slots to those who wait, in order; at most ``pumpMax`` in one hold.
    mutating func pump(now: Instant) -> PumpResult {
        var result = PumpResult()
        var cursor = queue.waiting.first
        var moved = 0
        var passedOver = 0
        while cursor >= 0, passedOver < Self.lookAheadMax {
            if moved == Self.pumpMax {
                result.hasMore = true
                break
            }
            let node = queue.nodes[Int(cursor)]
            let following = node.next
            if node.deadline <= now {
                expire(cursor, node, &result.wakes)
                moved += 1
            } else if let reservation = reserve(
                excluding: node.excluding, isRetry: node.isRetry, now: now, dice: random.next())
            {
                wake(queue.deliver(cursor, as: .granted(reservation)), &result.wakes)
                moved += 1
            } else if node.excluding.isEmpty {
                break
            } else {
                // A retry whose replicas are full does not hold up those who may go elsewhere.
                passedOver += 1
            }
            cursor = following
        }
        return result
    }

    /// Moves everyone whose wait is over to their worker's box.
    mutating func expireWaits(now: Instant) -> WakeSet {
        var wakes = WakeSet()
        guard queue.deadlineFloor <= now else { return wakes }
        var floor = Instant.never
        var cursor = queue.waiting.first
        while cursor >= 0 {
            let node = queue.nodes[Int(cursor)]
            if node.deadline <= now {
                expire(cursor, node, &wakes)
            } else {
                floor = min(floor, node.deadline)
            }
            cursor = node.next
        }
        queue.setDeadlineFloor(floor)
        return wakes
    }

    private mutating func expire(_ index: Int32, _ node: WaitNode, _ wakes: inout WakeSet) {
        let reason = node.deadlineIsCallers ? ShedReason.deadline : .expired
        wake(queue.deliver(index, as: .expired(reason)), &wakes)
    }

    private func wake(_ worker: Int?, _ wakes: inout WakeSet) {
        if let worker { wakes.insert(worker) }
    }

    /// Takes a request out, wherever it is on its way.
    mutating func cancel(_ ticket: QueueTicket, now: Instant) -> (Cancellation, hasMore: Bool) {
        guard queue.holds(ticket) else {
            return (Cancellation(verdict: .alreadyDelivered, wakes: WakeSet()), false)
        }
        switch queue.remove(ticket).stage {
        case .free, .waiting:
            return (Cancellation(verdict: .removed, wakes: WakeSet()), false)
        case .expired:
            return (Cancellation(verdict: .withdrawn, wakes: WakeSet()), false)
        case .granted(let reservation):
            let result = release(reservation.replica, .ignored, now: now)
            return (Cancellation(verdict: .withdrawn, wakes: result.wakes), result.hasMore)
        }
    }

    // MARK: Retry-After

    /// How long the head has waited is how long the queue takes; a better estimate is the next issue's.
    func retryAfter(now: Instant, dice: UInt64) -> Nanoseconds {
        Self.jittered(max(.seconds(1), queue.headAge(now: now)), dice)
    }

    /// Up to half as much more, never less: nobody returns before there is room. 1 … 60 s.
    static func jittered(_ span: Nanoseconds, _ dice: UInt64) -> Nanoseconds {
        let extra = (span / 2048) * Int64(dice >> 54)
        return min(max(span + extra, .seconds(1)), .seconds(60))
    }
}
