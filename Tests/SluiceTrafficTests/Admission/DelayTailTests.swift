import Testing

@testable import SluiceTraffic

@Suite("The delay that one request in fifty exceeds")
struct DelayTailTests {
    /// Every `rare`-th takes half a second, the others up to 20 ms.
    private func tail(rare: Int, samples: Int = 20_000) -> DelayTail {
        var random = SplitMix64(state: 7)
        var tail = DelayTail()
        for _ in 0..<samples {
            let usual = Double(random.next() >> 54) / 1_024 * 0.02
            tail.observe(random.next() % UInt64(rare) == 0 ? 0.5 : usual, step: 0.025)
        }
        return tail
    }

    @Test func `what is rarer is left out, what is not is in it`() {
        // One in 250 is pulled down by the 249 others ten times as far as it pulls up.
        #expect(tail(rare: 250).seconds < 0.1)
        #expect(tail(rare: 10).seconds > 0.45)
    }

    @Test func `it never exceeds the greatest sample, and comes back`() {
        var tail = DelayTail()
        tail.observe(0.01, step: 0.025)
        #expect(tail.seconds == 0.01)
        for _ in 0..<100 { tail.observe(0.2, step: 0.025) }
        #expect(tail.seconds == 0.2)
        for _ in 0..<1_000 { tail.observe(0, step: 0.025) }
        #expect(tail.seconds == 0)
    }
}
