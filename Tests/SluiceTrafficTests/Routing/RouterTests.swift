import SluiceBytes
import SluiceTime
import Testing

@testable import SluiceTraffic

@Suite struct RouterTests {
    private func lanes(_ inflight: [Int32], limit: Int32 = 100) -> [RouteLane] {
        inflight.map { count in
            var lane = RouteLane()
            lane.inflight = count
            lane.limit = limit
            return lane
        }
    }

    private func pick(
        _ lanes: [RouteLane], _ request: RouteRequest, _ rule: Router.Rule = Router.Rule(),
        cached: CachedPrefix = CachedPrefix(), dice: UInt64 = 1
    ) -> Router.Pick? {
        var costs = [Double](repeating: 0, count: lanes.count)
        return Router.pick(lanes, request, rule, cached: cached, costs: &costs, dice: dice)
    }

    private let predictive = Router.Rule(
        isPredictive: true, promptBacklogMax: 1, detourMax: 0.5)

    @Test func `the least loaded open replica wins`() {
        var lanes = lanes([5, 3, 4])
        #expect(
            pick(lanes, RouteRequest(), dice: 1)?.slot == 1)
        lanes[1].limit = 3
        #expect(
            pick(lanes, RouteRequest(), dice: 1)?.slot == 2)
    }

    @Test func `others' load counts like ours, and weight divides both`() {
        var lanes = lanes([1, 4])
        lanes[0].foreign = 6
        #expect(
            pick(lanes, RouteRequest(), dice: 1)?.slot == 1)
        lanes[0].inverseWeight = 0.5
        #expect(
            pick(lanes, RouteRequest(), dice: 1)?.slot == 0)
    }

    @Test func `ties fall evenly over all equals`() {
        let lanes = lanes([2, 2, 7, 2])
        var counts = [0, 0, 0, 0]
        var random = SplitMix64(seed: 5)
        for _ in 0..<9_000 {
            if let pick = pick(lanes, RouteRequest(), dice: random.next()) {
                counts[pick.slot] += 1
            }
        }
        #expect(counts[2] == 0)
        for slot in [0, 1, 3] { #expect((2_700...3_300).contains(counts[slot])) }
    }

    @Test func `excluded replicas are passed over, an earlier tenant of the slot is not meant`() {
        var lanes = lanes([0, 5])
        var tried = ReplicaIDs(ReplicaID(slot: 0, generation: 0))
        #expect(
            pick(lanes, RouteRequest(excluding: tried), dice: 1)?.slot == 1)
        lanes[0].generation = 1
        #expect(
            pick(lanes, RouteRequest(excluding: tried), dice: 1)?.slot == 0)
        tried.insert(ReplicaID(slot: 0, generation: 1))
        tried.insert(ReplicaID(slot: 1, generation: 0))
        #expect(
            pick(lanes, RouteRequest(excluding: tried), dice: 1) == nil)
    }

    @Test func `a burst between two scrapes spreads over all replicas`() {
        let harness = PoolHarness(replicas: 4)
        for replica in 0..<4 {
            harness.observe(replica, .scrape(LoadScrape(waiting: 0, running: 0)))
        }
        #expect(harness.spread(400) == [100, 100, 100, 100])
    }

    @Test func `a replica loaded by another gateway gets less until it is even`() {
        let harness = PoolHarness(replicas: 2)
        harness.observe(0, .scrape(LoadScrape(waiting: 0, running: 30)))
        harness.observe(1, .scrape(LoadScrape(waiting: 0, running: 0)))
        #expect(harness.spread(30) == [0, 30])
    }

    @Test func `weights split the load in proportion`() {
        let harness = PoolHarness(replicas: 0)
        let update = harness.pool.update(
            replicas: [
                ReplicaDescriptor(name: "a", key: "a", weight: 3),
                ReplicaDescriptor(name: "b", key: "b", weight: 1),
            ], now: harness.now)
        harness.ids = update.ids.compactMap { $0 }
        let spread = harness.spread(400)
        #expect((298...302).contains(spread[0]))
    }

    @Test func `a decision says why`() {
        let harness = PoolHarness(replicas: 2)
        let first = harness.dispatch()
        #expect(first?.reason == .leastLoaded)
        harness.observe(0, .cordon)
        let second = harness.dispatch()
        #expect(second?.reason == .onlyChoice)
        harness.observe(0, .uncordon)
        let third = harness.dispatch(retrying: ReplicaIDs(harness.ids[0]))
        #expect(third?.reason == .retry)
        for one in [first, second, third] { one?.release(now: harness.now) }
    }

    @Test func `a replica ten times slower gets a tenth of what the others get`() {
        let harness = PoolHarness(replicas: 4)
        var running: [(end: Instant, held: Held)] = []
        var served = [0, 0, 0, 0]
        for _ in 0..<20_000 {
            harness.advance(.milliseconds(1))
            for one in running where one.end <= harness.now { one.held.release(now: harness.now) }
            running.removeAll { $0.end <= harness.now }
            guard let held = harness.dispatch(),
                let index = harness.ids.firstIndex(of: held.replica)
            else { continue }
            served[index] += 1
            let time = Nanoseconds.milliseconds(index == 0 ? 400 : 40)
            running.append((harness.now + time, held))
        }
        // 1 : 10 : 10 : 10 is 3.2 %; blind turns would give it 25 %.
        #expect(served[0] < 20_000 * 5 / 100)
        #expect(served[0] > 0)
        #expect((5_500...7_500).contains(served[1]))
        for one in running { one.held.release(now: harness.now) }
    }

    @Test func `with predictions, prompts that wait weigh more than requests that run`() {
        var lanes = lanes([10, 4])
        lanes[1].pending = 2
        lanes[1].pendingTokens = 8_000
        #expect(pick(lanes, RouteRequest(promptTokens: 500), predictive)?.slot == 0)
        lanes[1].pendingTokens = 0
        #expect(pick(lanes, RouteRequest(promptTokens: 500), predictive)?.slot == 1)
    }

    @Test func `a slow engine, a full engine and a long backlog of prompts are avoided`() {
        var lanes = lanes([4, 4])
        lanes[0].tokenTime = 0.2
        #expect(pick(lanes, RouteRequest(), predictive)?.slot == 1)
        lanes[0].tokenTime = lanes[1].tokenTime
        lanes[1].slots = 4
        #expect(pick(lanes, RouteRequest(), predictive)?.slot == 0)
        lanes[0].pending = 1
        lanes[0].pendingTokens = 10_000
        #expect(pick(lanes, RouteRequest(promptTokens: 1), predictive)?.slot == 1)
        lanes[1].limit = 0
        #expect(pick(lanes, RouteRequest(promptTokens: 1), predictive) == nil)
        // One prompt alone is let in, however long.
        lanes[0].pending = 0
        lanes[0].pendingTokens = 0
        #expect(pick(lanes, RouteRequest(promptTokens: 100_000), predictive)?.slot == 0)
    }

    @Test func `a class fills its share of a window, and KV cache is set aside`() {
        var lanes = lanes([8], limit: 10)
        #expect(pick(lanes, RouteRequest(maxShare: 0.8), predictive) == nil)
        #expect(pick(lanes, RouteRequest(maxShare: 1), predictive) != nil)
        lanes[0].reserveMax = 10_000
        lanes[0].reserved = 9_500
        #expect(pick(lanes, RouteRequest(reserve: 501), predictive) == nil)
        #expect(pick(lanes, RouteRequest(reserve: 500), predictive) != nil)
        lanes[0].inflight = 2
        #expect(pick(lanes, RouteRequest(reserve: 50_000), predictive) != nil)
    }

    @Test func `requests of a key go to one replica, unless it is crowded or far slower`() {
        var lanes = lanes([1, 1, 1, 1])
        for index in lanes.indices { lanes[index].nameHash = UInt64(index + 1) }
        let request = RouteRequest(
            promptTokens: 2_000, affinityKey: 77, sharedTokens: 1_500)
        let home = pick(lanes, request, predictive)?.slot ?? -1
        #expect(home == Router.home(lanes, key: 77))
        #expect(pick(lanes, request, predictive)?.isHome == true)
        lanes[home].inflight = 3
        #expect(pick(lanes, request, predictive)?.slot != home)
        lanes[home].inflight = 1
        lanes[home].tokenTime = 1
        #expect(pick(lanes, request, predictive)?.slot != home)
        lanes[home].tokenTime = lanes[(home + 1) % 4].tokenTime
        // A key that is only guessed names no home: where nothing is believed to be cached, the best.
        var guessed = request
        guessed.isKeyGuessed = true
        lanes[home].inflight = 2
        #expect(pick(lanes, guessed, predictive)?.isHome == false)
        #expect(pick(lanes, guessed, predictive)?.slot != home)
        var cached = CachedPrefix()
        cached.add(ReplicaID(slot: UInt32(home), generation: 0), tokens: 1_500)
        #expect(pick(lanes, guessed, predictive, cached: cached)?.slot == home)
        // Too little is shared: the best replica, not the home.
        lanes[home].inflight = 2
        let short = RouteRequest(promptTokens: 2_000, affinityKey: 77, sharedTokens: 100)
        #expect(pick(lanes, short, predictive)?.isHome == false)
    }

    @Test func `a home that is full takes a few more while nobody waits and a slot is near`() {
        var lanes = lanes([8, 8, 8, 8], limit: 10)
        for index in lanes.indices {
            lanes[index].nameHash = UInt64(index + 1)
            lanes[index].homeLimit = 12
            lanes[index].slots = 10
            lanes[index].tokenTime = 0.01
        }
        let home = Router.home(lanes, key: 77) ?? 0
        lanes[home].inflight = 10
        var rule = predictive
        rule.crowdsHome = true
        let request = RouteRequest(promptTokens: 2_000, affinityKey: 77, sharedTokens: 1_500)
        #expect(pick(lanes, request, predictive)?.slot != home, "somebody waits")
        #expect(pick(lanes, request, rule)?.slot == home)
        #expect(pick(lanes, request, rule)?.isHome == true)
        lanes[home].inflight = 12
        #expect(pick(lanes, request, rule)?.slot != home, "a few, and no more")
        lanes[home].inflight = 10
        lanes[home].tokenTime = 0.1
        #expect(pick(lanes, request, rule)?.slot != home, "the wait costs more than the prompt")
        lanes[home].tokenTime = 0.01
        for index in lanes.indices where index != home { lanes[index].limit = 8 }
        #expect(pick(lanes, request, rule) == nil, "nobody has room: it waits here")
        for index in lanes.indices where index != home {
            lanes[index].inflight = 1
            lanes[index].limit = 10
        }
        #expect(pick(lanes, request, rule)?.slot != home, "far busier than the others")
        let tried = RouteRequest(
            excluding: ReplicaIDs(ReplicaID(slot: UInt32(home), generation: 0)),
            promptTokens: 2_000, affinityKey: 77, sharedTokens: 1_500)
        for index in lanes.indices where index != home { lanes[index].inflight = 8 }
        #expect(pick(lanes, tried, rule)?.slot != home, "it has been there")
    }

    @Test func `keys spread over replicas, and most stay when one goes`() {
        var lanes = lanes([0, 0, 0, 0])
        for index in lanes.indices { lanes[index].nameHash = UInt64(index) &* 0x9E37_79B9 }
        let before = (1...4_000).map { Router.home(lanes, key: UInt64($0)) }
        for slot in 0..<4 { #expect((850...1_150).contains(before.count { $0 == slot })) }
        lanes[2].limit = 0
        let after = (1...4_000).map { Router.home(lanes, key: UInt64($0)) }
        let moved = zip(before, after).count { $0 != $1 }
        #expect(moved == before.count { $0 == 2 })
    }

    @Test func `what is believed to be cached need not be computed`() {
        var lanes = lanes([1, 1])
        lanes[0].generation = 3
        var cached = CachedPrefix()
        cached.add(ReplicaID(slot: 0, generation: 3), tokens: 5_000)
        let request = RouteRequest(promptTokens: 6_000)
        let found = pick(lanes, request, predictive, cached: cached)
        #expect(found?.slot == 0)
        #expect(found?.cached == 5_000)
        lanes[0].generation = 4
        #expect(pick(lanes, request, predictive, cached: cached)?.cached == 0)
    }
}
