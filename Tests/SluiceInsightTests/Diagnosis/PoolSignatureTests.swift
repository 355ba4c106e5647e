import SluiceTelemetry
import SluiceTime
import Testing

@testable import SluiceInsight

/// Each signature of a pool and of its users by figures that show it, and by figures that come close.
@Suite struct PoolSignatureTests {
    @Test func `a pool that is well has no findings`() {
        var script = FigureScript.healthy()
        script.play(600)
        #expect(script.causes.isEmpty)
        #expect(script.begun.isEmpty)
    }

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

    @Test
    func
        `a queue in engines is named by those who still wait, without an objective and before there is a window`()
    {
        var script = FigureScript()
        script.pool.firstTokenObjective = nil
        script.arrivals = 0
        script.play(8) {
            $0.pool.inFlight = 24
            $0.pool.oldestUnanswered += 1
            for index in 0..<2 {
                $0.pool.replicas[index].inFlight = 12
                $0.pool.replicas[index].running = 4
                $0.pool.replicas[index].waiting = 8
            }
        }
        #expect(script.causes == ["slot_bound llama"])
        let evidence = script.diagnosis.findings[0].evidence.map(\.text)
        #expect(evidence.contains("waiting in engines 16"))
        #expect(evidence.contains("the longest wait for a first token 8 s"))
    }

    @Test func `an answer that takes long behind one that waits is no finding`() {
        var script = FigureScript.healthy()
        script.play(30) {
            $0.pool.inFlight = 8
            $0.pool.oldestUnanswered = 20
            for index in 0..<2 {
                $0.pool.replicas[index].inFlight = 4
                $0.pool.replicas[index].running = 4
            }
            $0.pool.replicas[0].waiting = 1
        }
        #expect(script.causes.isEmpty)
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

    @Test func `refusals of a burst are none of the pause after it`() {
        var script = FigureScript.healthy()
        script.play(20)
        for _ in 0..<3 {
            // Four seconds full, six with next to nothing: 0.4 of the capacity on average.
            script.sheds = 5
            script.play(4) { $0.pool.inFlight = $0.pool.capacity }
            #expect(!script.causes.contains("shed_while_idle llama"))
            script.sheds = 0
            script.play(6) { $0.pool.inFlight = 1 }
            #expect(!script.causes.contains("shed_while_idle llama"))
        }
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

    @Test(arguments: [(5.0, ["too_concurrent llama"]), (8.0, [])])
    func `tokens slow in larger batches, and engines queue for their steps`(
        _ inFlight: Double, _ causes: [String]
    ) {
        var script = FigureScript.healthy()
        script.pool.capacity = 8
        script.gap = 0.035
        script.play(25) {
            $0.pool.inFlight = inFlight
            for index in 0..<2 {
                $0.pool.replicas[index].inFlight = 4
                $0.pool.replicas[index].running = 4
                $0.pool.replicas[index].engineQueue?.sum += 0.8
                $0.pool.replicas[index].engineQueue?.count += 1
            }
        }
        #expect(script.diagnosis.queueTime.engine.map { $0 > 0.7 } == true)
        #expect(script.causes == causes, "where all slots are taken the queue is for those")
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

    @Test func `replicas that fail or stand still while nobody asks are no outage`() {
        var script = FigureScript.healthy()
        script.arrivals = 0
        script.play(60) {
            for index in 0..<2 { $0.pool.replicas[index].isServing = false }
        }
        #expect(script.begun.isEmpty)
    }

    @Test
    func
        `replicas that are all down are an outage at once, though nobody asks, and before there is a window`()
    {
        var script = FigureScript()
        script.arrivals = 0
        func lose(_ script: inout FigureScript) {
            script.pool.capacity = 0
            for index in 0..<2 {
                script.pool.replicas[index].isServing = false
                script.pool.replicas[index].isReachable = false
                script.pool.replicas[index].trouble = .unreachable
            }
        }
        script.play(1, lose)
        #expect(script.causes.first == "no_replica llama")
        #expect(script.diagnosis.findings[0].confidence == .certain)
        script.play(30, lose)
        #expect(
            script.causes == [
                "no_replica llama", "replica_unreachable gpu-0", "replica_unreachable gpu-1",
            ])
        // Over when it is no longer seen.
        script.play(3) {
            $0.pool.replicas[1].isServing = true
            $0.pool.replicas[1].isReachable = true
            $0.pool.replicas[1].trouble = nil
        }
        #expect(script.causes == ["replica_unreachable gpu-0"])
    }

    @Test func `replicas that an operator has taken out are counted where none is left`() {
        var script = FigureScript.healthy()
        script.play(1) {
            for index in 0..<2 {
                $0.pool.replicas[index].isServing = false
                $0.pool.replicas[index].isReachable = false
            }
        }
        #expect(script.causes == ["no_replica llama"])
        let evidence = script.diagnosis.findings[0].evidence.map(\.text)
        #expect(evidence.contains("of them cordoned or asleep 2"))
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
