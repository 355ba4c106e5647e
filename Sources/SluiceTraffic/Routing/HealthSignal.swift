import SluiceTime

/// What a probe of `/health` or `/v1/models` came to.
package enum ProbeOutcome: Sendable {
    /// 200.
    case healthy
    /// 503: vLLM says so when its engine died.
    case unavailable
    /// 401 or 403: the key we hold is wrong.
    case unauthorized
    /// Nobody listens.
    case refused
    /// No connection within the time, or no route.
    case unreachable
    /// Connected, but no answer in time: under load that is no death.
    case timedOut
    /// Any other answer: somebody is there.
    case answeredOtherwise
}

/// How much a replica moved, gathered over all workers.
package struct ProgressReport: Sendable {
    /// Event streams open at the replica.
    package var streams: Int
    /// Since when streams have been open without a pause.
    package var streamsSince: Instant
    /// When the last event came on any of them.
    package var lastEvent: Instant

    /// A report; no streams, no stall.
    package init(streams: Int, streamsSince: Instant, lastEvent: Instant) {
        self.streams = streams
        self.streamsSince = streamsSince
        self.lastEvent = lastEvent
    }
}

/// What may change a replica's state.
package enum HealthSignal: Sendable {
    /// Nobody listens.
    case connectRefused
    /// A connect that failed otherwise: timeout, no route, TLS.
    case connectFailed
    /// A probe came to an end.
    case probe(ProbeOutcome)
    /// A permit ended in success.
    case requestSucceeded
    /// A permit ended in failure.
    case requestFailed
    /// `iteration_tokens_total_count`: grows with each engine step.
    case heartbeat(Double)
    /// The engine's sleep gauge.
    case sleeping(Bool)
    /// Time passed; the time per output token is zero where unknown.
    case tick(ProgressReport, timePerToken: Nanoseconds)
    /// Orders: an operator's, and the replica list's.
    case cordon, uncordon, remove, restore
}
