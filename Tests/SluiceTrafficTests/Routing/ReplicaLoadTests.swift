import SluiceTime
import Testing

@testable import SluiceTraffic

@Suite struct ReplicaLoadTests {
    @Test func `a report says anew how many wait, for as long as a scrape would`() {
        let start = Instant(nanoseconds: 1_000_000_000_000)
        var load = ReplicaLoad()
        load.take(waiting: 9, kvUsage: 0.4, now: start)
        #expect(load.queueDepth(now: start, interval: .seconds(1)) == 9)
        #expect(load.kvUsage == 0.4 && load.age(now: start) == nil)
        #expect(load.queueDepth(now: start + .seconds(4), interval: .seconds(1)) == 0)
        load.take(LoadScrape(waiting: 3, running: 8), inflight: 2, now: start + .seconds(4))
        #expect(load.queueDepth(now: start + .seconds(4), interval: .seconds(1)) == 3)
        load.take(waiting: 5, kvUsage: nil, now: start + .seconds(8))
        #expect(load.queueDepth(now: start + .seconds(8), interval: .seconds(1)) == 5)
        #expect(load.others(now: start + .seconds(4), interval: .seconds(1)) == 9)
        load.take(waiting: .nan, kvUsage: 0.1, now: start + .seconds(8))
        #expect(load.waiting == 5 && load.kvUsage == 0.4)
    }

    @Test func `a replica is asked for a report once a second`() {
        let harness = PoolHarness(replicas: 2)
        #expect(harness.pool.mayAskForLoad(harness.ids[0], now: harness.now))
        #expect(!harness.pool.mayAskForLoad(harness.ids[0], now: harness.now))
        #expect(harness.pool.mayAskForLoad(harness.ids[1], now: harness.now))
        harness.advance(.milliseconds(999))
        #expect(!harness.pool.mayAskForLoad(harness.ids[0], now: harness.now))
        harness.advance(.milliseconds(1))
        #expect(harness.pool.mayAskForLoad(harness.ids[0], now: harness.now))
        let gone = ReplicaID(slot: 0, generation: .max)
        #expect(!harness.pool.mayAskForLoad(gone, now: harness.now))
    }

    private let start = Instant(nanoseconds: 1_000_000_000)
    private let interval = Nanoseconds.seconds(1)

    @Test func `our own requests are not taken for others'`() {
        var load = ReplicaLoad()
        load.take(LoadScrape(waiting: 5, running: 10), inflight: 12, now: start)
        #expect(load.others(now: start, interval: interval) == 3)
        load.take(LoadScrape(waiting: 0, running: 10), inflight: 12, now: start)
        #expect(load.others(now: start, interval: interval) == 0)
    }

    @Test func `one odd scrape of three does not count`() {
        var load = ReplicaLoad()
        for running in [4.0, 90, 6] {
            load.take(LoadScrape(waiting: 0, running: running), inflight: 0, now: start)
        }
        #expect(load.others(now: start, interval: interval) == 6)
    }

    @Test func `what was scraped fades by half in five seconds once it is stale`() {
        var load = ReplicaLoad()
        load.take(LoadScrape(waiting: 8, running: 8), inflight: 0, now: start)
        let stale = start + .seconds(3)
        #expect(load.others(now: stale, interval: interval) == 16)
        #expect(load.queueDepth(now: stale, interval: interval) == 8)
        #expect(load.others(now: stale + .seconds(5), interval: interval) == 8)
        #expect(load.others(now: stale + .seconds(10), interval: interval) == 4)
        #expect(load.others(now: stale + .seconds(22), interval: interval) == 1)
        #expect(load.others(now: stale + .seconds(26), interval: interval) == 0, "not half of one")
        #expect(load.queueDepth(now: stale + Nanoseconds(1), interval: interval) == 0)
        #expect(load.others(now: .never, interval: interval) == 0)
    }

    @Test func `one or two waiting are taken as none`() {
        var load = ReplicaLoad()
        load.take(LoadScrape(waiting: 2, running: 1), inflight: 3, now: start)
        #expect(load.queueDepth(now: start, interval: interval) == 0)
    }

    @Test(arguments: [Double.nan, .infinity, -1, 1e308])
    func `a count that cannot be is dropped and counted`(count: Double) {
        let harness = PoolHarness(replicas: 1)
        harness.observe(0, .scrape(LoadScrape(waiting: count, running: 0)))
        harness.observe(0, .scrape(LoadScrape(waiting: 0, running: count, kvUsage: count)))
        let row = harness.snapshot.replicas[0]
        #expect(row.badScrapes == 2)
        #expect(row.others == 0)
        #expect(row.signalAge == nil)
    }

    @Test func `missing metrics close nobody`() {
        let harness = PoolHarness(replicas: 2)
        harness.observe(0, .scrape(LoadScrape(waiting: 0, running: 0)))
        harness.advance(.seconds(3_600))
        _ = harness.pool.tick(now: harness.now)
        #expect(harness.spread(10) == [5, 5])
    }

    @Test func `a page that stands still while requests are served grows old and fades`() {
        let harness = PoolHarness(replicas: 2)
        let frozen = LoadScrape(waiting: 0, running: 40, heartbeat: 7)
        harness.observe(0, .scrape(frozen))
        #expect(harness.spread(30) == [0, 30])
        for second in 1...60 {
            harness.advance(.seconds(1))
            harness.dispatch(retrying: ReplicaIDs(harness.ids[1]))?.release(now: harness.now)
            harness.observe(0, .scrape(frozen))
            harness.observe(
                1, .scrape(LoadScrape(waiting: 0, running: 0, heartbeat: Double(second))))
            _ = harness.pool.tick(now: harness.now)
        }
        #expect(harness.snapshot.replicas[0].isStale)
        #expect(harness.snapshot.replicas[0].badScrapes == 60)
        #expect(harness.spread(100) == [50, 50])
    }

    @Test func `a page that stands still while tokens come is not of now`() {
        let harness = PoolHarness(replicas: 1)
        let page = LoadScrape(waiting: 0, running: 40, heartbeat: 7)
        harness.observe(0, .scrape(page))
        // Soon after the page a token may be one that it has counted.
        for (after, bad): (Nanoseconds, UInt64) in [
            (.milliseconds(200), 0), (.milliseconds(100), 1), (.seconds(10), 2),
        ] {
            harness.advance(after)
            harness.pool.progress[0].eventArrived(from: harness.ids[0], now: harness.now)
            _ = harness.pool.tick(now: harness.now)
            harness.observe(0, .scrape(page))
            #expect(harness.snapshot.replicas[0].badScrapes == bad)
        }
        #expect(harness.snapshot.replicas[0].isStale)
        harness.observe(0, .scrape(LoadScrape(waiting: 0, running: 40, heartbeat: 8)))
        #expect(!harness.snapshot.replicas[0].isStale)
    }

    @Test func `an idle engine's page may stand still`() {
        let harness = PoolHarness(replicas: 1)
        for _ in 0..<10 {
            harness.observe(0, .scrape(LoadScrape(waiting: 0, running: 0, heartbeat: 7)))
        }
        #expect(harness.snapshot.replicas[0].badScrapes == 0)
    }

    @Test func `requests of ours that ended while the scrape was on its way are still ours`() {
        let harness = PoolHarness(replicas: 1)
        let held = (0..<10).map { _ in harness.dispatch() }
        harness.pool.scrapeSent(harness.ids[0])
        for one in held { one?.release(now: harness.now) }
        harness.observe(0, .scrape(LoadScrape(waiting: 0, running: 10)))
        #expect(harness.snapshot.replicas[0].others == 0)
    }
}
