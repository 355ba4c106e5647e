import SluiceBytes
import SluiceExchange
import SluiceHTTP
import SluiceReactor
import SluiceTelemetry
import SluiceTime
import SluiceTracing
import SluiceTraffic
import SluiceVLLM

// Owned by one worker; lives in its slot table from the head's last byte until the answer's.
//
// What is called for every request or event is `mutating` even where it changes nothing: a borrow of
// a type this large is passed as a copy of it, three hundred instructions a call (measured).

/// One request and its response.
struct Exchange: ~Copyable {
    /// Bytes of one event held until it is whole; a longer one passes in parts.
    static let eventBytesMax = 65_536

    var record: ExchangeRecord
    /// Nil where the exchange is not recorded as a trace.
    var trace: Pinned<ExchangeTrace>?
    let downstream: UInt32
    var upstream = noSlot
    var permit: Permit?
    var ticket: QueueTicket?
    /// Index of the pool; meaningful once the request is judged.
    var traffic = 0
    /// Whether the exchange is in its worker's ``UnansweredList``, and its neighbours there.
    var isUnanswered = false
    var unansweredNext = noSlot
    var unansweredPrevious = noSlot

    // The request, kept until the answer begins so that it can be sent again:
    // target, client's authorization, other fields, body – one after the other.
    var method = Method.other
    var clientIsHTTP11 = true
    var hasBody = false
    var request = ByteBuffer()
    var targetCount = 0
    var authorizationCount = 0
    var fieldsCount = 0
    var bodyDecoder: BodyDecoder
    /// Finds the model of an audio upload; nil for JSON, and where the content type names no boundary.
    var multipart: Pinned<MultipartPeek>?
    /// Of `POST /v1/responses`: the replica keeps the answer.
    var isStored = true
    /// Bytes of the shared budget that the request holds.
    var reservedBytes = 0
    /// The replica's own key took the place of the client's in this attempt.
    var isSentWithOurKey = false
    /// Bytes of the body written to the upstream in this attempt.
    var bodySent = 0
    var isRequestSent = false
    /// This attempt asks the replica for its load.
    var asksForLoad = false
    var arrival = Arrival()
    /// Its tenant has a quota.
    var isMetered = false
    /// Tokens taken out of that; negative: nothing was.
    var quotaTokens: Int32 = -1
    /// The client asked what becomes of its request (`x-sluice-explain: 1`).
    var isExplained = false

    /// The replica that made the response the request is about, or continues: no other can answer.
    var owner: ReplicaID?

    // Attempts.
    var lastReplica = ReplicaID(slot: .max, generation: .max)
    var excluded = ReplicaIDs()
    var attempts = 0
    var repeats = 0
    var deaths = 0
    /// The failure that the confirmed death of the replica would allow to retry.
    var awaitingCorroboration: UpstreamFailure?

    // The answer.
    var answerFraming = AnswerFraming.none
    var isHeadParsed = false
    /// A byte of the answer has been given to the client's socket: nothing is retried any more.
    var isAnswerBegun = false
    /// The head waits in the client's output buffer for the first event.
    var isHeadHeld = false
    var answerBody = BodyDecoder(framing: .none)
    var upstreamKeepsAlive = false
    var interimAnswers = 0
    var isEventStream = false
    /// As what ``ReplicaProgress`` counts it.
    var progress = CountedProgress.none
    var stripsUsage = false
    /// How the body was made to ask for usage.
    var usageEdit = UsageEdit()
    var readsUsage = false
    /// Looks for the id of a response that the replica keeps; nil for everything else.
    var idPeek: Pinned<ResponseIDPeek>?
    /// The part of an event that has come so far; events pass whole.
    var partialEvent = ByteBuffer()
    /// The classifier has a part of an event.
    var isEventBegun = false
    var sawEvent = false
    /// The engine has begun to answer in this attempt, and the pool has been told so.
    var sawOutput = false
    var isOutputTold = false
    var sawTerminalEvent = false
    var sawErrorEvent = false
    var hasContent = false
    /// An event, of whatever kind, has ended since ``upstreamDeadline`` was set.
    var sawEventEnd = false
    var newContentEvents = 0
    var pendingContentEvents = 0
    /// Time blocked on the client's full socket since the last content event was written.
    var blockedInGap = Nanoseconds.zero
    /// Reading the upstream waits for a slow client.
    var isPaused = false
    /// The upstream's part is over and the permit given back.
    var isUpstreamDone = false
    /// Of an answer of our own.
    var ownOutcome: Outcome?
    /// The caller's own limit on the wait for content, from `t1` on; zero: none was given.
    var callerLimit = Nanoseconds.zero
    var callerDeadline = Deadline.never
    var upstreamDeadline = Deadline.never
    /// When the answer has lasted as long as it may: ``upstreamDeadline`` is no later once it has gone on.
    var totalDeadline = Deadline.never
    var holdDeadline = Deadline.never

    /// - Parameter blank: a record of an exchange that has not begun.
    @inline(__always)
    init(_ blank: borrowing ExchangeRecord, downstream: UInt32, framing: BodyFraming) {
        record = copy blank
        self.downstream = downstream
        bodyDecoder = BodyDecoder(framing: framing)
        hasBody = framing != .none
    }

    /// Offset of the body in `request`.
    var bodyStart: Int { targetCount + authorizationCount + fieldsCount }
    var bodyCount: Int { request.count - bodyStart }

    /// How poison is recognised.
    var bodyHash: UInt64 { FNV1a(request.bytes.extracting(bodyStart..<request.count)).value }

    // MARK: Attempts

    /// Writes the head for one replica, and the body with it where both fit a block.
    mutating func composeRequest(
        for endpoint: ReplicaEndpoint, suffix: UInt64, into output: inout ByteBuffer
    ) {
        let bodyCount = bodyCount
        appendHead(for: endpoint, suffix: suffix, into: &output)
        if bodyCount > 0, bodyCount <= output.room {
            output.append(request.bytes.extracting(bodyStart..<request.count))
            bodySent = bodyCount
        }
    }

    private mutating func appendHead(
        for endpoint: ReplicaEndpoint, suffix: UInt64, into output: inout ByteBuffer
    ) {
        let (authority, key) = (endpoint.authority, endpoint.authorization)
        isSentWithOurKey = !key.isEmpty
        RequestForwarding.appendHead(
            method: method, kept: request.bytes, targetCount: targetCount,
            authorizationCount: authorizationCount, fieldsCount: fieldsCount,
            authority: authority.span, authorization: key.span, requestID: record.requestID.bytes,
            suffix: suffix, bodyCount: method == .post || hasBody ? bodyCount : nil,
            asksForLoad: asksForLoad, into: &output)
    }

    /// Writes what is left of the request to its connection; false when that is broken.
    mutating func send(on connection: inout UpstreamConnection, _ pool: BufferPool) -> Bool {
        let bodyStart = bodyStart
        return connection.send(request, bodyStart: bodyStart, bodySent: &bodySent, pool)
    }

    /// Whether the request may be sent twice.
    private var repeatKind: RepeatKind {
        switch method {
        case .get, .head: record.route == .responsesByID ? .never : .reading
        case .post:
            record.route.isRepeatable || record.route == .responses && !isStored
                ? .inference : .never
        case .put, .delete, .patch, .options, .connect, .trace, .other: .never
        }
    }

    /// The facts that the retry rule wants.
    func retryCase(_ failure: AttemptFailure, bytesAcknowledged: Int?) -> RetryCase {
        RetryCase(
            kind: repeatKind, failure: failure, bytesAcked: bytesAcknowledged,
            attempts: attempts - Int(arrival.recalls), repeats: repeats, deaths: deaths,
            hasAnswered: isAnswerBegun)
    }

    /// Whether it is at this replica and has nothing of the engine's yet: a held head is the API
    /// server's, which sends it at once.
    func isUnstarted(at replica: ReplicaID, pool: Int) -> Bool {
        permit != nil && traffic == pool && lastReplica == replica && owner == nil
            && !isAnswerBegun && (!isHeadParsed || isHeadHeld) && !sawEvent && !isEventBegun
    }

    /// Whether one of these means it, and it has not begun.
    func isMeant(by recalls: [Recall]) -> Bool {
        for recall in recalls where permit?.isMeant(by: recall) ?? false {
            return isUnstarted(at: lastReplica, pool: traffic)
        }
        return false
    }

    /// Whether a 503 of the engine's own queue limit may go elsewhere: nothing has been written.
    var mayRetryRefusal: Bool { !isAnswerBegun && repeatKind == .inference }

    /// Forgets an attempt's answer.
    mutating func resetAnswer(_ readers: inout ExchangeReaders) {
        readers.beginAnswer(record.route)
        isHeadParsed = false
        isHeadHeld = false
        isRequestSent = false
        bodySent = 0
        interimAnswers = 0
        upstreamDeadline = .never
        totalDeadline = .never
        holdDeadline = .never
        idPeek = nil
        partialEvent.removeAll()
        isEventBegun = false
        isEventStream = false
        sawEvent = false
        sawOutput = false
        isOutputTold = false
    }

    // MARK: The answer

    /// Whether the body's bytes go to the client without being looked at as events, or framed anew.
    var passesBodyAsItIs: Bool {
        mutating get {
            guard !isEventStream, idPeek == nil else { return false }
            switch answerFraming {
            case .length, .untilClose: return true
            case .none, .chunked: return false
            }
        }
    }

    /// What the exchange has come to when the last byte has gone out.
    var finalOutcome: Outcome {
        mutating get {
            if let ownOutcome { return ownOutcome }
            if sawErrorEvent { return .streamError }
            switch record.upstreamStatus {
            case 500...599: return .upstreamFailed
            case 400...499: return .upstreamClientError
            default: return .ok
            }
        }
    }

    /// What a whole answer says of its replica.
    var answerVerdict: PermitEnd {
        switch record.upstreamStatus {
        // Its own queue limit: a busy replica is not a sick one.
        case 503, 429: .refused
        case 500...: .serverError
        default: sawErrorEvent ? .serverError : .success
        }
    }

    /// The stream ended politely without its terminal event: it was cut, and must look so.
    var lacksTerminalEvent: Bool {
        isEventStream && !sawTerminalEvent && !sawErrorEvent && record.upstreamStatus == 200
            && EventClassifier.needsTerminalEvent(record.route)
    }

    /// Copies token counts into the record.
    mutating func takeUsage(_ readers: inout ExchangeReaders) {
        guard readsUsage else { return }
        let usage = isEventStream ? readers.classifier.usage : readers.usage.usage
        if usage.prompt >= 0 { record.promptTokens = usage.prompt }
        if usage.completion >= 0 { record.generationTokens = usage.completion }
        if usage.cached >= 0 { record.cachedTokens = usage.cached }
    }

    /// What the request has taken of its replica, as far as known.
    var service: Service {
        var tokens = Int(record.generationTokens)
        let events = isEventStream ? Int(record.contentEvents) : -1
        if tokens < 0 { tokens = events }
        // A client that did not read has made time of its own.
        let pace = record.blocked == .zero ? record.timePerOutputToken?.time : nil
        return Service(
            promptTokens: Int(record.promptTokens), cachedTokens: Int(record.cachedTokens),
            outputTokens: tokens, contentEvents: events, timePerToken: pace ?? .zero)
    }
}
