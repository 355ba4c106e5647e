import SluiceSimulation
import SluiceTime

/// Everything the simulated server counts for `/metrics`; `append` writes the page.
///
/// Fed by ``observe(_:)`` with every engine step. A request that the client abandons leaves no
/// sample of its own: the per-request histograms, queue time among them, know finished requests
/// only (as vLLM does). First-token and gap samples of tokens that had come out
/// before stay, as in vLLM (fixture `metrics-idle.txt`: 18 first tokens, 10 finished requests).
package struct SimulatedMetrics {
    /// `model_name` of every series.
    package let model: String
    /// Seconds since 1970 at which the series were created.
    package let startSeconds: Double
    /// What the engine was started with, for `vllm:cache_config_info`.
    let parameters: EngineParameters

    /// The gauges as last published by the engine.
    package var gauges = EngineSnapshot()
    /// The `process_*` families.
    package var process: ProcessFigures

    package private(set) var promptTokens = 0
    package private(set) var cachedTokens = 0
    package private(set) var generatedTokens = 0
    package private(set) var preemptions = 0
    package private(set) var prefixTokensQueried = 0
    package private(set) var prefixTokensHit = 0
    private(set) var finished: [FinishReason: Int] = [:]

    var promptLength: SimulatedHistogram
    var generationLength: SimulatedHistogram
    var iterationTokens = SimulatedHistogram(bounds: SimulatedHistogram.iterationBounds)
    var maxGenerationLength: SimulatedHistogram
    var choices = SimulatedHistogram(bounds: [1, 2, 5, 10, 20])
    var maxTokens: SimulatedHistogram
    var timeToFirstToken = SimulatedHistogram(bounds: SimulatedHistogram.firstTokenBounds)
    var interTokenLatency = SimulatedHistogram(bounds: SimulatedHistogram.gapBounds)
    var timePerOutputToken = SimulatedHistogram(bounds: SimulatedHistogram.gapBounds)
    var endToEnd = SimulatedHistogram(bounds: SimulatedHistogram.requestBounds)
    var queueTime = SimulatedHistogram(bounds: SimulatedHistogram.requestBounds)
    var inferenceTime = SimulatedHistogram(bounds: SimulatedHistogram.requestBounds)
    var prefillTime = SimulatedHistogram(bounds: SimulatedHistogram.requestBounds)
    var decodeTime = SimulatedHistogram(bounds: SimulatedHistogram.requestBounds)
    var prefillComputed: SimulatedHistogram
    var handlers = HandlerMetrics()

    /// A fresh server's counters.
    ///
    /// - Parameter startSeconds: wall clock at start, in seconds since 1970.
    package init(model: String, parameters: EngineParameters, startSeconds: Double) {
        self.model = model
        self.parameters = parameters.clamped
        self.startSeconds = startSeconds
        process = ProcessFigures(startSeconds: startSeconds)
        let tokens = SimulatedHistogram(
            bounds: SimulatedHistogram.tokenBounds(upTo: self.parameters.modelLengthMax))
        promptLength = tokens
        generationLength = tokens
        maxGenerationLength = tokens
        maxTokens = tokens
        prefillComputed = tokens
    }

    /// Requests that ended so for this reason.
    package func finishedCount(_ reason: FinishReason) -> Int { finished[reason, default: 0] }

    /// Requests whose queue time is known: the finished ones.
    package var queueTimeCount: Int { queueTime.count }

    /// Counts what one call of the engine brought.
    package mutating func observe(_ step: EngineStep) {
        preemptions += step.preemptions
        prefixTokensQueried += step.prefixTokensQueried
        prefixTokensHit += step.prefixTokensHit
        var begin = 0
        for end in step.iterationEnds {
            var tokens = 0
            for emission in step.emissions[begin..<end] {
                tokens += emission.tokens + emission.promptTokens
                observe(emission)
            }
            iterationTokens.observe(Double(tokens))
            begin = end
        }
    }

    private mutating func observe(_ emission: EngineEmission) {
        promptTokens += emission.promptTokens
        cachedTokens += emission.cachedTokens
        generatedTokens += emission.tokens
        if let first = emission.timeToFirstToken { timeToFirstToken.observe(first.seconds) }
        if let gap = emission.gap { interTokenLatency.observe(gap.seconds) }
        if let finish = emission.finish { observe(finish) }
    }

    private mutating func observe(_ finish: EngineFinish) {
        finished[finish.reason, default: 0] += 1
        promptLength.observe(Double(finish.promptTokens))
        generationLength.observe(Double(finish.generatedTokens))
        maxGenerationLength.observe(Double(finish.generatedTokens))
        choices.observe(Double(finish.choices))
        maxTokens.observe(Double(finish.maxTokens))
        prefillComputed.observe(Double(finish.promptTokens - finish.cachedTokens))
        endToEnd.observe((finish.lastToken - finish.arrival).seconds)
        queueTime.observe((finish.scheduled - finish.arrival).seconds)
        inferenceTime.observe((finish.lastToken - finish.scheduled).seconds)
        prefillTime.observe((finish.firstToken - finish.scheduled).seconds)
        let decode = (finish.lastToken - finish.firstToken).seconds
        decodeTime.observe(decode)
        let gaps = finish.generatedTokens - 1
        timePerOutputToken.observe(gaps > 0 ? decode / Double(gaps) : 0)
    }

    /// Counts one answered HTTP request; see ``HandlerMetrics``.
    ///
    /// - Parameters:
    ///   - requestBytes: the request's `content-length`, 0 without one.
    ///   - responseBytes: the response's `content-length`, 0 for a stream.
    ///   - wallSeconds: seconds since 1970.
    package mutating func recordHTTP(
        path: String, method: String, status: Int, requestBytes: Int, responseBytes: Int,
        duration: Nanoseconds, wallSeconds: Double
    ) {
        handlers.record(
            path: path, method: method, status: status, requestBytes: requestBytes,
            responseBytes: responseBytes, seconds: duration.seconds, at: wallSeconds)
    }
}
