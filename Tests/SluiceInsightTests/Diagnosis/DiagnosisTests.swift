import SluiceTelemetry
import SluiceTime
import Testing

@testable import SluiceInsight

/// How findings come, stay and go, and what is learned.
@Suite struct DiagnosisTests {
    @Test func `what probes see is forgotten two seconds after its last sight, refusals after ten`()
    {
        var script = FigureScript.healthy()
        script.pool.replicas[0].trouble = .unreachable
        script.play(1)
        #expect(script.begun.map(\.cause) == [.replicaUnreachable])
        script.pool.replicas[0].trouble = nil
        script.play(2)
        #expect(script.causes == ["replica_unreachable gpu-0"])
        script.play(1)
        #expect(script.causes.isEmpty)
        #expect(script.ended.map(\.cause) == [.replicaUnreachable])
        script.pool.replicas[0].trouble = .failing
        script.play(1)
        script.pool.replicas[0].trouble = nil
        script.play(10)
        #expect(script.causes == ["replica_failing gpu-0"])
        script.play(1)
        #expect(script.causes.isEmpty)
    }

    @Test func `what was named stays named since then, with the newest figures`() {
        var script = FigureScript.healthy()
        script.pool.replicas[0].trouble = .unreachable
        script.play(1)
        let since = script.diagnosis.findings[0].since
        script.pool.replicas[0].troubleSeconds = 42
        script.play(5)
        #expect(script.diagnosis.findings[0].since == since)
        #expect(script.diagnosis.findings[0].evidence[0].value == 42)
        #expect(script.begun.count == 1)
    }

    @Test func `the order of causes decides where several match`() {
        var script = FigureScript.healthy()
        // Slow, and its metrics do not come: line 1 before line 10.
        script.play(25) {
            $0.pool.replicas[0].stepTime = 0.08
            $0.pool.replicas[0].signalAge = 30
            $0.pool.replicas[0].isStale = true
        }
        #expect(script.causes == ["metrics_path_broken gpu-0"])
    }

    @Test func `a cause that turns out to be another is forgotten at once`() {
        var script = FigureScript.healthy(replicas: 3)
        script.play(25) { $0.pool.replicas[0].stepTime = 0.08 }
        #expect(script.causes == ["slow_replica gpu-0"])
        script.pool.replicas[0].trouble = .unhealthy
        script.play(1)
        #expect(script.causes == ["engine_dead gpu-0"])
        #expect(script.ended.map(\.cause) == [.slowReplica])
    }

    @Test func `what is wrong is not learned as usual`() {
        var script = FigureScript.healthy(replicas: 3)
        script.play(1_200) { $0.pool.replicas[2].stepTime = 0.06 }
        #expect(script.causes == ["slow_replica gpu-2"])
        let finding = script.diagnosis.findings[0]
        #expect(finding.evidence[0].comparison.hasPrefix("usual: 20"))
    }

    @Test func `a change that may be meant becomes usual, a fault does not`() {
        var script = FigureScript.healthy()
        script.prompt = 400
        script.prefill = 0.2
        script.firstToken = 0.25
        script.play(600)
        #expect(script.causes == ["longer_prompts llama"])
        script.play(1_800)
        #expect(script.causes.isEmpty)
    }

    @Test func `after an incident a signature is named again as late as before it`() {
        var script = FigureScript.healthy(replicas: 3)
        script.play(300) { $0.pool.replicas[0].stepTime = 0.08 }
        script.pool.replicas[0].stepTime = 0.02
        script.play(60)
        #expect(script.causes.isEmpty)
        script.play(5) { $0.pool.replicas[0].stepTime = 0.3 }
        #expect(script.causes.isEmpty)
    }

    @Test func `one replica that is down keeps the pool from learning nothing`() {
        var script = FigureScript(replicas: 3)
        script.pool.replicas[0].trouble = .unreachable
        script.play(60)
        script.prompt = 400
        script.prefill = 0.2
        script.firstToken = 0.25
        script.play(25)
        #expect(script.causes == ["replica_unreachable gpu-0", "longer_prompts llama"])
    }

    @Test func `a replica and a pool that are gone are forgotten`() {
        var script = FigureScript.healthy()
        script.pool.replicas[1].trouble = .unreachable
        script.play(1)
        script.pool.replicas.removeLast()
        script.play(11)
        #expect(script.causes.isEmpty)
        let (begun, ended) = script.diagnosis.advance(to: script.now + .seconds(1), [])
        #expect(begun.isEmpty && ended.isEmpty)
        #expect(script.diagnosis.comparison(of: "llama", against: .seconds(60)) == nil)
    }

    @Test func `counters that begin anew say nothing for a while`() {
        var script = FigureScript.healthy()
        script.play(1) {
            $0.pool.replicas[0].preemptions = 0
            $0.pool.replicas[0].heartbeat = 0
            $0.pool.replicas[0].prefill = .init()
            $0.pool.replicas[0].prefixQueries = 0
            $0.pool.replicas[0].prefixHits = 0
        }
        script.play(30)
        #expect(script.causes.isEmpty)
    }

    @Test func `every cause says what it means and what to do`() {
        for cause in Cause.allCases {
            #expect(!cause.title.isEmpty && cause.meaning.hasSuffix("."))
            #expect(cause.steps.count >= 1)
            #expect(cause.steps.allSatisfy { $0.hasSuffix(".") || $0.hasSuffix("?") })
        }
    }
}

@Suite struct CauseTests {
    @Test func `metrics that steps name exist`() {
        let known = Set(Metric.allCases.map { $0.row.name })
        for cause in Cause.allCases {
            for step in cause.steps {
                for word in step.split(whereSeparator: { !$0.isLetter && $0 != "_" })
                where word.hasPrefix("sluice_") {
                    #expect(known.contains(String(word)), "\(cause): \(word)")
                }
            }
        }
    }

    @Test func `what means tell is named later than one request stays in them`() {
        for cause in Cause.allCases
        where cause.mayBecomeUsual && cause != .clientErrors || cause == .slowReplica {
            #expect(cause.namedAfter > DiagnosisWindow.seconds)
        }
    }
}

@Suite struct HealthyRangeTests {
    @Test func `nothing is high before half a minute`() {
        var range = HealthyRange()
        for _ in 0..<29 { range.observe(1) }
        #expect(range.upper(factor: 2) == nil)
        range.observe(1)
        #expect(range.upper(factor: 2) == 2)
        #expect(range.lower(factor: 2) == 0.5)
    }

    @Test func `six deviations are usual`() {
        var range = HealthyRange()
        for second in 0..<1_000 { range.observe(second % 2 == 0 ? 1 : 3) }
        #expect(abs(range.mean - 2) < 0.05)
        #expect(abs(range.deviation - 1) < 0.05)
        #expect(range.upper(factor: 1.5).map { abs($0 - 8) < 0.3 } ?? false)
    }

    @Test func `what is not a number is not learned`() {
        var range = HealthyRange()
        range.observe(.nan)
        range.observe(.infinity)
        #expect(range.seconds == 0)
    }

    @Test func `it forgets with a time constant of ten minutes`() {
        var range = HealthyRange()
        for _ in 0..<600 { range.observe(0) }
        for _ in 0..<600 { range.observe(1) }
        #expect(range.mean > 0.6 && range.mean < 0.7)
    }
}

@Suite struct UnitTextTests {
    @Test(arguments: [
        (Unit.seconds, 0.0123, "12.3 ms"), (.seconds, 1.234, "1.23 s"), (.seconds, 600, "10 min"),
        (.ratio, 0.954, "95.4 %"), (.perSecond, 3, "3/s"), (.tokens, 1_234.5, "1235 tokens"),
        (.requests, 2.5, "2.5"), (.seconds, 0, "0 ms"),
    ])
    func `numbers read as people write them`(_ unit: Unit, _ value: Double, _ text: String) {
        #expect(unit.text(value) == text)
    }

    @Test func `no number traps`() {
        for value in [Double.nan, .infinity, -.infinity, 1e300, -1e300] {
            #expect(!Unit.requests.text(value).isEmpty)
        }
    }
}
