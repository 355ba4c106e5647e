import CSluiceLinux
import SluiceTime

/// The two clocks of the process. Pure code never asks them; the shell reads one per batch of events.
package enum MonotonicClock {
    /// Now, for every deadline and duration. Source: clock_gettime(2), CLOCK_MONOTONIC.
    @inline(__always) package static func now() -> Instant {
        Instant(nanoseconds: sluice_monotonic_nanoseconds())
    }

    /// Nanoseconds since 1970, for logs only: it may jump.
    package static func realtimeNanoseconds() -> Int64 { sluice_realtime_nanoseconds() }

    /// Whole seconds since 1970.
    package static func realtimeSeconds() -> Int { Int(realtimeNanoseconds() / 1_000_000_000) }

    /// CPU time this process has used. Source: getrusage(2).
    package static func cpuTime() -> (user: Nanoseconds, system: Nanoseconds) {
        var user: UInt64 = 0
        var system: UInt64 = 0
        unsafe sluice_cpu_time(&user, &system)
        return (
            .microseconds(Int64(clamping: user)), .microseconds(Int64(clamping: system))
        )
    }
}
