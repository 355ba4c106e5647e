import SluiceBytes
import SluiceTelemetry
import SluiceTime
import Testing

@testable import SluiceTracing

@Suite struct ExchangeSpansTests {
    private static let start = 1_700_000_000_000_000_000

    private static func ms(_ milliseconds: Int64) -> Instant {
        Instant(nanoseconds: 5_000_000_000 + milliseconds * 1_000_000)
    }

    private static var names: NameTables {
        var names = NameTables()
        _ = names.models.intern("tiny")
        names.classes = ["urgent", "standard"]
        return names
    }

    private static let peers = (1...9).map {
        TracePeer(name: "replica-\($0)", host: "10.0.0.\($0)", port: 8_000)
    }

    /// A chat of 8 ms of receiving, 12 of waiting, 5 of connecting, 75 of prefill, 200 of stream.
    private static func stream() -> ExchangeRecord {
        var record = ExchangeRecord()
        record.startedUnixNanoseconds = Int64(start)
        record.started = ms(0)
        record.received = ms(8)
        record.admitted = ms(20)
        record.sent = ms(25)
        record.answered = ms(30)
        record.firstContentArrived = ms(100)
        record.firstContentWritten = ms(101)
        record.lastContentWritten = ms(299)
        record.ended = ms(300)
        record.outcome = .ok
        record.status = 200
        record.upstreamStatus = 200
        record.method = .post
        record.route = .chatCompletions
        record.isStream = true
        record.modelIndex = 0
        record.classIndex = 1
        record.poolIndex = 0
        record.path.append(Array("/v1/chat/completions".utf8).span)
        record.client.append(Array("192.0.2.7".utf8).span)
        record.requestID.append(Array("id-1".utf8).span)
        record.bytesIn = 77
        record.promptTokens = 7
        record.cachedTokens = 4
        record.generationTokens = 12
        record.tokensMax = 64
        record.contentEvents = 6
        return record
    }

    private static func blank(parent: UInt64? = nil) throws -> ExchangeTrace {
        ExchangeTrace(
            trace: try #require(TraceID(high: 1, low: 2)), parent: parent.flatMap { SpanID($0) },
            root: try #require(SpanID(3)), isTLS: false)
    }

    private static func attempt(
        _ trace: inout ExchangeTrace, _ number: Int, at time: Int64
    ) throws {
        let engine = try #require(SpanID(UInt64(100 + number)))
        let suffix = UInt64(0x66_6564_6362_61)  // abcdef
        trace.attempt(at: peers[number - 1], engine: engine, suffix: suffix, now: ms(time))
    }

    private static func spans(_ trace: ExchangeTrace) -> [TraceSpan] {
        var random = SplitMix64(seed: 0)
        var trace = trace
        let spans = trace.spans(names: names, random: &random)
        let count = trace.spanCount
        #expect(count == spans.count)
        #expect(Set(spans.map(\.id)).count == spans.count)
        for span in spans {
            #expect(span.trace == trace.trace)
            #expect(span.parent == (span.id == trace.root ? trace.parent : trace.root))
            #expect(span.start >= spans[0].start && span.end <= spans[0].end, "\(span.name)")
        }
        return spans
    }

    /// Name, start and end in milliseconds.
    private static func times(_ spans: [TraceSpan]) -> [String] {
        spans.map { span in
            "\(span.name) \((span.start - Int64(start)) / 1_000_000)–"
                + "\((span.end - Int64(start)) / 1_000_000)\(span.isError ? " !" : "")"
        }
    }

    private static func value(_ span: TraceSpan?, _ key: String) -> AttributeValue? {
        let found = span?.attributes.filter { $0.key == key } ?? []
        #expect(found.count <= 1, "\(key) is there twice")
        return found.first?.value
    }

    @Test func `a stream is cut where the clocks of its record are`() throws {
        var trace = try Self.blank(parent: 9)
        try Self.attempt(&trace, 1, at: 20)
        var record = Self.stream()
        trace.ended(&record)
        let spans = Self.spans(trace)
        #expect(
            Self.times(spans) == [
                "chat tiny 0–300", "receive 0–8", "queue 8–20", "connect 20–25", "engine 25–100",
                "stream 100–300",
            ])
        #expect(
            spans.map(\.kind) == [.server, .internal, .internal, .client, .client, .internal])
        #expect(spans[0].isParentRemote && !spans[1].isParentRemote)
        #expect(spans[0].parent == SpanID(9))
        #expect(spans[4].id == SpanID(101))
        #expect(
            spans[0].events == [TraceSpan.Event("first_token", at: Int64(Self.start) + 101_000_000)]
        )
    }

    @Test func `the whole says what was asked and what came of it`() throws {
        var trace = try Self.blank()
        try Self.attempt(&trace, 1, at: 20)
        var record = Self.stream()
        record.predictedWait = .milliseconds(15)
        trace.ended(&record)
        let span = Self.spans(trace)[0]
        let expected: [(String, AttributeValue)] = [
            ("http.request.method", .text("POST")), ("url.path", .text("/v1/chat/completions")),
            ("url.scheme", .text("http")), ("http.route", .text("/v1/chat/completions")),
            ("http.response.status_code", .integer(200)), ("client.address", .text("192.0.2.7")),
            ("http.request.body.size", .integer(77)), ("gen_ai.operation.name", .text("chat")),
            ("gen_ai.provider.name", .text("vllm")), ("gen_ai.request.model", .text("tiny")),
            ("gen_ai.request.max_tokens", .integer(64)),
            ("gen_ai.usage.input_tokens", .integer(7)),
            ("gen_ai.usage.cache_read.input_tokens", .integer(4)),
            ("gen_ai.usage.output_tokens", .integer(12)),
            ("gen_ai.latency.time_to_first_token", .number(0.093)),
            ("gen_ai.latency.time_in_queue", .number(0.012)),
            ("gen_ai.latency.e2e", .number(0.292)), ("sluice.request_id", .text("id-1")),
            ("sluice.class", .text("standard")), ("sluice.stream", .boolean(true)),
            ("sluice.outcome", .text("ok")), ("sluice.replica", .text("replica-1")),
            ("sluice.content_events", .integer(6)), ("sluice.predicted_wait", .number(0.015)),
        ]
        #expect(Set(span.attributes.map(\.key)) == Set(expected.map(\.0)))
        for (key, value) in expected {
            guard case .number(let number) = value else {
                #expect(Self.value(span, key) == value, "\(key)")
                continue
            }
            guard case .number(let found) = Self.value(span, key) else {
                Issue.record("\(key) is no number")
                continue
            }
            #expect(abs(found - number) < 1e-9, "\(key)")
        }
    }

    @Test func `an attempt says where it went, as what, and what came back`() throws {
        var trace = try Self.blank()
        try Self.attempt(&trace, 1, at: 20)
        var record = Self.stream()
        trace.ended(&record)
        let spans = Self.spans(trace)
        for span in spans[3...4] {
            #expect(Self.value(span, "server.address") == .text("10.0.0.1"))
            #expect(Self.value(span, "server.port") == .integer(8_000))
            #expect(Self.value(span, "sluice.replica") == .text("replica-1"))
            #expect(Self.value(span, "http.request.method") == .text("POST"))
            #expect(Self.value(span, "http.request.resend_count") == nil)
        }
        #expect(Self.value(spans[4], "http.response.status_code") == .integer(200))
        #expect(Self.value(spans[4], "sluice.upstream_request_id") == .text("id-1-abcdef"))
        #expect(Self.value(spans[4], "gen_ai.request.model") == .text("tiny"))
    }

    @Test func `what is no stream has none, and its engine works to the end`() throws {
        var trace = try Self.blank()
        try Self.attempt(&trace, 1, at: 20)
        var record = Self.stream()
        record.isStream = false
        record.firstContentArrived = .unset
        record.firstContentWritten = .unset
        record.contentEvents = 0
        trace.ended(&record)
        let spans = Self.spans(trace)
        #expect(
            Self.times(spans) == [
                "chat tiny 0–300", "receive 0–8", "queue 8–20", "connect 20–25", "engine 25–300",
            ])
        #expect(spans[0].events.isEmpty)
        #expect(Self.value(spans[0], "gen_ai.latency.time_to_first_token") == nil)
    }

    @Test func `a failed attempt is a span with its error, and the next one says so`() throws {
        var trace = try Self.blank()
        var record = Self.stream()
        record.sent = .unset
        record.answered = .unset
        try Self.attempt(&trace, 1, at: 20)
        // Refused at once, without waiting again.
        trace.attemptFailed(.connectRefused, &record, now: Self.ms(22))
        trace.attemptFailed(.reset, &record, now: Self.ms(23))
        trace.requeued(now: Self.ms(22))
        try Self.attempt(&trace, 2, at: 22)
        record.sent = Self.ms(24)
        record.answered = Self.ms(40)
        record.upstreamStatus = 503
        trace.attemptFailed(.upstreamStatus, &record, now: Self.ms(40))
        trace.requeued(now: Self.ms(42))
        try Self.attempt(&trace, 3, at: 60)
        record.sent = Self.ms(61)
        record.answered = Self.ms(70)
        record.upstreamStatus = 200
        record.retries = 2
        trace.ended(&record)
        let spans = Self.spans(trace)
        #expect(
            Self.times(spans) == [
                "chat tiny 0–300", "receive 0–8", "queue 8–20", "connect 20–22 !", "connect 22–24",
                "engine 24–40 !", "queue 42–60", "connect 60–61", "engine 61–100", "stream 100–300",
            ])
        #expect(Self.value(spans[3], "error.type") == .text("connect_refused"))
        #expect(Self.value(spans[5], "error.type") == .text("503"))
        #expect(Self.value(spans[5], "http.response.status_code") == .integer(503))
        #expect(Self.value(spans[5], "http.request.resend_count") == .integer(1))
        #expect(Self.value(spans[8], "http.request.resend_count") == .integer(2))
        #expect(Self.value(spans[0], "sluice.retries") == .integer(2))
        #expect(Self.value(spans[0], "sluice.replica") == .text("replica-3"))
        #expect(spans[5].id == SpanID(102) && spans[8].id == SpanID(103))
    }

    @Test func `of many attempts the first seven are kept, and the last`() throws {
        var trace = try Self.blank()
        var record = Self.stream()
        for number in 1...9 {
            try Self.attempt(&trace, number, at: 20 + Int64(number))
            if number < 9 {
                trace.attemptFailed(.recalled, &record, now: Self.ms(20 + Int64(number)))
            }
        }
        trace.ended(&record)
        #expect(trace.attempts.count == ExchangeTrace.attemptsMax)
        #expect(trace.attempts.last?.peer.name == "replica-9")
    }

    /// Outcome, reason, status, and what the span of the whole says of a fault.
    static let ends: [(Outcome, Reason, UInt16, String?)] = [
        (.ok, .none, 200, nil), (.clientError, .badRequest, 400, nil),
        (.clientError, .quota, 429, nil), (.shed, .overload, 429, nil),
        (.shed, .noReplica, 503, "no_replica"), (.shed, .deadline, 504, "deadline"),
        (.upstreamClientError, .none, 404, nil),
        (.upstreamFailed, .connectRefused, 502, "connect_refused"),
        (.upstreamFailed, .none, 500, "500"), (.streamError, .errorEvent, 200, "error_event"),
        (.streamError, .none, 200, "stream_error"), (.truncated, .closedEarly, 200, "closed_early"),
        (.streamTimeout, .timeoutIdle, 200, "timeout_idle"),
        (.clientStalled, .writeStall, 200, nil),
        (.clientGone, .clientReset, 499, nil), (.drained, .drainLimit, 200, "drain_limit"),
        (.gatewayError, .internalError, 500, "internal_error"),
    ]

    @Test(arguments: ends)
    func `only what the servers did wrong is an error`(
        outcome: Outcome, reason: Reason, status: UInt16, type: String?
    ) throws {
        var trace = try Self.blank()
        var record = Self.stream()
        try Self.attempt(&trace, 1, at: 20)
        record.outcome = outcome
        record.reason = reason
        record.status = status
        trace.ended(&record)
        let spans = Self.spans(trace)
        #expect(spans[0].isError == (type != nil))
        #expect(Self.value(spans[0], "error.type") == type.map { .text($0) })
        #expect(Self.value(spans[0], "sluice.outcome") == .text(outcome.label.description))
        #expect(
            Self.value(spans[0], "sluice.reason")
                == (reason == .none ? nil : .text(reason.label.description)))
        // The stream is what was cut; the attempt had answered well.
        #expect(spans[5].isError == (outcome.result == .failed))
        #expect(!spans[3].isError && !spans[4].isError)
    }

    @Test func `every outcome is among them`() {
        #expect(Set(Self.ends.map(\.0)) == Set(Outcome.allCases))
    }

    @Test func `what is refused unread has a root and what came`() throws {
        var trace = try Self.blank()
        var record = ExchangeRecord()
        record.started = Self.ms(0)
        record.startedUnixNanoseconds = Int64(Self.start)
        record.received = Self.ms(3)
        record.ended = Self.ms(4)
        record.method = .post
        record.route = .completions
        record.outcome = .clientError
        record.reason = .bodyTooLarge
        record.status = 413
        trace.ended(&record)
        let spans = Self.spans(trace)
        #expect(Self.times(spans) == ["text_completion 0–4", "receive 0–3"])
        #expect(Self.value(spans[0], "gen_ai.request.model") == nil)
        #expect(Self.value(spans[0], "sluice.replica") == nil)
    }

    @Test func `who is refused from the queue has waited, and met no replica`() throws {
        var trace = try Self.blank()
        var record = Self.stream()
        record.admitted = .unset
        record.sent = .unset
        record.answered = .unset
        record.firstContentArrived = .unset
        record.firstContentWritten = .unset
        record.outcome = .shed
        record.reason = .expired
        record.status = 429
        record.predictedWait = .milliseconds(250)
        trace.ended(&record)
        let spans = Self.spans(trace)
        #expect(Self.times(spans) == ["chat tiny 0–300", "receive 0–8", "queue 8–300"])
        #expect(Self.value(spans[2], "sluice.predicted_wait") == .number(0.25))
    }

    @Test func `who leaves before the answer leaves spans without an error, and a mark`() throws {
        var trace = try Self.blank()
        try Self.attempt(&trace, 1, at: 20)
        var record = Self.stream()
        record.answered = .unset
        record.firstContentArrived = .unset
        record.firstContentWritten = .unset
        record.outcome = .clientGone
        record.reason = .clientClosed
        record.status = 499
        record.clientGoneSeen = Self.ms(299)
        trace.ended(&record)
        let spans = Self.spans(trace)
        #expect(
            Self.times(spans) == [
                "chat tiny 0–300", "receive 0–8", "queue 8–20", "connect 20–25", "engine 25–300",
            ])
        #expect(
            spans[0].events == [TraceSpan.Event("client_gone", at: Int64(Self.start) + 299_000_000)]
        )
        #expect(Self.value(spans[4], "http.response.status_code") == nil)
    }

    @Test func `a status of the replica's that is an error is one of the attempt`() throws {
        var trace = try Self.blank()
        try Self.attempt(&trace, 1, at: 20)
        var record = Self.stream()
        record.firstContentArrived = .unset
        record.outcome = .upstreamClientError
        record.status = 404
        record.upstreamStatus = 404
        trace.ended(&record)
        let spans = Self.spans(trace)
        #expect(spans[4].isError && !spans[0].isError)
        #expect(Self.value(spans[4], "error.type") == .text("404"))
    }

    @Test func `clocks out of order stay within the exchange`() throws {
        var random = SplitMix64(seed: 0)
        for _ in 0..<500 {
            var trace = try Self.blank()
            func clock() -> Instant { Self.ms(Int64.random(in: -5...320, using: &random)) }
            var record = Self.stream()
            try Self.attempt(&trace, 1, at: 20)
            record.received = clock()
            record.admitted = clock()
            record.sent = clock()
            record.firstContentArrived = clock()
            trace.ended(&record)
            for span in Self.spans(trace) { #expect(span.start <= span.end) }
        }
    }

    /// Route, method and model, and what the span is called.
    static let called: [(Route, RequestMethod, UInt16, String)] = [
        (.chatCompletions, .post, 0, "chat tiny"), (.responses, .post, 0, "chat tiny"),
        (.messages, .post, 64, "chat"), (.completions, .post, 0, "text_completion tiny"),
        (.embeddings, .post, 0, "embeddings tiny"), (.rerank, .post, 0, "POST /v1/rerank"),
        (.models, .get, 64, "GET /v1/models"),
        (.responsesByID, .get, 0, "GET /v1/responses/{response_id}"),
        (.unknown, .delete, 64, "DELETE"), (.unknown, .other, 64, "HTTP"),
    ]

    @Test(arguments: called)
    func `spans are named as the conventions ask`(
        route: Route, method: RequestMethod, model: UInt16, name: String
    ) throws {
        var trace = try Self.blank()
        var record = Self.stream()
        record.route = route
        record.method = method
        record.modelIndex = model
        trace.ended(&record)
        let span = Self.spans(trace)[0]
        #expect(span.name == name)
        if method == .other {
            #expect(Self.value(span, "http.request.method") == .text("_OTHER"))
        }
    }
}
