import SluiceTime
import Testing

@testable import SluiceInsight

/// Now beside then: the workload or the serving.
@Suite struct ComparisonTests {
    /// An hour of health, then ten minutes of something else.
    private func script(_ change: (inout FigureScript) -> Void) -> FigureScript {
        var script = FigureScript()
        script.play(3_600)
        change(&script)
        script.play(600)
        return script
    }

    private func comparison(_ script: FigureScript, _ span: Nanoseconds) throws -> Comparison {
        try #require(script.diagnosis.comparison(of: "llama", against: span))
    }

    @Test func `the same as an hour ago is unchanged`() throws {
        let comparison = try comparison(script { _ in }, .seconds(3_600))
        #expect(comparison.verdict == .unchanged)
        #expect(comparison.now[.arrivals].map { abs($0 - 4) < 0.01 } ?? false)
        #expect(comparison.ratio(.firstToken).map { abs($0 - 1) < 0.01 } ?? false)
    }

    @Test func `a period has room for every figure`() {
        #expect(PoolPeriod.Figure.allCases.count == PoolPeriod.figures)
    }

    @Test func `a change of the last minute is seen beside the minute before`() throws {
        var script = FigureScript()
        script.play(1_200)
        script.arrivals = 12
        script.play(60)
        #expect(try comparison(script, .seconds(60)).hasChanged(.arrivals))
    }

    @Test func `more requests are another workload`() throws {
        let comparison = try comparison(script { $0.arrivals = 8 }, .seconds(1_800))
        #expect(comparison.verdict == .workloadChanged)
        #expect(comparison.hasChanged(.arrivals))
        #expect(!comparison.hasChanged(.promptTokens))
    }

    @Test func `the same served worse is a regression, served better none`() throws {
        let slow = script {
            $0.firstToken = 0.3
            $0.gap = 0.05
        }
        #expect(try comparison(slow, .seconds(3_600)).verdict == .servingRegressed)
        let fast = script { $0.firstToken = 0.05 }
        #expect(try comparison(fast, .seconds(3_600)).verdict == .servingImproved)
    }

    @Test func `of before the start nothing is kept`() throws {
        let comparison = try comparison(script { _ in }, .seconds(86_400))
        #expect(comparison.verdict == .notKept)
        #expect(comparison.reach > .seconds(4_000))
        #expect(comparison.ratio(.arrivals) == nil)
    }

    @Test func `a day and a week are kept, in memory that does not grow`() throws {
        var history = PoolHistory()
        let window = FigureScript.healthy().window
        let start = Instant(nanoseconds: 1_000_000_000)
        // Once a minute stands for all its seconds.
        for minute in 0..<(9 * 1_440) {
            history.add(window, at: start + .seconds(Int64(minute) * 60))
        }
        #expect(history.period(ago: .seconds(86_400), minutes: 5)?[.arrivals] == 4)
        #expect(history.period(ago: .seconds(8 * 86_400), minutes: 5)?[.arrivals] == 4)
        #expect(history.period(ago: .seconds(9 * 86_400), minutes: 5) == nil)
    }
}
