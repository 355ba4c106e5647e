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

    /// Whether the replica answered, whatever.
    var isAnswer: Bool {
        switch self {
        case .healthy, .unavailable, .unauthorized, .answeredOtherwise: true
        case .refused, .unreachable, .timedOut: false
        }
    }
}

/// How much a replica moved, gathered over all workers.
package struct ProgressReport: Sendable {
    /// Event streams open at the replica, those that were asked for and have no head yet included.
    package var streams = 0
    /// Since when streams have been open without a pause.
    package var streamsSince = Instant.unset
    /// When the last event came on any of them.
    package var lastEvent = Instant.unset
    /// Other requests that were sent and have no head yet.
    package var unanswered = 0
    /// Since when there have been such without a pause.
    package var unansweredSince = Instant.unset
    /// When the last good answer (2xx) to such a request, or the last event, came.
    package var lastAnswer = Instant.unset

    /// A report; nothing outstanding, no stall.
    package init() {}

    /// What the replica owes us.
    var outstanding: Int { streams + unanswered }
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
    /// The engine's gauges, KV use among them where it is known: they, too, change with its steps.
    case gauges(running: Double, waiting: Double, kvUsage: Double?)
    /// The engine's sleep gauge.
    case sleeping(Bool)
    /// Time passed; the time per output token is zero where unknown.
    case tick(ProgressReport, timePerToken: Nanoseconds)
    /// Orders: an operator's, and the replica list's.
    case cordon, uncordon, remove, restore
}
