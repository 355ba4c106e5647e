/// A span of time in nanoseconds, negative allowed; ±292 years.
///
/// One 64-bit word, trivially destroyed, so that a noncopyable value may hold one
/// (`Duration` has two words and more arithmetic than a reactor wants).
@usableFromInline package struct Nanoseconds: Hashable, Comparable, Sendable {
    @usableFromInline package var count: Int64

    @inlinable package init(_ count: Int64) { self.count = count }

    @inlinable package static var zero: Nanoseconds { Nanoseconds(0) }

    @inlinable package static func microseconds(_ n: Int64) -> Nanoseconds {
        Nanoseconds(n.saturatingProduct(1_000))
    }
    @inlinable package static func milliseconds(_ n: Int64) -> Nanoseconds {
        Nanoseconds(n.saturatingProduct(1_000_000))
    }
    @inlinable package static func seconds(_ n: Int64) -> Nanoseconds {
        Nanoseconds(n.saturatingProduct(1_000_000_000))
    }

    /// A span given in seconds; not-a-number is zero, the rest is clamped to ±292 years.
    ///
    /// Safe on outside data: `Int64(_: Double)` traps on NaN, infinity and overflow.
    package static func seconds(clamping seconds: Double) -> Nanoseconds {
        guard seconds == seconds else { return .zero }
        let nanoseconds = seconds * 1e9
        if nanoseconds >= 9.2e18 { return Nanoseconds(.max) }
        if nanoseconds <= -9.2e18 { return Nanoseconds(.min) }
        return Nanoseconds(Int64(nanoseconds))
    }

    /// The span in seconds, for metrics and pages.
    @inlinable package var seconds: Double { Double(count) * 1e-9 }
    /// The span in milliseconds, for logs and headers.
    @inlinable package var milliseconds: Double { Double(count) * 1e-6 }
    /// The span in whole milliseconds, rounded up: what `epoll_wait` takes.
    @inlinable package var wholeMillisecondsRoundedUp: Int64 {
        count <= 0 ? 0 : (count - 1) / 1_000_000 + 1
    }

    @inlinable package static func < (a: Nanoseconds, b: Nanoseconds) -> Bool { a.count < b.count }
    @inlinable package static func + (a: Nanoseconds, b: Nanoseconds) -> Nanoseconds {
        Nanoseconds(a.count.saturatingSum(b.count))
    }
    @inlinable package static func - (a: Nanoseconds, b: Nanoseconds) -> Nanoseconds {
        let (difference, overflow) = a.count.subtractingReportingOverflow(b.count)
        return Nanoseconds(overflow ? (a.count < 0 ? .min : .max) : difference)
    }
    @inlinable package static func * (a: Nanoseconds, n: Int64) -> Nanoseconds {
        Nanoseconds(a.count.saturatingProduct(n))
    }
    @inlinable package static func / (a: Nanoseconds, n: Int64) -> Nanoseconds {
        Nanoseconds(n == 0 ? 0 : a.count / n)
    }
    @inlinable package static func += (a: inout Nanoseconds, b: Nanoseconds) { a = a + b }
}

extension Int64 {
    /// The sum, held at the ends of the range: arithmetic on time never traps.
    @inlinable package func saturatingSum(_ other: Int64) -> Int64 {
        let (sum, overflow) = addingReportingOverflow(other)
        return overflow ? (other < 0 ? .min : .max) : sum
    }

    /// The product, held at the ends of the range.
    @inlinable package func saturatingProduct(_ other: Int64) -> Int64 {
        let (product, overflow) = multipliedReportingOverflow(by: other)
        return overflow ? ((self < 0) == (other < 0) ? .max : .min) : product
    }
}
