import SluiceTime

/// What admission knows of a request.
package struct Arrival: Sendable {
    /// Bytes of prompt text, which the pool turns into tokens by what it has learned.
    package var promptBytes: Int
    /// Prompt tokens known as such: token arrays, and a constant per image or audio part.
    package var promptTokens: Int
    /// Output tokens the request may ask for; 0 where it does not say.
    package var outputTokensMax: Int
    /// Answers asked for at once (`n`, `best_of`); at least 1.
    package var sequences: Int
    /// Whether an event stream was asked for.
    package var isStream: Bool
    /// Priority class, 0 the most urgent; index into ``AdmissionPolicy/classes``.
    package var classIndex: Int
    /// Index into ``AdmissionPolicy/tenants``; 0 is anonymous.
    package var tenantIndex: Int
    /// Bytes of body held for it.
    package var bodyBytes: Int
    /// The caller's own deadline; the pool's objective applies besides.
    package var deadline: Deadline
    /// When the request was whole: its objective counts from then; unset is now.
    package var received: Instant
    /// Which of the pool's models; the estimates are kept by it.
    package var modelIndex: Int
    /// Requests of one key share a prefix; 0: nothing is known to be shared.
    package var affinityKey: UInt64
    /// Bytes of prompt that the requests of one key share.
    package var sharedBytes: Int
    /// The last eight bytes of its id, by which `/decisions` names it; 0: none.
    package var tag: UInt64 = 0
    /// The client has asked before (`x-stainless-retry-count`): counted once as demand.
    package var isRepeated = false
    /// ``affinityKey`` is what the prompt begins with rather than a name that the client gave: it says
    /// where the beginning may be cached, and nothing where it has not been.
    package var isKeyGuessed = false
    /// The gateway's number of the LoRA adapter that is asked for; 0: none.
    package var adapter: UInt16 = 0

    package init(
        promptBytes: Int = 0, promptTokens: Int = 0, outputTokensMax: Int = 0, sequences: Int = 1,
        isStream: Bool = true, classIndex: Int = 0, tenantIndex: Int = 0, bodyBytes: Int = 0,
        deadline: Deadline = .never, received: Instant = .unset, modelIndex: Int = 0,
        affinityKey: UInt64 = 0,
        sharedBytes: Int = 0
    ) {
        self.promptBytes = promptBytes
        self.promptTokens = promptTokens
        self.outputTokensMax = outputTokensMax
        self.sequences = sequences
        self.isStream = isStream
        self.classIndex = classIndex
        self.tenantIndex = tenantIndex
        self.bodyBytes = bodyBytes
        self.deadline = deadline
        self.received = received
        self.modelIndex = modelIndex
        self.affinityKey = affinityKey
        self.sharedBytes = sharedBytes
    }
}
