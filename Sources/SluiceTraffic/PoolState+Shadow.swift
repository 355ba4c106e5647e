import SluiceTime

// What admission would have said, where it may not say it. Limits of the model: docs/operating.md.

extension PoolState {
    /// Whether verdicts are made and not carried out.
    var isShadow: Bool {
        mutating get {
            policy.mode == .shadow && policy.classes.contains { $0.timeToFirstToken != nil }
        }
    }

    /// Requests that all open replicas serve at once, and one or two ahead of each.
    private var virtualSlots: Double {
        var slots = 0.0
        for slot in lanes.indices where lanes[slot].limit > 0 {
            slots += min(lanes[slot].slots + ahead(slot), Double(limits.replicaInflightMax))
        }
        return slots
    }

    /// Time passes in the virtual queue: with each tick and arrival.
    mutating func advanceShadow(now: Instant) -> Double {
        // Answers in ten seconds are what the replicas can do at the least, whatever the estimates.
        let ended = Double(estimates.ends.total(now: now)) / 10
        let rate = max(drainRate(now: now), ended)
        virtual.advance(slots: virtualSlots, rate: rate, now: now)
        return rate
    }

    /// Why the request would have been refused, and the wait that was predicted (negative: none).
    mutating func shadowVerdict(
        _ arrival: Arrival, now: Instant
    ) -> (reason: ShedReason?, wait: Double) {
        let request = routeRequest(arrival, excluding: ReplicaIDs())
        let classIndex = Int(request.classIndex)
        let rate = advanceShadow(now: now)
        let verdict = judgeShadow(request, rate: rate, now: now)
        if verdict.reason == nil { virtual.add(classIndex) }
        return verdict
    }

    private mutating func judgeShadow(
        _ request: RouteRequest, rate: Double, now: Instant
    ) -> (reason: ShedReason?, wait: Double) {
        let classIndex = Int(request.classIndex)
        let own = policy.classes[classIndex]
        guard let objective = own.objective(promptTokens: request.promptTokens) else {
            return (nil, -1)
        }
        let idle = idleTime(request, objective)
        if Self.isHopeless(idle, objective) {
            return (own.longPrompt == .refuse ? .infeasible : nil, -1)
        }
        let slots = virtualSlots
        let excess = virtual.held(through: classIndex) - slots
        guard slots > 0, excess >= 0 else { return (nil, -1) }
        var share = 1.0
        if classIndex > 0 {
            let urgent = virtual.held(through: classIndex - 1)
            share = max(1 - urgent / max(slots, urgent), own.minShare, 0.05)
        }
        let wait = (excess + 1) / (rate * share)
        // Whoever would be among the first in line is not refused for a prediction.
        guard mayJudge(now: now), excess >= nextMax else { return (nil, wait) }
        let isStanding =
            virtual.since.isSet && (now - virtual.since).seconds > Self.standingAfter
        var bound = Bound(objective: objective)
        bound.prompt = busyTime(idle, objective)
        if bound.excess(wait, isStanding: isStanding) != nil { return (.overload, wait) }
        return (excess >= Double(limits.queueLengthMax) ? .full : nil, wait)
    }
}
