import SluiceBytes
import Testing

@testable import SluiceTraffic

@Suite("What engines add to one request in fifty")
struct DelayTailTests {
    /// Every `rare`-th takes three tenths of its objective, the others up to a twenty-fifth.
    private func tail(rare: UInt64) -> DelayTail {
        var random = SplitMix64(seed: 7)
        var tail = DelayTail()
        for _ in 0..<20_000 {
            let usual = Double(random.next() >> 54) / 1_024 * 0.04
            tail.observe(random.next() % rare == 0 ? 0.3 : usual)
        }
        return tail
    }

    @Test func `what is rarer is left out, what is not is in it`() {
        #expect(tail(rare: 250).part < 0.15)
        #expect(tail(rare: 10).part > 0.25)
    }

    @Test func `it never exceeds the greatest sample or its bound, and comes back soon`() {
        var tail = DelayTail()
        tail.observe(0.01)
        #expect(tail.part == 0.01)
        for _ in 0..<100 { tail.observe(0.2) }
        #expect(tail.part == 0.2)
        // The engine stood still for ten times the objective.
        for _ in 0..<500 { tail.observe(10) }
        #expect(tail.part == DelayTail.partMax)
        for _ in 0..<340 { tail.observe(0) }
        #expect(tail.part == 0)
    }
}
