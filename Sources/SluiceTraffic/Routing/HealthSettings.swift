import SluiceTime

/// The times and counts by which a replica's state changes. Source: docs/operating.md,
/// *States of a replica*.
package struct HealthSettings: Sendable {
    /// No event on any stream, no other answer and no step of the engine for this long makes a replica
    /// busy; at least.
    package var busyAfter = Nanoseconds.seconds(2)
    /// … or for this many times its time per output token, when that is longer.
    package var busyAfterTokens: Int64 = 20
    /// Busy for this long with a flat heartbeat makes it wedged; twice as long where no heartbeat is
    /// known. Without pages a lone stream before its first event makes it busy after this long.
    package var wedgedAfter = Nanoseconds.seconds(15)
    /// A heartbeat older than this is not known: slow scrapes of a loaded replica took 4.6 s.
    package var heartbeatAgeMax = Nanoseconds.seconds(10)
    /// Failures in a row before it is ejected; beside that, more than half of ``RecentFailures/span``.
    package var consecutiveFailuresMax = 3
    /// First wait before the half-open probe of an ejected, or the next probe of a dead replica.
    package var backoffMin = Nanoseconds.seconds(1)
    /// The wait doubles up to this.
    package var backoffMax = Nanoseconds.seconds(30)
    /// A replica ready for this long has its earlier strikes forgotten.
    package var stableAfter = Nanoseconds.seconds(30)
    /// Requests a replica that joins or returns may hold at first.
    package var slowStartWindow = 2
    /// The window doubles once per this time of good samples.
    package var slowStartPeriod = Nanoseconds.seconds(1)
    /// Time between probes of a dead replica while none of its pool is up.
    package var probeIntervalWhileNoneUp = Nanoseconds.milliseconds(500)
    /// Time between scrapes and probes of a live replica; 0.2 … 30 s.
    package var scrapeInterval = Nanoseconds.seconds(1)

    package init() {}

    /// The wait after the `strikes`-th strike: 1, 2, 4 … 30 s.
    func backoff(_ strikes: Int) -> Nanoseconds {
        min(backoffMax, backoffMin * (Int64(1) << Int64(min(max(strikes - 1, 0), 20))))
    }
}
