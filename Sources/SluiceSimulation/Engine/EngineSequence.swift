import SluiceTime

/// What the engine remembers of one request.
struct EngineSequence {
    let id: EngineRequestID
    let request: EngineRequest
    let arrival: Instant
    /// When first admitted; unset while it waits for the first time.
    var scheduled = Instant.unset
    /// When its last token came out.
    private(set) var firstToken = Instant.unset
    private(set) var lastToken = Instant.unset
    /// Tokens to compute before decoding: the prompt, and after a preemption its own output too.
    var prefillTarget: Int
    /// Tokens whose KV is computed (or was found in the prefix cache).
    var computed = 0
    /// Tokens of cache that it holds alone.
    var allocated = 0
    /// Of its prompt's beginnings, those that it holds together with others, shortest first.
    var beginnings = 0
    /// Prompt tokens found in the prefix cache.
    var cached = 0
    /// Whether it is still inside: a place whose sequence has ended waits for its next one.
    var isInside = true
    /// Tokens that came out.
    private(set) var generated = 0

    init(id: EngineRequestID, request: EngineRequest, arrival: Instant) {
        self.id = id
        self.request = request
        self.arrival = arrival
        prefillTarget = request.promptTokens
    }

    /// Whether the prefill is done.
    var isDecoding: Bool { computed >= prefillTarget }

    /// Records that the sequence gave its next output at `at`.
    mutating func emit(at: Instant) -> EngineEmission {
        let isFirst = !firstToken.isSet
        let gap = at - lastToken
        if isFirst { firstToken = at }
        lastToken = at
        let tokens = request.outputTokens == 0 ? 0 : 1
        generated += tokens
        var finish: EngineFinish?
        if generated >= request.outputTokens {
            finish = EngineFinish(
                reason: request.finishReason, promptTokens: request.promptTokens,
                generatedTokens: generated, cachedTokens: cached, maxTokens: request.maxTokens,
                choices: request.choices, arrival: arrival, scheduled: scheduled,
                firstToken: firstToken, lastToken: at)
        }
        return EngineEmission(
            id: id, at: at, tokens: tokens, tokensSoFar: generated,
            timeToFirstToken: isFirst ? at - arrival : nil, gap: isFirst ? nil : gap,
            finish: finish, promptTokens: isFirst ? request.promptTokens : 0,
            cachedTokens: isFirst ? cached : 0)
    }
}
