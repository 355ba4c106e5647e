import SluiceTime

// Refusals of requests of which only the head has come.

extension PoolState {
    /// Refuses a request of which only the head has come, where whatever its body says would be
    /// refused; nil: the body is worth reading, and is judged with it.
    ///
    /// What only the body tells counts in the request's favour: its objective is that of a prompt as
    /// long as the body, its prompt's own time is none, and one so long that it may be served outside
    /// of the objective is not judged. Where nothing is refused nothing changes, since the request
    /// arrives once more.
    ///
    /// - Parameter arrival: `promptBytes` and `bodyBytes` are the length of the body.
    mutating func judgeHead(_ arrival: Arrival, now: Instant, dice: UInt64) -> Shed? {
        let request = routeRequest(arrival, excluding: ReplicaIDs())
        guard let (reason, excess, wait) = headVerdict(request, arrival, now: now) else {
            return nil
        }
        let classIndex = Int(request.classIndex)
        estimates.arrivals.record(2 * classIndex, now: now)
        var shed = Shed(reason)
        switch reason {
        case .overload, .full, .noReplica:
            shed = refuse(reason, classIndex, excess: excess, wait: wait, now, dice)
        case .infeasible, .expired, .deadline, .draining: break
        }
        noteRefusal(
            request, reason, isRetry: false, predicted: wait, waited: 0, now: now)
        return shed
    }

    /// Why the request is refused, by how much its wait is too long and that wait, seconds (negative:
    /// none predicted).
    private mutating func headVerdict(
        _ request: RouteRequest, _ arrival: Arrival, now: Instant
    ) -> (reason: ShedReason, excess: Double, wait: Double)? {
        if isDraining { return (.draining, 0, -1) }
        guard hopeful > 0 else {
            return policy.noReplicaWait > .zero ? nil : (.noReplica, 0, -1)
        }
        let classIndex = Int(request.classIndex)
        if mayPass(classIndex), mayBeTaken(request) || searchesSlots && search.isDue(now: now) {
            return nil
        }
        if policy.isActive {
            let own = policy.classes[classIndex]
            if let objective = own.objective(promptTokens: request.promptTokens) {
                let idle = idleTime(request, objective)
                if own.longPrompt == .bestEffort, Self.isHopeless(idle, objective) { return nil }
                let wait = estimates.corrected(
                    predictedWait(classIndex, Int(request.tenant), now: now))
                let bound = Bound(objective: objective)
                if let excess = bound.excess(
                    wait, isStanding: isStanding(classIndex, now: now)), mayJudge(now: now),
                    !isNext(classIndex, Int(request.tenant))
                {
                    return (.overload, excess, wait)
                }
            }
        }
        let bytes = max(0, arrival.bodyBytes)
        return mayFit(bytes: bytes, for: classIndex) ? nil : (.full, 0, -1)
    }

    /// Whether a replica might take the request now, as little as it may turn out to be.
    private mutating func mayBeTaken(_ request: RouteRequest) -> Bool {
        let isLeast = Int(request.classIndex) == policy.classes.count - 1
        if isLeast, Double(inflight) >= claim.requests { return false }
        let rule = rule
        var least = request
        least.promptTokens = 1
        least.reserve = 0
        for slot in lanes.indices {
            let lane = lanes[slot]
            if rule.isPredictive ? Router.takes(lane, least, rule) : lane.hasRoom {
                return true
            }
        }
        return false
    }
}
