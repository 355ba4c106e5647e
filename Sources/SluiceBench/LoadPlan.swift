import SluiceTime

/// What a load test does.
package struct LoadPlan: Sendable {
    /// Who decides when the next request goes.
    package enum Arrivals: Equatable, Sendable {
        /// So many clients, each of which asks again when it has its answer.
        case closed(concurrency: Int)
        /// A Poisson process, whatever the answers do: requests per second.
        case open(ratePerSecond: Double)
    }

    package var arrivals = Arrivals.closed(concurrency: 8)
    /// Requests begun at most; nil is no bound but time.
    package var requestsMax: Int?
    /// How long requests are begun.
    package var duration = Nanoseconds.seconds(30)
    /// How long what is under way may take to end after that; then it is cut.
    package var graceMax = Nanoseconds.seconds(30)
    /// From the arrival of one request to the end of its answer.
    package var requestMax = Nanoseconds.seconds(600)
    /// Requests under way at most; arrivals beyond it are counted and not sent.
    package var inFlightMax = 4_096
    package var model = ""
    package var promptTokens = LengthDistribution.lognormal(median: 200, sigma: 0.8)
    package var outputTokens = LengthDistribution.lognormal(median: 100, sigma: 0.8)
    package var streams = true
    /// Share of the streams whose client leaves in the middle, 0 … 1.
    package var abortRatio = 0.0
    package var seed: UInt64 = 1
    package var objective = LoadObjective()
    /// Sent as a bearer token.
    package var apiKey: String?

    package init() {}
}

/// What an answer must keep to be counted as goodput; nil asks nothing.
package struct LoadObjective: Equatable, Sendable {
    /// From the request to the first token.
    package var timeToFirstToken: Nanoseconds?
    /// Mean time per further token of one answer.
    package var timePerToken: Nanoseconds?

    package init(timeToFirstToken: Nanoseconds? = nil, timePerToken: Nanoseconds? = nil) {
        self.timeToFirstToken = timeToFirstToken
        self.timePerToken = timePerToken
    }

    /// Whether anything is asked.
    package var isSet: Bool { timeToFirstToken != nil || timePerToken != nil }

    /// Whether an answer kept it.
    package func holds(_ answer: FinishedRequest) -> Bool {
        guard answer.outcome == .ok else { return false }
        if let limit = timeToFirstToken {
            guard let first = answer.timeToFirstToken ?? answer.total, first <= limit else {
                return false
            }
        }
        if let limit = timePerToken, let time = answer.timePerToken, time > limit { return false }
        return true
    }
}

/// How one request ended.
package enum LoadOutcome: Hashable, Sendable {
    case ok
    /// The plan had this client leave.
    case aborted
    /// Still under way when the test's time was over.
    case cut
    case failed(LoadFailure)
}

/// Why a request has no whole answer.
package enum LoadFailure: Hashable, Sendable {
    /// A status other than 200, with what `x-sluice-reason` says, if it is there.
    case status(Int, reason: String?)
    case refused, connect, timeout
    /// The connection ended before the answer did.
    case closed
    case malformed, tooLarge
    /// An event stream without its proper end.
    case brokenStream
    /// An error inside an event stream.
    case errorEvent

    /// For tables, and keys of JSON.
    package var label: String {
        switch self {
        case .status(let code, let reason): reason.map { "HTTP \(code) \($0)" } ?? "HTTP \(code)"
        case .refused: "connection refused"
        case .connect: "cannot connect"
        case .timeout: "timeout"
        case .closed: "connection closed early"
        case .malformed: "malformed answer"
        case .tooLarge: "answer too large"
        case .brokenStream: "stream without its end"
        case .errorEvent: "error inside the stream"
        }
    }
}

/// One request that is over.
package struct FinishedRequest: Sendable {
    package var outcome = LoadOutcome.ok
    /// Nil where no token came.
    package var timeToFirstToken: Nanoseconds?
    /// From the request to the last byte; nil where there is no whole answer.
    package var total: Nanoseconds?
    /// From the request to the end of an answer other than 200; nil for anything else.
    package var timeToRefusal: Nanoseconds?
    /// Mean time per token after the first; nil below two tokens.
    package var timePerToken: Nanoseconds?
    package var promptTokens = 0
    package var outputTokens = 0
    /// What a failed one was told, for a person; nil where the outcome says it all.
    package var message: String?

    package init() {}
}
