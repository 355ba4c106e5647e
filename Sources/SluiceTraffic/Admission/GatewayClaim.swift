import SluiceTime

/// How many requests a gateway keeps at replicas which it shares with others: so many that all of
/// them refuse alike.
///
/// Slots alone are first come: whoever gets one back fills it again before a scrape shows it to
/// others. Of three gateways with 70, 20 and 10 % of the arrivals at 1.5 times the capacity the first
/// refused half of its own and the others nobody (T12c: a difference of 50 points, 10 so). Gateways do
/// not talk, but all see by the engines' gauges whether the fleet is full. While it is, each one's
/// claim shrinks at the same relative rate; while it is not, it grows; and at all times it grows by the
/// share that this gateway refuses. It stands still where that share matches the share of time that
/// the fleet is full, which is the same for all.
struct GatewayClaim: Sendable {
    /// Relative change in a second while the fleet is full. Slower, a gateway that restarts takes
    /// long to get its part; the share refused is known over ten seconds.
    private static let rate = 0.3
    /// Growth while the fleet is not full, as a part of ``rate``.
    private static let growthPart = 0.3
    /// What a claim may exceed the requests in flight by, in standard deviations of their number if
    /// they come and go at random: less, and a small gateway's claim follows every dip.
    private static let slack = 1.5

    /// Requests at all replicas together; infinite where nothing bounds them.
    private(set) var requests = Double.infinity
    private var renewed = Instant.unset

    /// - Parameters:
    ///   - inflight: our requests at the replicas.
    ///   - isFull: whether ours and others' take every slot; nil where nobody else is seen.
    ///   - refused: share of our own arrivals refused of late, 0 … 1.
    mutating func renew(inflight: Int, isFull: Bool?, refused: Double, now: Instant) {
        let seconds = renewed.isSet ? min(1, (now - renewed).seconds) : 0
        renewed = now
        guard let isFull else {
            requests = .infinity
            return
        }
        // What is not used is not claimed: an old claim would mean nothing for long.
        if isFull {
            let used = Double(inflight)
            requests = min(requests, used + max(2, Self.slack * used.squareRoot()))
        }
        let change = refused + (isFull ? -1 : Self.growthPart)
        requests = max(1, requests * (1 + Self.rate * seconds * change))
    }
}
