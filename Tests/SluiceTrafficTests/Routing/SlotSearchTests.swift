import SluiceTime
import Testing

@testable import SluiceTraffic

@Suite("search for slots that nobody told")
struct SlotSearchTests {
    private let start = Instant(nanoseconds: 1_000_000_000)

    @Test(
        "steps are great until a replica was found full, then one slot; tries keep their distance")
    func steps() {
        var search = SlotSearch()
        var now = start
        var steps: [Double] = []
        while search.frontier < 40 {
            #expect(search.isDue(now: now), "after a success at once")
            search.begin(0, level: search.frontier, now: now)
            steps.append(search.more)
            #expect(!search.isDue(now: now), "one replica at a time")
            let isMore = search.show(0, running: search.level + search.more, now: now)
            #expect(isMore)
        }
        #expect(steps == [2, 2, 3, 4, 6, 9, 14])
        var gaps: [Int64] = []
        for _ in 0..<12 {
            search.begin(1, level: search.frontier, now: now)
            search.showFull(1, at: search.frontier, now: now)
            let failed = now
            while !search.isDue(now: now) { now = now + .seconds(1) }
            gaps.append((now - failed).count / 1_000_000_000)
            search.begin(2, level: search.frontier, now: now)
            #expect(search.more == 1)
            search.giveUp()
        }
        #expect(gaps == [2, 4, 8, 16, 32, 64, 128, 256, 512, 600, 600, 600])
        // One that runs more makes them all worth trying again.
        search.begin(2, level: search.frontier, now: now)
        let isMore = search.show(2, running: search.frontier + 1, now: now)
        #expect(isMore)
        #expect(search.isDue(now: now))
        search.begin(2, level: search.frontier, now: now)
        #expect(search.more > 1)
    }

    @Test("a number that is told while the pool runs holds at once, and so does that none is told")
    func told() {
        var policy = AdmissionPolicy()
        policy.classes = [ClassPolicy(name: "standard", timeToFirstToken: .milliseconds(500))]
        let harness = PoolHarness(replicas: 2, policy: policy)
        func tell(_ slots: Int?) {
            policy.slotsMax = slots
            _ = harness.pool.reconfigure(
                limits: AdmissionLimits(), policy: policy, health: HealthSettings(),
                now: harness.now)
        }
        let most = { harness.snapshot.replicas.map(\.limit).max() ?? 0 }
        #expect(most() <= 4, "as many as are safe to begin with")
        tell(24)
        #expect(harness.snapshot.replicas.allSatisfy { $0.slots == 24 })
        #expect(most() >= 24)
        tell(nil)
        #expect(harness.snapshot.replicas.allSatisfy { $0.slots == 256 })
        #expect(most() <= 4)
    }

    @Test("answers that are no streams and were sent later do not show that more run")
    func silent() {
        var policy = AdmissionPolicy()
        policy.classes = [ClassPolicy(name: "standard", timeToFirstToken: .milliseconds(500))]
        let harness = PoolHarness(replicas: 1, policy: policy)
        var held: [Held] = []
        for isStream in [true, false, false] {
            guard case .held(let one) = harness.arrive(Arrival(isStream: isStream)) else {
                continue
            }
            held.append(one)
            harness.advance(.milliseconds(1))
        }
        #expect(held.count == 3, "two are safe, and a try has begun")
        // Their time is up, for all that they may wait in the engine.
        harness.advance(.seconds(30))
        harness.tick()
        #expect(harness.snapshot.replicas[0].pending == 1)
        held[0].began(now: harness.now)
        harness.tick()
        // Three at the replica, of which one is known to run: no more than before may be sent there.
        #expect(harness.snapshot.replicas[0].limit <= 4)
        for one in held { one.release(.ignored, now: harness.now) }
    }

    @Test(
        "few slots are found with few requests too many, not a window each", arguments: [1, 2, 4])
    func pool(slots: Int) {
        var policy = AdmissionPolicy()
        policy.classes = [ClassPolicy(name: "standard", timeToFirstToken: .milliseconds(500))]
        let harness = PoolHarness(replicas: 3, policy: policy)
        var held = [[Held]](repeating: [], count: 3)
        var most = [0, 0, 0]
        var recalled = 0
        // Nobody ends: so many at each replica begin to be answered, whoever is sent beyond waits.
        for step in 0..<1_500 {
            harness.advance(.milliseconds(10))
            var arrived = harness.grants().granted.map(\.1)
            if case .held(let one) = harness.arrive() { arrived.append(one) }
            for one in arrived {
                guard let replica = harness.ids.firstIndex(of: one.replica) else { continue }
                held[replica].append(one)
            }
            for replica in held.indices {
                for one in held[replica].prefix(slots) { one.began(now: harness.now) }
                most[replica] = max(most[replica], held[replica].count)
            }
            guard step % 10 == 0 else { continue }
            for id in harness.ids {
                for _ in 0..<10 {
                    harness.pool.progress[0].stepped(at: id, gap: .milliseconds(10), events: 1)
                }
            }
            harness.tick()
            for recall in harness.pool.takeRecalls() {
                for replica in held.indices {
                    held[replica].removeAll { one in
                        guard one.isMeant(by: recall) else { return false }
                        recalled += 1
                        one.release(.ignored, now: harness.now)
                        return true
                    }
                }
            }
        }
        #expect(most.reduce(0, +) <= 3 * slots + 7)
        #expect(most.allSatisfy { $0 >= slots })
        #expect(recalled >= 3, "one for each replica, once it was found full")
        #expect(recalled <= 3 + 7, "and few tries of more in fifteen seconds")
        #expect(held.allSatisfy { $0.count == slots })
        #expect(harness.snapshot.replicas.allSatisfy { $0.slots == Double(slots) })
        for one in held.joined() { harness.keep(one) }
        harness.settle()
        #expect(harness.snapshot.inflight == 0)
    }
}
