import SluiceTime
import Testing

@testable import SluiceProxy

/// What `/livez` makes of a worker.
@Suite struct HeartbeatTests {
    private let start = Instant(nanoseconds: 1_000_000_000)

    @Test func `a worker in one turn for more than ten seconds is stuck`() {
        let heartbeat = Heartbeat(now: start)
        heartbeat.turned(at: start)
        #expect(!heartbeat.isStuck(now: start + .seconds(10)))
        #expect(heartbeat.isStuck(now: start + .milliseconds(10_001)))
        heartbeat.turned(at: start + .seconds(11))
        #expect(!heartbeat.isStuck(now: start + .seconds(12)), "it was only slow")
    }

    @Test func `one that sleeps is not, however long nothing comes`() {
        let heartbeat = Heartbeat(now: start)
        #expect(!heartbeat.isStuck(now: start + .seconds(60)), "it has not begun")
        heartbeat.turned(at: start)
        heartbeat.sleeps()
        #expect(!heartbeat.isStuck(now: start + .seconds(3_600)))
        heartbeat.turned(at: start + .seconds(3_600))
        #expect(!heartbeat.isStuck(now: start + .seconds(3_600)))
    }
}
