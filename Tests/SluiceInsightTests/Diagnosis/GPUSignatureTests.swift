import SluiceTelemetry
import SluiceTime
import Testing

@testable import SluiceInsight

/// What a replica's GPUs show, and what comes close.
@Suite struct GPUSignatureTests {
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
}
