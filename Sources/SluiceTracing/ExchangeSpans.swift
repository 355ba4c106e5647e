import SluiceTelemetry
import SluiceTime

/// What of an exchange is a span of its own.
enum SpanPart: Equatable {
    case exchange, receive, queue, stream
    /// Of the attempt with this index.
    case connect(Int)
    case engine(Int)
}

extension ExchangeTrace {
    /// Calls `body` with each part of the finished exchange that it came to, from when to when.
    ///
    /// One after the other, with the bounds that the access log's times have: `receive` t0 – t1,
    /// `queue` t1 – t2, then per attempt `connect` until t3 and `engine` until t6 (the end, where there
    /// is no event stream), and `stream` t6 – t9. Clocks that are read once per batch may lie before
    /// those read at an edge: every part is held within the exchange.
    ///
    /// Mutating, changing nothing: a borrow would be passed as a copy.
    @inline(__always)
    private mutating func forEachPart(_ body: (SpanPart, Instant, Instant) -> Void) {
        let (first, last) = (record.started, record.ended)
        func tell(_ part: SpanPart, _ start: Instant, _ end: Instant) {
            let start = min(max(start, first), last)
            body(part, start, min(max(end, start), last))
        }
        tell(.exchange, first, last)
        tell(.receive, first, record.received)
        if record.poolIndex >= 0 {
            tell(.queue, record.received, record.admitted.isSet ? record.admitted : last)
        }
        for index in attempts.indices {
            let (began, sent, failed) = (
                attempts[index].began, attempts[index].sent, attempts[index].failed
            )
            let end = failed.isSet ? failed : last
            let content = failed.isSet ? .unset : record.firstContentArrived
            tell(.connect(index), began, sent.isSet ? sent : end)
            if sent.isSet { tell(.engine(index), sent, content.isSet ? content : end) }
            if sent.isSet, content.isSet { tell(.stream, max(content, sent), end) }
            let requeued = attempts[index].requeued
            guard requeued.isSet else { continue }
            let until = index + 1 < attempts.count ? attempts[index + 1].began : last
            if until > requeued { tell(.queue, requeued, until) }
        }
    }

    /// How many spans ``spans(names:random:)`` makes.
    package var spanCount: Int {
        mutating get {
            var count = 0
            forEachPart { _, _, _ in count += 1 }
            return count
        }
    }

    /// The spans of the finished exchange, that of the whole first.
    package mutating func spans(
        names: NameTables, random: inout some RandomNumberGenerator
    ) -> [TraceSpan] {
        var times: [PartTime] = []
        forEachPart { times.append(PartTime(part: $0, start: $1, end: $2)) }
        return times.map { time in
            switch time.part {
            case .exchange: exchangeSpan(time, names)
            case .receive: part("receive", time, random: &random)
            case .queue: queueSpan(time, random: &random)
            case .stream: streamSpan(time, random: &random)
            case .connect(let index):
                connectSpan(time, attempts[index], index, random: &random)
            case .engine(let index): engineSpan(time, attempts[index], index, names)
            }
        }
    }

    private struct PartTime {
        let part: SpanPart
        let start: Instant
        let end: Instant
    }

    /// The wall clock at a clock of the record.
    private func unix(_ instant: Instant) -> Int64 {
        record.startedUnixNanoseconds &+ (instant.nanoseconds &- record.started.nanoseconds)
    }

    private func span(
        _ time: PartTime, _ name: String, _ kind: TraceSpan.Kind, id: SpanID,
        parent: SpanID?
    ) -> TraceSpan {
        TraceSpan(
            trace: trace, id: id, parent: parent, name: name, kind: kind, start: unix(time.start),
            end: unix(time.end))
    }

    // MARK: The whole

    private func exchangeSpan(_ time: PartTime, _ names: NameTables) -> TraceSpan {
        var span = span(time, name(names), .server, id: root, parent: parent)
        span.isParentRemote = parent != nil
        span.attributes = requestAttributes(names) + endAttributes(names)
        span.isError = isFault
        if isFault { span.attributes.append(.init("error.type", faultType)) }
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
            return model(names).map { "\(operation) \($0)" } ?? operation.description
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
            Attribute("url.scheme", .label(isTLS ? "https" : "http")),
            Attribute("client.address", .text(record.client.text)),
            Attribute("http.request.body.size", .integer(Int64(clamping: record.bytesIn))),
            Attribute("sluice.request_id", .text(record.requestID.text)),
            Attribute("sluice.class", .text(names.className(record.classIndex))),
            Attribute("sluice.stream", .boolean(record.isStream)),
        ]
        if let template = record.route.pathTemplate {
            list.append(.init("http.route", .label(template)))
        }
        list += operationAttributes(names)
        if record.route.operationName != nil, record.tokensMax >= 0 {
            list.append(.init("gen_ai.request.max_tokens", .integer(Int64(record.tokensMax))))
        }
        return list
    }

    private func endAttributes(_ names: NameTables) -> [Attribute] {
        var list = [Attribute("sluice.outcome", .label(record.outcome.label))]
        func add(_ key: StaticString, _ value: AttributeValue?) {
            if let value { list.append(Attribute(key, value)) }
        }
        func count(_ number: Int32) -> AttributeValue? {
            number >= 0 ? .integer(Int64(number)) : nil
        }
        func seconds(_ time: Nanoseconds?) -> AttributeValue? { time.map { .number($0.seconds) } }
        add(
            "http.response.status_code",
            record.status > 0 ? .integer(Int64(record.status)) : nil)
        add("sluice.reason", record.reason == .none ? nil : .label(record.reason.label))
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

    private var faultType: AttributeValue {
        if record.reason != .none { return .label(record.reason.label) }
        return record.status >= 500 ? .text("\(record.status)") : .label(record.outcome.label)
    }

    // MARK: The parts

    private func part(
        _ name: String, _ time: PartTime, random: inout some RandomNumberGenerator
    ) -> TraceSpan {
        span(time, name, .internal, id: SpanID(random: &random), parent: root)
    }

    private func queueSpan(
        _ time: PartTime, random: inout some RandomNumberGenerator
    ) -> TraceSpan {
        var span = part("queue", time, random: &random)
        if record.predictedWait >= .zero {
            span.attributes.append(
                .init("sluice.predicted_wait", .number(record.predictedWait.seconds)))
        }
        return span
    }

    private func streamSpan(
        _ time: PartTime, random: inout some RandomNumberGenerator
    ) -> TraceSpan {
        var span = part("stream", time, random: &random)
        fail(&span, record.outcome.result == .failed, faultType)
        return span
    }

    private func connectSpan(
        _ time: PartTime, _ attempt: TraceAttempt, _ index: Int,
        random: inout some RandomNumberGenerator
    ) -> TraceSpan {
        var span = span(time, "connect", .client, id: SpanID(random: &random), parent: root)
        span.attributes = attemptAttributes(attempt, index)
        if !attempt.sent.isSet { failAsAttempt(&span, attempt) }
        return span
    }

    private func engineSpan(
        _ time: PartTime, _ attempt: TraceAttempt, _ index: Int, _ names: NameTables
    ) -> TraceSpan {
        var span = span(time, "engine", .client, id: attempt.engine, parent: root)
        span.attributes = attemptAttributes(attempt, index)
        span.attributes.append(
            .init("sluice.upstream_request_id", .text(upstreamID(attempt))))
        span.attributes += operationAttributes(names)
        if attempt.status > 0 {
            span.attributes.append(
                .init("http.response.status_code", .integer(Int64(attempt.status))))
        }
        if attempt.status >= 400 {
            fail(&span, true, .text("\(attempt.status)"))
        } else if attempt.failed.isSet || !record.firstContentArrived.isSet {
            failAsAttempt(&span, attempt)
        }
        return span
    }

    private func fail(_ span: inout TraceSpan, _ hasFailed: Bool, _ type: AttributeValue) {
        guard hasFailed else { return }
        span.isError = true
        span.attributes.append(.init("error.type", type))
    }

    /// Where the attempt has failed, or the exchange ended in failure with it.
    private func failAsAttempt(_ span: inout TraceSpan, _ attempt: TraceAttempt) {
        if attempt.failed.isSet {
            fail(&span, true, .label(attempt.reason.label))
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
            .label(record.method == .other ? "_OTHER" : record.method.label))
    }

    private func operationAttributes(_ names: NameTables) -> [Attribute] {
        guard let operation = record.route.operationName else { return [] }
        var list = [
            Attribute("gen_ai.operation.name", .label(operation)),
            Attribute("gen_ai.provider.name", .label("vllm")),
        ]
        if let model = model(names) {
            list.append(.init("gen_ai.request.model", .text(model)))
        }
        return list
    }
}
