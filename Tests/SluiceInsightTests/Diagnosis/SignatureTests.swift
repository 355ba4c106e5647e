import SluiceTelemetry
import SluiceTime
import Testing

@testable import SluiceInsight

/// Each signature by figures that show it, and by figures that come close.
@Suite struct SignatureTests {
    @Test func `a pool that is well has no findings`() {
        var script = FigureScript.healthy()
        script.play(600)
        #expect(script.causes.isEmpty)
        #expect(script.begun.isEmpty)
    }

    // MARK: Of a replica

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

    // MARK: Of its GPUs

    /// Three replicas whose GPUs have been well for a minute.
    private func watched() -> FigureScript {
        var script = FigureScript(replicas: 3)
        for index in 0..<3 {
            var gpu = GPUFigures()
            gpu.count = 1
            gpu.utilization = 0.9
            gpu.clock = 1.98e9
            gpu.temperature = 60
            gpu.xids = ["7": 94, "8": 0]
            script.pool.replicas[index].gpu = gpu
        }
        script.play(60)
        return script
    }

    @Test func `an error of the hardware, not one that was there when we came`() {
        var script = watched()
        #expect(script.causes.isEmpty)
        script.pool.replicas[0].gpu?.xids["8"] = 48
        script.play(3)
        #expect(script.causes == ["gpu_fault gpu-0"])
        let finding = script.diagnosis.findings.first
        #expect(finding?.confidence == .likely)
        let evidence = finding?.evidence.map(\.text) ?? []
        #expect(
            evidence.first
                == "Xid of GPU 8: 48 (memory error that could not be corrected, 2 s ago)")
        #expect(evidence.contains { $0.hasPrefix("Xid of GPU 7: 94") && $0.hasSuffix("longer)") })
        // While it serves that is news for a minute.
        script.play(75)
        #expect(script.causes.isEmpty)
    }

    @Test func `a replica that stops with an error of its GPU`() {
        var script = watched()
        // What follows from it comes later on the page.
        script.pool.replicas[1].gpu?.xids = ["7": 45, "8": 79]
        script.play(120)
        script.pool.replicas[1].trouble = .unhealthy
        script.pool.replicas[1].isServing = false
        script.play(1)
        #expect(script.causes == ["gpu_fault gpu-1"])
        let finding = script.diagnosis.findings.first
        #expect(finding?.confidence == .certain)
        let evidence = finding?.evidence.map(\.text) ?? []
        #expect(evidence.first?.hasPrefix("replica says 503 for") == true)
        #expect(evidence.dropFirst().first?.hasPrefix("Xid of GPU 8: 79") == true)
        // After ten minutes the one is no longer told by the other.
        script.play(600)
        #expect(script.causes == ["engine_dead gpu-1"])
        let later = script.diagnosis.findings.first?.evidence.map(\.signal) ?? []
        #expect(later.contains("Xid of GPU 8:") && later.contains("slowest GPU's clock"))
    }

    @Test(arguments: [13, 31, 43, 45, 63, 4_711])
    func `an error that is the program's, or a note, is no cause`(xid: Int) {
        var script = watched()
        script.pool.replicas[1].gpu?.xids["8"] = xid
        script.play(30)
        #expect(script.causes.isEmpty)
        script.pool.replicas[1].trouble = .unreachable
        script.pool.replicas[1].isServing = false
        script.play(1)
        #expect(script.causes == ["replica_unreachable gpu-1"])
        let evidence = script.diagnosis.findings.first?.evidence.map(\.signal) ?? []
        #expect(evidence.contains("Xid of GPU 8:"))
    }

    @Test func `an error hides no cause that has nothing to do with it`() {
        var script = watched()
        script.pool.replicas[0].gpu?.xids["8"] = 48
        script.preemptions = 1
        script.play(12) {
            $0.pool.replicas[0].cacheUsage = 0.97
            $0.pool.replicas[0].waiting = 1
            $0.pool.replicas[1].preemptions = 0
            $0.pool.replicas[2].preemptions = 0
        }
        #expect(script.causes == ["kv_bound gpu-0"])
        script = watched()
        script.pool.replicas[0].gpu?.xids["8"] = 48
        script.play(30)
        script.pool.replicas[0].trouble = .unauthorized
        script.play(12)
        #expect(script.causes == ["key_refused gpu-0"])
    }

    @Test func `pages that lack a GPU for a while, and pages of others, bring no news`() {
        var script = watched()
        let gpu = script.pool.replicas[0].gpu
        script.pool.replicas[0].gpu?.xids = [:]
        script.play(5)
        script.pool.replicas[0].gpu = nil
        script.play(5)
        script.pool.replicas[0].gpu = gpu
        script.play(5)
        script.pool.replicas[0].gpu?.source = "another"
        script.pool.replicas[0].gpu?.xids = ["7": 79]
        script.play(5)
        script.pool.replicas[0].gpu?.xids["9"] = 95
        script.play(5)
        #expect(script.causes.isEmpty && script.begun.isEmpty)
    }

    @Test func `GPUs that have left the page are missed`() {
        var script = watched()
        script.pool.replicas[0].gpu?.wanted = 2
        script.pool.replicas[0].trouble = .unhealthy
        script.play(1)
        let evidence = script.diagnosis.findings.first?.evidence.map(\.text) ?? []
        #expect(
            evidence.contains("its GPUs on the exporter's page 1 (configured: 2)"), "\(evidence)")
    }

    @Test func `clocks below the usual, and steps that take longer for it`() {
        var script = watched()
        // What it does to the pool's tokens is explained by it.
        script.gap = 0.03
        script.play(25) {
            $0.pool.replicas[2].gpu?.clock = 1.2e9
            $0.pool.replicas[2].stepTime = 0.03
        }
        #expect(script.causes == ["gpu_throttled gpu-2"])
        let finding = script.diagnosis.findings.first
        #expect(finding?.confidence == .likely)
        let evidence = finding?.evidence.map(\.text) ?? []
        #expect(
            evidence.contains { $0.hasPrefix("slowest GPU's clock 1200 MHz (usual: 1980 MHz,") },
            "\(evidence)")
    }

    @Test func `clocks that the exporter says are held down, without anything learned`() {
        var script = FigureScript(replicas: 3)
        script.play(25) {
            var gpu = GPUFigures()
            gpu.isHeldDown = true
            $0.pool.replicas[2].gpu = gpu
            $0.pool.replicas[2].stepTime = 0.03
        }
        #expect(script.causes == ["gpu_throttled gpu-2"])
        #expect(script.diagnosis.findings.first?.confidence == .possible)
    }

    @Test func `low clocks without slower steps, or with larger batches, are no finding`() {
        var script = watched()
        script.play(25) {
            $0.pool.replicas[0].gpu?.clock = 1.2e9
            // Idle.
            $0.pool.replicas[1].gpu?.clock = nil
            // Larger batches take longer steps.
            $0.pool.replicas[2].gpu?.clock = 1.2e9
            $0.pool.replicas[2].stepTime = 0.03
            $0.pool.replicas[2].inFlight = 4
            $0.pool.replicas[2].running = 4
        }
        #expect(script.causes.isEmpty)
    }

    @Test func `a slow replica whose clocks are as usual is a slow one`() {
        var script = watched()
        script.play(25) { $0.pool.replicas[2].stepTime = 0.06 }
        #expect(script.causes == ["slow_replica gpu-2"])
    }

    // MARK: Of a pool

    @Test func `every slot taken, a queue, refusals`() {
        var script = FigureScript.healthy()
        script.arrivals = 16
        script.sheds = 8
        script.queueWait = 0.5
        script.firstToken = 0.7
        script.play(25) {
            $0.pool.queueLength = 5
            $0.pool.inFlight = 8
            for index in 0..<2 {
                $0.pool.replicas[index].inFlight = 4
                $0.pool.replicas[index].running = 4
            }
        }
        #expect(script.causes == ["slot_bound llama"])
        let evidence = script.diagnosis.findings.first?.evidence.map(\.signal) ?? []
        #expect(evidence.contains("offered load"))
        #expect(evidence.contains("refused"))
    }

    @Test func `a short queue that nobody suffers from is no finding`() {
        var script = FigureScript.healthy()
        script.play(30) {
            $0.pool.queueLength = 1
            $0.pool.inFlight = 8
            for index in 0..<2 {
                $0.pool.replicas[index].inFlight = 4
                $0.pool.replicas[index].running = 4
            }
        }
        #expect(script.causes.isEmpty)
    }

    @Test func `a queue here while engines have room`() {
        var script = FigureScript.healthy()
        script.queueWait = 0.8
        script.play(25) { $0.pool.queueLength = 6 }
        #expect(script.causes == ["window_too_small llama"])
    }

    @Test func `prompts of the same length that are no longer in the cache`() {
        var script = FigureScript.healthy()
        script.hitRatio = 0.1
        script.prefill = 0.2
        script.firstToken = 0.25
        script.play(25)
        #expect(script.causes == ["cache_thrash llama"])
    }

    @Test func `longer prompts`() {
        var script = FigureScript.healthy()
        script.prompt = 400
        script.prefill = 0.2
        script.firstToken = 0.25
        script.play(25)
        #expect(script.causes == ["longer_prompts llama"])
    }

    @Test func `longer prompts that cost nothing are no finding`() {
        var script = FigureScript.healthy()
        script.prompt = 400
        script.play(25)
        #expect(script.causes.isEmpty)
    }

    @Test func `a queue at one replica, none at another`() {
        var script = FigureScript.healthy()
        script.play(25) {
            $0.pool.gateways = 2
            $0.pool.replicas[0].waiting = 8
            $0.pool.replicas[0].running = 4
        }
        #expect(script.causes == ["imbalance llama"])
    }

    @Test func `refusals while a fifth of the capacity is unused`() {
        var script = FigureScript.healthy()
        script.sheds = 1
        script.play(25)
        #expect(script.causes == ["shed_while_idle llama"])
    }

    @Test func `accounts that do not obey Little's law`() {
        var script = FigureScript.healthy()
        // Four a second, a second each, are four; eight are under way.
        script.lost = 4
        script.play(70)
        #expect(script.causes == ["accounting_error llama"])
    }

    @Test func `a load that rises is no error of the accounts`() {
        var script = FigureScript.healthy()
        var seconds = 0.0
        script.residence = 2
        script.play(200) {
            seconds += 1
            $0.arrivals = 4 + seconds / 20
            $0.pool.inFlight = $0.arrivals * 2
            $0.pool.capacity = 100
        }
        #expect(!script.causes.contains { $0.hasPrefix("accounting_error") })
    }

    // MARK: What is left

    @Test func `first tokens late for no other reason`() {
        var script = FigureScript.healthy()
        script.prefill = 0.4
        script.firstToken = 0.5
        script.play(25)
        #expect(script.causes == ["slow_prefill llama"])
    }

    @Test func `tokens slow in larger batches`() {
        var script = FigureScript.healthy()
        script.gap = 0.04
        script.play(25) {
            for index in 0..<2 {
                $0.pool.replicas[index].inFlight = 4
                $0.pool.replicas[index].running = 4
            }
        }
        #expect(script.causes == ["too_concurrent llama"])
    }

    @Test func `tokens slow in batches as usual`() {
        var script = FigureScript.healthy()
        script.gap = 0.04
        script.play(25)
        #expect(script.causes == ["slow_decode llama"])
    }

    // MARK: What users get

    @Test func `answers that fail, clients that leave, requests that are wrong`() {
        var script = FigureScript.healthy()
        script.arrivals = 8
        script.failures = 1
        script.departures = 2
        script.clientErrors = 3
        script.residence = 0.5
        script.play(25)
        #expect(
            script.causes == [
                "upstream_errors llama", "clients_leave llama", "client_errors llama",
            ])
    }

    @Test func `what fails and who leaves stays named, however long and however much of it`() {
        var script = FigureScript.healthy()
        script.failures = 1
        script.departures = 3
        script.play(900)
        #expect(script.causes == ["upstream_errors llama", "clients_leave llama"])
        #expect(script.ended.isEmpty)
    }

    @Test func `a part that is usual here is no finding`() {
        var script = FigureScript()
        script.clientErrors = 0.6
        script.play(120)
        #expect(script.begun.isEmpty)
        // A fifth and more would be too many where nothing is known.
        script.clientErrors = 1.0
        script.play(60)
        #expect(script.begun.isEmpty)
    }

    @Test func `requests for which no replica takes work`() {
        var script = FigureScript.healthy()
        script.play(20) {
            for index in 0..<2 { $0.pool.replicas[index].isServing = false }
            $0.pool.capacity = 0
            $0.pool.unserved += 4
        }
        #expect(script.causes == ["no_replica llama"])
    }

    @Test func `what no request asks for is no finding, whoever serves`() {
        var script = FigureScript.healthy()
        script.arrivals = 0
        script.play(60) {
            for index in 0..<2 { $0.pool.replicas[index].isServing = false }
        }
        #expect(script.begun.isEmpty)
    }

    @Test func `a replica is known to be down before there is a window`() {
        var script = FigureScript()
        script.pool.replicas[0].trouble = .unreachable
        script.play(1)
        #expect(script.causes == ["replica_unreachable gpu-0"])
    }

    @Test func `one long prompt in a quiet night is no finding`() {
        var script = FigureScript.healthy()
        script.arrivals = 0
        for _ in 0..<10 {
            script.play(30)
            script.arrivals = 1
            script.prompt = 8_000
            script.prefill = 2
            script.firstToken = 2
            script.play(1)
            script.arrivals = 0
        }
        #expect(script.begun.isEmpty)
    }
}
