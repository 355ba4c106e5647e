import SluiceTime

/// What a load test has found, so far or in the end.
package struct LoadReport: Sendable {
    /// Requests begun.
    package internal(set) var begun = 0
    /// Arrivals that were not sent: too many requests were under way.
    package internal(set) var notSent = 0
    package internal(set) var succeeded = 0
    package internal(set) var aborted = 0
    package internal(set) var cut = 0
    package internal(set) var failed = 0
    /// Failures by reason; at most ``reasonsMax`` of them, the rest under `other`.
    package private(set) var failures: [String: Int] = [:]
    /// What the first failed request was told, where it was told anything.
    package private(set) var firstMessage: String?
    /// Answers within the objective.
    package internal(set) var good = 0
    /// Output tokens of these.
    package internal(set) var goodOutputTokens = 0
    package internal(set) var promptTokens = 0
    package internal(set) var outputTokens = 0
    /// Time since the first request, until the last answer.
    package internal(set) var elapsed = Nanoseconds.zero
    package internal(set) var timeToFirstToken = LatencySamples(seed: 2)
    /// Between two content events of one stream.
    package internal(set) var gaps = LatencySamples(seed: 3)
    /// Mean per answer; what an objective on time per token is compared with.
    package internal(set) var timePerToken = LatencySamples(seed: 4)
    package internal(set) var total = LatencySamples(seed: 5)
    /// Of answers other than 200.
    package internal(set) var refusal = LatencySamples(seed: 6)

    /// Distinct reasons told apart: they contain a peer's text.
    package static let reasonsMax = 32

    package init() {}

    /// Requests that are over.
    package var finished: Int { succeeded + aborted + cut + failed }
    /// Requests under way.
    package var inFlight: Int { begun - finished }

    /// Counts one request that is over.
    package mutating func take(_ request: FinishedRequest, objective: LoadObjective) {
        switch request.outcome {
        case .ok: succeeded += 1
        case .aborted: aborted += 1
        case .cut: cut += 1
        case .failed(let failure):
            failed += 1
            let label = failure.label
            let known = failures[label] != nil || failures.count < Self.reasonsMax
            failures[known ? label : "other", default: 0] += 1
            if firstMessage == nil { firstMessage = request.message }
        }
        if objective.holds(request) {
            good += 1
            goodOutputTokens += request.outputTokens
        }
        promptTokens += request.promptTokens
        outputTokens += request.outputTokens
        if let first = request.timeToFirstToken { timeToFirstToken.add(first) }
        if let time = request.timeToRefusal { refusal.add(time) }
        guard request.outcome == .ok else { return }
        if let time = request.timePerToken { timePerToken.add(time) }
        if let whole = request.total { total.add(whole) }
    }

    /// A count per second of the test.
    package func rate(_ count: Int) -> Double {
        elapsed > .zero ? Double(count) / elapsed.seconds : 0
    }
}
