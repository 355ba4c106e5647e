import SluiceTelemetry
import SluiceTime
import Testing

@testable import SluiceInsight

/// Each signature of a replica by figures that show it, and by figures that come close.
@Suite struct ReplicaSignatureTests {
    @Test(arguments: [
        (ReplicaTrouble.unreachable, "replica_unreachable gpu-1"),
        (.unhealthy, "engine_dead gpu-1"), (.unauthorized, "key_refused gpu-1"),
        (.failing, "replica_failing gpu-1"), (.stalled(isWedged: true), "replica_stalled gpu-1"),
    ])
    func `what a replica shows directly is named at once`(
        _ trouble: ReplicaTrouble, _ cause: String
    ) {
        var script = FigureScript.healthy()
        script.pool.replicas[1].trouble = trouble
        script.pool.replicas[1].isServing = false
        script.play(1)
        #expect(script.causes == [cause])
        #expect(script.diagnosis.findings.first?.confidence == .certain)
    }

    @Test func `a replica that is busy for a moment is not named before three seconds`() {
        var script = FigureScript.healthy()
        script.pool.replicas[0].trouble = .stalled(isWedged: false)
        let steps = script.pool.replicas[0].heartbeat
        // Three seconds without a step, and three in which that is seen.
        script.play(4) { $0.pool.replicas[0].heartbeat = steps }
        #expect(script.causes.isEmpty)
        script.play(2) { $0.pool.replicas[0].heartbeat = steps }
        #expect(script.causes == ["replica_stalled gpu-0"])
    }

    @Test func `our streams wait while the engine works: it does not stand still`() {
        var script = FigureScript.healthy()
        script.pool.replicas[0].trouble = .stalled(isWedged: false)
        script.play(20)
        #expect(script.causes.isEmpty)
    }

    @Test func `a replica that stood still has no broken metrics when it begins answers again`() {
        var script = FigureScript.healthy()
        script.play(12) {
            $0.pool.replicas[0].trouble = .stalled(isWedged: true)
            $0.pool.replicas[0].isStale = true
        }
        script.play(8) {
            $0.pool.replicas[0].trouble = nil
            $0.pool.replicas[0].isStale = true
        }
        #expect(script.causes == ["replica_stalled gpu-0"])
    }

    @Test func `metrics that do not come while tokens do`() {
        var script = FigureScript.healthy()
        var age = 0.5
        script.play(6) {
            age += 1
            $0.pool.replicas[0].signalAge = age
            $0.pool.replicas[0].isStale = age > 3
            $0.pool.replicas[0].lastScrape = "timeout"
        }
        #expect(script.causes == ["metrics_path_broken gpu-0"])
        let evidence = script.diagnosis.findings.first?.evidence.map(\.text) ?? []
        #expect(evidence.contains { $0.contains("last scrape: timeout") })
    }

    @Test func `old metrics of an idle replica are no finding`() {
        var script = FigureScript.healthy()
        script.play(20) {
            $0.pool.replicas[0].signalAge = 30
            $0.pool.replicas[0].isStale = true
            $0.pool.replicas[0].inFlight = 0
            $0.pool.replicas[0].eventAge = 30
        }
        #expect(script.causes.isEmpty)
    }

    @Test func `preemptions with a full cache`() {
        var script = FigureScript.healthy()
        script.preemptions = 1
        script.play(10) {
            $0.pool.replicas[0].cacheUsage = 0.97
            $0.pool.replicas[0].waiting = 1
            $0.pool.replicas[1].preemptions = 0
        }
        #expect(script.causes == ["kv_bound gpu-0"])
        #expect(script.diagnosis.findings.first?.confidence == .likely)
    }

    @Test(arguments: [(0.70, ["kv_bound gpu-0"]), (0.45, [])])
    func `preemptions with a cache fuller than it usually is`(
        _ usage: Double, _ causes: [String]
    ) {
        var script = FigureScript.healthy()
        script.preemptions = 1
        script.play(10) {
            $0.pool.replicas[0].cacheUsage = usage
            $0.pool.replicas[0].waiting = 1
            $0.pool.replicas[1].preemptions = 0
        }
        #expect(script.causes == causes)
    }

    @Test func `a full cache without preemptions is no finding`() {
        var script = FigureScript.healthy()
        script.play(20) { $0.pool.replicas[0].cacheUsage = 0.99 }
        #expect(script.causes.isEmpty)
    }

    @Test func `preemptions that are usual here are no finding`() {
        var script = FigureScript()
        script.preemptions = 0.1
        script.play(120) { $0.pool.replicas[0].cacheUsage = 0.95 }
        script.preemptions = 0.2
        script.play(30) { $0.pool.replicas[0].cacheUsage = 0.97 }
        #expect(script.causes.isEmpty)
    }

    @Test func `more requests counted here than the engine has`() {
        var script = FigureScript.healthy()
        script.play(20) {
            $0.pool.replicas[0].inFlight = 3
            $0.pool.inFlight = 5
        }
        #expect(script.causes == ["leaked_slots gpu-0"])
    }

    @Test func `a difference while the engine's steps stand still says nothing`() {
        var script = FigureScript.healthy()
        script.play(20) {
            $0.pool.replicas[0].inFlight = 3
            $0.pool.replicas[0].heartbeat = 7
        }
        #expect(script.causes.isEmpty)
    }

    @Test func `requests that are not ours`() {
        var script = FigureScript.healthy()
        script.play(25) {
            $0.pool.replicas[1].running = 4
            $0.pool.replicas[1].others = 2
        }
        #expect(script.causes == ["other_client gpu-1"])
    }

    @Test func `requests that are not ours where other gateways are known are no finding`() {
        var script = FigureScript.healthy()
        script.pool.gateways = 3
        script.play(25) {
            $0.pool.replicas[1].running = 4
            $0.pool.replicas[1].others = 2
        }
        #expect(script.causes.isEmpty)
    }

    @Test func `a replica slower than its peers and than it was`() {
        var script = FigureScript.healthy(replicas: 3)
        script.play(25) { $0.pool.replicas[2].stepTime = 0.06 }
        #expect(script.causes == ["slow_replica gpu-2"])
        #expect(script.diagnosis.findings.first?.confidence == .likely)
    }

    @Test func `a replica slower because it has more to do is no finding`() {
        var script = FigureScript.healthy(replicas: 3)
        script.play(25) {
            $0.pool.replicas[2].stepTime = 0.035
            $0.pool.replicas[2].inFlight = 4
            $0.pool.replicas[2].running = 4
        }
        #expect(script.causes.isEmpty)
    }
}
