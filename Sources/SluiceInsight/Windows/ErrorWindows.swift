import SluiceTime

/// Events of one objective and class over every ``Window``, since the process began: 9 KB.
///
/// Three rings of counters hold them, with slots of 10 s for an hour, of a minute for six hours and of
/// ten minutes for three days; a window is so long or up to one slot shorter. Takes the time as an
/// argument; the owner advances it about once a second.
package struct ErrorWindows: Sendable {
    private let began: Instant
    private var now: Instant
    private var total = Events()
    private var fine = CountRing(slotSeconds: 10, count: 360)
    private var middle = CountRing(slotSeconds: 60, count: 360)
    private var coarse = CountRing(slotSeconds: 600, count: 432)

    /// Windows without events that begin now.
    package init(at now: Instant) {
        began = now
        self.now = now
    }

    /// Takes what has happened until now; `total` counts from the start of the process and only grows.
    package mutating func advance(to now: Instant, total: Events) {
        self.now = max(self.now, now)
        let age = self.now - began
        let new = total - self.total
        self.total = total
        fine.add(new, at: age)
        middle.add(new, at: age)
        coarse.add(new, at: age)
    }

    /// What happened within the window.
    package func events(in window: Window) -> Events {
        switch window {
        case .fiveMinutes: fine.sum(newest: 30)
        case .tenMinutes: fine.sum(newest: 60)
        case .hour: fine.sum(newest: 360)
        case .halfHour: middle.sum(newest: 30)
        case .sixHours: middle.sum(newest: 360)
        case .threeDays: coarse.sum(newest: 432)
        }
    }

    /// Everything since the start.
    package var sinceStart: Events { total }
    /// How long ago that is.
    package var age: Nanoseconds { now - began }

    /// How much of the window there has been: less than its length just after a start.
    package func covered(by window: Window) -> Nanoseconds { min(window.span, age) }
}

/// Counters of equal spans of time, the oldest overwritten by the newest.
struct CountRing: Sendable {
    private let slotSpan: Int64
    private var slots: [Slot]
    /// Number of the newest slot since the start.
    private var newest: Int64 = 0

    /// 32 bits hold seven million a second for the longest slot; more is cut.
    private struct Slot {
        var good: UInt32 = 0
        var bad: UInt32 = 0
    }

    init(slotSeconds: Int64, count: Int) {
        slotSpan = Nanoseconds.seconds(slotSeconds).count
        slots = Array(repeating: Slot(), count: count)
    }

    /// Counts events of the slot that `age` lies in, and empties those that nothing was counted in.
    mutating func add(_ events: Events, at age: Nanoseconds) {
        let slot = max(newest, age.count / slotSpan)
        let skipped = min(slot - newest, Int64(slots.count))
        for step in 0..<skipped { slots[index(slot - step)] = Slot() }
        newest = slot
        let place = index(slot)
        slots[place].good = Self.sum(slots[place].good, events.good)
        slots[place].bad = Self.sum(slots[place].bad, events.bad)
    }

    /// The sum of the `count` newest slots, the unfinished one included.
    func sum(newest count: Int) -> Events {
        var sum = Events()
        for step in 0..<Int64(min(count, slots.count)) where newest - step >= 0 {
            let slot = slots[index(newest - step)]
            sum.good &+= UInt64(slot.good)
            sum.bad &+= UInt64(slot.bad)
        }
        return sum
    }

    private func index(_ slot: Int64) -> Int { Int(slot % Int64(slots.count)) }

    private static func sum(_ a: UInt32, _ b: UInt64) -> UInt32 {
        UInt32(min(UInt64(a) &+ min(b, UInt64(UInt32.max)), UInt64(UInt32.max)))
    }
}
