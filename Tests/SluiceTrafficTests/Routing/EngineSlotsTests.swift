import SluiceTime
import Testing

@testable import SluiceTraffic

@Suite("slots of an engine")
struct EngineSlotsTests {
    /// Reads pages a second apart.
    private struct Scraped {
        var slots: EngineSlots
        var now = Instant(nanoseconds: 1_000_000_000)

        init(told: Int? = nil) { slots = EngineSlots(told: told) }

        mutating func scrape(
            waiting: Double, running: Double, inflight: Int, kvUsage: Double = 0.1
        ) {
            now = now + .seconds(1)
            slots.observe(
                LoadScrape(waiting: waiting, running: running, kvUsage: kvUsage),
                inflight: inflight, decodes: true, now: now)
        }
    }

    @Test("requests that wait show how many run at once")
    func waiting() {
        var engine = Scraped()
        #expect(engine.slots.count == 256)
        engine.scrape(waiting: 9, running: 64, inflight: 73)
        #expect(engine.slots.count == 64)
        // One that waits may have come between two steps; in two pages in a row it has not.
        engine = Scraped()
        engine.scrape(waiting: 1, running: 30, inflight: 31)
        #expect(engine.slots.count == 256)
        engine.scrape(waiting: 1, running: 30, inflight: 31)
        #expect(engine.slots.count == 30)
        engine.scrape(waiting: 50, running: 0, inflight: 50)
        #expect(engine.slots.count == 1)
        #expect(engine.slots.shown == 64 || engine.slots.shown == 30)
        engine = Scraped(told: 8)
        engine.scrape(waiting: 0, running: 0, inflight: 8)
        #expect(engine.slots.count == 8)
    }

    @Test("of a number that was told one more is tried, ever later after each failure")
    func tries() {
        var engine = Scraped(told: 64)
        engine.scrape(waiting: 3, running: 4, inflight: 7)
        #expect(engine.slots.count == 4)
        engine.scrape(waiting: 0, running: 3, inflight: 3)
        #expect(engine.slots.count == 4, "not all in use: nothing to try")
        var tries: [Int] = []
        for second in 0..<100 {
            let used = Int(engine.slots.count)
            engine.scrape(waiting: used > 4 ? 1 : 0, running: 4, inflight: used)
            if engine.slots.count == 5 { tries.append(second) }
        }
        let gaps = zip(tries.dropFirst(), tries).map { $0 - $1 }
        #expect(gaps.count >= 4)
        #expect(zip(gaps.dropFirst(), gaps).allSatisfy { $0 > $1 })
        // It has more now, as another's load shows: each try succeeds, one a second.
        engine.scrape(waiting: 0, running: 6, inflight: 4)
        engine.now = engine.now + .seconds(600)
        for _ in 0..<10 {
            let used = engine.slots.count
            engine.scrape(waiting: 0, running: used, inflight: Int(used))
        }
        #expect(engine.slots.count > 12)
    }

    @Test("where the number was not told, pages without waiting requests change nothing")
    func untold() {
        var engine = Scraped()
        engine.scrape(waiting: 3, running: 4, inflight: 7)
        for _ in 0..<100 { engine.scrape(waiting: 0, running: 4, inflight: 4) }
        #expect(engine.slots.count == 4)
        // More than it was full at: another client found room.
        engine.scrape(waiting: 0, running: 6, inflight: 4)
        #expect(engine.slots.full == 0)
        #expect(engine.slots.count == 256)
        #expect(engine.slots.shown == 6)
    }

    @Test("full by its cache it has room again any moment; a level a little lower is the same")
    func levels() {
        var engine = Scraped()
        engine.scrape(waiting: 5, running: 40, inflight: 45)
        engine.scrape(waiting: 1, running: 38, inflight: 40)
        #expect(engine.slots.count == 40)
        engine.scrape(waiting: 5, running: 20, inflight: 25, kvUsage: 0.95)
        #expect(engine.slots.count == 20)
        engine.scrape(waiting: 0, running: 20, inflight: 20, kvUsage: 0.9)
        #expect(engine.slots.count == 21)
    }

    @Test("a level that a try has confirmed outlasts one page on which fewer run")
    func confirmed() {
        var engine = Scraped()
        #expect(engine.slots.confirmed == 1)
        engine.slots.foundFull(at: 8)
        #expect(engine.slots.confirmed == 8)
        engine.scrape(waiting: 3, running: 2, inflight: 8)
        #expect(engine.slots.count == 8)
        engine.slots.foundMore()
        #expect(engine.slots.count == 256)
        #expect(engine.slots.confirmed == 1)
    }
}
