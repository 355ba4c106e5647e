/// A point on the monotonic clock, in nanoseconds since an unstated start.
///
/// `ContinuousClock.Instant` is not trivially destroyed, so a noncopyable permit that holds one
/// could not `discard self`; this one is a single word. Source: clock_gettime(2), CLOCK_MONOTONIC.
@usableFromInline package struct Instant: Hashable, Comparable, Sendable {
    @usableFromInline package var nanoseconds: Int64

    @inlinable package init(nanoseconds: Int64) { self.nanoseconds = nanoseconds }

    /// Later than every instant a clock can show: a deadline that never passes.
    @inlinable package static var never: Instant { Instant(nanoseconds: .max) }
    /// Not after any instant a clock can show; also "not yet" in records of what happened when.
    @inlinable package static var unset: Instant { Instant(nanoseconds: 0) }

    /// Whether the instant has been recorded.
    @inlinable package var isSet: Bool { nanoseconds != 0 }

    @inlinable package static func < (a: Instant, b: Instant) -> Bool {
        a.nanoseconds < b.nanoseconds
    }
    @inlinable package static func + (a: Instant, span: Nanoseconds) -> Instant {
        Instant(nanoseconds: a.nanoseconds.saturatingSum(span.count))
    }
    @inlinable package static func - (a: Instant, span: Nanoseconds) -> Instant {
        a + Nanoseconds(span.count == .min ? .max : -span.count)
    }
    @inlinable package static func - (a: Instant, b: Instant) -> Nanoseconds {
        Nanoseconds(a.nanoseconds) - Nanoseconds(b.nanoseconds)
    }
}

/// The instant by which something that waits gives up; ``Instant/never`` where nothing bounds it.
@usableFromInline package typealias Deadline = Instant
