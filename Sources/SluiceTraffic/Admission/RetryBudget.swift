import SluiceTime

/// Whether one more retry is affordable.
package enum RetryBudgetVerdict: Sendable {
    /// There is room, or there is none.
    case granted, exhausted
}

/// Retries in the last 10 s are at most 10 % of the dispatches in them, and never fewer than 3/s.
///
/// The floor lets a quiet pool retry at all; the share keeps a failing fleet from being hit twice
/// as hard as a healthy one.
package struct RetryBudget: Sendable {
    private static let seconds = 10
    private static let floor: UInt64 = 3 * 10
    private var dispatches = InlineArray<10, UInt32>(repeating: 0)
    private var retries = InlineArray<10, UInt32>(repeating: 0)
    private var dispatchSum: UInt64 = 0
    private var retrySum: UInt64 = 0
    /// The second the newest bucket stands for, and when it ends.
    private var second: Int64 = 0
    private var secondEnd = Instant(nanoseconds: 1_000_000_000)
    private var bucket = 0

    package init() {}

    /// Counts a dispatch, retries included.
    package mutating func recordDispatch(now: Instant) {
        advance(now)
        dispatches[bucket] &+= 1
        dispatchSum &+= 1
    }

    /// Takes one retry out of the budget if it is there.
    package mutating func withdraw(now: Instant) -> RetryBudgetVerdict {
        guard remaining(now: now) > 0 else { return .exhausted }
        retries[bucket] &+= 1
        retrySum &+= 1
        return .granted
    }

    /// Retries affordable now.
    package mutating func remaining(now: Instant) -> Int {
        advance(now)
        let allowed = max(dispatchSum / 10, Self.floor)
        return allowed > retrySum ? Int(clamping: allowed - retrySum) : 0
    }

    @inline(__always)
    private mutating func advance(_ now: Instant) {
        if now >= secondEnd { begin(now.nanoseconds / 1_000_000_000) }
    }

    /// A second begins: what is too old is forgotten.
    @inline(never)
    private mutating func begin(_ current: Int64) {
        guard current > second else { return }
        defer {
            bucket = Int(second % Int64(Self.seconds))
            secondEnd = Instant(nanoseconds: (second &+ 1) &* 1_000_000_000)
        }
        if current - second >= Int64(Self.seconds) {
            dispatches = InlineArray(repeating: 0)
            retries = InlineArray(repeating: 0)
            dispatchSum = 0
            retrySum = 0
            second = current
            return
        }
        while second < current {
            second += 1
            let bucket = Int(second % Int64(Self.seconds))
            dispatchSum &-= UInt64(dispatches[bucket])
            retrySum &-= UInt64(retries[bucket])
            dispatches[bucket] = 0
            retries[bucket] = 0
        }
    }
}
