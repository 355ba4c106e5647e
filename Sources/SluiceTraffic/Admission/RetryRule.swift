import SluiceTime

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
    /// No connection came about.
    case connectFailed
    /// Reset or closed before the first event.
    case connectionLost
    /// The engine refused by its own queue limit (503 or 429 of vLLM).
    case refusedByEngine
    /// No answer in time.
    case timedOut
    /// What came was not HTTP, or broke its own framing.
    case malformedAnswer
}

/// All that the retry rule looks at.
package struct RetryCase: Sendable {
    package var kind: RepeatKind
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

/// Why nothing is retried; a metric label.
package enum RetryRefusal: UInt8, CaseIterable, Sendable {
    case answerBegun, poison, retriesOff, attemptsSpent, budgetSpent, timedOut, notRepeatable,
        deathNotCorroborated

    /// The metric label.
    package var label: StaticString {
        switch self {
        case .answerBegun: "answer_begun"
        case .poison: "poison"
        case .retriesOff: "retries_off"
        case .attemptsSpent: "attempts_spent"
        case .budgetSpent: "budget_spent"
        case .timedOut: "timed_out"
        case .notRepeatable: "not_repeatable"
        case .deathNotCorroborated: "death_not_corroborated"
        }
    }
}

/// What to do after a failed attempt.
package enum RetryVerdict: Sendable, Equatable {
    /// Again, any replica, outside the budget: not a byte of it was seen.
    case retrySameAllowed
    /// Again on a replica not yet tried, one out of the budget.
    case retryOther
    /// Ask again when the replica's death is known, or after this time with `false`.
    case awaitCorroboration(Nanoseconds)
    /// Answer with this status; after ``RetryRefusal/answerBegun`` cut the stream instead.
    case giveUp(status: Int, RetryRefusal)
}

/// The retry rule, here and nowhere else. Source: DESIGN section 8.
package enum RetryRule {
    /// Dispatches of one request at most, the free ones included.
    package static let attemptsMax = 4
    /// How long a lost connection waits for the replica's death to be confirmed.
    package static let corroborationMax = Nanoseconds.milliseconds(250)
    /// Deaths that make a request poison.
    package static let deathsMax = 2

    /// Decides; pure.
    package static func verdict(_ facts: RetryCase) -> RetryVerdict {
        if facts.hasAnswered { return .giveUp(status: status(facts.failure), .answerBegun) }
        // Before all else that could send it on: the next replica would be the third to die.
        if facts.deaths >= deathsMax { return .giveUp(status: 502, .poison) }
        guard facts.isEnabled else { return giveUp(facts, .retriesOff) }
        guard facts.attempts < attemptsMax else { return giveUp(facts, .attemptsSpent) }
        switch facts.failure {
        // (a) Not a byte was seen: it cannot have been acted on, whatever its method.
        case .connectFailed: return .retrySameAllowed
        case .connectionLost: if facts.bytesAcked == 0 { return .retrySameAllowed }
        case .timedOut: return giveUp(facts, .timedOut)
        case .malformedAnswer, .refusedByEngine: break
        }
        switch facts.kind {
        case .never: return giveUp(facts, .notRepeatable)
        case .reading: return again(facts)  // (b)
        case .inference: break
        }
        // (c)
        switch facts.failure {
        case .refusedByEngine: return again(facts)
        case .connectionLost:
            guard let isDead = facts.isDeathCorroborated else {
                // No use in waiting for what could not be used.
                if facts.repeats > 0 || facts.budget == .exhausted { return again(facts) }
                return .awaitCorroboration(corroborationMax)
            }
            return isDead ? again(facts) : giveUp(facts, .deathNotCorroborated)
        case .connectFailed, .timedOut, .malformedAnswer: return giveUp(facts, .notRepeatable)
        }
    }

    /// Once, and within the budget.
    private static func again(_ facts: RetryCase) -> RetryVerdict {
        if facts.repeats > 0 { return giveUp(facts, .attemptsSpent) }
        switch facts.budget {
        case .granted: return .retryOther
        case .exhausted: return giveUp(facts, .budgetSpent)
        }
    }

    private static func giveUp(_ facts: RetryCase, _ reason: RetryRefusal) -> RetryVerdict {
        .giveUp(status: status(facts.failure), reason)
    }

    /// The one place where a failed attempt becomes a status.
    private static func status(_ failure: AttemptFailure) -> Int {
        switch failure {
        case .connectFailed, .connectionLost, .malformedAnswer: 502
        case .refusedByEngine: 503
        case .timedOut: 504
        }
    }
}
