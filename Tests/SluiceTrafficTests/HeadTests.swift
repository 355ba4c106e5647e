import SluiceBytes
import SluiceTime
import Testing

@testable import SluiceTraffic

/// Requests of which only the head has come.
@Suite struct HeadTests {
    private func head(_ bytes: Int = 20_000, classIndex: Int = 0) -> Arrival {
        Arrival(promptBytes: bytes, classIndex: classIndex, bodyBytes: bytes)
    }

    private func verdict(_ harness: PoolHarness, _ arrival: Arrival) -> Shed? {
        harness.pool.judgeHead(arrival, now: harness.now, random: &harness.random)
    }

    private func pool(
        classes: [ClassPolicy], limits: AdmissionLimits = AdmissionLimits(), replicas: Int = 1
    ) -> PoolHarness {
        var policy = AdmissionPolicy()
        policy.classes = classes
        policy.slotsMax = 1
        return PoolHarness(replicas: replicas, limits: limits, policy: policy)
    }

    @Test func `a pool with room, or with a place to wait, has the body read`() {
        let harness = PoolHarness(replicas: 1)
        #expect(verdict(harness, head()) == nil)
        let held = harness.dispatch()
        #expect(verdict(harness, head()) == nil)
        held?.release(now: harness.now)
    }

    @Test func `a full queue refuses, but not one who may push another out`() {
        var limits = AdmissionLimits()
        limits.replicaInflightMax = 1
        limits.queueLengthMax = 1
        let batch = ClassPolicy(name: "batch", timeToFirstToken: .seconds(20))
        let critical = ClassPolicy(name: "critical", timeToFirstToken: .seconds(2))
        let harness = pool(classes: [critical, batch], limits: limits)
        let held = harness.dispatch()
        guard case .waits(let ticket, _) = harness.arrive(Arrival(classIndex: 1)) else {
            Issue.record("there was a place to wait")
            return
        }
        let shed = verdict(harness, head(classIndex: 1))
        #expect(shed?.reason == .full)
        #expect(shed?.retryAfter.map { $0 >= .seconds(1) && $0 <= .seconds(60) } == true)
        #expect(verdict(harness, head(classIndex: 0)) == nil)
        _ = harness.pool.cancel(ticket, now: harness.now)
        held?.release(now: harness.now)
    }

    @Test func `bytes that do not fit into the queue are as good as none`() {
        var limits = AdmissionLimits()
        limits.replicaInflightMax = 1
        limits.queueBytesMax = 20_000
        let harness = PoolHarness(replicas: 1, limits: limits)
        #expect(verdict(harness, head(20_001)) == nil, "it need not wait")
        let held = harness.dispatch()
        #expect(verdict(harness, head(20_000)) == nil)
        #expect(verdict(harness, head(20_001))?.reason == .full)
        held?.release(now: harness.now)
    }

    @Test func `without a replica it is refused, unless one may be waited for`() {
        let harness = PoolHarness(replicas: 1)
        harness.observe(0, .probe(.unavailable))
        harness.observe(0, .probe(.unavailable))
        let shed = verdict(harness, head())
        #expect(shed?.reason == .noReplica && shed?.retryAfter != nil)
        var policy = AdmissionPolicy()
        policy.noReplicaWait = .seconds(60)
        let patient = PoolHarness(replicas: 0, policy: policy)
        #expect(verdict(patient, head()) == nil)
    }

    @Test func `a draining pool refuses`() {
        let harness = PoolHarness(replicas: 1)
        harness.pool.drain()
        #expect(verdict(harness, head())?.reason == .draining)
    }

    @Test func `a refusal is remembered, and counted as demand, once`() {
        var limits = AdmissionLimits()
        limits.replicaInflightMax = 1
        limits.queueLengthMax = 0
        let harness = PoolHarness(replicas: 1, limits: limits)
        let held = harness.dispatch()
        var arrival = head()
        arrival.tag = 77
        #expect(verdict(harness, arrival)?.reason == .full)
        let rows = harness.pool.decisions(newest: 2)
        #expect(rows.first?.entry.shed == .full && rows.first?.entry.tag == 77)
        #expect(rows.count == 2)
        held?.release(now: harness.now)
    }

    /// In a pool that lives through load of all kinds, each refusal of a head is that of its body too.
    @Test(arguments: [ClassPolicy.LongPrompt.refuse, .bestEffort], [4, nil])
    func `no body of its length would have let in who is refused by the head`(
        longPrompt: ClassPolicy.LongPrompt, slots: Int?
    ) {
        var critical = ClassPolicy(name: "critical", timeToFirstToken: .seconds(2))
        critical.longPrompt = longPrompt
        critical.perThousandPromptTokens = .milliseconds(100)
        var batch = ClassPolicy(name: "batch", timeToFirstToken: .seconds(6))
        batch.maxShare = 0.5
        batch.minShare = 0.1
        batch.longPrompt = longPrompt
        var policy = AdmissionPolicy()
        policy.classes = [critical, batch]
        policy.slotsMax = slots
        var limits = AdmissionLimits()
        limits.queueLengthMax = 12
        limits.queueBytesMax = 400_000
        var state = PoolState(
            limits: limits, policy: policy, settings: HealthSettings(), seed: 3)
        var now = Instant(nanoseconds: 1_000_000_000_000)
        _ = state.update(
            (0..<2).map { ReplicaDescriptor(name: "r\($0)", key: "r\($0)") }, now: now)
        var random = SplitMix64(seed: 11)
        var flights: [Int32] = []
        var refused: [ShedReason: Int] = [:]
        for step in 0..<6_000 {
            now = now + .milliseconds(Int64(random.next(upperBound: UInt64(120))))
            if step.isMultiple(of: 4) { _ = state.tick(now: now, progress: []) }
            while let node = state.queue.take(worker: 0) {
                guard case .granted(let reservation) = node.stage else { continue }
                flights.append(reservation.flight)
            }
            if !flights.isEmpty, random.next(upperBound: UInt64(10)) < 4 {
                let index = Int(random.next(upperBound: UInt64(flights.count)))
                let service = Service(promptTokens: 500, cachedTokens: 0, outputTokens: 40)
                _ = state.release(flights.remove(at: index), .success, service, now: now)
            }
            let bytes = 16_384 + Int(random.next(upperBound: UInt64(60_000)))
            let classIndex = Int(random.next(upperBound: UInt64(2)))
            let before = state
            let shed = state.judgeHead(
                head(bytes, classIndex: classIndex), now: now, dice: random.next())
            if let shed {
                refused[shed.reason, default: 0] += 1
                for promptBytes in [0, bytes / 3, bytes] {
                    var copy = before
                    var arrival = head(bytes, classIndex: classIndex)
                    arrival.promptBytes = promptBytes
                    let decision = copy.arrive(
                        arrival, worker: 0, token: 1, retry: nil, now: now, dice: 5)
                    guard case .shed = decision else {
                        Issue.record("\(shed.reason) by the head, in with \(promptBytes) bytes")
                        return
                    }
                }
                continue
            }
            let decision = state.arrive(
                head(bytes, classIndex: classIndex), worker: 0, token: UInt64(step), retry: nil,
                now: now, dice: random.next())
            if case .dispatch(let reservation) = decision { flights.append(reservation.flight) }
        }
        #expect(refused[.overload, default: 0] > 100, "\(refused)")
        #expect(refused[.full, default: 0] > 10, "\(refused)")
    }
}
