import SluiceTime
import Testing

@testable import SluiceTraffic

@Suite struct ReplicaPoolTests {
    private func narrow(_ inflight: Int, queue: Int = 1_024) -> AdmissionLimits {
        var limits = AdmissionLimits()
        limits.replicaInflightMax = inflight
        limits.queueLengthMax = queue
        return limits
    }

    @Test func `a request goes at once while a replica is below its bound`() {
        let harness = PoolHarness(replicas: 2, limits: narrow(1))
        let first = harness.dispatch()
        let second = harness.dispatch()
        #expect(first?.replica != second?.replica)
        #expect(harness.snapshot.inflight == 2)
        first?.release(now: harness.now)
        second?.release(now: harness.now)
        #expect(harness.snapshot.inflight == 0)
    }

    @Test func `beyond the bound it waits, and a release hands the slot to the oldest`() {
        let harness = PoolHarness(replicas: 1, limits: narrow(1))
        let held = harness.dispatch()
        guard case .waits(_, let first) = harness.arrive(worker: 2),
            case .waits = harness.arrive(worker: 3)
        else {
            Issue.record("both should wait")
            return
        }
        #expect(harness.snapshot.inflight == 1, "who waits holds no permit")
        let wakes = held?.release(now: harness.now)
        #expect(wakes?.contains(2) == true)
        #expect(wakes?.contains(3) == false)
        let grants = harness.grants(worker: 2)
        #expect(grants.granted.map(\.0) == [first])
        #expect(harness.snapshot.queueLength == 1)
        let wakes3 = grants.granted[0].1.release(now: harness.now)
        #expect(wakes3.contains(3))
        for (_, held) in harness.grants(worker: 3).granted { held.release(now: harness.now) }
        #expect(harness.snapshot.inflight == 0)
    }

    @Test func `a worker is woken only when its box was empty`() {
        let harness = PoolHarness(replicas: 1, limits: narrow(2))
        let held = [harness.dispatch(), harness.dispatch()]
        _ = harness.arrive(worker: 1)
        _ = harness.arrive(worker: 1)
        #expect(held[0]?.release(now: harness.now).contains(1) == true)
        #expect(held[1]?.release(now: harness.now).isEmpty == true)
        let grants = harness.grants(worker: 1).granted
        #expect(grants.count == 2)
        for (_, held) in grants { held.release(now: harness.now) }
    }

    @Test func `nobody overtakes those who wait`() {
        let harness = PoolHarness(replicas: 1, limits: narrow(1))
        let held = harness.dispatch()
        var tokens: [UInt64] = []
        for _ in 0..<5 {
            if case .waits(_, let token) = harness.arrive() { tokens.append(token) }
        }
        held?.release(now: harness.now)
        var served: [UInt64] = []
        for _ in 0..<5 {
            for (token, held) in harness.grants().granted {
                served.append(token)
                held.release(now: harness.now)
            }
        }
        #expect(served == tokens)
    }

    @Test func `the queue is bounded in requests`() {
        let harness = PoolHarness(replicas: 1, limits: narrow(1, queue: 2))
        let held = harness.dispatch()
        _ = harness.arrive()
        _ = harness.arrive()
        guard case .shed(let reason, let retryAfter) = harness.arrive() else {
            Issue.record("one over the bound must be shed")
            return
        }
        #expect(reason == .full)
        #expect(reason.status == 429)
        #expect(retryAfter ?? .zero >= .seconds(1))
        held?.release(now: harness.now)
        drain(harness)
    }

    @Test func `the queue is bounded in bytes, at and just over`() {
        var limits = narrow(1)
        limits.queueBytesMax = 100
        let harness = PoolHarness(replicas: 1, limits: limits)
        let held = harness.dispatch()
        guard case .waits = harness.arrive(Arrival(bodyBytes: 60)),
            case .shed(.full, _) = harness.arrive(Arrival(bodyBytes: 41)),
            case .shed(.full, _) = harness.arrive(Arrival(bodyBytes: .max)),
            case .waits = harness.arrive(Arrival(bodyBytes: 40))
        else {
            Issue.record("100 bytes fit, 101 do not")
            return
        }
        #expect(harness.snapshot.queueBytes == 100)
        held?.release(now: harness.now)
        drain(harness)
        #expect(harness.snapshot.queueBytes == 0)
    }

    @Test func `every wait ends at its bound, the caller's earlier deadline is told apart`() {
        let harness = PoolHarness(replicas: 1, limits: narrow(1))
        let held = harness.dispatch()
        guard case .waits(_, let ours) = harness.arrive(worker: 1),
            case .waits(_, let callers) = harness.arrive(
                Arrival(deadline: harness.now + .seconds(10)), worker: 1)
        else {
            Issue.record("both should wait")
            return
        }
        harness.advance(.seconds(10) - Nanoseconds(1))
        #expect(harness.pool.tick(now: harness.now).isEmpty)
        harness.advance(Nanoseconds(1))
        #expect(harness.pool.tick(now: harness.now).contains(1))
        harness.advance(.seconds(20))
        _ = harness.pool.tick(now: harness.now)
        let expired = harness.grants(worker: 1).expired
        #expect(expired.map(\.0) == [callers, ours])
        #expect(expired.map(\.1) == [.deadline, .expired])
        #expect(harness.snapshot.queueLength == 0)
        held?.release(now: harness.now)
    }

    @Test func `a request whose deadline is over is not served late`() {
        let harness = PoolHarness(replicas: 1, limits: narrow(1))
        let held = harness.dispatch()
        _ = harness.arrive(Arrival(deadline: harness.now + .seconds(1)))
        harness.advance(.seconds(2))
        held?.release(now: harness.now)
        let grants = harness.grants()
        #expect(grants.granted.isEmpty)
        #expect(grants.expired.count == 1)
        guard case .shed(.deadline, _) = harness.arrive(Arrival(deadline: harness.now)) else {
            Issue.record("arrived too late")
            return
        }
    }

    @Test func `a cancelled request leaves the queue and nothing comes for it`() {
        let harness = PoolHarness(replicas: 1, limits: narrow(1))
        let held = harness.dispatch()
        guard case .waits(let ticket, _) = harness.arrive() else { return }
        #expect(harness.pool.cancel(ticket, now: harness.now).verdict == .removed)
        #expect(harness.pool.cancel(ticket, now: harness.now).verdict == .alreadyDelivered)
        held?.release(now: harness.now)
        #expect(harness.grants().granted.isEmpty)
        #expect(harness.snapshot.inflight == 0)
    }

    @Test func `cancelling a grant on its way passes the slot to the next`() {
        let harness = PoolHarness(replicas: 1, limits: narrow(1))
        let held = harness.dispatch()
        guard case .waits(let ticket, _) = harness.arrive(worker: 0),
            case .waits(_, let next) = harness.arrive(worker: 1)
        else { return }
        held?.release(now: harness.now)
        let cancellation = harness.pool.cancel(ticket, now: harness.now)
        #expect(cancellation.verdict == .withdrawn)
        #expect(cancellation.wakes.contains(1))
        #expect(harness.grants(worker: 0).granted.isEmpty)
        let grants = harness.grants(worker: 1).granted
        #expect(grants.map(\.0) == [next])
        for (_, held) in grants { held.release(now: harness.now) }
        #expect(harness.snapshot.inflight == 0)
    }

    @Test func `a stale ticket never cancels the slot's next tenant`() {
        let harness = PoolHarness(replicas: 1, limits: narrow(1))
        let held = harness.dispatch()
        guard case .waits(let old, _) = harness.arrive() else { return }
        _ = harness.pool.cancel(old, now: harness.now)
        guard case .waits(let new, _) = harness.arrive() else { return }
        #expect(new.slot == old.slot)
        #expect(harness.pool.cancel(old, now: harness.now).verdict == .alreadyDelivered)
        #expect(harness.snapshot.queueLength == 1)
        held?.release(now: harness.now)
        drain(harness)
    }

    @Test func `without any replica a request is refused at once with 503`() {
        let harness = PoolHarness(replicas: 2)
        for replica in 0..<2 { harness.observe(replica, .connectRefused) }
        guard case .shed(.noReplica, let retryAfter) = harness.arrive() else {
            Issue.record("nothing can serve")
            return
        }
        #expect(ShedReason.noReplica.status == 503)
        #expect(retryAfter ?? .zero >= .seconds(5))
        let empty = PoolHarness(replicas: 0)
        guard case .shed(.noReplica, _) = empty.arrive() else {
            Issue.record("an empty pool serves nobody")
            return
        }
    }

    @Test func `who waits when the last replica dies is served when it returns`() {
        let harness = PoolHarness(replicas: 1, limits: narrow(1))
        let held = harness.dispatch()
        guard case .waits(_, let token) = harness.arrive() else { return }
        harness.observe(0, .connectRefused)
        held?.release(.ignored, now: harness.now)
        #expect(harness.grants().granted.isEmpty)
        harness.advance(.milliseconds(500))
        harness.observe(0, .probe(.healthy))
        let grants = harness.grants().granted
        #expect(grants.map(\.0) == [token])
        for (_, held) in grants { held.release(now: harness.now) }
    }

    @Test func `a draining pool refuses arrivals but serves retries and those who wait`() {
        let harness = PoolHarness(replicas: 1, limits: narrow(1))
        let held = harness.dispatch()
        _ = harness.arrive()
        harness.pool.drain()
        guard case .shed(.draining, nil) = harness.arrive() else {
            Issue.record("draining")
            return
        }
        guard case .waits = harness.arrive(retrying: ReplicaIDs()) else {
            Issue.record("a retry was admitted before")
            return
        }
        held?.release(now: harness.now)
        drain(harness)
        #expect(harness.snapshot.finished == 3)
    }

    @Test func `a retry goes to another replica, before those who wait`() {
        let harness = PoolHarness(replicas: 2, limits: narrow(1))
        let first = harness.dispatch()
        let second = harness.dispatch()
        _ = harness.arrive()
        guard let first, let second else { return }
        guard case .waits(_, let token) = harness.arrive(retrying: ReplicaIDs(first.replica))
        else {
            Issue.record("waits: its only choice is full")
            return
        }
        second.release(now: harness.now)
        let grants = harness.grants().granted
        #expect(grants.map(\.0) == [token])
        #expect(grants.first?.1.replica == second.replica)
        #expect(grants.first?.1.reason == .retry)
        // A slot the retry must not take goes to the one behind it.
        first.release(now: harness.now)
        for (_, held) in grants { held.release(now: harness.now) }
        drain(harness)
        let only = PoolHarness(replicas: 1)
        guard case .shed(.noReplica, _) = only.arrive(retrying: ReplicaIDs(only.ids[0])) else {
            Issue.record("there is no other replica")
            return
        }
    }

    @Test func `retries stay in their order, before those who wait`() {
        let harness = PoolHarness(replicas: 1, limits: narrow(1))
        let held = harness.dispatch()
        guard case .waits(_, let plain) = harness.arrive(),
            case .waits(_, let first) = harness.arrive(retrying: ReplicaIDs()),
            case .waits(_, let second) = harness.arrive(retrying: ReplicaIDs())
        else {
            Issue.record("the only slot is taken")
            return
        }
        held?.release(now: harness.now)
        let order = harness.serveInTurn()
        #expect(order == [first, second, plain])
    }

    @Test func `another replica is one that serves and is not excluded`() {
        let harness = PoolHarness(replicas: 2)
        #expect(harness.pool.hasOther(than: ReplicaIDs(harness.ids[0])))
        harness.observe(1, .probe(.refused))
        #expect(!harness.pool.hasOther(than: ReplicaIDs(harness.ids[0])))
        #expect(harness.pool.hasOther(than: ReplicaIDs(harness.ids[1])))
    }

    @Test func `a retry that fits nowhere lets others pass`() {
        let harness = PoolHarness(replicas: 2, limits: narrow(1))
        guard let first = harness.dispatch(), let second = harness.dispatch(),
            case .waits = harness.arrive(retrying: ReplicaIDs(first.replica)),
            case .waits(_, let plain) = harness.arrive()
        else { return }
        first.release(now: harness.now)
        let grants = harness.grants().granted
        #expect(grants.map(\.0) == [plain])
        for (_, held) in grants { held.release(now: harness.now) }
        second.release(now: harness.now)
        drain(harness)
    }

    @Test func `a lost permit gives its slot back and is counted`() {
        let harness = PoolHarness(replicas: 1, leakPolicy: .count)
        _ = harness.dispatch()
        let snapshot = harness.snapshot
        #expect(snapshot.leakedPermits == 1)
        #expect(snapshot.inflight == 0)
    }

    @Test func `sixteen dispatches per lock hold do not strand the seventeenth`() {
        let harness = PoolHarness(replicas: 1, limits: narrow(40))
        var held: [Held] = []
        for _ in 0..<40 { if let one = harness.dispatch() { held.append(one) } }
        for _ in 0..<40 { _ = harness.arrive() }
        harness.observe(0, .connectRefused)
        for one in held { one.release(.ignored, now: harness.now) }
        harness.advance(.seconds(1))
        harness.observe(0, .probe(.healthy))
        let grants = harness.grants().granted
        #expect(grants.count == 40)
        for (_, one) in grants { one.release(now: harness.now) }
    }

    /// Serves all who wait.
    private func drain(_ harness: PoolHarness) {
        for _ in 0..<2_000 {
            let grants = harness.grants().granted
            if grants.isEmpty { return }
            for (_, held) in grants { held.release(now: harness.now) }
        }
    }
}
