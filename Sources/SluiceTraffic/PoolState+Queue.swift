import SluiceTime

/// What became of the queue, and whether another lock hold is due.
struct PumpResult: Sendable {
    /// Workers whose box was empty.
    var wakes = WakeSet()
    /// Stopped at ``PoolState/pumpMax``.
    var hasMore = false
}

extension PoolState {
    /// A request that has waited this part of its time lets nobody pass any more.
    private static let patience = 0.6

    // MARK: Who goes

    /// Hands free slots to those who wait; at most ``pumpMax`` in one hold.
    mutating func pump(now: Instant) -> PumpResult {
        var result = PumpResult()
        result.wakes.formUnion(evictionWakes)
        evictionWakes = WakeSet()
        var moved = 0
        // A full fleet is seen at a glance; not so, sixteen requests were tried at every replica.
        while let urgent = queue.mostUrgent,
            lanes.contains(where: { $0.hasRoom }) || beginSlotTry(now: now)
        {
            if moved == Self.pumpMax {
                result.hasMore = true
                break
            }
            let starved = starved(besides: urgent)
            if let starved, serve(starved, isDue: true, now, &result.wakes) {
                moved += 1
            } else if serve(urgent, isDue: false, now, &result.wakes) {
                moved += 1
            } else {
                break
            }
        }
        return result
    }

    /// A less urgent class that waits and has had less than its share, if any.
    mutating func starved(besides classIndex: Int) -> Int? {
        guard policy.classes.count > 1 else { return nil }
        let total = served.reduce(0, +)
        guard total > 0 else { return nil }
        for other in policy.classes.indices
        where other > classIndex && queue.turns[other].backlog > 0
            && served[other] < policy.classes[other].minShare * total
        {
            return other
        }
        return nil
    }

    /// Moves one request of a class on, to a replica or out of the queue.
    ///
    /// - Parameter isDue: the class has had less than its share.
    /// - Returns: false when none of those looked at fits anywhere.
    private mutating func serve(
        _ classIndex: Int, isDue: Bool, _ now: Instant, _ wakes: inout WakeSet
    ) -> Bool {
        guard let tenant = queue.turns[classIndex].next() else { return false }
        var left = Self.lookAheadMax
        switch serve(classIndex, tenant, isDue: isDue, now, &wakes, &left) {
        case .moved: return true
        case .blocked: return false
        case .none: break
        }
        // Whose turn it is fits nowhere: it does not hold up tenants whose requests are smaller.
        for index in 0..<queue.turns[classIndex].count where left > 0 {
            let other = queue.turns[classIndex].tenant(index)
            guard other != tenant else { continue }
            switch serve(classIndex, other, isDue: isDue, now, &wakes, &left) {
            case .moved: return true
            case .blocked: return false
            case .none: break
            }
        }
        return false
    }

    private enum Served { case moved, none, blocked }

    private mutating func serve(
        _ classIndex: Int, _ tenant: Int, isDue: Bool, _ now: Instant, _ wakes: inout WakeSet,
        _ left: inout Int
    ) -> Served {
        let head = queue.first(classIndex, tenant)
        if policy.looksAhead, let index = homebound(head, now: now),
            let reservation = reserve(queue.nodes[Int(index)], isDue: isDue, now: now)
        {
            leave(index, queue.nodes[Int(index)], reservation, now, &wakes)
            return .moved
        }
        var cursor = head
        while cursor >= 0, left > 0 {
            let node = queue.nodes[Int(cursor)]
            if node.deadline <= now {
                expire(cursor, node, now, &wakes)
                return .moved
            }
            if let reservation = reserve(node, isDue: isDue, now: now) {
                leave(cursor, node, reservation, now, &wakes)
                return .moved
            }
            // One that may not go where there is room holds up nobody; nor does it for long hold
            // back that others pass it.
            if node.request.excluding.isEmpty, node.request.adapter == 0, isImpatient(node, now) {
                return .blocked
            }
            left -= 1
            cursor = node.next
        }
        return .none
    }

    private mutating func reserve(_ node: WaitNode, isDue: Bool, now: Instant) -> Reservation? {
        var request = node.request
        // The rest of the window is kept for who is more urgent, not from what the class has to get: with
        // more urgent requests in every slot it would get nothing.
        if isDue { request.maxShare = 1 }
        return reserve(request, isRetry: node.isRetry, now: now, dice: random.next())
    }

    /// One of the next in line whose home has room, where that of the head has not: it finds its
    /// prompt's beginning there, and the head may still find its own. Nobody passes a request that has
    /// waited for long.
    private mutating func homebound(_ head: Int32, now: Instant) -> Int32? {
        guard head >= 0 else { return nil }
        let first = queue.nodes[Int(head)]
        guard first.request.hasHome, !first.isRetry, first.deadline > now,
            !isImpatient(first, now), !isHomeOpen(first)
        else { return nil }
        var cursor = first.next
        var left = Self.lookAheadMax
        while cursor >= 0, left > 0 {
            let node = queue.nodes[Int(cursor)]
            if node.request.hasHome, !node.isRetry, node.deadline > now, isHomeOpen(node) {
                return cursor
            }
            if isImpatient(node, now) { return nil }
            cursor = node.next
            left -= 1
        }
        return nil
    }

    private mutating func isHomeOpen(_ node: WaitNode) -> Bool {
        guard let slot = slot(node.request.home) else { return false }
        return Router.takes(lanes[slot], node.request, rule)
    }

    private func isImpatient(_ node: WaitNode, _ now: Instant) -> Bool {
        (now - node.since).seconds > Self.patience * (node.deadline - node.since).seconds
    }

    private mutating func leave(
        _ cursor: Int32, _ node: WaitNode, _ reservation: Reservation, _ now: Instant,
        _ wakes: inout WakeSet
    ) {
        let classIndex = Int(node.request.classIndex)
        estimates.dispatches.record(classIndex, now: now)
        flights.markWaited(reservation.flight, isCharged: !node.isRetry)
        if !node.isRetry {
            estimates.observe(wait: (now - node.since).seconds, predicted: node.predicted)
            let cost = node.request.promptTokens + 2 * node.request.outputTokens
            queue.charge(classIndex, Int(node.request.tenant), cost)
            serve(tokens: cost, classIndex)
        }
        noteGranted(node, reservation, now: now)
        // As an argument of one of our own methods that changes nothing, this would run while a copy of
        // the whole state is held, and so copy the whole queue: 520,000 instructions a decision.
        let worker = queue.deliver(cursor, as: .granted(reservation))
        if let worker { wakes.insert(worker) }
    }

    /// Counts service by class.
    mutating func serve(tokens: Double, _ classIndex: Int) { served[classIndex] += tokens }

    /// What classes were served counts half after this time: a class that had all of a quiet night must
    /// not do without its share for the day (one of 5 % beside an overload of others, 16 slots: none of
    /// it in 50 s when only tokens counted).
    private static let servedHalfLife = Nanoseconds.seconds(10)

    /// Lets the service of long ago count for less.
    mutating func ageServed(now: Instant) {
        guard now - servedAged >= Self.servedHalfLife else { return }
        servedAged = now
        for index in served.indices { served[index] /= 2 }
    }

    // MARK: Who has waited too long

    /// Moves everyone whose wait is over to their worker's box.
    mutating func expireWaits(now: Instant) -> WakeSet {
        var wakes = WakeSet()
        guard queue.deadlineFloor <= now else { return wakes }
        var floor = Instant.never
        var over: [Int32] = []
        queue.forEachWaiting { queue, index in
            let deadline = queue.nodes[Int(index)].deadline
            if deadline <= now { over.append(index) } else { floor = min(floor, deadline) }
        }
        for index in over { expire(index, queue.nodes[Int(index)], now, &wakes) }
        queue.setDeadlineFloor(floor)
        return wakes
    }

    private mutating func expire(
        _ index: Int32, _ node: WaitNode, _ now: Instant, _ wakes: inout WakeSet
    ) {
        // For want of a replica all the while, or of a slot.
        let isHopeless = !hasHope(for: node.request)
        let reason: ShedReason =
            node.deadlineIsCallers ? .deadline : isHopeless ? .noReplica : .expired
        let shed = refuse(
            reason, Int(node.request.classIndex), excess: 0,
            wait: estimates.corrected(node.predicted), now, random.next())
        noteRefused(node, reason, now: now)
        let worker = queue.deliver(index, as: .refused(shed))
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
        case .refused:
            return (Cancellation(verdict: .withdrawn, wakes: WakeSet()), false)
        case .granted(let reservation):
            let result = release(reservation.flight, .ignored, .unknown, now: now)
            return (Cancellation(verdict: .withdrawn, wakes: result.wakes), result.hasMore)
        }
    }

    // MARK: Predictions

    /// How long a request of the class and tenant would wait now, seconds: who goes before it, over
    /// the rate at which such leave.
    mutating func predictedWait(_ classIndex: Int, _ tenant: Int, now: Instant) -> Double {
        let ahead =
            Double(queue.backlog(below: classIndex))
            + queue.turns[classIndex].ahead(of: tenant)
        var rate = drainRate(now: now)
        let total = estimates.dispatches.total(now: now)
        if classIndex > 0, total > 0 {
            let urgent = estimates.dispatches.count(0..<classIndex, now: now)
            let share = 1 - Double(urgent) / Double(total)
            rate *= max(share, policy.classes[classIndex].minShare, 0.05)
        }
        // The first in line waits for one slot to come free, not for nothing.
        return (ahead + 1) / rate
    }

    /// Requests per second that leave the queue when there is one; never zero.
    mutating func drainRate(now: Instant) -> Double {
        measuredDrainRate(now: now) ?? slotRate()
    }

    /// The same as measured while somebody waited; nil where that is too short a time.
    mutating func measuredDrainRate(now: Instant) -> Double? {
        guard let since = queue.since(upTo: policy.classes.count - 1) else { return nil }
        let age = (now - since).seconds
        let count = estimates.dispatches.total(now: now)
        guard age > 2.1, count >= 8 else { return nil }
        return Double(count) / min(PoolEstimates.dispatchSpan.seconds, age)
    }

    /// Slots that come free in a second while all are taken, by what is believed of the replicas;
    /// never zero.
    mutating func slotRate() -> Double {
        let isTimed = estimates.answersAreStreams
        let (tokens, untimed) = (estimates.meanOutputTokens, max(estimates.residence, 1e-3))
        let lanes = lanes.span
        var rate = 0.0
        for slot in lanes.indices where lanes[slot].limit > 0 {
            let lane = lanes[slot]
            let time = isTimed && lane.isTimed ? max(tokens * lane.tokenTime, 1e-3) : untimed
            rate += min(lane.slots, Double(max(lane.inflight, 1))) / time
        }
        return max(rate, 0.01)
    }

    /// Time that a request is expected to be at a replica, seconds; never zero.
    func residence(_ slot: Int) -> Double {
        let isTimed = lanes[slot].isTimed && estimates.answersAreStreams
        let time =
            isTimed ? estimates.meanOutputTokens * lanes[slot].tokenTime : estimates.residence
        return max(time, 1e-3)
    }

    // MARK: Refusals

    /// A refusal, counted, with the time after which its class's backlog is back in bounds: later
    /// where many are refused, and jittered upwards only, so that nobody returns before there is
    /// room.
    mutating func refuse(
        _ reason: ShedReason, _ classIndex: Int, excess: Double, wait: Double, _ now: Instant,
        _ dice: UInt64
    ) -> Shed {
        // When one comes has nothing to do with how many ask, nor they with how much there is to do.
        if reason == .noReplica {
            return Shed(reason, retryAfter: Self.jittered(.seconds(5), dice))
        }
        estimates.arrivals.record(2 * classIndex + 1, now: now)
        var shed = Shed(reason)
        if wait >= 0 { shed.predictedWait = .seconds(clamping: wait) }
        switch reason {
        case .deadline, .infeasible, .draining, .noReplica: return shed
        case .overload, .full, .expired: break
        }
        let arrived = estimates.arrivals.count(2 * classIndex, now: now)
        let refused = estimates.arrivals.count(2 * classIndex + 1, now: now)
        let share = min(0.95, Double(refused) / Double(max(arrived, refused, 1)))
        let span = max(1, excess) / (1 - share)
        shed.retryAfter = Self.jittered(.seconds(clamping: span), dice)
        return shed
    }

    /// Up to half as much more, never less: nobody returns before there is room. 1 … 60 s.
    static func jittered(_ span: Nanoseconds, _ dice: UInt64) -> Nanoseconds {
        let extra = (span / 2048) * Int64(dice >> 54)
        return min(max(span + extra, .seconds(1)), .seconds(60))
    }
}
