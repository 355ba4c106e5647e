import SluiceReactor
import SluiceTime
import Testing

/// What ends a poller's sleep.
@Suite(.serialized) struct AlarmTests {
    private static let token = Token(kind: .timer, slot: 7, generation: 3)
    private let poller: Poller
    private let alarm: Alarm
    private let start = MonotonicClock.now()

    init() throws {
        poller = try Poller()
        alarm = try Alarm(waking: poller, Self.token)
    }

    /// Sleeps, and says when it woke, and of what.
    private func sleep(_ most: Nanoseconds = .seconds(2)) -> (time: Nanoseconds, tokens: [Token]) {
        let count = poller.wait(timeout: most)
        return (MonotonicClock.now() - start, (0..<count).map { poller.event($0).token })
    }

    @Test func `an alarm ends a sleep, not before its time`() {
        alarm.ring(by: start + .milliseconds(20), now: start)
        let woke = sleep()
        #expect(woke.tokens == [Self.token])
        #expect(woke.time >= .milliseconds(20))
    }

    @Test func `one whose time is over ends the sleep at once`() {
        alarm.ring(by: start - .seconds(1), now: start)
        #expect(sleep().tokens == [Self.token])
    }

    @Test func `an earlier time takes the place of a later one, and goes off once`() {
        alarm.ring(by: start + .seconds(60), now: start)
        alarm.ring(by: start + .milliseconds(10), now: start)
        #expect(sleep().tokens == [Self.token])
        #expect(sleep(.milliseconds(30)).tokens == [])
    }

    @Test func `an alarm set earlier serves a later sleep`() {
        alarm.ring(by: start + .milliseconds(10), now: start)
        alarm.ring(by: start + .seconds(60), now: start)
        let woke = sleep()
        #expect(woke.tokens == [Self.token])
        #expect(woke.time < .seconds(2))
    }

    @Test func `after it has gone off it is set again`() {
        for _ in 0..<3 {
            let now = MonotonicClock.now()
            alarm.ring(by: now + .milliseconds(5), now: now)
            #expect(sleep().tokens == [Self.token])
        }
    }
}
