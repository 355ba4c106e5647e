import SluiceTime
import Testing

@testable import SluiceTraffic

@Suite("What is believed of a replica")
struct ReplicaEstimatesTests {
    private let start = Instant(nanoseconds: 1_000_000_000)

    @Test("the step time follows within a second, the users' within sixty events")
    func stepTime() {
        var estimates = ReplicaEstimates(slotsMax: nil)
        estimates.observe(gaps: 0.010, steps: 1, events: 1)
        #expect(abs(estimates.stepTime - 0.010) < 1e-9)
        for _ in 0..<10 { estimates.observe(gaps: 0.100, steps: 2, events: 2) }
        #expect(estimates.stepTime > 0.03 && estimates.stepTime < 0.04)
        for _ in 0..<40 { estimates.observe(gaps: 0.100, steps: 2, events: 2) }
        #expect(estimates.stepTime > 0.049)
        // Several events of one read are one step, and a short wait each for those who read.
        var speculating = ReplicaEstimates(slotsMax: nil)
        for _ in 0..<200 { speculating.observe(gaps: 0.040, steps: 1, events: 4) }
        #expect(abs(speculating.stepTime - 0.040) < 1e-3)
        #expect(abs(speculating.userStepTime - 0.010) < 1e-3)
        #expect(abs(speculating.eventTime - 0.010) < 1e-3)
        // The time of an event is as quick to follow as that of a step.
        for _ in 0..<10 { speculating.observe(gaps: 0.4, steps: 10, events: 10) }
        #expect(speculating.eventTime > 0.039)
        // A whole answer of 10 ms a token says the same of an engine with four tokens to an event.
        var whole = ReplicaEstimates(slotsMax: nil)
        whole.observe(answer: 1, promptTokens: 0, outputTokens: 100, tokensPerEvent: 4)
        #expect(abs(whole.eventTime - 0.04) < 1e-9)
    }

    @Test("nothing measured and nonsense change nothing")
    func nonsense() {
        var estimates = ReplicaEstimates(slotsMax: nil)
        estimates.observe(gaps: 0, steps: 1, events: 1)
        estimates.observe(gaps: -1, steps: 1, events: 1)
        estimates.observe(gaps: 1, steps: 0, events: 0)
        estimates.observe(
            answer: 0.001, promptTokens: 1e6, outputTokens: 100, tokensPerEvent: 1)
        estimates.observe(firstOutput: -5, tokens: 1_000, backlog: 1_000, crowd: .nobody)
        estimates.observe(firstOutput: .infinity, tokens: 1_000, backlog: 1_000, crowd: .nobody)
        #expect(estimates.steps == 0)
        #expect(estimates.prompts == 0)
        #expect(estimates.promptTime == 1e-4)
    }

    @Test("alone, a prompt's time is learned at once; in a crowd only the lower envelope")
    func promptTime() {
        var alone = ReplicaEstimates(slotsMax: nil)
        alone.observe(firstOutput: 5.025, tokens: 1_000, backlog: 1_000, crowd: .nobody)
        #expect(abs(alone.promptTime - 0.005) < 1e-6)
        var crowd = ReplicaEstimates(slotsMax: nil)
        for _ in 0..<200 {
            crowd.observe(firstOutput: 0.065, tokens: 1_000, backlog: 1_000, crowd: .room)
        }
        #expect(abs(crowd.promptTime - 4e-5) < 1e-6)
        // A second of queueing in every tenth request is no slower engine.
        for index in 0..<200 {
            let queue = index % 10 == 0 ? 1.0 : 0
            crowd.observe(firstOutput: 0.065 + queue, tokens: 1_000, backlog: 1_000, crowd: .room)
        }
        #expect(crowd.promptTime < 4.2e-5)
        // Prompts of a few tokens say nothing.
        var short = ReplicaEstimates(slotsMax: nil)
        short.observe(firstOutput: 1, tokens: 100, backlog: 100, crowd: .nobody)
        #expect(short.promptTime == 1e-4)
    }

    @Test("an engine that is slow from the start is believed to be, after sixteen prompts")
    func slowEngine() {
        var estimates = ReplicaEstimates(slotsMax: nil)
        for _ in 0..<120 {
            estimates.observe(firstOutput: 2, tokens: 1_000, backlog: 1_000, crowd: .room)
        }
        #expect(estimates.promptTime > 1.2e-3)
    }

    @Test(
        "delay narrows the window, thirty in a hundred at most; a full one without delay widens it")
    func window() {
        var estimates = ReplicaEstimates(slotsMax: nil)
        var now = start
        func pass(delay: Double, inflight: Int) {
            for _ in 0..<3 {
                estimates.observe(
                    firstOutput: delay + estimates.stepTime, tokens: 0, backlog: 0, crowd: .room)
            }
            now = now + ReplicaEstimates.windowInterval
            estimates.adjustWindow(
                inflight: inflight, delayMax: 0.2, timePerToken: nil, now: now)
        }
        pass(delay: 0, inflight: 32)
        #expect(estimates.window == 34)
        pass(delay: 0, inflight: 10)
        #expect(estimates.window == 34)
        pass(delay: 10, inflight: 34)
        #expect(abs(estimates.window - 34 * 0.7) < 1e-9)
        for _ in 0..<60 { pass(delay: 10, inflight: 34) }
        #expect(estimates.window == 1)
        // One sample is none, and two changes keep their distance.
        let before = estimates.window
        estimates.adjustWindow(inflight: 1, delayMax: 0.2, timePerToken: nil, now: now)
        #expect(estimates.window == before)
    }

    @Test("slow tokens narrow the window and hold it for a second")
    func timePerToken() {
        var estimates = ReplicaEstimates(slotsMax: nil)
        for _ in 0..<100 { estimates.observe(gaps: 0.07, steps: 1, events: 1) }
        estimates.adjustWindow(
            inflight: 20, delayMax: 0.2, timePerToken: 0.06, now: start + .seconds(1))
        #expect(abs(estimates.window - 21 * 0.93) < 1e-9)
    }

    @Test("tries of an engine that is gone are forgotten with it")
    func restarted() {
        var estimates = ReplicaEstimates(slotsMax: nil)
        estimates.slots.foundFull(at: 4)
        #expect(estimates.slots.confirmed == 4)
        estimates.restarted(slotsMax: nil)
        #expect(estimates.slots.confirmed == 1)
        #expect(estimates.slots.count == Double(EngineSlots.guess))
    }

    @Test("a refusal by the engine itself narrows the window")
    func refused() {
        var estimates = ReplicaEstimates(slotsMax: nil)
        estimates.refused(now: start)
        #expect(abs(estimates.window - 32 * 0.7) < 1e-9)
        estimates.restarted(slotsMax: nil)
        #expect(estimates.window == ReplicaEstimates.windowStart)
    }
}
