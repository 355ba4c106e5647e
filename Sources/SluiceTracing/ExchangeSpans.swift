import SluiceTelemetry
import SluiceTime

/// Which spans an exchange has, and from when to when.
///
/// Each part of the exchange once, one after the other, with the bounds that the access log's times
/// have: `receive` t0 – t1, `queue` t1 – t2, then per attempt `connect` until t3 and `engine` until t6
/// (the end, where there is no event stream), and `stream` t6 – t9.
struct SpanLayout {
    enum Part: Equatable {
        case exchange, receive, queue, stream
        case connect(Int)
        case engine(Int)
    }

    struct Entry: Equatable {
        let part: Part
        let start: Instant
        let end: Instant
    }

    private(set) var entries: [Entry] = []
    private let first: Instant
    private let last: Instant

    init(_ trace: ExchangeTrace) {
        let record = trace.record
        first = record.started
        last = record.ended
        add(.exchange, record.started, record.ended)
        add(.receive, record.started, record.received)
        if record.poolIndex >= 0 {
            add(.queue, record.received, record.admitted.isSet ? record.admitted : record.ended)
        }
        for (index, attempt) in trace.attempts.enumerated() {
            add(attempt, index, record)
            guard attempt.requeued.isSet else { continue }
            let next = index + 1
            let until = next < trace.attempts.count ? trace.attempts[next].began : record.ended
            if until > attempt.requeued { add(.queue, attempt.requeued, until) }
        }
    }

    private mutating func add(_ attempt: TraceAttempt, _ index: Int, _ record: ExchangeRecord) {
        let end = attempt.failed.isSet ? attempt.failed : record.ended
        guard attempt.sent.isSet else {
            add(.connect(index), attempt.began, end)
            return
        }
        add(.connect(index), attempt.began, attempt.sent)
        let content = record.firstContentArrived
        guard !attempt.failed.isSet, content.isSet else {
            add(.engine(index), attempt.sent, end)
            return
        }
        add(.engine(index), attempt.sent, content)
        add(.stream, max(content, attempt.sent), end)
    }

    /// Clocks that are read once per batch may lie before those read at an edge: every part is held
    /// within the exchange.
    private mutating func add(_ part: Part, _ start: Instant, _ end: Instant) {
        let start = min(max(start, first), last)
        entries.append(Entry(part: part, start: start, end: min(max(end, start), last)))
    }
}

extension ExchangeTrace {
    /// How many spans ``spans(names:random:)`` makes.
    package var spanCount: Int { SpanLayout(self).entries.count }

    /// The spans of the finished exchange, that of the whole first.
    package func spans(
        names: NameTables, random: inout some RandomNumberGenerator
    ) -> [TraceSpan] {
        SpanLayout(self).entries.map { entry in
            switch entry.part {
            case .exchange: exchangeSpan(entry, names)
            case .receive, .queue, .stream: part(entry, random: &random)
            case .connect(let index):
                connectSpan(entry, attempts[index], index, random: &random)
            case .engine(let index): engineSpan(entry, attempts[index], index, names)
            }
        }
    }

    /// The wall clock at a clock of the record.
    private func unix(_ instant: Instant) -> Int64 {
        record.startedUnixNanoseconds &+ (instant.nanoseconds &- record.started.nanoseconds)
    }

    private func span(
        _ entry: SpanLayout.Entry, _ name: String, _ kind: TraceSpan.Kind, id: SpanID,
        parent: SpanID?
    ) -> TraceSpan {
        TraceSpan(
            trace: trace, id: id, parent: parent, name: name, kind: kind, start: unix(entry.start),
            end: unix(entry.end))
    }

    // MARK: The whole

    private func exchangeSpan(_ entry: SpanLayout.Entry, _ names: NameTables) -> TraceSpan {
        var span = span(entry, name(names), .server, id: root, parent: parent)
        span.isParentRemote = parent != nil
        span.attributes = requestAttributes(names) + endAttributes(names)
        span.isError = isFault
        if isFault { span.attributes.append(.init("error.type", .text(faultType))) }
        if record.firstContentWritten.isSet {
            span.events.append(.init("first_token", at: unix(record.firstContentWritten)))
        }
        if record.clientGoneSeen.isSet {
            span.events.append(.init("client_gone", at: unix(record.clientGoneSeen)))
        }
        return span
    }

    /// `{operation} {model}` as the conventions for generative AI ask, else `{method} {route}`.
    private func name(_ names: NameTables) -> String {
        if let operation = record.route.operationName {
            return model(names).map { "\(operation) \($0)" } ?? operation
        }
        let method = record.method == .other ? "HTTP" : record.method.label.description
        return record.route.pathTemplate.map { "\(method) \($0)" } ?? method
    }

    /// Nil for a model without a name of its own: what a client made up is no name.
    private func model(_ names: NameTables) -> String? {
        Int(record.modelIndex) < names.models.names.count
            ? names.models.name(record.modelIndex) : nil
    }

    private func requestAttributes(_ names: NameTables) -> [Attribute] {
        var list = [
            methodAttribute,
            Attribute("url.path", .text(record.path.text)),
            Attribute("url.scheme", .text(isTLS ? "https" : "http")),
            Attribute("client.address", .text(record.client.text)),
            Attribute("http.request.body.size", .integer(Int64(clamping: record.bytesIn))),
            Attribute("sluice.request_id", .text(record.requestID.text)),
            Attribute("sluice.class", .text(names.className(record.classIndex))),
            Attribute("sluice.stream", .boolean(record.isStream)),
        ]
        if let template = record.route.pathTemplate {
            list.append(.init("http.route", .text(template)))
        }
        list += operationAttributes(names)
        if record.route.operationName != nil, record.tokensMax >= 0 {
            list.append(.init("gen_ai.request.max_tokens", .integer(Int64(record.tokensMax))))
        }
        return list
    }

    private func endAttributes(_ names: NameTables) -> [Attribute] {
        var list = [Attribute("sluice.outcome", .text(record.outcome.label.description))]
        func add(_ key: String, _ value: AttributeValue?) {
            if let value { list.append(Attribute(key, value)) }
        }
        func count(_ number: Int32) -> AttributeValue? {
            number >= 0 ? .integer(Int64(number)) : nil
        }
        func seconds(_ time: Nanoseconds?) -> AttributeValue? { time.map { .number($0.seconds) } }
        add(
            "http.response.status_code",
            record.status > 0 ? .integer(Int64(record.status)) : nil)
        add("sluice.reason", record.reason == .none ? nil : .text(record.reason.label.description))
        add("sluice.replica", attempts.last.map { .text($0.peer.name) })
        add(
            "sluice.predicted_wait",
            record.predictedWait >= .zero ? seconds(record.predictedWait) : nil)
        add("sluice.retries", record.retries > 0 ? .integer(Int64(record.retries)) : nil)
        add(
            "sluice.content_events",
            record.contentEvents > 0 ? .integer(Int64(record.contentEvents)) : nil)
        add("gen_ai.usage.input_tokens", count(record.promptTokens))
        add("gen_ai.usage.cache_read.input_tokens", count(record.cachedTokens))
        add("gen_ai.usage.output_tokens", count(record.generationTokens))
        add("gen_ai.latency.time_to_first_token", seconds(record.timeToFirstToken))
        guard record.route.operationName != nil else { return list }
        add("gen_ai.latency.e2e", seconds(record.duration))
        if record.poolIndex >= 0 {
            add("gen_ai.latency.time_in_queue", seconds(record.time(in: .queue)))
        }
        return list
    }

    /// Whether the fault is on the server's side, ours or the replica's: a client's own fault and a
    /// refusal of what is too much are none. Source: OpenTelemetry conventions for HTTP, *Status*.
    private var isFault: Bool { record.outcome.result == .failed || record.status >= 500 }

    private var faultType: String {
        if record.reason != .none { return record.reason.label.description }
        return record.status >= 500 ? "\(record.status)" : record.outcome.label.description
    }

    // MARK: The parts

    private func part(
        _ entry: SpanLayout.Entry, random: inout some RandomNumberGenerator
    ) -> TraceSpan {
        let name =
            switch entry.part {
            case .receive: "receive"
            case .queue: "queue"
            case .exchange, .stream, .connect, .engine: "stream"
            }
        var span = span(entry, name, .internal, id: SpanID(random: &random), parent: root)
        if entry.part == .queue, record.predictedWait >= .zero {
            span.attributes.append(
                .init("sluice.predicted_wait", .number(record.predictedWait.seconds)))
        }
        if entry.part == .stream { fail(&span, record.outcome.result == .failed, faultType) }
        return span
    }

    private func connectSpan(
        _ entry: SpanLayout.Entry, _ attempt: TraceAttempt, _ index: Int,
        random: inout some RandomNumberGenerator
    ) -> TraceSpan {
        var span = span(entry, "connect", .client, id: SpanID(random: &random), parent: root)
        span.attributes = attemptAttributes(attempt, index)
        if !attempt.sent.isSet { failAsAttempt(&span, attempt) }
        return span
    }

    private func engineSpan(
        _ entry: SpanLayout.Entry, _ attempt: TraceAttempt, _ index: Int, _ names: NameTables
    ) -> TraceSpan {
        var span = span(entry, "engine", .client, id: attempt.engine, parent: root)
        span.attributes = attemptAttributes(attempt, index)
        span.attributes.append(
            .init("sluice.upstream_request_id", .text(upstreamID(attempt))))
        span.attributes += operationAttributes(names)
        if attempt.status > 0 {
            span.attributes.append(
                .init("http.response.status_code", .integer(Int64(attempt.status))))
        }
        if attempt.status >= 400 {
            fail(&span, true, "\(attempt.status)")
        } else if attempt.failed.isSet || !record.firstContentArrived.isSet {
            failAsAttempt(&span, attempt)
        }
        return span
    }

    private func fail(_ span: inout TraceSpan, _ hasFailed: Bool, _ type: String) {
        guard hasFailed else { return }
        span.isError = true
        span.attributes.append(.init("error.type", .text(type)))
    }

    /// Where the attempt has failed, or the exchange ended in failure with it.
    private func failAsAttempt(_ span: inout TraceSpan, _ attempt: TraceAttempt) {
        if attempt.failed.isSet {
            fail(&span, true, attempt.reason.label.description)
        } else {
            fail(&span, record.outcome.result == .failed, faultType)
        }
    }

    private func attemptAttributes(_ attempt: TraceAttempt, _ index: Int) -> [Attribute] {
        var list = [
            methodAttribute,
            Attribute("server.address", .text(attempt.peer.host)),
            Attribute("server.port", .integer(Int64(attempt.peer.port))),
            Attribute("sluice.replica", .text(attempt.peer.name)),
        ]
        if index > 0 { list.append(.init("http.request.resend_count", .integer(Int64(index)))) }
        return list
    }

    /// The request id that the attempt carried, which vLLM's own span and log have.
    private func upstreamID(_ attempt: TraceAttempt) -> String {
        let suffix = (0..<6).map { UInt8(truncatingIfNeeded: attempt.suffix >> UInt64(8 * $0)) }
        return "\(record.requestID.text)-\(String(decoding: suffix, as: UTF8.self))"
    }

    private var methodAttribute: Attribute {
        Attribute(
            "http.request.method",
            .text(record.method == .other ? "_OTHER" : record.method.label.description))
    }

    private func operationAttributes(_ names: NameTables) -> [Attribute] {
        guard let operation = record.route.operationName else { return [] }
        var list = [
            Attribute("gen_ai.operation.name", .text(operation)),
            Attribute("gen_ai.provider.name", .text("vllm")),
        ]
        if let model = model(names) {
            list.append(.init("gen_ai.request.model", .text(model)))
        }
        return list
    }
}
