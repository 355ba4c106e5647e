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

    private mutating func remember(
        _ decision: ArrivalDecision, _ arrival: Arrival, retry: ReplicaIDs?,
        shadow: (reason: ShedReason?, wait: Double), now: Instant
    ) {
        switch decision {
        case .dispatch(let reservation):
            let flight = flights.flights[Int(reservation.flight)]
            var row = row(.dispatched, flight, reservation, tag: arrival.tag, now: now)
            if shadow.wait >= 0 { row.predictedWait = Float(shadow.wait) }
            if let reason = shadow.reason {
                row.shed = reason
                shadowSheds.count(
                    ShadowSheds.Kind(
                        model: flight.model, classIndex: flight.classIndex, reason: reason))
            }
            if decisions.samplesNext || shadow.reason != nil {
                let request = routeRequest(arrival, excluding: retry ?? ReplicaIDs())
                row.candidates = candidates(request, taken: reservation, now: now)
            }
            if retry == nil { sizes.record(tokens: Double(row.promptTokens), isServed: true) }
            decisions.append(row)
        case .wait(let ticket, let predicted, _):
            let request = queue.nodes[Int(ticket.slot)].request
            var row = row(.queued, request, now: now)
            row.predictedWait = Float(predicted)
            if decisions.samplesNext {
                row.candidates = candidates(request, taken: nil, now: now)
            }
            decisions.append(row)
        case .shed(let shed):
            let request = routeRequest(arrival, excluding: retry ?? ReplicaIDs())
            noteRefusal(request, shed.reason, isRetry: retry != nil, now: now)
            var row = row(.refused, request, now: now)
            row.shed = shed.reason
            row.predictedWait = shed.predictedWait < .zero ? -1 : Float(shed.predictedWait.seconds)
            row.candidates = candidates(request, taken: nil, now: now)
            decisions.append(row)
        }
    }

    /// Somebody who waited goes.
    mutating func noteGranted(_ node: WaitNode, _ reservation: Reservation, now: Instant) {
        let flight = flights.flights[Int(reservation.flight)]
        var row = row(.granted, flight, reservation, tag: node.request.tag, now: now)
        row.predictedWait = node.predicted < 0 ? -1 : Float(node.predicted * estimates.bias)
        row.waited = Float((now - node.since).seconds)
        if decisions.samplesNext {
            row.candidates = candidates(node.request, taken: reservation, now: now)
        }
        if !node.isRetry { sizes.record(tokens: Double(row.promptTokens), isServed: true) }
        decisions.append(row)
    }

    /// Somebody who waited is refused.
    mutating func noteRefused(_ node: WaitNode, _ reason: ShedReason, now: Instant) {
        noteRefusal(node.request, reason, isRetry: node.isRetry, now: now)
        var row = row(.refused, node.request, now: now)
        row.shed = reason
        row.predictedWait = node.predicted < 0 ? -1 : Float(node.predicted * estimates.bias)
        row.waited = Float((now - node.since).seconds)
        row.candidates = candidates(node.request, taken: nil, now: now)
        decisions.append(row)
    }

    /// Demand that was not met: more replicas would have met it, and it is counted once however often
    /// its client asks.
    private mutating func noteRefusal(
        _ request: RouteRequest, _ reason: ShedReason, isRetry: Bool, now: Instant
    ) {
        switch reason {
        case .overload, .full, .expired, .deadline, .noReplica:
            if !isRetry, !request.isRepeated { unmet.record(0, now: now) }
        case .infeasible, .draining: break
        }
        if !isRetry { sizes.record(tokens: request.promptTokens, isServed: false) }
    }

    private func row(
        _ verdict: DecisionRow.Verdict, _ request: RouteRequest, now: Instant
    ) -> DecisionRow {
        DecisionRow(
            at: now, tag: request.tag, verdict: verdict, classIndex: request.classIndex,
            tenant: request.tenant, promptTokens: Float(request.promptTokens),
            outputTokens: Float(request.outputTokens))
    }

    private func row(
        _ verdict: DecisionRow.Verdict, _ flight: Flight, _ reservation: Reservation, tag: UInt64,
        now: Instant
    ) -> DecisionRow {
        DecisionRow(
            at: now, tag: tag, verdict: verdict, classIndex: flight.classIndex,
            tenant: flight.tenant,
            promptTokens: Float(flight.promptTokens + flight.believedTokens),
            outputTokens: Float(flight.outputTokens), replica: reservation.replica,
            routing: reservation.reason)
    }

    // MARK: Candidates

    /// Replicas shown with a decision at most, in the order of their slots; the one taken is always
    /// among them.
    static let candidatesMax = 64

    /// What the router knew of each replica before it took one.
    func candidates(
        _ request: RouteRequest, taken: Reservation?, now: Instant
    ) -> [RouteCandidate] {
        let cached = request.hasAffinity ? prefixes.known(request.affinityKey) : CachedPrefix()
        let takenSlot = taken.flatMap { slot($0.replica) }
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
            result.append(candidate(slot, lane, request, held, now: now))
        }
        return result
    }

    private func candidate(
        _ slot: Int, _ lane: RouteLane, _ request: RouteRequest, _ held: Double, now: Instant
    ) -> RouteCandidate {
        let entry = entries[slot]
        let tokens = max(1, request.promptTokens - held)
        let predicted = Router.predictedTime(lane, request, tokens)
        let score =
            rule.isPredictive
            ? (predicted + Router.crowding(lane, request)) * lane.inverseWeight : lane.score
        return RouteCandidate(
            name: entry.descriptor.name, state: entry.health.state, inflight: Int(lane.inflight),
            limit: Int(lane.limit), pending: Int(lane.pending), pendingTokens: lane.pendingTokens,
            others: lane.foreign, signalAge: entry.load.age(now: now), slots: lane.slots,
            promptTime: lane.promptTime, stepTime: lane.stepTime, cachedTokens: held,
            predictedTime: predicted, score: score,
            obstacle: obstacle(slot, lane, request, tokens))
    }

    private func obstacle(
        _ slot: Int, _ lane: RouteLane, _ request: RouteRequest, _ tokens: Double
    ) -> RouteCandidate.Obstacle? {
        if lane.limit <= 0 { return .closed }
        if request.excluding.contains(id(slot)) { return .tried }
        if lane.inflight >= lane.limit { return .full }
        guard rule.isPredictive else { return nil }
        return Router.obstacle(lane, request, tokens, rule)
    }

    // MARK: Reading

    /// The newest decisions, newest first, with the names of their replicas.
    func recentDecisions(_ n: Int) -> [DecisionRow] {
        decisions.newest(n).map { row in
            var row = row
            if let slot = row.replica.flatMap({ slot($0) }) {
                row.replicaName = entries[slot].descriptor.name
            }
            return row
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
