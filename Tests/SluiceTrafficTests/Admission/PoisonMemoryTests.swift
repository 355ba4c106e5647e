import SluiceTime
import Testing

@testable import SluiceTraffic

@Suite struct PoisonMemoryTests {
    private let start = Instant(nanoseconds: 5_000_000_000_000)

    @Test func `a hash is refused for five minutes`() {
        var memory = PoisonMemory()
        memory.insert(9, now: start)
        #expect(memory.contains(9, now: start + .seconds(300) - Nanoseconds(1)))
        #expect(!memory.contains(9, now: start + .seconds(300)))
        #expect(!memory.contains(8, now: start))
    }

    @Test func `the memory is bounded, the oldest is forgotten`() {
        var memory = PoisonMemory()
        for hash in 0...UInt64(PoisonMemory.countMax) { memory.insert(hash, now: start) }
        #expect(!memory.contains(0, now: start))
        #expect(memory.contains(1, now: start))
        #expect(memory.contains(UInt64(PoisonMemory.countMax), now: start))
    }

    @Test func `a hash met again is renewed, not stored twice`() {
        var memory = PoisonMemory()
        memory.insert(1, now: start)
        memory.insert(1, now: start + .seconds(200))
        #expect(memory.contains(1, now: start + .seconds(400)))
    }
}
