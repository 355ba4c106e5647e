import SluiceTime

// Written by the worker that owns the exchange and by nobody else; handed by reference to the
// metric shard and the access log when the exchange ends. Plain bytes: no references, no ARC.

/// What happened in one exchange: the only source of metrics, access log and objectives.
package struct ExchangeRecord: Sendable {
    /// Attempts kept by name at most; more are counted in ``retries`` only.
    package static let attemptsMax = 4

    // MARK: Clocks (docs/metrics.md; `Instant.unset` where the exchange never came so far)

    /// `t0`: first byte of the request head.
    package var started = Instant.unset
    /// `t1`: last byte of the request body, or the moment of an earlier refusal.
    package var received = Instant.unset
    /// `t2`: admitted and bound to a replica.
    package var admitted = Instant.unset
    /// `t3`: last request byte written upstream, in the last attempt.
    package var sent = Instant.unset
    /// `t4`: upstream response head.
    package var answered = Instant.unset
    /// `t6`: first content event complete upstream.
    package var firstContentArrived = Instant.unset
    /// `t7`: that event's last byte accepted by the client's socket.
    package var firstContentWritten = Instant.unset
    /// `t8`: the latest content event written.
    package var lastContentWritten = Instant.unset
    /// `t9`: the end.
    package var ended = Instant.unset
    /// Wall clock at `t0`, nanoseconds since 1970-01-01T00:00:00Z; for the log only.
    package var startedUnixNanoseconds: Int64 = 0
    /// When the client's departure was seen; unset if it stayed.
    package var clientGoneSeen = Instant.unset
    /// When the upstream connection was closed after that; unset if there was none.
    package var upstreamClosed = Instant.unset

    // MARK: How it ended

    package var outcome = Outcome.gatewayError
    package var reason = Reason.none
    /// The phase now; moves forward only. See ``endPhase`` once the exchange is finished.
    package var phase = Phase.receiving
    /// Whether ``MetricShard/received(_:)`` has counted the exchange.
    package internal(set) var isCounted = false
    /// The phase up to which a shard has counted the exchange; never `finished`.
    var countedPhase = Phase.receiving
    /// The status sent to the client; 499 if the client left first, 0 if none was sent.
    package var status: UInt16 = 0
    /// The last upstream status; 0 if none came.
    package var upstreamStatus: UInt16 = 0

    // MARK: What was asked

    package var method = RequestMethod.other
    package var route = Route.unknown
    /// Whether the answer is an event stream; without one, and of a refusal, whether one was asked for.
    package var isStream = false
    /// Index into ``NameTables/models``.
    package var modelIndex = ModelTable.other
    /// Index into ``NameTables/classes``.
    package var classIndex: UInt8 = 0
    /// Index into ``NameTables/pools``, -1 for none.
    package var poolIndex: Int16 = -1
    /// Index into ``NameTables/tenants``, -1 for none.
    package var tenantIndex: Int16 = -1
    /// Which try of the client this is by `x-stainless-retry-count`; 0 for the first.
    package var clientRetryCount: UInt8 = 0

    // MARK: Who served it

    /// Index into ``NameTables/replicas`` of the last replica, -1 for none.
    package var replicaIndex: Int32 = -1
    /// All replicas tried, in order; the first ``attempts`` count.
    package private(set) var replicasTried = InlineArray<4, Int32>(repeating: -1)
    /// The six characters that make each attempt's upstream request id, packed little-endian.
    package private(set) var attemptSuffixes = InlineArray<4, UInt64>(repeating: 0)
    /// Attempts kept, 0 … ``attemptsMax``.
    package private(set) var attempts: UInt8 = 0
    /// Attempts after the first.
    package var retries: UInt8 = 0

    // MARK: How much

    /// Bytes of the request body read.
    package var bytesIn: UInt64 = 0
    /// Bytes of the response, head and body, written.
    package var bytesOut: UInt64 = 0
    /// Prompt tokens by `usage`, -1 where unknown.
    package var promptTokens: Int32 = -1
    /// Prompt tokens guessed from the body, before anybody has counted them; -1 where it was not
    /// read.
    package var promptTokensEstimated: Int32 = -1
    /// Prompt tokens found in the replica's cache by `usage`, -1 where unknown.
    package var cachedTokens: Int32 = -1
    /// Generated tokens by `usage`, -1 where unknown.
    package var generationTokens: Int32 = -1
    /// The request's own limit on generated tokens, -1 where it set none.
    package var tokensMax: Int32 = -1
    /// Content events written to the client.
    package var contentEvents: UInt32 = 0
    /// Time blocked on the client's full socket.
    package var blocked = Nanoseconds.zero
    /// The wait that admission predicted, negative where it predicted none.
    package var predictedWait = Nanoseconds(-1)
    /// Half the smoothed round-trip time to the client (TCP_INFO), negative where unknown.
    package var networkShare = Nanoseconds(-1)

    // MARK: Names

    package var requestID = InlineText<128>()
    /// Whether whoever set ``requestID`` knows that it may stand in a JSON string as it is; else the
    /// log looks.
    package var isRequestIDPlain = false
    /// W3C trace id, 32 hexadecimal digits, or empty.
    package var traceID = InlineText<32>()
    /// The client's address, without its port.
    package var client = InlineText<46>()
    /// The path asked for, without the query, cut at 96 bytes.
    package var path = InlineText<96>()

    /// A record of an exchange that has not begun.
    package init() {}

    /// Notes one attempt: the replica and the six characters appended to its request id.
    package mutating func attempted(replica: Int32, suffix: UInt64) {
        replicaIndex = replica
        let index = Int(attempts)
        guard index < Self.attemptsMax else { return }
        replicasTried[index] = replica
        attemptSuffixes[index] = suffix
        attempts &+= 1
    }
}

/// The parts of a time to first token; they partition it.
package enum Stage: UInt8, CaseIterable, Sendable {
    /// `t2 − t1`: in our queue.
    case queue
    /// `t3 − t2`: connecting and sending the request, failed attempts included.
    case connect
    /// `t6 − t3`: in the replica.
    case engine
    /// `t7 − t6`: from the upstream's socket into the client's.
    case deliver

    /// The value of the label `stage`.
    package var label: StaticString {
        switch self {
        case .queue: "queue"
        case .connect: "connect"
        case .engine: "engine"
        case .deliver: "deliver"
        }
    }
}

// Below, clocks are compared and subtracted as bare integers: the saturating operators of
// SluiceTime cost ninety instructions per call here (measured), and clocks of one machine cannot
// be far enough apart to need them.
extension ExchangeRecord {
    /// Time from the first byte of the head to the last of the body.
    @inline(__always)
    package var receiveTime: Nanoseconds? {
        Self.span(from: started, to: received)
    }

    /// Time from the last request byte to the end.
    @inline(__always)
    package var duration: Nanoseconds? {
        Self.span(from: received, to: ended)
    }

    /// Client-visible time to first token, `t7 − t1`; nil for what is no event stream.
    @inline(__always)
    package var timeToFirstToken: Nanoseconds? {
        isStream ? Self.span(from: received, to: firstContentWritten) : nil
    }

    /// The time between two clocks, nil if one is unset, zero if they are out of order.
    @inline(__always)
    static func span(from a: Instant, to b: Instant) -> Nanoseconds? {
        if a.nanoseconds == 0 || b.nanoseconds == 0 { return nil }
        return Nanoseconds(Swift.max(0, b.nanoseconds &- a.nanoseconds))
    }

    /// Time per output token: first to last content write over the tokens after the first.
    ///
    /// Nil below two tokens. `isUsage` says whether the tokens come from `usage`, or are content
    /// events.
    @inline(__always)
    package var timePerOutputToken: (time: Nanoseconds, isUsage: Bool)? {
        let first = firstContentWritten.nanoseconds
        let last = lastContentWritten.nanoseconds
        guard isStream, first != 0, last > first else { return nil }
        let isUsage = generationTokens >= 0
        let tokens = isUsage ? Int64(generationTokens) : Int64(contentEvents)
        guard tokens >= 2 else { return nil }
        return (Nanoseconds((last &- first) / (tokens &- 1)), isUsage)
    }

    /// How long `stage` took; whatever clocks are missing or out of order, the four stages of a
    /// delivered first token sum to ``timeToFirstToken``.
    ///
    /// Clocks read once per batch may lie before those read at an edge, and a replica may answer
    /// before it has the whole request: every bound is held between `t1` and the next one. A stage
    /// that was never reached ends where the exchange did.
    package func time(in stage: Stage) -> Nanoseconds { stageTimes[Int(stage.rawValue)] }

    /// The times of all stages, in the order of ``Stage``'s cases.
    @inline(__always)
    package var stageTimes: InlineArray<4, Nanoseconds> {
        @inline(__always)
        func held(_ clock: Instant, from start: Int64, by next: Int64) -> Int64 {
            let clock = clock.nanoseconds
            return clock == 0 ? next : Swift.min(Swift.max(clock, start), next)
        }
        let start = received.nanoseconds
        let written = firstContentWritten.nanoseconds
        let delivered = Swift.max(start, written != 0 ? written : ended.nanoseconds)
        let arrived = held(firstContentArrived, from: start, by: delivered)
        let sent = held(sent, from: start, by: arrived)
        let admitted = held(admitted, from: start, by: sent)
        return [
            Nanoseconds(admitted &- start), Nanoseconds(sent &- admitted),
            Nanoseconds(arrived &- sent), Nanoseconds(delivered &- arrived),
        ]
    }
}
