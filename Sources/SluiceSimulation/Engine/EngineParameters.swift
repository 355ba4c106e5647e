import SluiceTime

/// How the simulated engine spends time.
package enum EnginePace: Equatable, Sendable {
    /// Continuous batching in steps, as vLLM does it: the law of ``EngineParameters/stepSpan(decodes:prefillTokens:cacheTokens:slowFactor:)``.
    case stepModel
    /// For benchmarks of what stands in front: every request alone, its first token after a constant
    /// time and then one per constant gap. No slots, no batching, no preemption.
    case fixed(timeToFirstToken: Nanoseconds, gap: Nanoseconds)
}

/// Everything that shapes the simulated engine; the defaults are those of ``Study``.
package struct EngineParameters: Equatable, Sendable {
    /// What a step costs before it does anything, in milliseconds.
    package var stepBaseMilliseconds = Study.stepBaseMilliseconds
    /// What each sequence that decodes adds to a step, in milliseconds.
    package var decodeMilliseconds = Study.decodeMilliseconds
    /// What each prompt token computed adds to a step, in milliseconds.
    package var prefillTokenMilliseconds = Study.prefillTokenMilliseconds
    /// What each token in the KV cache adds to a step, in milliseconds.
    package var cacheTokenMilliseconds = Study.cacheTokenMilliseconds
    /// Tokens of one step, decodes first, the rest for prefill (`--max-num-batched-tokens`).
    package var tokensPerStepMax = Study.tokensPerStepMax
    /// Sequences that run at once (`--max-num-seqs`).
    package var sequencesMax = Study.slots
    /// Tokens that fit into the KV cache; beyond it the newest sequence is preempted.
    package var cacheTokensMax = Study.cacheTokensMax
    /// Prompt and output of one request together (`--max-model-len`), never more than the KV cache.
    package var modelLengthMax = 16_384
    /// Tokens of one KV block: the unit of the prefix cache (`--block-size`).
    package var blockTokens = 16
    /// Whether what sequences leave in the KV cache serves prompts that begin alike
    /// (`--enable-prefix-caching`).
    package var keepsPrefixes = false
    /// Requests inside (waiting and running) before the server refuses with 503, as
    /// `--max-num-queued-reqs` does since vLLM 0.29; nil is the older behaviour, without bound.
    package var requestsMax: Int?
    /// Whether the body's `priority` orders the queue (`--scheduling-policy priority`).
    package var honoursPriority = false
    /// How often faster than life everything runs: 10 turns a step of 10 ms into one of 1 ms.
    package var speed = 1.0
    /// How time is spent.
    package var pace = EnginePace.stepModel

    /// The study's engine.
    package init() {}

    /// How long one step takes, never less than a microsecond.
    package func stepSpan(
        decodes: Int, prefillTokens: Int, cacheTokens: Int, slowFactor: Double
    ) -> Nanoseconds {
        let milliseconds =
            stepBaseMilliseconds + decodeMilliseconds * Double(decodes)
            + prefillTokenMilliseconds * Double(prefillTokens)
            + cacheTokenMilliseconds * Double(cacheTokens)
        return scaled(milliseconds * 1e-3 * slowFactor)
    }

    /// A span of model time in seconds as one of real time, never less than a microsecond.
    func scaled(_ seconds: Double) -> Nanoseconds {
        max(.seconds(clamping: seconds / max(speed, 1e-6)), .microseconds(1))
    }

    /// The parameters with every limit at least 1 and the model length inside the KV cache.
    package var clamped: EngineParameters {
        var result = self
        result.tokensPerStepMax = max(1, tokensPerStepMax)
        result.sequencesMax = max(1, sequencesMax)
        result.cacheTokensMax = max(2, cacheTokensMax)
        result.modelLengthMax = min(max(2, modelLengthMax), result.cacheTokensMax)
        result.blockTokens = max(1, blockTokens)
        return result
    }
}
