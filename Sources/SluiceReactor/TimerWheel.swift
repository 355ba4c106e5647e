import SluiceTime

// Owned by one thread. Deadlines far beyond the wheel's span stay in their bucket and are looked at
// once a revolution.

/// Timers with O(1) scheduling and cancelling: a hashed wheel (Varghese and Lauck, scheme 6).
///
/// A timer fires within ``tick`` after its deadline, never before.
@usableFromInline package struct TimerWheel: ~Copyable {
    /// Names a scheduled timer; given back by firing or cancelling.
    @usableFromInline package typealias TimerID = Int32
    /// "No timer" in a connection's slot.
    @inlinable package static var none: TimerID { -1 }

    /// The wheel's resolution.
    package static let tick = Nanoseconds.milliseconds(4)
    private static let buckets = 1_024

    private var heads: [Int32]
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
        heads = Array(repeating: -1, count: Self.buckets)
        occupied = Array(repeating: 0, count: Self.buckets / 64)
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
            // A long pause: one revolution visits every bucket, more would find nothing new.
            if target - current > Int64(Self.buckets) { current = target - Int64(Self.buckets) }
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

    /// The tick after the current one whose bucket holds a timer; nil when none does.
    private func nextOccupied() -> Int64? {
        let words = occupied.count
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

    private mutating func link(_ id: Int32) {
        // Rounded up, and never into a bucket that has been visited: no timer is early or missed.
        let size = Self.tick.count
        let deadline = deadlines[Int(id)]
        let tick = max(deadline / size + (deadline % size == 0 ? 0 : 1), current + 1)
        let bucket = Self.bucket(tick)
        let head = heads[bucket]
        next[Int(id)] = head
        previous[Int(id)] = -2 - Int32(bucket)
        if head >= 0 { previous[Int(head)] = id }
        // Buckets come up once a revolution, however far the deadline is.
        if tick < nextTick || tick > current + Int64(Self.buckets) { nextTick = 0 }
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
