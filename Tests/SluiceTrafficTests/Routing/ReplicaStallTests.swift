import SluiceTime
import Testing

@testable import SluiceTraffic

/// When a replica that accepts work and finishes none is busy, and when wedged.
@Suite struct ReplicaStallTests {
    @Test func `no event on any stream for two seconds is busy, at and just over`() {
        var patient = Patient.ready()
        let start = patient.now
        patient.tick(after: .seconds(2), streams: 3, since: start)
        #expect(patient.health.state == .ready)
        patient.tick(after: Nanoseconds(1), streams: 3, since: start)
        #expect(patient.health.state == .busy)
        patient.tick(after: .seconds(1), streams: 3, since: start, last: patient.now)
        #expect(patient.health.state == .ready)
        #expect(patient.health.why == .progress)
    }

    @Test func `slow tokens make the patience longer`() {
        var patient = Patient.ready()
        let start = patient.now
        patient.tick(
            after: .seconds(9), streams: 2, since: start, timePerToken: .milliseconds(500))
        #expect(patient.health.state == .ready)
        patient.tick(
            after: .seconds(2), streams: 2, since: start, timePerToken: .milliseconds(500))
        #expect(patient.health.state == .busy)
    }

    @Test func `no streams, no stall`() {
        var patient = Patient.ready()
        patient.tick(after: .seconds(3_600))
        #expect(patient.health.state == .ready)
    }

    @Test func `fifteen seconds with a flat heartbeat is wedged, with an advancing one it is not`()
    {
        var flat = Patient.ready()
        var moving = Patient.ready()
        let start = flat.now
        flat.take(.heartbeat(7))
        moving.take(.heartbeat(7))
        for second in 1...16 {
            flat.tick(after: .seconds(1), streams: 1, since: start)
            moving.tick(after: .seconds(1), streams: 1, since: start)
            flat.take(.heartbeat(7))
            moving.take(.heartbeat(Double(7 + second)))
            #expect((flat.health.state == .wedged) == (second >= 15))
            #expect(moving.health.state == .ready)
        }
        flat.take(.heartbeat(8))
        #expect(flat.health.state == .warming)
        #expect(flat.health.why == .progress)
    }

    @Test func `an engine that works on other things is in no stall, one that stops is`() {
        var patient = Patient.ready()
        let start = patient.now
        for second in 1...8 {
            patient.take(.gauges(running: 2, waiting: 0, kvUsage: Double(second) * 0.01))
            patient.tick(after: .seconds(1), streams: 2, since: start)
            #expect(patient.health.state == .ready, "after \(second) s")
        }
        patient.tick(after: .seconds(2), streams: 2, since: start)
        #expect(patient.health.state == .busy)
        patient.take(.gauges(running: 2, waiting: 0, kvUsage: 0.5))
        patient.tick(after: .zero, streams: 2, since: start)
        #expect(patient.health.state == .ready)
    }

    @Test(arguments: [Nanoseconds.milliseconds(100), .milliseconds(1_900)])
    func `a step that a page tells of late hides no stall`(late: Nanoseconds) {
        var patient = Patient.ready()
        patient.take(.heartbeat(7))
        let start = patient.now
        patient.now = patient.now + late
        // It may have come before the silence.
        patient.take(.heartbeat(8))
        patient.now = start
        patient.tick(after: Nanoseconds.seconds(2) + Nanoseconds(1), streams: 3, since: start)
        #expect(patient.health.state == .busy)
    }

    @Test(arguments: [true, false])
    func `gauges that move while the heartbeat stands are of the same page`(inOrder: Bool) {
        var patient = Patient.ready()
        func page(_ usage: Double) -> [HealthSignal] {
            let gauges = HealthSignal.gauges(running: 2, waiting: 0, kvUsage: usage)
            return inOrder ? [.heartbeat(7), gauges] : [gauges, .heartbeat(7)]
        }
        for signal in page(0.1) { patient.take(signal) }
        patient.now = patient.now + .milliseconds(900)
        let last = patient.now
        // A step before the last event, which a page tells of after it.
        patient.now = patient.now + .milliseconds(100)
        for signal in page(0.2) { patient.take(signal) }
        patient.tick(after: .milliseconds(1_901), streams: 2, since: last, last: last)
        #expect(patient.health.state == .busy)
    }

    @Test func `where pages are rare, an engine that works is not busy between two of them`() {
        var patient = Patient.ready()
        patient.settings.scrapeInterval = .seconds(5)
        patient.take(.heartbeat(7))
        let start = patient.now
        let before = patient.health.transitions
        for second in 1...30 {
            patient.tick(after: .seconds(1), streams: 2, since: start)
            if second % 5 == 0 { patient.take(.heartbeat(7 + Double(second))) }
        }
        #expect(patient.health.transitions == before)
        patient.tick(after: .seconds(10), streams: 2, since: start)
        #expect(patient.health.state == .ready)
        patient.tick(after: Nanoseconds(1), streams: 2, since: start)
        #expect(patient.health.state == .busy)
    }

    @Test func `other answers are progress, too`() {
        var patient = Patient.ready()
        let start = patient.now
        patient.tick(after: .seconds(4), streams: 3, since: start, last: start + .seconds(3))
        #expect(patient.health.state == .ready)
    }

    @Test func `a lone request that no page tells of may be one long prompt`() {
        var patient = Patient.ready()
        let start = patient.now
        patient.tick(after: .seconds(15), streams: 1, since: start)
        #expect(patient.health.state == .ready)
        patient.tick(after: Nanoseconds(1), streams: 1, since: start)
        #expect(patient.health.state == .busy)
        // Two are not, nor is one that has begun to answer.
        var two = Patient.ready()
        two.tick(after: .seconds(3), streams: 2, since: start)
        #expect(two.health.state == .busy)
        var begun = Patient.ready()
        begun.tick(after: .seconds(3), streams: 1, since: start, last: start)
        #expect(begun.health.state == .busy)
        // A page that falls silent takes nothing back.
        var told = Patient.ready()
        told.take(.heartbeat(7))
        told.tick(after: .seconds(3), streams: 1, since: start)
        #expect(told.health.state == .busy)
        told.tick(after: .seconds(9), streams: 1, since: start)
        #expect(told.health.state == .busy)
    }

    @Test func `without a heartbeat it takes twice as long`() {
        var patient = Patient.ready()
        let start = patient.now
        patient.tick(after: .seconds(3), streams: 2, since: start)
        patient.tick(after: .seconds(26), streams: 2, since: start)
        #expect(patient.health.state == .busy)
        patient.tick(after: .seconds(1), streams: 2, since: start)
        #expect(patient.health.state == .wedged)
    }

    @Test func `a stalled replica whose clients all left is tried again by few`() {
        var patient = Patient.ready()
        let start = patient.now
        patient.tick(after: .seconds(3), streams: 2, since: start)
        patient.tick(after: .seconds(1))
        #expect(patient.health.state == .warming)
        #expect(patient.health.window == 2)
    }
}
