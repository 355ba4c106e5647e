import SluiceBytes
import SluiceExchange
import SluiceHTTP
import SluiceTelemetry
import SluiceTime
import SluiceTraffic
import SluiceVLLM

// Owned by one worker; lives in its slot table from the head's last byte until the answer's.

/// One request and its response.
struct Exchange: ~Copyable {
    /// How the answer's body is framed for the client.
    enum AnswerFraming {
        case none
        case length
        case chunked
        /// An HTTP/1.0 client: the end of the connection is the end of the body.
        case untilClose
    }

    var record = ExchangeRecord()
    let downstream: UInt32
    var upstream = noSlot
    var permit: Permit?
    var ticket: QueueTicket?
    var traffic = -1

    // The request, kept until the answer begins so that it can be sent again:
    // target, client's authorization, other fields, body – one after the other.
    var request = ByteBuffer()
    var targetCount = 0
    var authorizationCount = 0
    var fieldsCount = 0
    var bodyDecoder: BodyDecoder
    var peek: RequestPeek
    var reservedBytes = 0
    /// Bytes of the body written to the upstream in this attempt.
    var bodySent = 0
    var isRequestSent = false
    var arrival = Arrival()
    var excluded = ReplicaIDs()
    /// The failure that a corroboration of the replica's death would allow to retry.
    var awaitingCorroboration: UpstreamFailure?

    // The answer.
    var answerFraming = AnswerFraming.none
    var isHeadParsed = false
    /// A byte of the answer has been given to the client's socket: nothing is retried any more.
    var isAnswerBegun = false
    /// The head waits in the client's output buffer for the first event.
    var isHeadHeld = false
    var answerBody = BodyDecoder(framing: .none)
    var isEventStream = false
    var stripsUsage = false
    var scanner = EventStreamScanner()
    var classifier: EventClassifier
    var usagePeek: UsagePeek?
    /// The part of an event that has come so far; events pass whole.
    var partialEvent = ByteBuffer()
    var sawTerminalEvent = false
    var sawErrorEvent = false
    /// The upstream's part is over and the permit given back.
    var isUpstreamDone = false
    /// Output bytes up to which the first content event must be written for `t7`; 0: not yet.
    var firstContentMark: UInt64 = 0
    var upstreamDeadline = Deadline.never
    var holdDeadline = Deadline.never

    init(downstream: UInt32, route: Route, framing: BodyFraming) {
        self.downstream = downstream
        bodyDecoder = BodyDecoder(framing: framing)
        peek = RequestPeek(route: route)
        classifier = EventClassifier(route: route)
    }

    /// Offset of the body in `request`.
    var bodyStart: Int { targetCount + authorizationCount + fieldsCount }
    var bodyCount: Int { request.count - bodyStart }
}
