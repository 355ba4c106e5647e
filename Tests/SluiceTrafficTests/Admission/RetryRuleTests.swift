import SluiceTime
import Testing

@testable import SluiceTraffic

@Suite struct RetryRuleTests {
    private let inference = RepeatKind.inference

    @Test(arguments: [RepeatKind.reading, .inference, .never])
    func `(a) whatever the method, a request no byte of which was seen goes again`(
        kind: RepeatKind
    ) {
        let connect = RetryCase(kind: kind, failure: .connectFailed, budget: .exhausted)
        #expect(RetryRule.verdict(connect) == .retrySameAllowed)
        let stale = RetryCase(
            kind: kind, failure: .connectionLost, bytesAcked: 0, budget: .exhausted)
        #expect(RetryRule.verdict(stale) == .retrySameAllowed)
    }

    @Test func `(a) ends with the attempt bound`() {
        var facts = RetryCase(kind: .never, failure: .connectFailed, attempts: 3)
        #expect(RetryRule.verdict(facts) == .retrySameAllowed)
        facts.attempts = 4
        #expect(RetryRule.verdict(facts) == .giveUp(status: 502, .attemptsSpent))
    }

    @Test func `(b) a GET goes again once, on another replica, within the budget`() {
        var facts = RetryCase(kind: .reading, failure: .connectionLost, bytesAcked: 100)
        #expect(RetryRule.verdict(facts) == .retryOther)
        facts.failure = .malformedAnswer
        #expect(RetryRule.verdict(facts) == .retryOther)
        facts.repeats = 1
        #expect(RetryRule.verdict(facts) == .giveUp(status: 502, .attemptsSpent))
        facts.repeats = 0
        facts.budget = .exhausted
        #expect(RetryRule.verdict(facts) == .giveUp(status: 502, .budgetSpent))
    }

    @Test func `(c) an inference POST goes elsewhere when the engine refused it`() {
        var facts = RetryCase(kind: inference, failure: .refusedByEngine, bytesAcked: 100)
        #expect(RetryRule.verdict(facts) == .retryOther)
        facts.repeats = 1
        #expect(RetryRule.verdict(facts) == .giveUp(status: 503, .attemptsSpent))
    }

    @Test func `(c) an inference POST that a wedged replica has not begun goes elsewhere once`() {
        var facts = RetryCase(kind: inference, failure: .wedged, bytesAcked: 100)
        #expect(RetryRule.verdict(facts) == .retryOther)
        facts.repeats = 1
        #expect(RetryRule.verdict(facts) == .giveUp(status: 504, .attemptsSpent))
        facts.repeats = 0
        facts.kind = .never
        #expect(RetryRule.verdict(facts) == .giveUp(status: 504, .notRepeatable))
    }

    @Test(arguments: [Int?.none, 1, 100])
    func `(c) a lost inference POST waits for the replica's death to be confirmed`(acked: Int?) {
        var facts = RetryCase(kind: inference, failure: .connectionLost, bytesAcked: acked)
        #expect(RetryRule.verdict(facts) == .awaitCorroboration(.milliseconds(250)))
        facts.isDeathCorroborated = true
        facts.deaths = 1
        #expect(RetryRule.verdict(facts) == .retryOther)
        facts.isDeathCorroborated = false
        #expect(RetryRule.verdict(facts) == .giveUp(status: 502, .deathNotCorroborated))
    }

    @Test func `(c) after one death the next is confirmed even where no retry is left`() {
        var facts = RetryCase(
            kind: inference, failure: .connectionLost, bytesAcked: 9, attempts: 2, repeats: 1,
            deaths: 1)
        #expect(RetryRule.verdict(facts) == .awaitCorroboration(.milliseconds(250)))
        facts.isDeathCorroborated = true
        facts.deaths = 2
        #expect(RetryRule.verdict(facts) == .giveUp(status: 502, .poison))
    }

    @Test func `(c) does not wait for what could not be used`() {
        var facts = RetryCase(
            kind: inference, failure: .connectionLost, bytesAcked: 9, budget: .exhausted)
        #expect(RetryRule.verdict(facts) == .giveUp(status: 502, .budgetSpent))
        facts.budget = .granted
        facts.repeats = 1
        #expect(RetryRule.verdict(facts) == .giveUp(status: 502, .attemptsSpent))
    }

    @Test(arguments: [RepeatKind.reading, .inference, .never])
    func `a timeout is never retried`(kind: RepeatKind) {
        let facts = RetryCase(kind: kind, failure: .timedOut, isDeathCorroborated: true)
        #expect(RetryRule.verdict(facts) == .giveUp(status: 504, .timedOut))
    }

    @Test func `(d) anything else is answered`() {
        let lost = RetryCase(
            kind: .never, failure: .connectionLost, bytesAcked: 1, isDeathCorroborated: true)
        #expect(RetryRule.verdict(lost) == .giveUp(status: 502, .notRepeatable))
        let refused = RetryCase(kind: .never, failure: .refusedByEngine)
        #expect(RetryRule.verdict(refused) == .giveUp(status: 503, .notRepeatable))
        let garbage = RetryCase(kind: inference, failure: .malformedAnswer)
        #expect(RetryRule.verdict(garbage) == .giveUp(status: 502, .notRepeatable))
    }

    @Test func `poison is refused even where not a byte was seen`() {
        let facts = RetryCase(kind: inference, failure: .connectFailed, deaths: 2)
        #expect(RetryRule.verdict(facts) == .giveUp(status: 502, .poison))
    }

    /// Every combination against the rule written once more, as prose in code.
    @Test func `the whole table obeys the rule's sentences`() {
        var cases = 0
        for kind in [RepeatKind.reading, .inference, .never] {
            for failure in AttemptFailure.allCases {
                for acked in [Int?.none, 0, 5] {
                    for attempts in 1...4 {
                        for repeats in 0...1 {
                            for deaths in 0...2 {
                                for dead in [Bool?.none, false, true] {
                                    for bits in 0..<8 {
                                        let facts = RetryCase(
                                            kind: kind, failure: failure, bytesAcked: acked,
                                            attempts: attempts, repeats: repeats, deaths: deaths,
                                            hasAnswered: bits & 1 == 1, isDeathCorroborated: dead,
                                            budget: bits & 2 == 0 ? .granted : .exhausted,
                                            isEnabled: bits & 4 == 0)
                                        check(facts)
                                        cases += 1
                                    }
                                }
                            }
                        }
                    }
                }
            }
        }
        #expect(cases == 3 * 6 * 3 * 4 * 2 * 3 * 3 * 8)
    }

    private func check(_ facts: RetryCase) {
        let isBarred =
            facts.hasAnswered || !facts.isEnabled || facts.deaths >= 2 || facts.attempts >= 4
        let wasUnseen =
            facts.failure == .connectFailed
            || ([.connectionLost, .wedged].contains(facts.failure) && facts.bytesAcked == 0)
        let isAffordable = facts.repeats == 0 && facts.budget == .granted
        let verdict = RetryRule.verdict(facts)
        var isRight: Bool
        switch verdict {
        case .retrySameAllowed: isRight = !isBarred && wasUnseen
        case .retryOther:
            isRight = !isBarred && !wasUnseen && isAffordable && facts.failure != .timedOut
            switch facts.kind {
            case .reading: break
            case .inference:
                isRight =
                    isRight
                    && ([.refusedByEngine, .wedged].contains(facts.failure)
                        || facts.isDeathCorroborated == true)
            case .never: isRight = false
            }
        case .awaitCorroboration:
            isRight =
                !isBarred && !wasUnseen && facts.kind == .inference
                && (isAffordable || facts.deaths + 1 == RetryRule.deathsMax)
                && facts.failure == .connectionLost && facts.isDeathCorroborated == nil
        case .giveUp(let status, let reason):
            isRight = status == 502 || status == 503 || status == 504
            if wasUnseen && !isBarred { isRight = false }
            if facts.hasAnswered { isRight = isRight && reason == .answerBegun }
        }
        // One expectation per wrong row only: 25,920 expectations cost seconds.
        if !isRight { Issue.record("\(facts) gave \(verdict)") }
    }
}
