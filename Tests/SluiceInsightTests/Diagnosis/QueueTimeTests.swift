import SluiceTelemetry
import Testing

@testable import SluiceInsight

@Suite struct QueueTimeTests {
    /// 0.1 s here for four requests a second; each replica finishes one that waited `engine`.
    private func script(engine: Double) -> FigureScript {
        var script = FigureScript()
        script.queueWait = 0.1
        script.play(30) { script in
            for index in script.pool.replicas.indices {
                script.pool.replicas[index].engineQueue?.sum += engine
                script.pool.replicas[index].engineQueue?.count += 1
            }
        }
        return script
    }

    @Test func `waits here and in the engines are means of the last ten seconds`() throws {
        var script = script(engine: 0.4)
        let lately = script.diagnosis.queueTime
        #expect(abs(try #require(lately.gateway) - 0.1) < 1e-9)
        #expect(abs(try #require(lately.engine) - 0.4) < 1e-9)
        script.queueWait = 0.3
        script.play(5)
        let half = try #require(script.diagnosis.queueTime.gateway)
        #expect(abs(half - 0.2) < 1e-9, "five of the ten seconds")
    }

    @Test func `nothing is said of what was not measured`() {
        #expect(QueueTime().gateway == nil && QueueTime().engine == nil)
        var script = FigureScript()
        script.arrivals = 0
        script.play(30)
        #expect(script.diagnosis.queueTime.gateway == nil)
        #expect(script.diagnosis.queueTime.engine == nil)
    }

    @Test func `pools weigh by their requests`() throws {
        var (first, second) = (script(engine: 0.4).pool, script(engine: 0.1).pool)
        (first.name, second.name) = ("first", "second")
        first.queueWait = HistogramTotals()
        second.queueWait = HistogramTotals()
        var diagnosis = Diagnosis()
        for tick in 1...12 {
            first.queueWait.sum += 0.2 * 3
            first.queueWait.count += 3
            second.queueWait.sum += 0.6
            second.queueWait.count += 1
            diagnosis.advance(to: .init(nanoseconds: Int64(tick) * 1_000_000_000), [first, second])
        }
        #expect(abs(try #require(diagnosis.queueTime.gateway) - 0.3) < 1e-9)
    }
}
