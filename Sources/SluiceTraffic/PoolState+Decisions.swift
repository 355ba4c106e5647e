import SluiceTime

// What is remembered of decisions, for pages and metrics alone: nothing here decides anything.

extension PoolState {
    /// ``arrive(_:worker:token:retry:now:dice:)``, remembered.
    mutating func decide(
        _ arrival: Arrival, worker: Int, token: UInt64, retry: ReplicaIDs?, now: Instant,
        dice: UInt64
    ) -> ArrivalDecision {
        var shadow: (reason: ShedReason?, wait: Double) = (nil, -1)
        if isShadow, retry == nil { shadow = shadowVerdict(arrival, now: now) }
        let decision = arrive(
            arrival, worker: worker, token: token, retry: retry, now: now, dice: dice)
        remember(decision, arrival, retry: retry, shadow: shadow, now: now)
        return decision
    }

    /// ``arrive(_:at:now:dice:)``, remembered.
    mutating func decide(
        _ arrival: Arrival, at replica: ReplicaID, now: Instant, dice: UInt64
    ) -> ArrivalDecision? {
        guard let decision = arrive(arrival, at: replica, now: now, dice: dice) else { return nil }
        remember(decision, arrival, retry: nil, shadow: (nil, -1), now: now)
        return decision
    }

    private mutating func remember(
        _ decision: ArrivalDecision, _ arrival: Arrival, retry: ReplicaIDs?,
        shadow: (reason: ShedReason?, wait: Double), now: Instant
    ) {
        switch decision {
        case .dispatch(let reservation):
            var entry = entry(.dispatched, reservation, now: now)
            entry.tag = arrival.tag
            entry.predictedWait = Float(shadow.wait)
            entry.shed = shadow.reason
            if let reason = shadow.reason {
                let kind = ShadowSheds.Kind(
                    model: UInt16(clamping: arrival.modelIndex), classIndex: entry.classIndex,
                    reason: reason)
                shadowSheds.count(kind)
            }
            let isTold = shadow.wait >= 0 || shadow.reason != nil
            remember(entry, taken: reservation, withCandidates: isTold, now: now) {
                $0.routeRequest(arrival, excluding: retry ?? ReplicaIDs())
            }
        case .wait(let ticket, let predicted, _):
            let request = queue.nodes[Int(ticket.slot)].request
            var entry = entry(.queued, request, now: now)
            entry.predictedWait = Float(predicted)
            remember(entry, taken: nil, now: now) { _ in request }
        case .shed(let shed):
            let request = routeRequest(arrival, excluding: retry ?? ReplicaIDs())
            let wait = shed.predictedWait < .zero ? -1 : shed.predictedWait.seconds
            noteRefusal(
                request, shed.reason, isRetry: retry != nil, predicted: wait, waited: 0, now: now)
        }
    }

    /// Somebody who waited goes.
    mutating func noteGranted(_ node: WaitNode, _ reservation: Reservation, now: Instant) {
        var entry = entry(.granted, reservation, now: now)
        entry.tag = node.request.tag
        entry.predictedWait = Float(estimates.corrected(node.predicted))
        entry.waited = Float((now - node.since).seconds)
        remember(entry, taken: reservation, now: now) { _ in node.request }
    }

    /// Somebody who waited is refused.
    mutating func noteRefused(_ node: WaitNode, _ reason: ShedReason, now: Instant) {
        noteRefusal(
            node.request, reason, isRetry: node.isRetry,
            predicted: estimates.corrected(node.predicted),
            waited: (now - node.since).seconds, now: now)
    }

    /// Remembers a refusal; where more replicas would have helped it is demand, and it is counted once
    /// however often its client asks.
    mutating func noteRefusal(
        _ request: RouteRequest, _ reason: ShedReason, isRetry: Bool, predicted: Double,
        waited: Double, now: Instant
    ) {
        switch reason {
        case .overload, .full, .expired, .deadline, .noReplica:
            if !isRetry, !request.isRepeated { unmet.record(0, now: now) }
        case .infeasible, .draining: break
        }
        var entry = entry(.refused, request, now: now)
        entry.shed = reason
        entry.predictedWait = Float(predicted)
        entry.waited = Float(waited)
        remember(entry, taken: nil, withCandidates: true, now: now) { _ in request }
    }

    /// Remembers a decision; with what it was made from where that is wanted, or its turn has come.
    ///
    /// - Parameter request: called where it is needed only: an estimate of a request costs as much as
    ///   the rest.
    private mutating func remember(
        _ entry: DecisionEntry, taken: Reservation?, withCandidates isWanted: Bool = false,
        now: Instant, request: (inout PoolState) -> RouteRequest
    ) {
        guard isWanted || decisions.samples(at: now) else {
            decisions.append(entry)
            return
        }
        decisions.append(entry, candidates(request(&self), taken: taken, now: now))
    }

    private mutating func entry(
        _ verdict: DecisionEntry.Verdict, _ request: RouteRequest, now: Instant
    ) -> DecisionEntry {
        var entry = DecisionEntry()
        entry.at = now
        entry.tag = request.tag
        entry.verdict = verdict
        entry.classIndex = request.classIndex
        entry.tenant = request.tenant
        entry.promptTokens = Float(request.promptTokens)
        entry.outputTokens = Float(request.outputTokens)
        return entry
    }

    private mutating func entry(
        _ verdict: DecisionEntry.Verdict, _ reservation: Reservation, now: Instant
    ) -> DecisionEntry {
        // Field by field: a copy of the flight would cost more than the rest.
        let index = Int(reservation.flight)
        var entry = DecisionEntry()
        entry.at = now
        entry.verdict = verdict
        entry.classIndex = flights.flights[index].classIndex
        entry.tenant = flights.flights[index].tenant
        entry.promptTokens = Float(
            flights.flights[index].promptTokens + flights.flights[index].believedTokens)
        entry.outputTokens = Float(flights.flights[index].outputTokens)
        entry.replica = reservation.replica
        entry.routing = reservation.reason
        return entry
    }

    // MARK: Candidates

    /// Replicas shown with a decision at most, in the order of their slots; the one taken is always
    /// among them.
    static let candidatesMax = 64

    /// What the router knew of each replica before it took one.
    mutating func candidates(
        _ request: RouteRequest, taken: Reservation?, now: Instant
    ) -> [RouteCandidate] {
        let rule = rule
        let cached = request.hasAffinity ? prefixes.known(request.affinityKey) : CachedPrefix()
        let takenSlot = taken.flatMap { slot($0.replica) }
        let fits = adapterFits(request)
        var result: [RouteCandidate] = []
        for slot in entries.indices where entries[slot].isUsed {
            if result.count >= Self.candidatesMax - 1, slot != takenSlot { continue }
            var lane = lanes[slot]
            var held = cached.count == 0 ? 0 : cached.tokens(at: slot, generation: lane.generation)
            if let taken, slot == takenSlot {
                let flight = flights.flights[Int(taken.flight)]
                lane.inflight -= 1
                lane.pending -= 1
                lane.pendingTokens = max(0, lane.pendingTokens - flight.promptTokens)
                lane.reserved = max(0, lane.reserved - flight.reserve)
                held = flight.believedTokens
            }
            let fit = fits.isEmpty ? AdapterFit.running : fits[slot]
            var candidate = candidate(slot, lane, request, held, rule, fit, now: now)
            if slot == takenSlot { candidate.obstacle = nil }
            result.append(consume candidate)
        }
        return result
    }

    private mutating func candidate(
        _ slot: Int, _ lane: RouteLane, _ request: RouteRequest, _ held: Double,
        _ rule: Router.Rule, _ fit: AdapterFit, now: Instant
    ) -> RouteCandidate {
        let tokens = max(1, request.promptTokens - held)
        let predicted = Router.predictedTime(lane, request, tokens) + fit.delay
        let score =
            rule.isPredictive
            ? (predicted + Router.crowding(lane, request)) * lane.inverseWeight
            : lane.score + fit.load * lane.inverseWeight
        return RouteCandidate(
            name: entries[slot].descriptor.name, state: entries[slot].health.state,
            inflight: Int(lane.inflight),
            limit: Int(lane.limit), pending: Int(lane.pending), pendingTokens: lane.pendingTokens,
            others: lane.foreign, signalAge: entries[slot].load.age(now: now), slots: lane.slots,
            promptTime: lane.promptTime, stepTime: lane.stepTime, tokenTime: lane.tokenTime,
            cachedTokens: held, predictedTime: predicted, score: score,
            obstacle: fit == .absent
                ? .noAdapter : obstacle(slot, lane, request, tokens, rule))
    }

    private mutating func obstacle(
        _ slot: Int, _ lane: RouteLane, _ request: RouteRequest, _ tokens: Double,
        _ rule: Router.Rule
    ) -> RouteCandidate.Obstacle? {
        if lane.limit <= 0 { return .closed }
        if request.excluding.contains(id(slot)) { return .tried }
        if !lane.hasRoom { return .full }
        guard rule.isPredictive else { return nil }
        return Router.obstacle(lane, request, tokens, rule)
    }

    // MARK: Reading

    /// The newest decisions, newest first, with the names of their replicas.
    func recentDecisions(_ n: Int) -> [DecisionRow] {
        decisions.newest(n).map { entry, candidates in
            let slot = entry.routing == nil ? nil : slot(entry.replica)
            return DecisionRow(
                entry: entry, candidates: candidates,
                replicaName: slot.map { entries[$0].descriptor.name })
        }
    }

    /// What would become of a request now: on a copy, so that nothing changes.
    func dryRun(_ arrival: Arrival, now: Instant) -> DecisionRow {
        var copy = self
        let decision = copy.decide(
            arrival, worker: 0, token: 0, retry: nil, now: now, dice: copy.random.next())
        var row = copy.recentDecisions(1)[0]
        if row.candidates.isEmpty {
            var taken: Reservation?
            if case .dispatch(let reservation) = decision { taken = reservation }
            row.candidates = copy.candidates(
                copy.routeRequest(arrival, excluding: ReplicaIDs()), taken: taken, now: now)
        }
        return row
    }
}
