/// What the router goes by: a request's size, whose it is, and where it must not go.
struct RouteRequest: Sendable {
    /// Replicas it must not go to; not empty for retries only.
    var excluding = ReplicaIDs()
    /// Prompt tokens to compute.
    var promptTokens = 0.0
    /// Requests of one key share their beginning; 0: none is known.
    var affinityKey: UInt64 = 0
    /// Tokens of that beginning.
    var sharedTokens = 0.0
    /// The replica that requests of its key are sent to first, when it was last looked for.
    var home = ReplicaID(slot: .max, generation: .max)
    /// Tokens of KV cache it will need.
    var reserve = 0.0
    /// Output tokens to be expected.
    var outputTokens = 256.0
    /// Output tokens of the requests it will wait for.
    var meanOutputTokens = 256.0
    /// Part of a replica's window that its class may fill.
    var maxShare = 1.0
    var promptBytes: Int32 = 0
    var model: UInt16 = 0
    var tenant: UInt16 = 0
    /// See ``Arrival/adapter``.
    var adapter: UInt16 = 0
    var classIndex: UInt8 = 0
    var isStream = true
    /// The client has been refused before and asks again: it is no further demand.
    var isRepeated = false
    /// See ``Arrival/isKeyGuessed``.
    var isKeyGuessed = false
    /// See ``Arrival/recalls``.
    var recalls: UInt8 = 0
    /// See ``Arrival/tag``.
    var tag: UInt64 = 0

    /// Whether it is worth sending where others of its key were sent.
    var hasAffinity: Bool { affinityKey != 0 && sharedTokens >= PrefixBeliefs.tokensMin }
    /// Whether it has a replica of its own, which those of its key go to from the first on.
    var hasHome: Bool { hasAffinity && !isKeyGuessed }
}
