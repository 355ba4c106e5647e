import SluiceTime
import Testing

@testable import SluiceTraffic

/// Short answers are slower than their engine, some of them.
@Suite struct PaceTailTests {
    /// Every `rare`-th answer has twice the usual time per token.
    private func part(tokens: Int, rare: Int) -> Double {
        var tail = PaceTail()
        for count in 0..<5_000 {
            tail.observe(count % rare == 0 ? 0.04 : 0.02, tokens: tokens, usual: 0.02)
        }
        return tail.part
    }

    @Test func `room is left for short answers that are slow, unless they are rare`() {
        #expect(part(tokens: 8, rare: 20) < 0.7)
        #expect(part(tokens: 8, rare: 500) == 1)
        #expect(part(tokens: 200, rare: 20) == 1, "an answer of four seconds is the engine's own")
    }

    @Test(arguments: [8, 200])
    func `a window narrows before short answers miss their objective`(tokens: Int) {
        var policy = AdmissionPolicy()
        var own = ClassPolicy(name: "standard", timeToFirstToken: .seconds(2))
        own.timePerToken = .milliseconds(60)
        policy.classes = [own]
        let harness = PoolHarness(replicas: 1, policy: policy)
        func window() -> Double { harness.snapshot.replicas[0].window }
        let before = window()
        for count in 0..<400 {
            harness.advance(.milliseconds(50))
            // Steps of 40 ms are two thirds of the objective; some answers are beyond it.
            harness.pool.progress[0].stepped(at: harness.ids[0], gap: .milliseconds(40), events: 1)
            let pace = Nanoseconds.milliseconds(count % 10 == 0 ? 80 : 40)
            harness.dispatch()?.release(
                .success, Service(outputTokens: tokens, timePerToken: pace), now: harness.now)
            harness.tick()
        }
        #expect(tokens == 8 ? window() < before / 2 : window() >= before)
    }
}
