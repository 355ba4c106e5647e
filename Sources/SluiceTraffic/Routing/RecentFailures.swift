/// Which of a replica's last ``span`` requests failed.
struct RecentFailures: Sendable {
    /// Requests looked at.
    static let span = 20

    /// The latest in the lowest bit; set where it failed.
    private var bits: UInt32 = 0

    /// Counts a request; the oldest of ``span`` is forgotten.
    mutating func record(isFailure: Bool) {
        bits = (bits << 1 | (isFailure ? 1 : 0)) & (1 << UInt32(Self.span) - 1)
    }

    /// Whether more than half of the last ``span`` failed.
    ///
    /// As long as there were fewer, those that are missing count as good: a single first failure is
    /// no share of 100 %.
    var isMajority: Bool { bits.nonzeroBitCount * 2 > Self.span }
}
