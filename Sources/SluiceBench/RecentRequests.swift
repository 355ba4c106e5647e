import SluiceTime

/// What happened in the last seconds: for tables that are looked at, not for results.
package struct RecentRequests: Sendable {
    private struct Sample {
        let at: Instant
        let request: FinishedRequest
    }

    private var samples: [Sample] = []
    /// How far back it looks.
    package let window: Nanoseconds

    /// Requests kept at most; the oldest go first.
    package static let samplesMax = 10_000

    package init(window: Nanoseconds = .seconds(10)) { self.window = window }

    /// Takes a request that is over.
    package mutating func add(_ request: FinishedRequest, at now: Instant) {
        samples.append(Sample(at: now, request: request))
        if samples.count > Self.samplesMax { samples.removeFirst(Self.samplesMax / 10) }
    }

    /// Figures of the window that ends now.
    ///
    /// - Parameter age: how long there has been anything to see; a shorter time than the window
    ///   makes rates of the beginning true.
    package mutating func figures(now: Instant, age: Nanoseconds) -> Figures {
        if let first = samples.firstIndex(where: { $0.at > now - window }) {
            samples.removeFirst(first)
        } else {
            samples = []
        }
        let seconds = max(0.1, min(window, age).seconds)
        var spans = LatencySamples(keptMax: Self.samplesMax)
        var figures = Figures()
        for sample in samples {
            if let first = sample.request.timeToFirstToken { spans.add(first) }
            figures.tokensPerSecond += Double(sample.request.outputTokens) / seconds
            switch sample.request.outcome {
            case .ok: figures.requestsPerSecond += 1 / seconds
            case .failed: figures.failed += 1
            case .aborted, .cut: break
            }
        }
        let percentiles = spans.percentiles([0.5, 0.99])
        figures.firstTokenMedian = percentiles[0]
        figures.firstToken99 = percentiles[1]
        return figures
    }

    /// What a window shows.
    package struct Figures: Sendable {
        package internal(set) var requestsPerSecond = 0.0
        package internal(set) var tokensPerSecond = 0.0
        package internal(set) var failed = 0
        package internal(set) var firstTokenMedian: Nanoseconds?
        package internal(set) var firstToken99: Nanoseconds?

        package init() {}
    }
}
