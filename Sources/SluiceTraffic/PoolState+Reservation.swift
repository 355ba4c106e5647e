import SluiceTime

extension PoolState {
    /// Picks the replica and takes a slot there, in one step.
    mutating func reserve(
        _ request: RouteRequest, isRetry: Bool, now: Instant, dice: UInt64
    ) -> Reservation? {
        // The least urgent class alone yields to other gateways: one whose requests are urgent must
        // not wait for another's that are not.
        if !isRetry, Int(request.classIndex) == policy.classes.count - 1,
            Double(inflight) >= claim.requests
        {
            return nil
        }
        let cached = request.hasAffinity ? prefixes.known(request.affinityKey) : CachedPrefix()
        let found =
            request.adapter == 0
            ? Router.pick(lanes, request, rule, cached: cached, costs: &costs, dice: dice)
            : Router.pick(
                lanes, request, rule, cached: cached, fits: adapterFits(request), costs: &costs,
                dice: dice)
        guard let pick = found else { return nil }
        let reason: RoutingReason
        if isRetry {
            reason = .retry
        } else if isPanicking {
            reason = .panic
        } else if pick.choices == 1 {
            reason = .onlyChoice
        } else if pick.isHome {
            reason = .affinity
        } else {
            reason = policy.isActive ? .leastWait : .leastLoaded
        }
        if request.hasAffinity {
            prefixes.remember(
                request.affinityKey, at: id(pick.slot), tokens: request.sharedTokens)
        }
        return take(
            pick.slot, request, reason, predicted: pick.predicted, cached: pick.cached, now: now)
    }

    @inline(__always)
    var rule: Router.Rule {
        mutating get {
            guard policy.isActive, let objective = policy.tightestObjective else {
                return Router.Rule()
            }
            return Router.Rule(
                isPredictive: true, promptBacklogMax: 0.5 * objective, sharesBind: sharesBind,
                detourMax: 0.25 * objective, crowdsHome: queue.isEmpty)
        }
    }

    /// Takes a slot at a replica.
    private mutating func take(
        _ slot: Int, _ request: RouteRequest, _ reason: RoutingReason, predicted: Double,
        cached: Double = 0, now: Instant
    ) -> Reservation {
        let tokens = max(1, request.promptTokens - cached)
        var flight = Flight()
        flight.replica = id(slot)
        flight.dispatched = now
        flight.promptTokens = tokens
        flight.believedTokens = cached
        flight.affinityKey = request.affinityKey
        flight.reserve = request.reserve
        flight.outputTokens = request.outputTokens
        flight.promptBytes = request.promptBytes
        flight.model = request.model
        flight.tenant = request.tenant
        flight.classIndex = request.classIndex
        flight.isStream = request.isStream
        flight.recalls = request.recalls
        let load = Double(lanes[slot].inflight) + lanes[slot].foreign
        // Where the slots are not known, the window says when an engine is full.
        let room = min(lanes[slot].slots, 0.9 * entries[slot].estimates.window)
        flight.crowd = load < 1 ? .nobody : load + 1 <= room ? .room : .full
        if !request.isStream {
            flight.pendingUntil = now + .seconds(clamping: max(predicted, lanes[slot].stepTime))
        }
        lanes[slot].inflight += 1
        lanes[slot].pending += 1
        lanes[slot].pendingTokens += tokens
        lanes[slot].reserved += request.reserve
        if request.adapter != 0 { entries[slot].adapters.sent(request.adapter) }
        flight.backlogTokens = lanes[slot].pendingTokens
        entries[slot].dispatched &+= 1
        inflight += 1
        dispatched &+= 1
        budget.recordDispatch(now: now)
        return Reservation(
            replica: id(slot), dispatched: now, reason: reason, flight: flights.add(flight))
    }

    /// Admits a request that one replica only can answer, whatever its state, or refuses it.
    ///
    /// It never waits: most of what is asked so costs the engine nothing, and what continues a
    /// response would wait for one replica in a queue that is served by all. Its replica may drain or
    /// be sick and still know.
    ///
    /// - Returns: nil when the replica is gone.
    mutating func arrive(
        _ arrival: Arrival, at replica: ReplicaID, now: Instant, dice: UInt64
    ) -> ArrivalDecision? {
        guard let slot = slot(replica) else { return nil }
        if isDraining { return .shed(Shed(.draining)) }
        let request = routeRequest(arrival, excluding: ReplicaIDs())
        guard lanes[slot].inflight < limits.replicaInflightMax else {
            return .shed(refuse(.full, Int(request.classIndex), excess: 0, wait: -1, now, dice))
        }
        return .dispatch(take(slot, request, .owner, predicted: 0, now: now))
    }
}
