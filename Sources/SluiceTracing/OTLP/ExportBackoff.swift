import SluiceTime

/// When a batch that could not be delivered is sent again, and when it is given up.
///
/// The wait doubles with every failure until something is delivered, whichever batch it was: a
/// collector that is down is not asked more often because there is more to tell it. Source: OTLP
/// specification, *OTLP/HTTP Response*, *All Other Responses* and *OTLP/HTTP Throttling*.
package struct ExportBackoff {
    /// How often one batch is sent at most.
    package static let attemptsMax = 5
    /// The first wait, before jitter.
    package static let waitMin = Nanoseconds.seconds(1)
    package static let waitMax = Nanoseconds.seconds(30)
    /// A longer `Retry-After` is cut to this.
    package static let retryAfterMax = Nanoseconds.seconds(60)

    private var wait = ExportBackoff.waitMin
    private var attempts = 0

    package init() {}

    /// Whether an answer of this status asks for the same batch again. Source: OTLP specification,
    /// *Retryable Response Codes*.
    package static func isRetryable(status: Int) -> Bool {
        switch status {
        case 429, 502, 503, 504: true
        default: false
        }
    }

    /// The batch has been delivered.
    package mutating func delivered() { self = ExportBackoff() }

    /// The batch has been refused for good, by a collector that is well: the next one is another.
    package mutating func refused() { self = ExportBackoff() }

    /// The batch could not be delivered.
    ///
    /// - Parameter retryAfter: the wait the collector asked for.
    /// - Returns: until it is sent again, and whether it still is: after ``attemptsMax`` the wait is
    ///   the next batch's.
    package mutating func failed(
        retryAfter: Nanoseconds?, random: inout some RandomNumberGenerator
    ) -> (wait: Nanoseconds, isGivenUp: Bool) {
        attempts += 1
        let isGivenUp = attempts >= Self.attemptsMax
        if isGivenUp { attempts = 0 }
        // Between a half and all of it, so that gateways do not come back together.
        let half = wait.count / 2
        var pause = Nanoseconds(half + Int64.random(in: 0...half, using: &random))
        wait = min(wait * 2, Self.waitMax)
        if let retryAfter { pause = max(pause, min(retryAfter, Self.retryAfterMax)) }
        return (pause, isGivenUp)
    }
}
