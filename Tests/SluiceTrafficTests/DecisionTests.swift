import SluiceTime
import Testing

@testable import SluiceTraffic

/// What is remembered of decisions, and what would be decided.
@Suite struct DecisionTests {
    private func harness(replicas: Int = 3) -> PoolHarness {
        let harness = PoolHarness(replicas: replicas)
        for index in 0..<replicas { harness.observe(index, .probe(.healthy)) }
        return harness
    }

    @Test func `the newest come first, and no more than 1,024 are kept`() throws {
        let harness = harness()
        for tag in 1...1_100 {
            var arrival = Arrival()
            arrival.tag = UInt64(tag)
            guard case .held(let one) = harness.arrive(arrival) else {
                Issue.record("not dispatched")
                continue
            }
            one.release(.ignored, now: harness.now)
        }
        let rows = harness.pool.decisions(newest: 2_000)
        #expect(rows.map(\.entry.tag) == (77...1_100).reversed().map { UInt64($0) })
        #expect(rows.allSatisfy { $0.replicaName?.hasPrefix("r") == true })
        #expect(harness.pool.decisions(newest: 2).map(\.entry.tag) == [1_100, 1_099])
        #expect(harness.pool.decisions(newest: 0).isEmpty)
    }

    @Test func `one dispatch in sixteen and each refusal keep all candidates`() throws {
        let harness = harness()
        for _ in 0..<64 {
            harness.dispatch()?.release(.ignored, now: harness.now)
        }
        let sampled = harness.pool.decisions(newest: 64).filter { !$0.candidates.isEmpty }
        #expect(sampled.count == 4)
        #expect(sampled.allSatisfy { $0.candidates.map(\.name) == ["r0", "r1", "r2"] })
        harness.pool.drain()
        #expect(harness.isShed(Arrival()))
        let refused = try #require(harness.pool.decisions(newest: 1).first)
        #expect(refused.entry.verdict == .refused && refused.entry.shed == .draining)
        #expect(refused.candidates.count == 3)
        for _ in 0..<256 { #expect(harness.isShed(Arrival())) }
        let rows = harness.pool.decisions(newest: 257)
        #expect(rows.dropLast().allSatisfy { $0.candidates.count == 3 })
        #expect(rows.last?.candidates.count == 0, "candidates of the last 256 are kept")
    }

    @Test func `where decisions are rare each keeps all candidates`() throws {
        let harness = harness()
        for gap in [Nanoseconds.milliseconds(10), Nanoseconds.milliseconds(9)] {
            for _ in 0..<64 {
                harness.now = harness.now + gap
                harness.dispatch()?.release(.ignored, now: harness.now)
            }
            let kept = harness.pool.decisions(newest: 64).count { $0.candidates.count == 3 }
            #expect(kept == (gap == Nanoseconds.milliseconds(10) ? 64 : 4), "\(gap)")
        }
    }

    @Test func `candidates are as they were before the request was placed`() throws {
        let harness = harness(replicas: 2)
        let first = try #require(harness.dispatch())
        let row = try #require(harness.pool.decisions(newest: 1).first)
        #expect(row.candidates.map(\.inflight) == [0, 0])
        #expect(row.candidates.map(\.pending) == [0, 0])
        #expect(row.candidates.allSatisfy { $0.obstacle == nil })
        first.release(.ignored, now: harness.now)
    }

    @Test func `each replica that was not taken says why`() throws {
        let harness = harness()
        harness.observe(0, .cordon)
        var limits = AdmissionLimits()
        limits.replicaInflightMax = 1
        limits.queueLengthMax = 0
        harness.configure(AdmissionPolicy(), limits: limits)
        let held = (0..<2).compactMap { _ in harness.dispatch() }
        #expect(held.count == 2)
        #expect(harness.isShed(Arrival()))
        let row = try #require(harness.pool.decisions(newest: 1).first)
        #expect(row.candidates.map(\.obstacle) == [.closed, .full, .full])
        for one in held { one.release(.ignored, now: harness.now) }
    }

    @Test func `an affinity's home, a class's share and a full cache are told apart`() {
        var lane = RouteLane()
        lane.limit = 10
        lane.inflight = 5
        var request = RouteRequest()
        #expect(Router.obstacle(lane, request, 100, Router.Rule()) == nil)
        request.maxShare = 0.5
        #expect(Router.obstacle(lane, request, 100, Router.Rule()) == .classShare)
        request.maxShare = 1
        lane.reserveMax = 1_000
        lane.reserved = 900
        request.reserve = 200
        #expect(Router.obstacle(lane, request, 100, Router.Rule()) == .cacheFull)
        lane.pending = 1
        lane.pendingTokens = 9_900
        let rule = Router.Rule(isPredictive: true, promptBacklogMax: 0.5)
        #expect(Router.obstacle(lane, request, 100, rule) == .promptBacklog)
    }

    @Test func `who waited shows how long, and where it went`() throws {
        let harness = harness(replicas: 1)
        var limits = AdmissionLimits()
        limits.replicaInflightMax = 1
        harness.configure(AdmissionPolicy(), limits: limits)
        let first = try #require(harness.dispatch())
        var arrival = Arrival()
        arrival.tag = 9
        guard case .waits = harness.arrive(arrival) else {
            Issue.record("there is no room")
            return
        }
        #expect(harness.pool.decisions(newest: 1).first?.entry.verdict == .queued)
        harness.advance(.seconds(1))
        first.release(.ignored, now: harness.now)
        let row = try #require(harness.pool.decisions(newest: 1).first)
        #expect(row.entry.verdict == .granted && row.entry.tag == 9)
        #expect(row.entry.waited == 1 && row.replicaName == "r0")
        for (_, one) in harness.grants().granted { one.release(.ignored, now: harness.now) }
    }

    @Test func `what only one replica can answer is remembered too`() throws {
        let harness = harness()
        let verdict = harness.pool.arrive(
            Arrival(), at: harness.ids[1], now: harness.now, random: &harness.random)
        guard case .dispatch(let permit)? = consume verdict else {
            Issue.record("not dispatched")
            return
        }
        let row = try #require(harness.pool.decisions(newest: 1).first)
        #expect(row.entry.routing == .owner && row.replicaName == "r1")
        _ = permit.release(.ignored, now: harness.now)
    }

    @Test func `a dry run says what would be, and changes nothing`() throws {
        let harness = harness(replicas: 2)
        let busy = try #require(harness.dispatch())
        let before = harness.snapshot
        var arrival = Arrival()
        arrival.promptTokens = 1_000
        for _ in 0..<20 {
            let row = harness.pool.dryRun(arrival, now: harness.now)
            #expect(row.entry.verdict == .dispatched)
            #expect(row.entry.promptTokens == 1_000)
            #expect(row.candidates.count == 2)
            let idle = row.candidates.first { $0.inflight == 0 }?.name
            #expect(row.replicaName == idle, "the less loaded one")
        }
        let after = harness.snapshot
        #expect(after.inflight == before.inflight && after.dispatched == before.dispatched)
        #expect(harness.pool.decisions(newest: 10).count == 1)
        harness.pool.drain()
        let refused = harness.pool.dryRun(arrival, now: harness.now)
        #expect(refused.entry.verdict == .refused && refused.entry.shed == .draining)
        busy.release(.ignored, now: harness.now)
    }
}
