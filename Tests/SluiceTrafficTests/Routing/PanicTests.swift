import SluiceTime
import Testing

@testable import SluiceTraffic

@Suite struct PanicTests {
    private func eject(_ replica: Int, _ harness: PoolHarness) {
        for _ in 0..<3 { harness.observe(replica, .connectFailed) }
    }

    @Test func `half of the pool may be ejected, beyond that all that accept connections serve`() {
        let harness = PoolHarness(replicas: 4)
        eject(0, harness)
        eject(1, harness)
        #expect(!harness.snapshot.isPanicking)
        #expect(harness.spread(100) == [0, 0, 50, 50])
        eject(2, harness)
        #expect(harness.snapshot.isPanicking)
        #expect(harness.spread(100) == [25, 25, 25, 25])
        let held = harness.dispatch()
        #expect(held?.reason == .panic)
        held?.release(.ignored, now: harness.now)
    }

    @Test func `panic never routes to the dead, the cordoned or the sleeping`() {
        let harness = PoolHarness(replicas: 5)
        harness.observe(0, .connectRefused)
        harness.observe(1, .cordon)
        harness.observe(2, .scrape(LoadScrape(waiting: 0, running: 0, isSleeping: true)))
        eject(3, harness)
        eject(4, harness)
        #expect(harness.snapshot.isPanicking)
        #expect(harness.spread(10) == [0, 0, 0, 5, 5])
    }

    @Test func `the only replica is never taken out by failures`() {
        let harness = PoolHarness(replicas: 1)
        eject(0, harness)
        #expect(harness.state(0) == .ejected)
        #expect(harness.spread(1) == [1])
    }

    @Test func `panic ends when enough have returned`() {
        let harness = PoolHarness(replicas: 2)
        eject(0, harness)
        eject(1, harness)
        #expect(harness.snapshot.isPanicking)
        harness.advance(.seconds(1))
        harness.observe(0, .probe(.healthy))
        #expect(!harness.snapshot.isPanicking)
        #expect(harness.spread(1) == [1, 0])
    }

    @Test func `a pool of busy replicas makes requests wait instead of refusing them`() {
        let harness = PoolHarness(replicas: 2)
        for id in harness.ids {
            for _ in 0..<2 { harness.pool.progress[0].streamBegan(at: id, now: harness.now) }
        }
        harness.advance(.seconds(3))
        _ = harness.pool.tick(now: harness.now)
        #expect(harness.state(0) == .busy)
        guard case .waits(_, let token) = harness.arrive() else {
            Issue.record("should wait")
            return
        }
        harness.pool.progress[0].eventArrived(from: harness.ids[1], now: harness.now)
        #expect(harness.pool.tick(now: harness.now).contains(0))
        let grants = harness.grants().granted
        #expect(grants.map(\.0) == [token])
        #expect(grants.first?.1.replica == harness.ids[1])
        for (_, held) in grants { held.release(now: harness.now) }
    }
}
