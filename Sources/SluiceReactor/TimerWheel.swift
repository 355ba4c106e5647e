import SluiceTime

// Owned by one thread. A revolution is 1,024 ticks: what is due within one has the bucket of its tick,
// what is due later that of its revolution, of which there are 64; it gets a tick's when its revolution
// begins. So nobody wakes for a timer that is not due but once, and once every 64 revolutions.

/// Timers with O(1) scheduling and cancelling: a wheel of two levels (Varghese and Lauck, scheme 7).
///
/// A timer fires within ``tick`` after its deadline, never before.
@usableFromInline package struct TimerWheel: ~Copyable {
    /// Names a scheduled timer; given back by firing or cancelling.
    @usableFromInline package typealias TimerID = Int32
    /// "No timer" in a connection's slot.
    @inlinable package static var none: TimerID { -1 }

    /// The wheel's resolution.
    package static let tick = Nanoseconds.milliseconds(4)
    private static let revolutionBits: Int64 = 10
    private static let buckets = 1 << Int(revolutionBits)
    private static let revolutions = 64

    /// Of the ticks' buckets, and after them of the revolutions'.
    private var heads: [Int32]
    /// A bit for each bucket that holds a timer.
    private var occupied: [UInt64]
    private var next: [Int32] = []
    private var previous: [Int32] = []
    private var deadlines: [Int64] = []
    private var tokens: [UInt64] = []
    private var free: Int32 = -1
    /// The tick up to which everything due has fired.
    private var current: Int64
    /// The next timer to look at in the current bucket while it is being fired.
    private var cursor: Int32 = -1
    /// Before this time the tick visited last is not over: nothing can be due.
    @usableFromInline var quietUntil: Int64 = .min
    /// The tick at which the next bucket with a timer comes up; 0: not known, look.
    private var nextTick: Int64 = 0
    /// Timers scheduled now; must be zero when nothing is open.
    package private(set) var count = 0

    package init(now: Instant) {
        heads = Array(repeating: -1, count: Self.buckets + Self.revolutions)
        occupied = Array(repeating: 0, count: (Self.buckets + Self.revolutions) / 64)
        current = now.nanoseconds / Self.tick.count
    }

    /// Schedules a timer that hands out `token` when `deadline` has passed.
    package mutating func schedule(_ token: Token, at deadline: Instant) -> TimerID {
        let id: Int32
        if free >= 0 {
            id = free
            free = next[Int(id)]
        } else {
            id = Int32(deadlines.count)
            next.append(-1)
            previous.append(-1)
            deadlines.append(0)
            tokens.append(0)
        }
        tokens[Int(id)] = token.bits
        deadlines[Int(id)] = deadline.nanoseconds
        link(id)
        count += 1
        return id
    }

    /// Moves a scheduled timer.
    package mutating func reschedule(_ id: TimerID, at deadline: Instant) {
        unlink(id)
        deadlines[Int(id)] = deadline.nanoseconds
        link(id)
    }

    /// Cancels a timer and forgets its id; does nothing for ``none``.
    package mutating func cancel(_ id: inout TimerID) {
        guard id >= 0 else { return }
        unlink(id)
        release(id)
        id = Self.none
    }

    /// The token of one timer whose deadline has passed; nil when none is left. The timer is gone
    /// then: its owner forgets the id.
    @inlinable @inline(__always) package mutating func popExpired(now: Instant) -> Token? {
        now.nanoseconds < quietUntil ? nil : popVisiting(now: now)
    }

    @usableFromInline mutating func popVisiting(now: Instant) -> Token? {
        quietUntil = .min
        let target = now.nanoseconds / Self.tick.count
        while true {
            while cursor >= 0 {
                let id = cursor
                cursor = next[Int(id)]
                if deadlines[Int(id)] <= now.nanoseconds {
                    unlink(id)
                    let token = Token(bits: tokens[Int(id)])
                    release(id)
                    return token
                }
            }
            if current >= target {
                quietUntil = (current &+ 1).saturatingProduct(Self.tick.count)
                return nil
            }
            // A long pause: straight to where there is something to do.
            if target - current > Int64(Self.buckets) {
                current = max(current, min(target, nextOccupied() ?? target) - 1)
            }
            if Self.bucket(current + 1) == 0 { beginRevolution() }
            current += 1
            cursor = heads[Self.bucket(current)]
        }
    }

    /// How long to sleep until a bucket with a timer comes up; nil when there is no timer.
    package mutating func sleep(now: Instant) -> Nanoseconds? {
        guard count > 0 else { return nil }
        if nextTick <= current {
            guard let tick = nextOccupied() else { return nil }
            nextTick = tick
        }
        let due = Instant(nanoseconds: nextTick.saturatingProduct(Self.tick.count))
        return max(.zero, due - now)
    }

    /// Gives the timers of the revolution that begins with the next tick their buckets.
    private mutating func beginRevolution() {
        var id = heads[Self.revolutionBucket(of: current + 1)]
        while id >= 0 {
            // Those of a later round come back to the same bucket, before what is left of it.
            let after = next[Int(id)]
            unlink(id)
            link(id)
            id = after
        }
    }

    /// The tick after the current one at which there is something to do; nil when there is no timer.
    private func nextOccupied() -> Int64? {
        let tick = nextOccupiedTick()
        let far = occupied[Self.buckets / 64]
        guard far != 0 else { return tick }
        let revolution = current >> Self.revolutionBits
        let first = UInt64(truncatingIfNeeded: revolution &+ 1) & 63
        let turned = far >> first | far << (64 - first)
        let begins = (revolution + 1 + Int64(turned.trailingZeroBitCount)) << Self.revolutionBits
        return min(tick ?? begins, begins)
    }

    private func nextOccupiedTick() -> Int64? {
        let words = Self.buckets / 64
        let start = Self.bucket(current + 1)
        var word = start / 64
        var mask = ~UInt64(0) << UInt64(start % 64)
        for _ in 0...words {
            let bits = occupied[word] & mask
            if bits != 0 {
                let bucket = word * 64 + bits.trailingZeroBitCount
                let distance = (bucket - start + Self.buckets) % Self.buckets
                return current + 1 + Int64(distance)
            }
            mask = ~0
            word = (word + 1) % words
        }
        return nil
    }

    private static func bucket(_ tick: Int64) -> Int {
        Int(truncatingIfNeeded: tick) & (buckets - 1)
    }

    private static func revolutionBucket(of tick: Int64) -> Int {
        buckets + Int(truncatingIfNeeded: tick >> revolutionBits) & (revolutions - 1)
    }

    private mutating func link(_ id: Int32) {
        // Rounded up, and never into a bucket that has been visited: no timer is early or missed.
        let size = Self.tick.count
        let deadline = deadlines[Int(id)]
        let tick = max(deadline / size + (deadline % size == 0 ? 0 : 1), current + 1)
        let isFar = tick - current > Int64(Self.buckets)
        let bucket = isFar ? Self.revolutionBucket(of: tick) : Self.bucket(tick)
        let head = heads[bucket]
        next[Int(id)] = head
        previous[Int(id)] = -2 - Int32(bucket)
        if head >= 0 { previous[Int(head)] = id }
        let comesUp = isFar ? (tick >> Self.revolutionBits) << Self.revolutionBits : tick
        if comesUp < nextTick { nextTick = comesUp }
        heads[bucket] = id
        occupied[bucket / 64] |= 1 << UInt64(bucket % 64)
    }

    private mutating func unlink(_ id: Int32) {
        let after = next[Int(id)]
        let before = previous[Int(id)]
        if cursor == id { cursor = after }
        if after >= 0 { previous[Int(after)] = before }
        if before >= 0 {
            next[Int(before)] = after
        } else {
            let bucket = Int(-2 - before)
            heads[bucket] = after
            if after < 0 {
                occupied[bucket / 64] &= ~(1 << UInt64(bucket % 64))
                nextTick = 0
            }
        }
    }

    private mutating func release(_ id: Int32) {
        next[Int(id)] = free
        free = id
        count -= 1
    }
}
