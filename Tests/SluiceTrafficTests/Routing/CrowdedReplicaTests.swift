import SluiceTime
import Testing

@testable import SluiceTraffic

/// Replicas that other gateways fill: a request that was sent there finds its slot gone.
@Suite struct CrowdedReplicaTests {
    private static let slots = 4

    /// A pool told its slots, whose replicas others use: so many of the first one's.
    private func harness(replicas: Int = 2, others: Int) -> PoolHarness {
        var policy = AdmissionPolicy()
        policy.classes = [ClassPolicy(name: "standard", timeToFirstToken: .milliseconds(500))]
        policy.slotsMax = Self.slots
        let harness = PoolHarness(replicas: replicas, policy: policy)
        for _ in 0..<3 {
            harness.advance(.milliseconds(100))
            for replica in 0..<replicas {
                let running = replica == 0 ? others : Self.slots
                harness.observe(
                    replica, .scrape(LoadScrape(waiting: 0, running: Double(running))))
            }
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
        #expect(harness.snapshot.replicas[0].limit == 0)
        one.release(.ignored, now: harness.now)
        harness.advance(.seconds(2))
        harness.tick()
        #expect(harness.snapshot.replicas[0].limit >= 1)
        #expect(harness.snapshot.inflight == 0)
    }

    @Test func `the only replica there is takes one at all times`() throws {
        let harness = harness(replicas: 1, others: 4)
        let one = try #require(harness.dispatch())
        #expect(isRecalled(one, harness, within: .milliseconds(500)))
        #expect(harness.snapshot.replicas[0].limit == 1)
        one.release(.ignored, now: harness.now)
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
