import SluiceTime
import Testing

@testable import SluiceTraffic

@Suite struct AdapterFitTests {
    private func pool(_ replicas: Int, objective: Nanoseconds? = nil) -> PoolHarness {
        var policy = AdmissionPolicy()
        policy.classes = [ClassPolicy(name: "standard", timeToFirstToken: objective)]
        policy.slotsMax = 8
        return PoolHarness(replicas: replicas, policy: policy)
    }

    private func asking(for adapter: UInt16) -> Arrival {
        var arrival = Arrival()
        arrival.adapter = adapter
        return arrival
    }

    private func scrape(running: [UInt16], limit: Int?) -> ReplicaEvent {
        var scrape = LoadScrape(waiting: 0, running: 0)
        scrape.runningAdapters = running
        scrape.adaptersMax = limit
        return .scrape(scrape)
    }

    /// Which replicas `count` requests for an adapter go to, each ended before the next comes.
    private func served(_ harness: PoolHarness, _ adapter: UInt16, _ count: Int = 40) -> [Int] {
        var counts = [Int](repeating: 0, count: harness.ids.count)
        for _ in 0..<count {
            guard case .held(let held) = harness.arrive(asking(for: adapter)) else { continue }
            if let index = harness.ids.firstIndex(of: held.replica) { counts[index] += 1 }
            held.release(.ignored, now: harness.now)
        }
        return counts
    }

    @Test func `a replica stands to an adapter as its pages say`() {
        var adapters = ReplicaAdapters()
        #expect(adapters.fit(3) == .absent)
        adapters.list([9, 3, 5])
        #expect([3, 5, 9].allSatisfy { adapters.fit($0) == .listed })
        #expect(adapters.fit(4) == .absent && adapters.fit(10) == .absent)
        adapters.scraped(running: [5, 9], limit: 2)
        #expect(adapters.fit(5) == .running && adapters.fit(3) == .crowded)
        adapters.scraped(running: [5], limit: nil)
        #expect(adapters.fit(3) == .listed)
        adapters.sent(3)
        adapters.sent(3)
        #expect(adapters.fit(3) == .running && adapters.running == [5, 3])
        adapters.list([5])
        #expect(adapters.fit(3) == .absent)
    }

    @Test func `what runs is remembered within a bound`() {
        var adapters = ReplicaAdapters()
        adapters.scraped(running: (1...1_000).map { UInt16($0) }, limit: 4)
        for number in 2_000..<3_000 { adapters.sent(UInt16(number)) }
        #expect(adapters.running.count == ReplicaAdapters.runningMax)
    }

    @Test(arguments: [nil, Nanoseconds.seconds(2)])
    func `an adapter's requests go where it is listed, others anywhere`(objective: Nanoseconds?) {
        let harness = pool(3, objective: objective)
        harness.observe(1, .adapters([7]))
        harness.observe(2, .adapters([8]))
        #expect(served(harness, 7) == [0, 40, 0])
        #expect(served(harness, 8) == [0, 0, 40])
        #expect(served(harness, 0).allSatisfy { $0 > 0 })
    }

    @Test(arguments: [nil, Nanoseconds.seconds(2)])
    func `of those that list it one that runs it goes first, one that is full of others last`(
        objective: Nanoseconds?
    ) {
        let harness = pool(3, objective: objective)
        for index in 0..<3 { harness.observe(index, .adapters([7, 8, 9])) }
        harness.observe(0, scrape(running: [8, 9], limit: 2))
        harness.observe(1, scrape(running: [8], limit: 2))
        harness.observe(2, scrape(running: [7], limit: 2))
        #expect(served(harness, 7) == [0, 0, 40])
        #expect(served(harness, 9) == [40, 0, 0])
        harness.observe(2, .cordon)
        #expect(served(harness, 7) == [0, 40, 0])
    }

    @Test func `a request makes its adapter run where it goes`() {
        let harness = pool(4, objective: .seconds(2))
        for index in 0..<4 { harness.observe(index, .adapters([7])) }
        let counts = served(harness, 7)
        #expect(counts.sorted() == [0, 0, 0, 40], "the first one decides")
    }

    @Test func `a busy replica that runs it is no reason to wait for long`() {
        let harness = pool(2)
        for index in 0..<2 { harness.observe(index, .adapters([7])) }
        harness.observe(0, scrape(running: [7], limit: 2))
        var held: [Held] = []
        for _ in 0..<10 {
            if case .held(let one) = harness.arrive(asking(for: 7)) { held.append(one) }
        }
        let there = held.filter { $0.replica == harness.ids[0] }.count
        #expect((5...6).contains(there))
        for one in held { one.release(.ignored, now: harness.now) }
    }

    @Test func `where nobody lists it any replica may say so itself`() {
        let harness = pool(2)
        #expect(served(harness, 7).reduce(0, +) == 40)
    }

    @Test func `while those that list it are away nobody else is asked`() {
        let harness = pool(2)
        harness.observe(1, .adapters([7]))
        harness.observe(1, .cordon)
        guard case .shed(let reason, let retryAfter) = harness.arrive(asking(for: 7)) else {
            Issue.record("no replica serves the adapter")
            return
        }
        #expect(reason == .noReplica && retryAfter != nil)
        #expect(served(harness, 0) == [40, 0])
        harness.observe(1, .uncordon)
        #expect(served(harness, 7) == [0, 40])
    }

    @Test func `one that waits for its adapter's replica holds up nobody else`() {
        let harness = pool(2, objective: .seconds(2))
        harness.observe(1, .adapters([7]))
        var held: [Held] = []
        while case .held(let one) = harness.arrive(asking(for: 7)) {
            held.append(one)
            guard held.count < 200 else { return }
        }
        // The last one waits, nearly as long as it may.
        harness.advance(.milliseconds(1_300))
        _ = harness.pool.tick(now: harness.now)
        #expect(harness.snapshot.queueLength == 1)
        guard case .waits(_, let token) = harness.arrive() else {
            Issue.record("it stands behind the one that waits")
            return
        }
        let granted = harness.grants().granted
        #expect(granted.map(\.0) == [token])
        #expect(granted.map(\.1.replica) == [harness.ids[0]])
        for one in held + granted.map(\.1) { one.release(.ignored, now: harness.now) }
        for one in harness.grants().granted { one.1.release(.ignored, now: harness.now) }
        #expect(harness.snapshot.inflight == 0 && harness.snapshot.queueLength == 0)
    }

    @Test func `a decision shows who does not list it`() {
        let harness = pool(2)
        harness.observe(1, .adapters([7]))
        let row = harness.pool.dryRun(asking(for: 7), now: harness.now)
        #expect(row.candidates.map(\.obstacle) == [.noAdapter, nil])
    }
}
