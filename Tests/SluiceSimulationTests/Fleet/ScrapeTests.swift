import SluiceTime
import Testing

@testable import SluiceSimulation

/// What a gateway gets to see of its replicas, and when.
@Suite struct ScrapeTests {
    /// Sends everything to one replica and writes down what it is told.
    final class Witness: GatewayPolicy {
        var readings: [(at: Instant, replica: Int, reading: ReplicaReading)] = []
        var sent: [(at: Instant, replica: Int)] = []
        var gaps: [Nanoseconds] = []
        var firstOutputs = 0
        var ends: [DispatchEnd] = []
        var ticks: [Instant] = []
        private var own = 0

        func arrive(_ request: PolicyRequest, now: Instant, into decisions: inout [PolicyDecision])
        {
            own += 1
            decisions.append(.dispatch(token: request.token, replica: 0))
        }
        func firstOutput(
            _ token: Int, replica: Int, now: Instant, into decisions: inout [PolicyDecision]
        ) { firstOutputs += 1 }
        func outputs(replica: Int, events: Int, gap: Nanoseconds?, now: Instant) {
            if let gap { gaps.append(gap) }
        }
        func end(
            _ token: Int, replica: Int, _ end: DispatchEnd, now: Instant,
            into decisions: inout [PolicyDecision]
        ) {
            own -= 1
            ends.append(end)
        }
        func cancel(_ token: Int, now: Instant, into decisions: inout [PolicyDecision]) {}
        func scrapeSent(_ replica: Int, now: Instant) { sent.append((now, replica)) }
        func scraped(
            _ replica: Int, _ reading: ReplicaReading, now: Instant,
            into decisions: inout [PolicyDecision]
        ) { readings.append((now, replica, reading)) }
        func replica(
            _ replica: Int, isUp: Bool, now: Instant, into decisions: inout [PolicyDecision]
        ) {}
        func tick(now: Instant, into decisions: inout [PolicyDecision]) { ticks.append(now) }
        func inFlight(at replica: Int) -> Int { replica == 0 ? own : 0 }
        var waiting: Int { 0 }
    }

    static func watch(_ change: (inout FleetConfiguration) -> Void) -> Witness {
        var fleet = FleetTests.fleet(0, seconds: 3)
        fleet.streams[0].arrivals = .recorded([.milliseconds(500), .milliseconds(1_100)])
        fleet.streams[0].prompts = LognormalLengths(median: 100, sigma: 0, tokensMax: 100)
        fleet.streams[0].outputs = LognormalLengths(median: 100, sigma: 0, tokensMax: 100)
        change(&fleet)
        let witness = Witness()
        _ = Fleet(fleet) { _ in witness }.run()
        return witness
    }

    @Test func `a snapshot is taken when it is asked for and read 20 ms later`() {
        let witness = Self.watch { $0.scrapeInterval = .milliseconds(250) }
        let first = witness.readings.filter { $0.replica == 0 }
        let asked = witness.sent.filter { $0.replica == 0 }
        #expect(first.count > 10)
        for (question, answer) in zip(asked, first) {
            #expect(answer.at - question.at == .milliseconds(20))
        }
        #expect(asked[1].at - asked[0].at == .milliseconds(250))
        // One comes at 500 ms, just before the snapshot of that instant, another at 1.1 s.
        let load = first.map { $0.reading.waiting + $0.reading.running }
        #expect(Array(load[0...5]) == [0, 0, 1, 1, 1, 2])
        let heartbeats = first.map(\.reading.iterations)
        #expect(heartbeats == heartbeats.sorted())
        #expect(heartbeats[4] > heartbeats[3])
        #expect(first[4].reading.cacheUsage > 0)
    }

    @Test func `without metrics nothing is asked, and ticks go on`() {
        let witness = Self.watch { $0.scrapeInterval = nil }
        #expect(witness.sent.isEmpty)
        #expect(witness.readings.isEmpty)
        #expect(witness.ticks.count > 20)
        #expect(witness.ticks[1] - witness.ticks[0] == Fleet.tick)
    }

    @Test func `of a stream the gateway sees the first output, one gap a step, and the end`() {
        let witness = Self.watch { $0.streams[0].arrivals = .recorded([.milliseconds(500)]) }
        #expect(witness.firstOutputs == 1)
        #expect(witness.gaps.count == 99)
        #expect(witness.gaps.allSatisfy { (10.1...10.2).contains($0.milliseconds) })
        #expect(witness.ends == [.finished(generated: 100, cachedTokens: 0)])
    }

    @Test func `of an answer in one piece the gateway sees only the end`() {
        let witness = Self.watch { $0.streams[0].answers = .whole }
        #expect(witness.firstOutputs == 0)
        #expect(witness.gaps.isEmpty)
        #expect(witness.ends.count == 2)
    }

    @Test func `an embedding ends with its prefill`() {
        let witness = Self.watch { $0.streams[0].answers = .embedding }
        #expect(witness.ends.count == 2)
        #expect(witness.ends.allSatisfy { $0 == .finished(generated: 0, cachedTokens: 0) })
    }
}
