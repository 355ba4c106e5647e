import SluiceTime

/// Why nothing is retried; a metric label.
package enum RetryRefusal: UInt8, CaseIterable, Sendable {
    /// In the order the rule asks.
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
