import SluiceTelemetry
import SluiceTime

@testable import SluiceInsight

/// A pool whose figures a test plays second by second; healthy unless told otherwise.
///
/// Two replicas of four slots with two requests each, four requests a second of 100 prompt and 50
/// answer tokens, first tokens after 100 ms, 20 ms between tokens.
struct FigureScript {
    var diagnosis = Diagnosis()
    var pool = PoolFigures()
    private(set) var now = Instant(nanoseconds: 1_000_000_000)
    private(set) var begun: [Finding] = []
    private(set) var ended: [Finding] = []

    // What a second adds.
    var arrivals = 4.0
    var sheds = 0.0
    var failures = 0.0
    var departures = 0.0
    var clientErrors = 0.0
    var firstToken = 0.1
    var queueWait = 0.001
    var gap = 0.02
    var prefill = 0.05
    var prompt = 100.0
    var answer = 50.0
    var residence = 1.0
    var hitRatio = 0.8
    var preemptions = 0.0
    var stepsPerSecond = 50.0
    /// Requests that came and will never end.
    var lost = 0.0

    init(replicas: Int = 2) {
        pool.name = "llama"
        pool.capacity = Double(4 * replicas)
        pool.inFlight = 4
        pool.firstTokenObjective = 1
        for index in 0..<replicas {
            var replica = ReplicaFigures()
            replica.name = "gpu-\(index)"
            replica.inFlight = 2
            replica.slots = 4
            replica.stepTime = 0.02
            replica.eventAge = 0.02
            replica.signalAge = 0.5
            replica.isStale = false
            replica.lastScrape = "ok"
            replica.waiting = 0
            replica.running = 2
            replica.others = 0
            replica.cacheUsage = 0.4
            replica.heartbeat = 0
            replica.preemptions = 0
            replica.prefixQueries = 0
            replica.prefixHits = 0
            replica.prefill = HistogramTotals()
            replica.engineQueue = HistogramTotals()
            pool.replicas.append(replica)
        }
    }

    /// Plays so many seconds; `change` may turn the figures before each is shown.
    mutating func play(_ seconds: Int, _ change: (inout FigureScript) -> Void = { _ in }) {
        for _ in 0..<seconds {
            advanceCounters()
            change(&self)
            now = now + .seconds(1)
            let (begun, ended) = diagnosis.advance(to: now, [pool])
            self.begun += begun
            self.ended += ended
        }
    }

    private mutating func advanceCounters() {
        let served = arrivals - sheds - failures - departures - clientErrors
        pool.finished += arrivals
        // As many are under way as Little's law has it.
        pool.received = pool.finished + arrivals * residence + lost
        pool.shed += sheds
        pool.failed += failures
        pool.abandoned += departures
        pool.clientErrors += clientErrors
        func add(_ tally: inout HistogramTotals, _ value: Double, _ count: Double) {
            tally.sum += value * count
            tally.count += count
        }
        add(&pool.firstToken, firstToken, served)
        add(&pool.queueWait, queueWait, arrivals)
        add(&pool.gap, gap, served * 49)
        add(&pool.engine, firstToken, served)
        add(&pool.promptTokens, prompt, served)
        add(&pool.generatedTokens, answer, served)
        add(&pool.duration, residence, arrivals)
        for index in pool.replicas.indices {
            pool.replicas[index].heartbeat? += stepsPerSecond
            pool.replicas[index].preemptions? += preemptions
            pool.replicas[index].prefixQueries? += served * prompt
            pool.replicas[index].prefixHits? += served * prompt * hitRatio
            if pool.replicas[index].prefill != nil {
                pool.replicas[index].prefill?.sum += prefill * served
                pool.replicas[index].prefill?.count += served
            }
        }
    }

    /// The last ten seconds, all alike.
    var window: DiagnosisWindow {
        var earlier = pool
        earlier.received -= arrivals * 10
        earlier.finished -= arrivals * 10
        var now = pool
        now.at = self.now
        earlier.at = Instant(nanoseconds: self.now.nanoseconds - 10_000_000_000)
        return DiagnosisWindow(earlier: earlier, now: now, tracks: [], gauges: [now])
    }

    /// What is named, as "cause subject".
    var causes: [String] {
        diagnosis.findings.map { "\($0.cause.rawValue) \($0.replica ?? $0.pool)" }
    }

    /// A pool that has been well for so long that everything usual is known.
    static func healthy(replicas: Int = 2) -> FigureScript {
        var script = FigureScript(replicas: replicas)
        script.play(60)
        return script
    }
}
