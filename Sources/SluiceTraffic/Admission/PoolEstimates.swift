import SluiceTime

/// What is believed of a pool's requests, whichever replica serves them.
struct PoolEstimates: Sendable {
    /// Models whose lengths are kept apart; further ones share the last place.
    static let modelsMax = 64
    /// Completions before a predicted wait may refuse anybody.
    static let completionsMin = 50
    /// After a start nobody is refused for a predicted wait: engines may be full of what is not ours.
    static let startSpan = Nanoseconds.seconds(3)
    /// Dispatches are counted over this span.
    static let dispatchSpan = Nanoseconds.seconds(3)

    private var lengths = [ModelLengths](repeating: ModelLengths(), count: modelsMax)
    private var outputCount = 0
    /// Actual wait over predicted wait, of requests that waited.
    private(set) var bias = 1.0

    /// A predicted wait with its correction by experience, seconds; negative where none was predicted.
    func corrected(_ predicted: Double) -> Double { predicted < 0 ? -1 : predicted * bias }
    /// Requests that ended well.
    private(set) var completions = 0
    /// Mean time at a replica, seconds.
    private(set) var residence = 1.0
    /// Part of the requests that are streams.
    private(set) var streamShare = 1.0
    /// Whether enough answers are streams to tell by them when engines begin to answer, and how many run.
    var answersAreStreams: Bool { streamShare >= 0.05 }
    /// Whole answers with no more tokens may be over in a step.
    private static let tokensOfAStep = 8
    /// Part of the requests that decode for many steps, by what was seen of them.
    private var decodeShare = 1.0
    /// Whether enough do for the number that runs to say how many slots an engine has.
    var answersDecode: Bool { decodeShare >= 0.05 }
    /// Dispatches made while somebody waited, by class.
    var dispatches: RecentCounts
    /// Completions, of whatever class.
    var ends = RecentCounts(span: .seconds(10), buckets: 20, kinds: 1)
    /// Arrivals and refusals of each class: two kinds per class.
    var arrivals: RecentCounts

    init(classes: Int) {
        dispatches = RecentCounts(span: Self.dispatchSpan, buckets: 30, kinds: classes)
        arrivals = RecentCounts(span: .seconds(10), buckets: 20, kinds: 2 * classes)
    }

    // MARK: Lengths

    /// What is believed of the requests for a model.
    @inline(__always)
    func lengths(model: Int) -> ModelLengths { lengths[Self.place(model)] }

    /// Output tokens of the average request, whatever its model.
    private(set) var meanOutputTokens = 256.0
    /// Streams with fewer events say nothing of ``tokensPerEvent``, nor those with more tokens for each:
    /// a parser has held them back, and there were hardly any gaps to go with them.
    private static let eventsJudged = 8
    private static let tokensPerEventMax = 16
    /// Tokens and content events of the average stream.
    private var stream = (tokens: 1.0, events: 1.0, count: 0)

    /// Tokens that a content event stands for: more than one where an engine decodes speculatively.
    var tokensPerEvent: Double { stream.tokens / stream.events }

    private static func place(_ model: Int) -> Int { min(max(0, model), modelsMax - 1) }

    // MARK: Observations

    /// A request has ended well.
    mutating func observe(
        model: Int, promptBytes: Int, service: Service, seconds: Double, isStream: Bool,
        now: Instant
    ) {
        completions &+= 1
        ends.record(0, now: now)
        residence += (completions == 1 ? 1 : 0.02) * (max(seconds, 1e-4) - residence)
        let weight = max(0.02, 1 / Double(completions))
        streamShare += weight * ((isStream ? 1 : 0) - streamShare)
        let decodes = isStream || service.outputTokens > Self.tokensOfAStep
        decodeShare += weight * ((decodes ? 1 : 0) - decodeShare)
        lengths[Self.place(model)].observe(promptBytes: promptBytes, service)
        if service.outputTokens > 0 {
            outputCount = min(outputCount + 1, 100)
            meanOutputTokens +=
                (Double(service.outputTokens) - meanOutputTokens) / Double(outputCount)
            meanOutputTokens = max(1, meanOutputTokens)
        }
        let events = service.contentEvents
        if service.outputTokens > 0, events >= Self.eventsJudged,
            service.outputTokens <= Self.tokensPerEventMax * events
        {
            stream.count = min(stream.count + 1, 100)
            let weight = 1 / Double(stream.count)
            stream.tokens += weight * (Double(service.outputTokens) - stream.tokens)
            stream.events += weight * (Double(events) - stream.events)
        }
    }

    /// A request that waited has been dispatched; short waits say nothing.
    mutating func observe(wait: Double, predicted: Double) {
        guard wait > 0.1, predicted >= 0 else { return }
        bias += 0.03 * (wait / max(predicted, 0.05) - bias)
        bias = min(max(bias, 0.4), 2.5)
    }
}
