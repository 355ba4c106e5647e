import SluiceTime
import Testing

@testable import SluiceTraffic

@Suite struct ReplicaUpdateTests {
    @Test func `a replica that stays keeps its id, its load and its requests`() {
        let harness = PoolHarness(replicas: 1)
        let held = harness.dispatch()
        let id = harness.ids[0]
        harness.update(2)
        #expect(harness.ids[0] == id)
        #expect(harness.snapshot.replicas[0].inflight == 1)
        held?.release(now: harness.now)
    }

    @Test func `a removed replica finishes what it has, gets nothing new, then its slot is free`() {
        let harness = PoolHarness(replicas: 2)
        let held = [harness.dispatch(), harness.dispatch()]
        let removed = harness.ids[1]
        harness.update(["r0"])
        #expect(harness.pool.replicaState(removed) == .draining)
        #expect(harness.spread(10) == [10])
        for one in held { one?.release(now: harness.now) }
        #expect(harness.pool.replicaState(removed) == nil)
        harness.update(["r0", "r9"])
        #expect(harness.ids[1].slot == removed.slot)
        #expect(harness.ids[1].generation != removed.generation)
        #expect(harness.pool.replicaState(removed) == nil, "the old id stays dead")
    }

    @Test func `one that comes back while draining goes on`() {
        let harness = PoolHarness(replicas: 2)
        let held = [harness.dispatch(), harness.dispatch()]
        let before = harness.ids
        harness.update(["r0"])
        harness.update(["r0", "r1"])
        #expect(harness.ids == before)
        #expect(harness.state(1)?.acceptsNewWork == true)
        for one in held { one?.release(now: harness.now) }
    }

    @Test func `a newcomer in a running pool starts slowly`() {
        let harness = PoolHarness(replicas: 1)
        harness.observe(0, .probe(.healthy))
        harness.update(2)
        #expect(harness.spread(20) == [18, 2])
    }

    @Test func `where all are replaced the newcomers start at full width`() {
        let harness = PoolHarness(replicas: 2)
        harness.observe(0, .probe(.healthy))
        harness.update(["r8", "r9"])
        #expect(harness.spread(20) == [10, 10])
    }

    @Test func `the same key twice is one replica`() {
        let harness = PoolHarness(replicas: 0)
        let update = harness.pool.update(
            replicas: [
                ReplicaDescriptor(name: "a", key: "k"), ReplicaDescriptor(name: "b", key: "k"),
            ], now: harness.now)
        #expect(update.ids[0] != nil)
        #expect(update.ids[1] == nil)
        #expect(harness.snapshot.replicas.count == 1)
    }

    @Test func `1024 replicas fit, one more is refused`() {
        let harness = PoolHarness(replicas: 0)
        let update = harness.pool.update(
            replicas: (0..<1_025).map { ReplicaDescriptor(name: "r\($0)", key: "r\($0)") },
            now: harness.now)
        #expect(update.ids.prefix(1_024).allSatisfy { $0 != nil })
        #expect(update.ids[1_024] == nil)
    }

    @Test(arguments: [Double.nan, .infinity, 0, -3])
    func `a weight that makes no sense counts as one`(weight: Double) {
        #expect(ReplicaDescriptor(name: "", key: "", weight: weight).usableWeight == 1)
    }

    @Test func `changes of state are told once, with their reason`() {
        let harness = PoolHarness(replicas: 2)
        harness.observe(0, .probe(.healthy))
        harness.observe(0, .connectRefused)
        let transitions = harness.pool.takeTransitions()
        #expect(transitions.map(\.to) == [.ready, .dead])
        #expect(transitions.map(\.reason) == [.probeSucceeded, .connectRefused])
        #expect(transitions.map(\.name) == ["r0", "r0"])
        #expect(harness.pool.takeTransitions().isEmpty)
    }

    @Test func `signals for a replica that is gone are ignored`() {
        let harness = PoolHarness(replicas: 1)
        let gone = harness.ids[0]
        harness.update([])
        #expect(harness.pool.observe(gone, .connectRefused, now: harness.now).isEmpty)
        harness.pool.scrapeSent(gone)
        #expect(harness.pool.nextProbe(of: gone, now: harness.now) == nil)
    }
}
