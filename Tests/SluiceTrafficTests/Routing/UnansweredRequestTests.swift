import SluiceTime
import Testing

@testable import SluiceTraffic

/// What requests that wait for a head say of a replica.
@Suite struct UnansweredRequestTests {
    @Test func `requests that wait for a head while the engine stands still: busy, then wedged`() {
        var patient = Patient.ready()
        patient.take(.heartbeat(7))
        let start = patient.now
        patient.wait(2, 2, since: start) { _ in [.heartbeat(7)] }
        #expect(patient.health.state == .ready)
        patient.wait(1, 2, since: start) { _ in [.heartbeat(7)] }
        #expect(patient.health.state == .busy)
        #expect(patient.health.why == .noProgress)
        patient.wait(11, 2, since: start) { _ in [.heartbeat(7)] }
        #expect(patient.health.state == .busy)
        patient.wait(1, 2, since: start) { _ in [.heartbeat(7)] }
        #expect(patient.health.state == .wedged)
        patient.tick(after: .seconds(1), waits: 1, since: start, last: patient.now)
        #expect(patient.health.state == .wedged, "the answer was given before it was wedged")
        patient.tick(after: .zero, waits: 1, since: start, last: patient.now)
        #expect(patient.health.state == .warming)
        #expect(patient.health.why == .progress)
    }

    @Test func `plain answers may take as long as they will while the engine moves`() {
        var stepping = Patient.ready()
        var prefilling = Patient.ready()
        let start = stepping.now
        stepping.wait(600, 5, since: start) { [.heartbeat(Double($0))] }
        #expect(stepping.health.state == .ready)
        // Pieces of a long prompt make no token: the heartbeat stands, the KV use grows.
        prefilling.wait(600, 5, since: start) {
            [.heartbeat(7), .gauges(running: 5, waiting: 0, kvUsage: Double($0) / 1_000)]
        }
        #expect(prefilling.health.state == .ready)
    }

    @Test func `one long prompt alone is no reason to think ill of a replica that answers`() {
        var patient = Patient.ready()
        patient.take(.heartbeat(7))
        let start = patient.now
        patient.wait(300, 1, since: start) { _ in
            [.probe(.healthy), .heartbeat(7), .gauges(running: 1, waiting: 0, kvUsage: 0.5)]
        }
        #expect(patient.health.state == .ready)
    }

    @Test func `where no page answers either, one request that waits is enough`() {
        var patient = Patient.ready()
        let start = patient.now
        // Every probe runs into its limit of five seconds.
        patient.wait(4, 1, since: start) { _ in [] }
        #expect(patient.health.state == .ready, "nothing is known yet")
        patient.wait(1, 1, since: start) { _ in [.probe(.timedOut)] }
        #expect(patient.health.state == .busy)
        patient.wait(9, 1, since: start) { $0 % 5 == 0 ? [.probe(.timedOut)] : [] }
        #expect(patient.health.state == .busy)
        patient.wait(1, 1, since: start) { _ in [.probe(.timedOut)] }
        #expect(patient.health.state == .wedged)
    }

    @Test func `a page that answers in the end excuses a slow replica`() {
        var patient = Patient.ready()
        let start = patient.now
        patient.wait(5, 1, since: start) { $0 == 5 ? [.probe(.timedOut)] : [] }
        #expect(patient.health.state == .busy)
        patient.wait(1, 1, since: start) { _ in [.probe(.healthy)] }
        #expect(patient.health.state == .ready)
        patient.wait(60, 1, since: start) { [.probe($0 % 5 == 0 ? .healthy : .timedOut)] }
        #expect(patient.health.state == .ready)
    }

    @Test func `a busy replica is not made ready by a page that cannot be read for a while`() {
        var patient = Patient.ready()
        patient.take(.heartbeat(7))
        let start = patient.now
        patient.wait(3, 2, since: start) { _ in [.heartbeat(7)] }
        #expect(patient.health.state == .busy)
        patient.wait(20, 2, since: start) { _ in [] }
        #expect(patient.health.state == .busy)
        patient.take(.heartbeat(8))
        patient.tick(after: .zero, waits: 2, since: start)
        #expect(patient.health.state == .ready)
    }

    @Test func `a page that stood still while answers came is no evidence`() {
        var patient = Patient.ready()
        patient.take(.heartbeat(7))
        let start = patient.now
        let last = start + .seconds(10)
        for _ in 0..<60 {
            patient.take(.heartbeat(7))
            patient.tick(
                after: .seconds(1), waits: 2, since: start,
                last: patient.now >= last ? last : patient.now)
        }
        #expect(patient.health.state == .ready)
    }

    @Test func `a wedged replica that owes nothing any more is tried by a few`() {
        var patient = Patient.ready()
        patient.take(.heartbeat(7))
        let start = patient.now
        patient.wait(16, 2, since: start) { _ in [.heartbeat(7)] }
        #expect(patient.health.state == .wedged)
        patient.tick(after: .milliseconds(500))
        #expect(patient.health.state == .warming)
        #expect(patient.health.window == 2)
    }
}
