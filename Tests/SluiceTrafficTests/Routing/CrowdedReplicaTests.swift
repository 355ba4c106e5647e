import SluiceTime
import Testing

@testable import SluiceTraffic

/// Replicas that other gateways fill: a request that was sent there finds its slot gone.
@Suite struct CrowdedReplicaTests {
    private static let slots = 4

    /// A pool told its slots, whose replicas others use: so many of the first one's.
    private func harness(replicas: Int = 2, slots: Int = slots, others: Int) -> PoolHarness {
        var policy = AdmissionPolicy()
        policy.classes = [ClassPolicy(name: "standard", timeToFirstToken: .milliseconds(500))]
        policy.slotsMax = slots
        let harness = PoolHarness(replicas: replicas, policy: policy)
        for id in harness.ids {
            harness.pool.progress[0].stepped(at: id, gap: .milliseconds(20), events: 1)
        }
        for _ in 0..<3 {
            harness.advance(.milliseconds(100))
            for replica in 0..<replicas {
                let running = replica == 0 ? others : slots
                harness.observe(
                    replica, .scrape(LoadScrape(waiting: 0, running: Double(running))))
            }
            harness.tick()
        }
        return harness
    }

    /// Ticks for a while; whether `one` is wanted back.
    private func isRecalled(
        _ one: Held, _ harness: PoolHarness, within span: Nanoseconds
    ) -> Bool {
        let end = harness.now + span
        while harness.now < end {
            harness.advance(.milliseconds(100))
            harness.tick()
            if harness.pool.takeRecalls().contains(where: { one.isMeant(by: $0) }) { return true }
        }
        return false
    }

    @Test func `a request alone among others' comes back, and its replica gets none for a while`()
        throws
    {
        let harness = harness(others: 3)
        let one = try #require(harness.dispatch())
        #expect(one.replica == harness.ids[0])
        #expect(isRecalled(one, harness, within: .milliseconds(500)))
        one.release(.ignored, now: harness.now)
        let next = try #require(harness.dispatch())
        #expect(next.replica == harness.ids[1])
        // It is in service all the while.
        #expect(harness.snapshot.replicas[0].limit == 1)
        harness.advance(.seconds(1))
        harness.tick()
        let later = try #require(harness.dispatch())
        #expect(later.replica == harness.ids[0])
        for held in [next, later] { held.release(.ignored, now: harness.now) }
        #expect(harness.snapshot.inflight == 0)
    }

    @Test func `the only replica there is takes one at all times`() throws {
        let harness = harness(replicas: 1, others: 4)
        let one = try #require(harness.dispatch())
        #expect(isRecalled(one, harness, within: .milliseconds(500)))
        one.release(.ignored, now: harness.now)
        let next = try #require(harness.dispatch())
        next.release(.ignored, now: harness.now)
    }

    @Test func `nobody is asked back twice, and who stays closes nothing`() throws {
        let harness = harness(others: 3)
        let one = try #require(harness.dispatch())
        #expect(isRecalled(one, harness, within: .milliseconds(500)))
        // Its worker may not send it twice.
        #expect(!isRecalled(one, harness, within: .milliseconds(900)))
        harness.advance(.milliseconds(200))
        harness.tick()
        one.release(.ignored, now: harness.now)
        let next = try #require(harness.dispatch())
        #expect(next.replica == harness.ids[0])
        next.release(.ignored, now: harness.now)
    }

    @Test func `one other request on many slots, or a page of long ago, is no full engine`() throws
    {
        let wide = harness(replicas: 1, slots: 64, others: 1)
        let one = try #require(wide.dispatch())
        #expect(!isRecalled(one, wide, within: .seconds(2)))
        one.release(.ignored, now: wide.now)
        let old = harness(replicas: 1, others: 4)
        old.advance(.seconds(4))
        let other = try #require(old.dispatch())
        #expect(!isRecalled(other, old, within: .seconds(2)))
        other.release(.ignored, now: old.now)
    }

    @Test func `where nobody else is, a slow engine is no full one`() throws {
        let harness = harness(replicas: 1, others: 0)
        let one = try #require(harness.dispatch())
        #expect(!isRecalled(one, harness, within: .seconds(2)))
        one.release(.ignored, now: harness.now)
    }

    @Test(arguments: [(2, true), (3, false)])
    func `nothing comes back more than three times`(recalls: UInt8, comesBack: Bool) throws {
        let harness = harness(others: 3)
        var arrival = Arrival()
        arrival.recalls = recalls
        guard case .held(let one) = harness.arrive(arrival, retrying: ReplicaIDs()) else {
            Issue.record("should go")
            return
        }
        #expect(isRecalled(one, harness, within: .seconds(1)) == comesBack)
        one.release(.ignored, now: harness.now)
    }
}
