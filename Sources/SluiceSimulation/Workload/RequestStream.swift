import SluiceBytes
import SluiceTime

/// What a client does with a refusal.
package enum RetryStyle: Equatable, Sendable {
    /// It goes away.
    case never
    /// It comes back after a tenth of a second, whatever it was told.
    case naive
    /// As the OpenAI client without a header: 0.5 s, doubling to 8 s, up to a quarter sooner.
    case exponential
    /// As the OpenAI client with the header: exactly when `Retry-After` says.
    case retryAfter
}

/// How clients behave.
package struct ClientBehaviour: Equatable, Sendable {
    /// How long one waits for its first token (or, without a stream, its answer) before it gives up.
    package var patience = Study.patience
    /// What it does when it is refused.
    package var retries = RetryStyle.never
    /// Attempts at most, the first included.
    package var triesMax = 1

    package init() {}
}

/// How the answer comes.
package enum AnswerKind: Equatable, Sendable {
    /// Token by token: the gateway sees the first and every gap.
    case stream
    /// In one piece at the end.
    case whole
    /// No tokens at all: it ends with its prefill.
    case embedding
}

/// Prompts that begin alike, in groups.
package struct PrefixGroups: Equatable, Sendable {
    /// How many groups; each request is of one of them, all alike.
    package var count: Int
    /// What the prompts of a group share, in tokens, drawn once per group.
    package var shared: LognormalLengths

    package init(count: Int, shared: LognormalLengths) {
        self.count = count
        self.shared = shared
    }
}

/// How long one request of a recording is.
package struct RecordedLengths: Equatable, Sendable {
    /// Tokens of its prompt, at least 1.
    package var promptTokens: Int
    /// Tokens of its answer; nil where it got none and one is drawn, not longer than `outputMax`.
    package var outputTokens: Int?
    /// What it asked for at most (`max_tokens`); nil where it did not say.
    package var outputMax: Int?

    package init(promptTokens: Int, outputTokens: Int?, outputMax: Int?) {
        self.promptTokens = promptTokens
        self.outputTokens = outputTokens
        self.outputMax = outputMax
    }
}

/// Requests of one kind: one class, one tenant, one way of coming.
package struct RequestStream: Equatable, Sendable {
    /// When they come.
    package var arrivals: ArrivalProcess
    /// Priority class, 0 the most urgent.
    package var classIndex = 0
    /// Whose they are.
    package var tenant = 0
    /// Prompt lengths; with groups, of what follows the shared part.
    package var prompts = Study.prompts
    /// Answer lengths.
    package var outputs = Study.outputs
    /// How the answer comes.
    package var answers = AnswerKind.stream
    /// Shared beginnings, if any.
    package var prefixes: PrefixGroups?
    /// Requests as they were written down, one after the other and again from the first; empty:
    /// lengths are drawn.
    package var recorded: [RecordedLengths] = []
    /// What the clients do.
    package var client = ClientBehaviour()

    package init(_ arrivals: ArrivalProcess) { self.arrivals = arrivals }
}

/// One request as its client sends it.
struct DrawnRequest {
    var promptTokens: Int
    var outputTokens: Int
    var prefix: PrefixLink?
}

/// Draws what the requests of a stream are; apart from the clock, so that the same request comes
/// n-th whatever the load.
struct RequestSource {
    private let stream: RequestStream
    private var generator: SplitMix64
    private var groups: [PrefixLink] = []
    /// Where a recording has got to.
    private var position = 0

    init(_ stream: RequestStream, seed: UInt64) {
        self.stream = stream
        generator = SplitMix64(seed: seed)
        guard let prefixes = stream.prefixes else { return }
        for _ in 0..<max(1, prefixes.count) {
            let key = generator.next()
            groups.append(PrefixLink(key: key, tokens: prefixes.shared.sample(&generator)))
        }
    }

    mutating func next() -> DrawnRequest {
        if !stream.recorded.isEmpty { return nextRecorded() }
        let own = stream.prompts.sample(&generator)
        let output = stream.outputs.sample(&generator)
        let outputTokens = stream.answers == .embedding ? 0 : output
        guard !groups.isEmpty else {
            return DrawnRequest(promptTokens: own, outputTokens: outputTokens)
        }
        let group = groups[Int(generator.next() % UInt64(groups.count))]
        return DrawnRequest(
            promptTokens: group.tokens + own, outputTokens: outputTokens, prefix: group)
    }

    private mutating func nextRecorded() -> DrawnRequest {
        let recorded = stream.recorded[position % stream.recorded.count]
        position += 1
        var output = recorded.outputTokens ?? stream.outputs.sample(&generator)
        if let most = recorded.outputMax { output = min(output, max(1, most)) }
        return DrawnRequest(
            promptTokens: max(1, recorded.promptTokens),
            outputTokens: stream.answers == .embedding ? 0 : max(1, output))
    }
}
