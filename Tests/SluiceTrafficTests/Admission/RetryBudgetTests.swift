import SluiceTime
import Testing

@testable import SluiceTraffic

@Suite struct RetryBudgetTests {
    private let start = Instant(nanoseconds: 5_000_000_000_000)

    @Test func `a quiet pool may retry thirty times in ten seconds`() {
        var budget = RetryBudget()
        for _ in 0..<30 {
            let verdict = budget.withdraw(now: start)
            #expect(verdict == .granted)
        }
        #expect(budget.withdraw(now: start) == .exhausted)
        #expect(budget.withdraw(now: start + .seconds(9)) == .exhausted)
        #expect(budget.withdraw(now: start + .seconds(10)) == .granted)
    }

    @Test func `a busy pool may retry a tenth of its dispatches`() {
        var budget = RetryBudget()
        for step in 0..<1_000 {
            budget.recordDispatch(now: start + .milliseconds(Int64(step) * 9))
        }
        let now = start + .seconds(9)
        var granted = 0
        while budget.withdraw(now: now) == .granted { granted += 1 }
        #expect(granted == 100)
    }

    @Test func `dispatches older than ten seconds do not count`() {
        var budget = RetryBudget()
        for _ in 0..<1_000 { budget.recordDispatch(now: start) }
        #expect(budget.remaining(now: start) == 100)
        #expect(budget.remaining(now: start + .seconds(10)) == 30)
        #expect(budget.remaining(now: start + .seconds(3_600)) == 30)
    }

    @Test func `a clock read a little earlier on another thread does no harm`() {
        var budget = RetryBudget()
        budget.recordDispatch(now: start)
        budget.recordDispatch(now: start - .seconds(5))
        #expect(budget.remaining(now: start - .seconds(100)) == 30)
    }
}
