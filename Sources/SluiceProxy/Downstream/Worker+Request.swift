import SluiceBytes
import SluiceExchange
import SluiceHTTP
import SluiceReactor
import SluiceTelemetry
import SluiceTime
import SluiceTracing
import SluiceTraffic
import SluiceVLLM

/// From a parsed head to a request that is whole and judged.
extension Worker {
    /// Opens the exchange of the head in `requestHead`, which lies at the front of the input.
    func beginExchange(_ d: UInt32) {
        let framing = requestHead.value.framing
        let headCount = requestHead.value.byteCount
        let trusts = shared.trusts(downstreams[d].peer)
        let known = acceptedHead.value.match(
            &requestHead.value, trusts: trusts, directory.value.callers)
        let match = known ?? downstreams[d].matchRoute(&requestHead.value)
        let e = openExchange(d, match.route, framing)
        describe(&exchanges[e], of: &downstreams[d], isKnown: known != nil)
        if tracer != nil { beginTrace(e, d) }
        if known == nil, let refusal = judgeHead(e, d, match, trusts: trusts) {
            return refuse(e, refusal, head: headCount)
        }
        switch framing {
        case .none: break
        case .length(let count):
            if count > bodyBytesMax {
                let refusal = Refusal.bodyTooLarge(bytesMax: bodyBytesMax)
                return refuse(e, refusal, head: headCount)
            }
            // One that fits a block is read before anybody could say so.
            if count > BufferPool.blockBytes || requestHead.value.expectsContinue,
                count > downstreams[d].input.count - headCount,
                refuseByHead(e, d, body: count, head: headCount)
            {
                return
            }
            guard reserve(e, bytes: count) else {
                return refuse(e, .gatewayMemory, head: headCount)
            }
        case .chunked: break
        case .untilClose: preconditionFailure("a request is never framed by its end")
        }

        keepForwarded(of: &exchanges[e], from: &downstreams[d], trusts: trusts)
        switch framing {
        case .none: requestComplete(e)
        case .length, .chunked, .untilClose:
            awaitBody(d)
            if requestHead.value.expectsContinue && downstreams[d].input.isEmpty {
                pool.provide(&downstreams[d].output)
                downstreams[d].output.append("HTTP/1.1 100 Continue\r\n\r\n")
                flush(d)
            }
        }
    }

    /// The body may come.
    @inline(__always) private func awaitBody(_ d: UInt32) {
        downstreams[d].stage = .receivingBody
        setDeadline(d, now + settings.timeouts.bodyIdle)
    }

    /// Takes what answer, log and metrics want of the head, and what it says of its request where it
    /// is known to be let in.
    @inline(__always) private func describe(
        _ exchange: inout Exchange, of downstream: inout DownstreamConnection, isKnown: Bool
    ) {
        if isKnown { exchange.take(acceptedHead.value.facts) }
        downstream.describe(&requestHead.value, in: &exchange)
        if isDraining { downstream.closesAfterAnswer = true }
    }

    /// Takes what is sent on of the head, which is used up by that.
    @inline(__always) private func keepForwarded(
        of exchange: inout Exchange, from downstream: inout DownstreamConnection, trusts: Bool
    ) {
        pool.provide(&exchange.request)
        downstream.keepForwarded(
            &requestHead.value, &keptHead.value, in: &exchange, trusts: trusts, isTLS: isTLS,
            replacing: tracer?.forwarded.replaced ?? .none)
        if let tracer { exchange.keep(tracer.forwarded.context) }
        downstream.consumeInput(requestHead.value.byteCount, pool)
    }

    /// Refuses on the head alone, which is used up by that: it must not be read as another request.
    private func refuse(_ e: UInt32, _ refusal: Refusal, head headCount: Int) {
        downstreams[exchanges[e].downstream].consumeInput(headCount, pool)
        refuse(e, refusal)
    }

    /// Judges the head and takes what it says of its request; the refusal where it is not let in.
    private func judgeHead(
        _ e: UInt32, _ d: UInt32, _ match: RouteMatch, trusts: Bool
    ) -> Refusal? {
        let verdict = match.verdict(
            for: requestHead.value.method, allowsAdmin: settings.allowsAdminRoutes,
            &exchanges[e].record)
        switch verdict {
        case .refuse(let refusal): return refusal
        case .answer: break
        case .forward:
            var facts = HeadFacts()
            if let refusal = identify(e, d, &facts, trusts: trusts) { return refusal }
            exchanges[e].take(facts)
            acceptedHead.value.keep(
                match, facts, of: &requestHead.value, trusts: trusts, directory.value.callers)
        }
        guard let coding = downstreams[d].bodyCoding(&requestHead.value) else { return nil }
        acceptedHead.value.forget()
        return .compressedBody(coding)
    }

    /// Finds out whose request it is and how urgent; the refusal where it names no known class, or a
    /// time of its own that is none.
    private func identify(
        _ e: UInt32, _ d: UInt32, _ facts: inout HeadFacts, trusts: Bool
    ) -> Refusal? {
        let callers = directory.value.callers
        facts.isExplained = downstreams[d].asksForExplanation(&requestHead.value)
        // A refusal is explained, too.
        exchanges[e].isExplained = facts.isExplained
        guard let limit = downstreams[d].callerLimit(&requestHead.value, trusts: trusts) else {
            return .badCallerLimit(downstreams[d].statedLimit(&requestHead.value))
        }
        facts.callerLimit = limit
        switch downstreams[d].caller(&requestHead.value, callers, trusts: trusts) {
        case .known(let priorityClass, let tenant):
            facts.priorityClass = priorityClass
            facts.tenant = tenant
            facts.isMetered = callers.isMetered(tenant)
            if callers.tellsTenants { facts.tenantLabel = Int16(truncatingIfNeeded: tenant) }
            return nil
        case .unknownClass(let name):
            return .unknownClass(name, known: callers.classNames)
        }
    }

    /// Puts an exchange into the table and fills in what every record has.
    func openExchange(_ d: UInt32, _ route: Route, _ framing: BodyFraming) -> UInt32 {
        let e = exchanges.insert {
            Exchange(blankRecord.value, downstream: d, framing: framing)
        }
        readers.reach(e)
        readers[e].begin(route)
        downstreams[d].exchange = e
        exchanges[e].begin(
            route, from: &downstreams[d], classIndex: directory.value.callers.defaultClass,
            now: now,
            random: &random.value)
        return e
    }

    // MARK: The whole request

    /// The last byte has come (`t1`): judge the body, find the pool, ask to be admitted.
    func requestComplete(_ e: UInt32) {
        now = MonotonicClock.now()
        let (d, route) = exchanges[e].received(at: now)
        downstreams[d].stage = .responding
        if let answer = ownAnswer(route) {
            // An empty list would say that there is nothing to be served, ever.
            if route == .models, answer.status == 503 { return refuse(e, .modelsNotKnownYet) }
            answerOurselves(e, answer)
            return
        }
        let verdict =
            route == .responsesByID
            ? findOwner(e)
            : exchanges[e].judgeBody(
                &readers[e].peek, directory: directory, pools: settings.pools.count)
        switch verdict {
        case .refuse(let refusal):
            refuse(e, refusal)
            return
        case .pool(let first, let model, let adapter, let split):
            let index = split == 0 ? first : choosePool(e, split)
            readBody(
                of: &exchanges[e], &readers[e].peek, pool: index, model: model, adapter: adapter)
            if route == .responses { exchanges[e].owner = previousOwner(e, pool: index) }
        }
        beginsToWait(e)
        if downstreams[d].isPeerClosed {
            clientLeft(d, isReset: false)
            return
        }
        let (deadline, isMetered) = exchanges[e].completeArrival(now: now)
        if let deadline { arm(d, at: deadline) }
        if isMetered, let wait = withdrawQuota(e) {
            refuse(e, .quota(retryAfter: wait))
            return
        }
        if isPoison(e) {
            refuse(e, .poison)
            return
        }
        askToEnter(e, retrying: nil)
    }
}

extension Worker {
    /// Has the request enter its pool: finds what the pool wants to know of the body, edits it as the
    /// pool wants it, and counts the request as offered.
    @inline(__always) private func readBody(
        of exchange: inout Exchange, _ peek: inout RequestPeek, pool index: Int, model: UInt16,
        adapter: UInt16
    ) {
        exchange.enter(pool: index, model: model, adapter: adapter)
        if exchange.record.route != .responsesByID {
            // Before the body is edited: what it begins with is found by its place.
            if let header = directory.value.sessionHeader(pool: index) {
                exchange.findAffinity(&peek, header: header)
            }
            if tellsPriorities, settings.pools[index].enginePriority {
                exchange.setPriority(&peek)
            }
            exchange.askForUsage(&peek, usageMode(index))
        }
        shard.received(&exchange.record)
    }
}

extension DownstreamConnection {
    // All of these are `mutating` and take the head `inout`, changing nothing in it, because a borrow
    // of either would be passed as a copy of it.

    mutating func matchRoute(_ head: inout RequestHead) -> RouteMatch {
        RouteTable.match(input.bytes, head.path)
    }

    /// Copies what the answer depends on, and what the log and the metrics want of the head.
    mutating func describe(_ head: inout RequestHead, in exchange: inout Exchange) {
        closesAfterAnswer = !head.keepAlive
        exchange.method = head.method
        exchange.clientIsHTTP11 = head.version == .http11
        describe(&head, in: &exchange.record)
    }

    private mutating func describe(_ head: inout RequestHead, in record: inout ExchangeRecord) {
        let bytes = input.bytes
        record.method = RequestMethod(rawValue: head.method.rawValue) ?? .other
        record.path.append(bytes, head.path)
        if let id = head.first(.xRequestID),
            RequestIdentity.isAcceptable(bytes.extracting(id.value))
        {
            record.requestID.removeAll()
            record.requestID.append(bytes, id.value)
        }
        if let parent = head.first(.traceparent) {
            TraceContext.readID(bytes.extracting(parent.value), into: &record.traceID)
        }
        if let count = head.first(.xStainlessRetryCount), count.value.count == 1 {
            let digit = bytes[count.value.lowerBound] &- 0x30
            if digit < 10 { record.clientRetryCount = digit }
        }
    }

    /// How the body is compressed; nil where it is not.
    mutating func bodyCoding(_ head: inout RequestHead) -> String? {
        guard let line = head.first(.contentEncoding) else { return nil }
        let bytes = input.bytes
        if line.value.isEmpty || bytes.equalsIgnoringCase("identity", in: line.value) { return nil }
        return bytes.text(
            in: line.value.lowerBound..<min(line.value.upperBound, line.value.lowerBound + 32))
    }

    /// The smallest of the limits that the caller states, zero where it states none.
    ///
    /// `x-request-timeout-ms` in milliseconds, `x-stainless-read-timeout` in seconds (the official
    /// client's), `x-envoy-expected-rq-timeout-ms` from trusted peers only. The first is ours to judge;
    /// the others are for whom they name, and what is no number there says nothing.
    ///
    /// - Returns: nil where `x-request-timeout-ms` is no number, or out of range.
    mutating func callerLimit(_ head: inout RequestHead, trusts: Bool) -> Nanoseconds? {
        var limit = Nanoseconds.zero
        func take(_ line: FieldLine?, decimals: Int) -> Bool {
            guard let line, let number = number(line.value, decimals: decimals), number > 0 else {
                return false
            }
            let stated = Nanoseconds.milliseconds(number)
            if limit == .zero || stated < limit { limit = stated }
            return true
        }
        if let line = head.first(.xRequestTimeoutMs), !take(line, decimals: 0) { return nil }
        _ = take(head.first(.xStainlessReadTimeout), decimals: 3)
        if trusts { _ = take(head.first(.xEnvoyExpectedTimeoutMs), decimals: 0) }
        return limit
    }

    /// A decimal number as a whole one of its last decimal that counts: `0.25` of three is 250. What
    /// of its fraction is beyond does not; nil for anything else, and beyond nine digits before it.
    private mutating func number(_ value: Range<Int>, decimals: Int) -> Int64? {
        guard !value.isEmpty, value.count <= 32 else { return nil }
        var number: Int64 = 0
        var whole = 0
        var fraction: Int?
        for index in value {
            if input[index] == 0x2E, fraction == nil, whole > 0 {
                fraction = 0
                continue
            }
            let digit = input[index] &- 0x30
            guard digit < 10 else { return nil }
            if let places = fraction {
                if places == decimals { continue }
                fraction = places + 1
            } else {
                whole += 1
                if whole > 9 { return nil }
            }
            number = number &* 10 &+ Int64(digit)
        }
        for _ in (fraction ?? 0)..<decimals { number = number &* 10 }
        return number
    }

    /// `x-request-timeout-ms` as the client wrote it; at most 32 bytes of it.
    mutating func statedLimit(_ head: inout RequestHead) -> String {
        guard let line = head.first(.xRequestTimeoutMs) else { return "" }
        let start = line.value.lowerBound
        return input.bytes.text(in: start..<min(line.value.upperBound, start + 32))
    }

    /// Keeps what will be sent upstream of the head: target, authorization, fields.
    mutating func keepForwarded(
        _ head: inout RequestHead, _ kept: inout KeptHead, in exchange: inout Exchange,
        trusts: Bool, isTLS: Bool, replacing trace: RequestForwarding.ReplacedTrace
    ) {
        let bytes = input.bytes
        if exchange.record.route.isMultipart, let type = head.first(.contentType) {
            exchange.multipart = MultipartPeek(contentType: bytes.extracting(type.value))
                .map { Pinned($0) }
        }
        kept.keep(
            &head, bytes, client: client, trusts: trusts, isTLS: isTLS, replacing: trace,
            in: &exchange.request, targetCount: &exchange.targetCount,
            authorizationCount: &exchange.authorizationCount,
            fieldsCount: &exchange.fieldsCount)
    }
}
