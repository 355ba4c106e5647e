import SluiceReactor
import SluiceTime
import Testing

@Suite struct TimerWheelTests {
    private func token(_ n: Int) -> Token {
        Token(kind: .timer, slot: UInt32(n), generation: 1)
    }

    @Test func `no timer fires early, and each fires within a tick of its deadline`() {
        var random = SystemRandomNumberGenerator()
        let start = Instant(nanoseconds: 1_000_000_007)
        var wheel = TimerWheel(now: start)
        var deadlines: [Instant] = []
        for n in 0..<2_000 {
            let deadline = start + .microseconds(.random(in: -10...20_000_000, using: &random))
            deadlines.append(deadline)
            _ = wheel.schedule(token(n), at: deadline)
        }
        var fired = Set<UInt32>()
        var now = start
        while fired.count < 2_000, now < start + .seconds(30) {
            now = now + .microseconds(700)
            while let expired = wheel.popExpired(now: now) {
                let deadline = deadlines[Int(expired.slot)]
                #expect(deadline <= now)
                #expect(now - max(deadline, start) <= TimerWheel.tick * 2 + .milliseconds(1))
                #expect(fired.insert(expired.slot).inserted)
            }
        }
        let left = wheel.count
        #expect(fired.count == 2_000 && left == 0)
    }

    /// Around the ends of revolutions, and after the last that has a bucket of its own.
    @Test(arguments: [1_023, 1_024, 1_025, 2_047, 2_048, 65_535, 65_536, 65_537, 200_000])
    func `a timer that is far away is woken for twice at most, and once a round`(ticks: Int) {
        for offset in 0..<3 {
            let start = Instant(nanoseconds: TimerWheel.tick.count * Int64(4_096 + offset))
            let deadline = start + Nanoseconds(TimerWheel.tick.count * Int64(ticks))
            var wheel = TimerWheel(now: start)
            _ = wheel.schedule(token(1), at: deadline)
            var (now, wakes, fired) = (start, 0, false)
            while !fired, wakes < 10, let sleep = wheel.sleep(now: now) {
                now = now + sleep
                wakes += 1
                fired = wheel.popExpired(now: now) == token(1)
            }
            #expect(fired && now >= deadline && now - deadline <= TimerWheel.tick)
            #expect(wakes <= 2 + ticks / 65_536, "\(offset)")
            let left = wheel.count
            #expect(left == 0)
        }
    }

    @Test func `a pause of hours is made up for`() {
        let start = Instant(nanoseconds: 3_000_000_000)
        var wheel = TimerWheel(now: start)
        var ids = (1...500).map { wheel.schedule(token($0), at: start + .seconds(Int64($0))) }
        for n in stride(from: 0, to: 500, by: 5) { wheel.cancel(&ids[n]) }
        let resting = wheel.schedule(token(501), at: start + .seconds(60))
        wheel.reschedule(resting, at: start + .seconds(20_000))
        var fired = 0
        while wheel.popExpired(now: start + .seconds(10_000)) != nil { fired += 1 }
        let (left, sleep) = (wheel.count, wheel.sleep(now: start + .seconds(10_000)))
        #expect(fired == 400 && left == 1 && sleep != nil)
        #expect(wheel.popExpired(now: start + .seconds(20_000)) == token(501))
        // Without a timer, for longer than anybody would count.
        let late = start + .seconds(1 << 33)
        #expect(wheel.popExpired(now: late) == nil)
        _ = wheel.schedule(token(502), at: late + .milliseconds(10))
        let next = wheel.sleep(now: late)
        #expect(next ?? .seconds(9) <= .milliseconds(10) + TimerWheel.tick)
        #expect(wheel.popExpired(now: late + .milliseconds(15)) == token(502))
    }

    @Test func `a cancelled timer never fires and its place is reused`() {
        let start = Instant(nanoseconds: 5_000_000_000)
        var wheel = TimerWheel(now: start)
        var ids = (0..<100).map { wheel.schedule(token($0), at: start + .milliseconds(50)) }
        for i in stride(from: 0, to: 100, by: 2) { wheel.cancel(&ids[i]) }
        var fired: [UInt32] = []
        while let expired = wheel.popExpired(now: start + .seconds(60)) {
            fired.append(expired.slot)
        }
        #expect(Set(fired) == Set(stride(from: UInt32(1), to: 100, by: 2)))
        let (left, again) = (wheel.count, wheel.schedule(token(7), at: start))
        #expect(left == 0 && again < 100)
    }

    @Test func `cancelling inside a burst of firing timers is safe`() {
        let start = Instant(nanoseconds: 1)
        var wheel = TimerWheel(now: start)
        var ids = (0..<10).map { wheel.schedule(token($0), at: start + .milliseconds(8)) }
        var fired = 0
        while let expired = wheel.popExpired(now: start + .seconds(1)) {
            fired += 1
            ids[Int(expired.slot)] = TimerWheel.none
            for other in 0..<10 where other % 2 == 0 { wheel.cancel(&ids[other]) }
        }
        let left = wheel.count
        #expect(left == 0 && fired >= 5 && fired < 10)
    }

    @Test func `the wheel sleeps until the next occupied tick and no longer`() {
        let start = Instant(nanoseconds: 8_000_000)
        var wheel = TimerWheel(now: start)
        let none = wheel.sleep(now: start)
        #expect(none == nil)
        _ = wheel.schedule(token(1), at: start + .milliseconds(100))
        let sleep = wheel.sleep(now: start)
        #expect(sleep == .milliseconds(100))
    }
}
