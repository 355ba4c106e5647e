import SluiceTime

/// The retry rule, here and nowhere else.
package enum RetryRule {
    /// Dispatches of one request at most, the free ones included.
    package static let attemptsMax = 4
    /// Besides, dispatches that were taken back from an engine that was full and had not begun. Beside
    /// other gateways the slot it is sent to next may be gone, too: once was too seldom (T1d, three
    /// gateways, in SLO: 94.0 %, 97.3 % so). The objective bounds what is left of its wait.
    package static let recallsMax: UInt8 = 3
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
        case .connectionLost, .wedged: if facts.bytesAcked == 0 { return .retrySameAllowed }
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
        // An engine that stands still has begun nothing that it has not answered, or will not end it.
        case .refusedByEngine, .wedged: return again(facts)
        case .connectionLost:
            guard let isDead = facts.isDeathCorroborated else {
                // No use in waiting for what could not be used – but a second death makes poison.
                let isLastDeath = facts.deaths + 1 >= deathsMax
                let isSpent = facts.repeats > 0 || facts.budget == .exhausted
                if isSpent && !isLastDeath { return again(facts) }
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
        case .timedOut, .wedged: 504
        }
    }
}
