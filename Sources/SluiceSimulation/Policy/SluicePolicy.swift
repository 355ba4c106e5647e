import SluiceBytes
import SluiceTime
import SluiceTraffic

/// The gateway's own admission and routing: ``ReplicaPool`` as one worker of the proxy drives it.
///
/// It translates and decides nothing.
package final class SluicePolicy: GatewayPolicy {
    /// A dispatched request's slot; a class, because a dictionary holds no noncopyable values.
    private final class Slot {
        var permit: Permit?
        let sent: Instant
        /// Whether events come before the end.
        let streams: Bool
        /// When its first output came; unset before, and where it is no stream.
        var began = Instant.unset

        init(_ permit: consuming Permit, sent: Instant, streams: Bool) {
            self.permit = consume permit
            self.sent = sent
            self.streams = streams
        }
    }

    /// The simulated gateway has one worker.
    private static let worker = 0

    private let pool: ReplicaPool
    private let ids: [ReplicaID]
    private let cacheTokens: Double?
    private var generator: SplitMix64
    private var slots: [Int: Slot] = [:]
    private var tickets: [Int: (ticket: QueueTicket, streams: Bool)] = [:]

    package init(_ context: PolicyContext) {
        pool = ReplicaPool(
            name: "simulated", workers: 1, limits: context.admission?.limits ?? AdmissionLimits(),
            policy: context.admission?.policy ?? Self.policy(context), seed: context.seed)
        cacheTokens = context.cacheTokens.map(Double.init)
        generator = SplitMix64(seed: context.seed)
        let replicas = (0..<context.replicas).map {
            ReplicaDescriptor(name: "r\($0)", key: "http://r\($0)")
        }
        ids = pool.update(replicas: replicas, now: context.start).ids.compactMap { $0 }
        precondition(ids.count == context.replicas, "a pool has room for every simulated replica")
        for id in ids { _ = pool.observe(id, .probe(.healthy), now: context.start) }
    }

    /// The policy that an operator would write for such a fleet.
    private static func policy(_ context: PolicyContext) -> AdmissionPolicy {
        var policy = AdmissionPolicy()
        policy.classes = context.objectives.enumerated().map { index, objective in
            var own = ClassPolicy(name: "class\(index)", timeToFirstToken: objective.firstToken)
            own.timePerToken = objective.tokenGap
            own.minShare = objective.shareMin
            // The usual bound of the last of several classes: it never holds every slot.
            if index > 0, index == context.objectives.count - 1 { own.maxShare = 0.8 }
            return own
        }
        if !context.tenantWeights.isEmpty {
            policy.tenants = context.tenantWeights.enumerated().map {
                TenantPolicy(name: "tenant\($0)", weight: $1)
            }
        }
        policy.slotsMax = context.slots
        policy.gateways = context.gateways
        policy.looksAhead = context.looksAhead
        return policy
    }

    package func arrive(
        _ request: PolicyRequest, now: Instant, into decisions: inout [PolicyDecision]
    ) {
        var arrival = Arrival(
            promptTokens: request.promptTokens, outputTokensMax: request.outputTokensMax,
            isStream: request.answers == .stream, classIndex: request.classIndex,
            tenantIndex: request.tenant, bodyBytes: request.promptTokens * 4,
            received: request.arrived,
            affinityKey: request.prefix?.key ?? 0, sharedBytes: (request.prefix?.tokens ?? 0) * 4)
        arrival.recalls = request.recalls
        let retrying =
            request.lostOn.map { ReplicaIDs(ids[$0]) } ?? (request.isRecalled ? ReplicaIDs() : nil)
        let verdict = pool.arrive(
            arrival, worker: Self.worker, token: UInt64(request.token), retrying: retrying,
            now: now, dice: generator.next())
        switch consume verdict {
        case .dispatch(let permit):
            dispatch(
                request.token, permit, streams: request.answers == .stream, now, &decisions)
        case .wait(let ticket, _, _):
            tickets[request.token] = (ticket, request.answers == .stream)
        case .shed(let shed):
            decisions.append(
                .refuse(
                    token: request.token, shed.reason, expired: false,
                    retryAfter: shed.retryAfter))
        }
    }

    private func dispatch(
        _ token: Int, _ permit: consuming Permit, streams: Bool, _ now: Instant,
        _ decisions: inout [PolicyDecision]
    ) {
        let replica = permit.replica
        if streams {
            pool.progress[Self.worker].streamBegan(at: replica, now: now)
        } else {
            pool.progress[Self.worker].waitBegan(at: replica, now: now)
        }
        slots[token] = Slot(permit, sent: now, streams: streams)
        decisions.append(.dispatch(token: token, replica: Int(replica.slot)))
    }

    /// What a worker does when it is woken.
    private func takeGrants(_ now: Instant, _ decisions: inout [PolicyDecision]) {
        while let grant = pool.takeGrant(worker: Self.worker, now: now) {
            switch consume grant {
            case .dispatch(let token, let permit):
                let streams = tickets.removeValue(forKey: Int(token))?.streams ?? true
                dispatch(Int(token), permit, streams: streams, now, &decisions)
            case .shed(let token, let shed):
                tickets[Int(token)] = nil
                decisions.append(
                    .refuse(
                        token: Int(token), shed.reason, expired: true,
                        retryAfter: shed.retryAfter))
            }
        }
    }

    /// What workers do with every tick.
    private func takeRecalls(_ now: Instant, _ decisions: inout [PolicyDecision]) {
        for recall in pool.takeRecalls() {
            let found = slots.first { $0.value.permit?.isMeant(by: recall) ?? false }
            guard let (token, slot) = found, let permit = slot.permit.take() else { continue }
            slots[token] = nil
            pool.progress[Self.worker].streamEnded(at: permit.replica)
            _ = permit.release(.ignored, now: now)
            decisions.append(.recall(token: token))
        }
    }

    package func firstOutput(
        _ token: Int, replica: Int, now: Instant, into decisions: inout [PolicyDecision]
    ) {
        guard let slot = slots[token] else { return }
        slot.began = now
        _ = slot.permit?.outputBegan(sent: slot.sent, now: now)
        takeGrants(now, &decisions)
    }

    package func outputs(replica: Int, events: Int, gap: Nanoseconds?, now: Instant) {
        pool.progress[Self.worker].eventArrived(from: ids[replica], now: now)
        guard let gap else { return }
        // The probe of a worker is one stream: of the events one is its own.
        pool.progress[Self.worker].stepped(at: ids[replica], gap: gap, events: 1)
    }

    package func end(
        _ token: Int, replica: Int, _ end: DispatchEnd, now: Instant,
        into decisions: inout [PolicyDecision]
    ) {
        guard let slot = slots.removeValue(forKey: token), let permit = slot.permit.take() else {
            return
        }
        let how: PermitEnd
        switch end {
        case .finished:
            how = .success
            pool.progress[Self.worker].answerArrived(from: ids[replica], now: now)
        case .abandoned: how = .ignored
        case .lost: how = .failed
        }
        if slot.streams {
            pool.progress[Self.worker].streamEnded(at: ids[replica])
        } else {
            pool.progress[Self.worker].waitEnded(at: ids[replica])
        }
        var service = Service()
        if case .finished(let generated, let cached) = end {
            service.outputTokens = generated
            service.cachedTokens = cached
            if slot.began.isSet, generated > 1 {
                service.timePerToken = (now - slot.began) / Int64(generated - 1)
            }
        }
        _ = permit.release(how, service, now: now)
        takeGrants(now, &decisions)
    }

    package func cancel(_ token: Int, now: Instant, into decisions: inout [PolicyDecision]) {
        guard let waiting = tickets.removeValue(forKey: token) else { return }
        _ = pool.cancel(waiting.ticket, now: now)
        takeGrants(now, &decisions)
    }

    package func scrapeSent(_ replica: Int, now: Instant) { pool.scrapeSent(ids[replica]) }

    package func scraped(
        _ replica: Int, _ reading: ReplicaReading, now: Instant,
        into decisions: inout [PolicyDecision]
    ) {
        let scrape = LoadScrape(
            waiting: Double(reading.waiting), running: Double(reading.running),
            kvUsage: reading.cacheUsage, cacheTokens: cacheTokens,
            heartbeat: Double(reading.iterations))
        _ = pool.observe(ids[replica], .scrape(scrape), now: now)
        takeGrants(now, &decisions)
    }

    package func replica(
        _ replica: Int, isUp: Bool, now: Instant, into decisions: inout [PolicyDecision]
    ) {
        _ = pool.observe(
            ids[replica], isUp ? .probe(.healthy) : .connectRefused, now: now)
        takeGrants(now, &decisions)
    }

    package func tick(now: Instant, into decisions: inout [PolicyDecision]) {
        _ = pool.tick(now: now)
        takeRecalls(now, &decisions)
        takeGrants(now, &decisions)
    }

    package func inFlight(at replica: Int) -> Int {
        pool.snapshot(now: .unset).replicas[replica].inflight
    }

    package var waiting: Int { pool.snapshot(now: .unset).queueLength }

    /// What the pool shows of itself.
    package func snapshot(now: Instant) -> PoolSnapshot { pool.snapshot(now: now) }
}
