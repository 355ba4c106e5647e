import SluiceTime

/// What admission knows of a request.
@usableFromInline package struct Arrival: Sendable {
    /// Bytes of prompt text, which the pool turns into tokens by what it has learned.
    @usableFromInline package var promptBytes: Int
    /// Prompt tokens known as such: token arrays, and a constant per image or audio part.
    @usableFromInline package var promptTokens: Int
    /// Output tokens the request may ask for; 0 where it does not say.
    @usableFromInline package var outputTokensMax: Int
    /// Answers asked for at once (`n`, `best_of`); at least 1.
    @usableFromInline package var sequences: Int
    /// Whether an event stream was asked for.
    @usableFromInline package var isStream: Bool
    /// Priority class, 0 the most urgent; index into ``AdmissionPolicy/classes``.
    @usableFromInline package var classIndex: Int
    /// Index into ``AdmissionPolicy/tenants``; 0 is anonymous.
    @usableFromInline package var tenantIndex: Int
    /// Bytes of body held for it.
    @usableFromInline package var bodyBytes: Int
    /// The caller's own deadline; the pool's objective applies besides.
    @usableFromInline package var deadline: Deadline
    /// When the request was whole: its objective counts from then; unset is now.
    @usableFromInline package var received: Instant
    /// Which of the pool's models; the estimates are kept by it.
    @usableFromInline package var modelIndex: Int
    /// Requests of one key share a prefix; 0: nothing is known to be shared.
    @usableFromInline package var affinityKey: UInt64
    /// Bytes of prompt that the requests of one key share.
    @usableFromInline package var sharedBytes: Int
    /// The last eight bytes of its id, by which `/decisions` names it; 0: none.
    @usableFromInline package var tag: UInt64
    /// The client has asked before (`x-stainless-retry-count`): counted once as demand.
    @usableFromInline package var isRepeated: Bool
    /// ``affinityKey`` is what the prompt begins with rather than a name that the client gave: it says
    /// where the beginning may be cached, and nothing where it has not been.
    @usableFromInline package var isKeyGuessed: Bool
    /// The gateway's number of the LoRA adapter that is asked for; 0: none.
    @usableFromInline package var adapter: UInt16
    /// How often it has been taken back from an engine that was full.
    @usableFromInline package var recalls: UInt8 = 0

    @inlinable package init(
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
        tag = 0
        isRepeated = false
        isKeyGuessed = false
        adapter = 0
    }
}
