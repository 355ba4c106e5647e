import SluiceTime

/// One sequence inside the engine; numbers are never used twice.
package struct EngineRequestID: Hashable, Comparable, Sendable {
    /// Position in order of arrival, from 1.
    package let number: UInt64
    /// Its place inside the engine, from 0; free again for others once it has ended.
    package let slot: Int

    package static func < (a: EngineRequestID, b: EngineRequestID) -> Bool {
        a.number < b.number
    }
}

/// Why a sequence ended: the label `finished_reason` and, but for the last three, the body's.
package enum FinishReason: UInt8, CaseIterable, Sendable {
    case stop, length, abort, error, repetition

    /// The word in metrics and bodies.
    package var label: StaticString {
        switch self {
        case .stop: "stop"
        case .length: "length"
        case .abort: "abort"
        case .error: "error"
        case .repetition: "repetition"
        }
    }
}

/// A prefix of a prompt by its hash: what two prompts share when their hashes are equal.
package struct PrefixLink: Equatable, Sendable {
    /// Hash of everything up to here.
    package let key: UInt64
    /// Tokens from the start of the prompt up to here.
    package let tokens: Int

    package init(key: UInt64, tokens: Int) {
        self.key = key
        self.tokens = tokens
    }
}

/// What the engine is asked to do.
package struct EngineRequest: Equatable, Sendable {
    /// Tokens of the prompt, at least 1.
    package var promptTokens: Int
    /// Tokens to generate; 0 for embeddings, which end with their prefill.
    package var outputTokens: Int
    /// Why generation ends after `outputTokens`.
    package var finishReason: FinishReason
    /// What `vllm:request_params_max_tokens` records: the bound, not the length.
    package var maxTokens: Int
    /// Lower is sooner; only with ``EngineParameters/honoursPriority``.
    package var priority = 0
    /// Choices asked for (`n`), for metrics; each choice is a request of its own here.
    package var choices = 1
    /// Prefixes that may be cached, shortest first.
    package var prefixes: [PrefixLink] = []

    package init(
        promptTokens: Int, outputTokens: Int, finishReason: FinishReason = .length,
        maxTokens: Int? = nil
    ) {
        self.promptTokens = promptTokens
        self.outputTokens = outputTokens
        self.finishReason = finishReason
        self.maxTokens = maxTokens ?? outputTokens
    }
}

/// The account of a sequence that ended, for the per-request histograms.
package struct EngineFinish: Equatable, Sendable {
    package let reason: FinishReason
    package let promptTokens: Int
    package let generatedTokens: Int
    package let cachedTokens: Int
    package let maxTokens: Int
    package let choices: Int
    /// When the engine was given the request.
    package let arrival: Instant
    /// When it was first scheduled.
    package let scheduled: Instant
    /// When its first token came out; equals `lastToken` for embeddings.
    package let firstToken: Instant
    package let lastToken: Instant
}

/// What came out of the engine for one sequence at the end of one step.
package struct EngineEmission: Equatable, Sendable {
    package let id: EngineRequestID
    /// The end of the step, which may lie before the `now` given to `step`.
    package let at: Instant
    /// New tokens: 1, or 0 for an embedding.
    package let tokens: Int
    /// Tokens of this sequence so far, these included.
    package let tokensSoFar: Int
    /// Time since the request came in, on its first output only: vLLM's TTFT.
    package let timeToFirstToken: Nanoseconds?
    /// Time since the sequence's previous token; nil on its first output.
    package let gap: Nanoseconds?
    /// Set on the last emission of the sequence.
    package let finish: EngineFinish?
    /// Prompt tokens whose prefill ended with this emission, and how many of them were cached.
    package let promptTokens: Int
    package let cachedTokens: Int
}

/// The gauges as vLLM publishes them: once per step, so a hung engine freezes them.
package struct EngineSnapshot: Equatable, Sendable {
    package var running = 0
    package var waiting = 0
    /// 0…1.
    package var cacheUsage = 0.0

    package init(running: Int = 0, waiting: Int = 0, cacheUsage: Double = 0) {
        self.running = running
        self.waiting = waiting
        self.cacheUsage = cacheUsage
    }
}

/// What one call of ``EngineModel/step(_:)`` brought.
package struct EngineStep: Equatable, Sendable {
    /// When to call again at the latest; nil when the engine is idle or frozen.
    package var next: Instant?
    /// What came out, oldest first; a sequence may appear more than once.
    package var emissions: [EngineEmission] = []
    /// Ends of steps, as indices one past their last emission.
    package var iterationEnds: [Int] = []
    /// Sequences thrown out of the KV cache to be computed again.
    package var preemptions = 0
    /// Prompt tokens looked up in the prefix cache, and those found.
    package var prefixTokensQueried = 0
    package var prefixTokensHit = 0

    package init() {}
}
