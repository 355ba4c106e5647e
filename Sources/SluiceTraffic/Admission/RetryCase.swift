/// What kind of request may be repeated.
package enum RepeatKind: Sendable {
    /// GET and HEAD.
    case reading
    /// An inference POST whose route allows it (responses with `store: false` only).
    case inference
    /// Anything else.
    case never
}

/// How an attempt failed.
package enum AttemptFailure: Sendable, CaseIterable {
    /// No connection came about, or none on which anything could be asked.
    case connectFailed
    /// Reset or closed before the first event.
    case connectionLost
    /// The engine refused by its own queue limit (503 or 429 of vLLM).
    case refusedByEngine
    /// No answer in time.
    case timedOut
    /// What came was not HTTP, or broke its own framing.
    case malformedAnswer
    /// Nothing has come of it, and its replica has been taken out of service meanwhile: its engine
    /// stands still.
    case wedged
}

/// All that the retry rule looks at.
package struct RetryCase: Sendable {
    /// What it is.
    package var kind: RepeatKind
    /// What happened to the attempt.
    package var failure: AttemptFailure
    /// Bytes of this request that the peer acknowledged (`tcpi_bytes_acked` less its value when the
    /// exchange began on the connection); nil when it could not be read.
    package var bytesAcked: Int?
    /// Dispatches made so far, this one included.
    package var attempts: Int
    /// Of these, how many were retries under (b) or (c).
    package var repeats: Int
    /// Replicas that died while this request was in flight on them.
    package var deaths: Int
    /// Whether a byte of the answer has been written downstream.
    package var hasAnswered: Bool
    /// Whether the replica's death was confirmed (connect refused, `/health` 503); nil: not yet known.
    package var isDeathCorroborated: Bool?
    /// Whether the budget has room; take it with ``ReplicaPool/withdrawRetry(now:)`` after the verdict.
    package var budget: RetryBudgetVerdict
    /// Whether the pool's configuration allows retries.
    package var isEnabled: Bool

    package init(
        kind: RepeatKind, failure: AttemptFailure, bytesAcked: Int? = nil, attempts: Int = 1,
        repeats: Int = 0, deaths: Int = 0, hasAnswered: Bool = false,
        isDeathCorroborated: Bool? = nil, budget: RetryBudgetVerdict = .granted,
        isEnabled: Bool = true
    ) {
        self.kind = kind
        self.failure = failure
        self.bytesAcked = bytesAcked
        self.attempts = attempts
        self.repeats = repeats
        self.deaths = deaths
        self.hasAnswered = hasAnswered
        self.isDeathCorroborated = isDeathCorroborated
        self.budget = budget
        self.isEnabled = isEnabled
    }
}
