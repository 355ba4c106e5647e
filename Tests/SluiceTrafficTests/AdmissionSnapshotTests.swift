import SluiceTime
import Testing

@testable import SluiceTraffic

/// What metrics and pages are told of admission, and what operators may order.
@Suite struct AdmissionSnapshotTests {
    /// Two classes, one slot at each of two replicas, an objective of two seconds.
    private func pool(
        _ mode: AdmissionPolicy.Mode = .enforce, slots: Int = 1, replicas: Int = 2,
        change: (inout AdmissionPolicy) -> Void = { _ in }
    ) -> PoolHarness {
        let harness = PoolHarness(replicas: 0)
        harness.configure(
            AdmissionSnapshotTests.policy(mode, slots: slots, change: change))
        harness.update(replicas)
        for index in 0..<replicas { harness.observe(index, .probe(.healthy)) }
        _ = harness.pool.tick(now: harness.now)
        return harness
    }

    private static func policy(
        _ mode: AdmissionPolicy.Mode, slots: Int = 1,
        change: (inout AdmissionPolicy) -> Void = { _ in }
    ) -> AdmissionPolicy {
        var policy = AdmissionPolicy()
        policy.mode = mode
        policy.slotsMax = slots
        policy.classes = [ClassPolicy(name: "standard", timeToFirstToken: .seconds(2))]
        change(&policy)
        return policy
    }

    // MARK: Classes and bounds

    @Test func `each class shows who waits, for how long, and what a newcomer would wait`() throws {
        let harness = pool()
        let idle = harness.snapshot.admission
        #expect(idle.classes.map(\.name) == ["standard"])
        #expect(idle.classes[0].predictedWait == 0, "there is room")
        #expect(idle.classes[0].bound == 2 * PoolState.burstPart, "nobody has waited for long")
        var held: [Held] = []
        var waits = 0
        for _ in 0..<20 {
            switch harness.arrive() {
            case .held(let one): held.append(one)
            case .waits: waits += 1
            case .shed: Issue.record("nothing is known yet to refuse for")
            }
        }
        try #require(waits > 0)
        harness.advance(.seconds(6))
        let busy = harness.snapshot.admission
        #expect(busy.classes[0].length == waits)
        #expect(busy.classes[0].oldest == .seconds(6))
        #expect(busy.classes[0].predictedWait > 0)
        #expect(busy.classes[0].bound == 2 * PoolState.standingPart, "the queue stands")
        #expect(harness.pool.waitingTenants(most: 3)[0].map(\.name) == ["anonymous"])
        #expect(harness.pool.waitingTenants(most: 3)[0].map(\.length) == [waits])
        for one in held { harness.keep(one) }
        harness.settle()
    }

    @Test(
        "a slot's time is that of its tokens, however many come in one event or one read",
        arguments: [
            (tokens: 100, events: 100, perRead: 1), (100, 100, 4), (300, 100, 1), (300, 100, 2),
        ]
    )
    func slotTime(tokens: Int, events: Int, perRead: Int) throws {
        let harness = pool(replicas: 1)
        for index in 0..<200 {
            let one = try #require(harness.dispatch())
            // Every second one is a tool call, which comes in one piece: without gaps.
            let isHeldBack = index.isMultiple(of: 2)
            for _ in 0..<(isHeldBack ? 0 : events / perRead) {
                harness.pool.progress[0].stepped(
                    at: one.replica, gap: .milliseconds(10 * Int64(perRead)), events: perRead)
            }
            harness.advance(.seconds(1))
            let service = Service(
                outputTokens: tokens, contentEvents: isHeldBack ? 1 : events)
            one.release(.success, service, now: harness.now)
            _ = harness.pool.tick(now: harness.now)
        }
        // One slot, one second for each answer, whatever its events stand for.
        let rate = harness.snapshot.admission.drainRate
        #expect(abs(rate - 1) < 0.01, "\(rate)")
        harness.settle()
    }

    // MARK: Demand

    @Test func `demand counts what is there, what waits, and what was refused once`() throws {
        let harness = pool()
        var limits = AdmissionLimits()
        limits.queueLengthMax = 0
        limits.replicaInflightMax = 1
        harness.configure(Self.policy(.off), limits: limits)
        let capacity = harness.snapshot.admission.capacity
        #expect(capacity == 2, "one slot at each of two replicas")
        var held: [Held] = []
        for _ in 0..<2 { held.append(try #require(harness.dispatch())) }
        #expect(harness.snapshot.admission.demandReplicas == 2)
        #expect(harness.snapshot.admission.utilization == 1)
        harness.advance(.seconds(10))
        for _ in 0..<20 { #expect(harness.isShed(Arrival())) }
        // 20 refusals in 10 s, a second each at a replica of one slot.
        let demand = harness.snapshot.admission.demandReplicas
        #expect(abs(demand - 4) < 0.01, "\(demand)")
        var again = Arrival()
        again.isRepeated = true
        for _ in 0..<20 { #expect(harness.isShed(again)) }
        #expect(harness.snapshot.admission.demandReplicas == demand, "the same demand, asked again")
        harness.advance(.seconds(11))
        #expect(harness.snapshot.admission.demandReplicas == 2, "refusals are forgotten")
        for one in held { one.release(.ignored, now: harness.now) }
    }

    @Test func `who is refused, comes again and waits is demand once, and our own retry is none`()
        throws
    {
        let harness = pool()
        var limits = AdmissionLimits()
        limits.replicaInflightMax = 1
        harness.configure(Self.policy(.off), limits: limits)
        var held: [Held] = []
        for _ in 0..<2 { held.append(try #require(harness.dispatch())) }
        limits.queueLengthMax = 0
        harness.configure(Self.policy(.off), limits: limits)
        harness.advance(.seconds(10))
        for _ in 0..<10 { #expect(harness.isShed(Arrival())) }
        let refused = harness.snapshot.admission.demandReplicas
        #expect(abs(refused - 3) < 0.01, "two there, ten refused in ten seconds: \(refused)")
        // All that a request of ours has been tried at is full: it was counted when it came.
        guard case .shed = harness.arrive(retrying: ReplicaIDs(held[0].replica)) else {
            Issue.record("there is no room")
            return
        }
        #expect(harness.snapshot.admission.demandReplicas == refused)
        // The same ten come again and are let in: they are there, and no refusal is added.
        limits.queueLengthMax = 100
        harness.configure(Self.policy(.off), limits: limits)
        var again = Arrival()
        again.isRepeated = true
        for _ in 0..<10 { #expect(!harness.isShed(again)) }
        #expect(harness.snapshot.admission.demandReplicas == refused + 10)
        harness.advance(.seconds(11))
        #expect(harness.snapshot.admission.demandReplicas == 12, "refusals are forgotten")
        for one in held { harness.keep(one) }
        harness.settle()
    }

    @Test func `a pool without a replica still has demand, and no utilisation`() {
        let harness = pool(replicas: 1)
        harness.observe(0, .connectRefused)
        harness.observe(0, .connectRefused)
        harness.observe(0, .connectRefused)
        guard harness.state(0)?.acceptsNewWork == false else {
            Issue.record("the replica is still up")
            return
        }
        #expect(harness.isShed(Arrival()))
        let admission = harness.snapshot.admission
        #expect(admission.capacity == 0 && admission.utilization == nil)
        #expect(admission.demandReplicas > 0)
    }

    // MARK: Sizes

    @Test func `who is served is told by the length of the prompt`() throws {
        var log = DecisionLog()
        func record(
            _ tokens: Int, _ verdict: DecisionEntry.Verdict, _ routing: RoutingReason? = nil
        ) {
            var entry = DecisionEntry()
            entry.promptTokens = Float(tokens)
            entry.verdict = verdict
            entry.routing = routing
            log.append(entry)
        }
        for index in 0..<99 { record(index, index < 50 ? .dispatched : .refused) }
        #expect(log.promptSizes.servedRatios.isEmpty, "too few")
        record(99, .queued)
        record(99, .dispatched, .retry)
        #expect(log.promptSizes.servedRatios.isEmpty, "neither is the end of a request's wait")
        record(99, .refused)
        #expect(log.promptSizes.servedRatios == [1, 1, 1, 1, 1, 0, 0, 0, 0, 0])
        for _ in 0..<1_024 { record(1, .granted) }
        #expect(
            log.promptSizes.servedRatios == Array(repeating: 1, count: 10), "older ones are gone")
    }

    // MARK: Orders

    @Test func `an order outlives a reload until it is taken back`() {
        let harness = pool()
        _ = harness.pool.order(mode: .off, now: harness.now)
        #expect(harness.snapshot.admission.mode == .off)
        #expect(harness.snapshot.admission.configuredMode == .enforce)
        harness.configure(Self.policy(.shadow))
        #expect(harness.snapshot.admission.mode == .off, "a reload is no order")
        #expect(harness.snapshot.admission.configuredMode == .shadow)
        _ = harness.pool.order(mode: .shadow, now: harness.now)
        harness.configure(Self.policy(.enforce))
        #expect(harness.snapshot.admission.mode == .enforce, "the order had been taken back")
    }

    @Test func `switched off, who waits goes at once`() {
        let harness = pool()
        var waits = 0
        for _ in 0..<20 {
            switch harness.arrive() {
            case .held(let one): harness.keep(one)
            case .waits: waits += 1
            case .shed: Issue.record("refused")
            }
        }
        #expect(waits > 0)
        _ = harness.pool.order(mode: .off, now: harness.now)
        #expect(harness.snapshot.queueLength == 0)
        let granted = harness.grants().granted
        #expect(granted.count == waits)
        for (_, one) in granted { harness.keep(one) }
        harness.settle()
    }

    // MARK: Shadow

    @Test func `in shadow mode all are served, and what would have been refused is counted`() {
        let harness = pool(.shadow, replicas: 1)
        // What is needed to judge: fifty ends, three seconds.
        for _ in 0..<60 {
            let one = harness.dispatch()
            harness.advance(.seconds(1))
            one?.release(.success, now: harness.now)
        }
        harness.advance(.seconds(60))
        _ = harness.pool.tick(now: harness.now)
        for _ in 0..<40 {
            guard let one = harness.dispatch() else {
                Issue.record("shadow mode refuses nobody")
                continue
            }
            harness.keep(one)
        }
        let sheds = harness.snapshot.admission.shadowSheds.counts
        let counted = sheds.values.reduce(0, +)
        #expect(counted > 0 && counted < 40, "\(sheds)")
        #expect(sheds.keys.allSatisfy { $0.reason == .overload })
        let rows = harness.pool.decisions(newest: 40)
        #expect(rows.count { $0.entry.shed == .overload } == Int(counted))
        #expect(rows.allSatisfy { $0.entry.verdict == .dispatched })
        harness.settle()
    }

    @Test func `requests that would have been refused do not stand in the way of others`() {
        var queue = VirtualQueue()
        let start = Instant(nanoseconds: 1_000_000_000)
        queue.advance(slots: 2, rate: 2, now: start)
        for _ in 0..<4 { queue.add(1) }
        queue.advance(slots: 2, rate: 2, now: start + .milliseconds(1))
        #expect(queue.since.isSet, "two wait")
        #expect(abs(queue.held(through: 1) - 4) < 0.01)
        #expect(queue.held(through: 0) == 0, "they are not in the way of who is more urgent")
        for tick in 1...10 {
            queue.advance(slots: 2, rate: 2, now: start + .milliseconds(100 * Int64(tick)))
        }
        #expect(abs(queue.held(through: 1) - 2) < 0.05, "two a second")
        queue.advance(slots: 2, rate: 2, now: start + .seconds(60))
        #expect(queue.held(through: 7) < 0.01)
        #expect(!queue.since.isSet)
    }
}

extension PoolHarness {
    /// Puts a policy into force, as a reload does.
    func configure(_ policy: AdmissionPolicy, limits: AdmissionLimits = AdmissionLimits()) {
        _ = pool.reconfigure(
            limits: limits, policy: policy, health: HealthSettings(), now: now)
    }

    func isShed(_ arrival: Arrival) -> Bool {
        if case .shed = arrive(arrival) { return true }
        return false
    }
}
