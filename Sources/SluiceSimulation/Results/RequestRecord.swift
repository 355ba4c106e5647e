import SluiceTime
import SluiceTraffic

/// What became of a request.
package enum RequestOutcome: Equatable, Sendable {
    /// At the gateway, nothing decided.
    case waiting
    /// At a replica.
    case inFlight
    /// Whole.
    case served
    /// Refused when it came.
    case refused
    /// Refused after it had waited.
    case expired
    /// Its client gave up before the first token.
    case abandoned
    /// Its replica went away after its first output: its stream ended with an error.
    case cut
    /// Its replica went away before its first output, and nobody took it over.
    case lost
}

/// One attempt of one client: all that the results are made of.
package struct RequestRecord: Equatable, Sendable {
    /// Index of its stream of requests.
    package var stream: Int
    package var classIndex: Int
    package var tenant: Int
    package var promptTokens: Int
    package var outputTokens: Int
    package var prefix: PrefixLink?
    /// Which gateway took it.
    package var gateway: Int
    /// 1 for a client's first attempt.
    package var attempt = 1
    package var arrived: Instant
    /// Where it was sent last; -1 before.
    package var replica = -1
    /// When it was sent there; unset before.
    package var dispatched = Instant.unset
    package var firstOutput = Instant.unset
    /// When it was over, in whatever way.
    package var ended = Instant.unset
    package var generated = 0
    package var cachedTokens = 0
    package var outcome = RequestOutcome.waiting
    /// Whether it was lost on a replica before its first output and sent again.
    package var wasMoved = false
    /// How often its gateway has taken it back from a replica that was full.
    var recalls: UInt8 = 0
    /// Why it was refused.
    package var refusal: ShedReason?
    /// What a refusal told its client.
    package var retryAfter: Nanoseconds?
    /// Its place in the engine, while in flight.
    var engineID: EngineRequestID?

    /// From its coming to its first token; nil when it got none.
    package var timeToFirstToken: Nanoseconds? {
        firstOutput.isSet ? firstOutput - arrived : nil
    }

    /// Mean time between its tokens; nil below two of them.
    package var meanTokenGap: Nanoseconds? {
        generated > 1 ? (ended - firstOutput) / Int64(generated - 1) : nil
    }

    /// Whether it was served within both objectives.
    package func isGood(_ objective: ClassObjective) -> Bool {
        guard outcome == .served else { return false }
        if let most = objective.firstToken(promptTokens: promptTokens),
            (timeToFirstToken ?? .zero) > most
        {
            return false
        }
        if let most = objective.tokenGap, (meanTokenGap ?? .zero) > most { return false }
        return true
    }

    /// What it cost, in milliseconds of a full replica: the unit of the token goodput.
    package var work: Double {
        Double(promptTokens) * Study.promptTokenWork + Double(outputTokens) * Study.outputTokenWork
    }
}
