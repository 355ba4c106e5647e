import SluiceBytes
import SluiceExchange
import SluiceHTTP
import SluiceTelemetry
import SluiceTime
import SluiceVLLM

/// What decoding one read of a replica's bytes came to.
enum RelayProgress {
    case more
    /// The answer is complete; `hasStray`: bytes came after it, which are nobody's.
    case whole(hasStray: Bool)
    /// The first event of a stream is an error and nothing has gone to the client.
    case firstEventIsError
    case malformed(BodyError)
}

extension UpstreamConnection {
    /// Parses the head at the front of the input.
    mutating func parseHead(into head: inout ResponseHead, _ method: Method)
        -> HeadStep<ResponseError>
    {
        parser.parse(input, into: &head, requestMethod: method)
    }

    /// Puts the client's head into its buffer and readies the exchange for the body.
    mutating func beginAnswer(
        of exchange: inout Exchange, _ head: inout ResponseHead, _ kept: inout KeptAnswerHead,
        explanation: Explanation?, closes: inout Bool, into output: inout ByteBuffer,
        _ pool: BufferPool
    ) {
        exchange.answerFraming = kept.append(
            of: &head, input.bytes, requestID: exchange.record.requestID.bytes,
            isHead: exchange.method == .head, isHTTP11: exchange.clientIsHTTP11,
            explanation: explanation, closes: &closes, into: &output)
        exchange.record.status = UInt16(head.status)
        exchange.answerBody = BodyDecoder(framing: head.framing)
        exchange.upstreamKeepsAlive = head.keepAlive
        exchange.isEventStream = head.isEventStream && head.framing != .none
        // What came decides; a refusal says nothing about what was asked for.
        if exchange.isEventStream || head.status < 400 {
            exchange.record.isStream = exchange.isEventStream
        }
        consumeInput(head.byteCount, pool)
        parser.reset()
    }

    /// The events in what has come, if it is nothing but whole chunks with one known event each; 0 for
    /// anything else.
    ///
    /// Nothing is consumed: such bytes can go on as they are, framing and all.
    mutating func knownEvents(of exchange: inout Exchange, _ readers: inout ExchangeReaders) -> Int
    {
        guard exchange.answerBody.isBetweenChunks, readers.events.isBetweenEvents,
            !exchange.isEventBegun
        else { return 0 }
        let bytes = input.bytes
        var (offset, events) = (0, 0)
        while offset < bytes.count {
            guard let data = BodyDecoder.wholeChunk(bytes, at: offset),
                readers.classifier.isKnownContent(bytes.extracting(data))
            else { return 0 }
            offset = data.upperBound &+ 2
            events &+= 1
        }
        return events
    }

    /// Takes the framing off what has come and adds the client's part of it to `payload`.
    mutating func decode(
        into exchange: inout Exchange, _ readers: inout ExchangeReaders, payload: inout ByteBuffer,
        _ pool: BufferPool
    ) -> RelayProgress {
        var offset = 0
        while true {
            switch exchange.answerBody.next(input.bytes, from: offset) {
            case .data(let range):
                offset = range.upperBound
                if exchange.isEventStream {
                    guard
                        exchange.takeEvents(
                            input.bytes, range, &readers, payload: &payload, pool)
                    else { return .firstEventIsError }
                } else {
                    if exchange.readsUsage {
                        readers.usage.feed(
                            input.bytes.extracting(range), isLast: exchange.answerBody.isComplete)
                    }
                    payload.append(input.bytes, range)
                }
            case .needMore(let end):
                consumeInput(end, pool)
                return .more
            case .end(let end):
                let hasStray = end < input.count
                consumeInput(end, pool)
                return .whole(hasStray: hasStray)
            case .failed(let error):
                return .malformed(error)
            }
        }
    }
}

extension Exchange {
    /// Takes a piece of an event stream: whole events go on, a partial one waits for its end.
    ///
    /// - Returns: false when the first event is an error and the head is still held.
    mutating func takeEvents(
        _ bytes: Span<UInt8>, _ range: Range<Int>, _ readers: inout ExchangeReaders,
        payload: inout ByteBuffer, _ pool: BufferPool
    ) -> Bool {
        var offset = range.lowerBound
        while offset < range.upperBound {
            switch readers.events.next(bytes, in: offset..<range.upperBound) {
            case .event(let end):
                let kind: EventKind
                if isEventBegun {
                    readers.classifier.feed(bytes.extracting(offset..<end))
                    kind = readers.classifier.endOfEvent()
                    isEventBegun = false
                } else {
                    kind = readers.classifier.take(bytes.extracting(offset..<end))
                }
                let goesOn = takeEvent(kind, bytes, offset..<end, payload: &payload, pool)
                offset = end
                if !goesOn { return false }
            case .needMore:
                readers.classifier.feed(bytes.extracting(offset..<range.upperBound))
                isEventBegun = true
                pool.provide(&partialEvent)
                partialEvent.append(bytes, offset..<range.upperBound)
                if partialEvent.count > Self.eventBytesMax {
                    payload.append(partialEvent.bytes)
                    partialEvent.removeAll()
                }
                return true
            }
        }
        return true
    }

    private mutating func takeEvent(
        _ kind: EventKind, _ bytes: Span<UInt8>, _ range: Range<Int>, payload: inout ByteBuffer,
        _ pool: BufferPool
    ) -> Bool {
        sawEventEnd = true
        switch kind {
        case .content:
            newContentEvents &+= 1
            sawOutput = true
        case .terminal: sawTerminalEvent = true
        case .error:
            sawErrorEvent = true
            record.reason = .errorEvent
            if !isAnswerBegun && !sawEvent { return false }
        case .usage:
            if stripsUsage {
                pool.release(&partialEvent)
                return true
            }
        case .prelude: sawOutput = true
        case .comment, .other: break
        }
        if kind != .comment { sawEvent = true }
        if !partialEvent.isEmpty { payload.append(partialEvent.bytes) }
        if partialEvent.hasStorage { pool.release(&partialEvent) }
        payload.append(bytes, range)
        return true
    }

    /// The stream is over: an event without its blank line goes out as it is.
    mutating func finishPayload(
        _ payload: inout ByteBuffer, _ readers: inout ExchangeReaders
    ) {
        guard isEventStream, !partialEvent.isEmpty else { return }
        if readers.classifier.endOfEvent() == .terminal { sawTerminalEvent = true }
        payload.append(partialEvent.bytes)
        partialEvent.removeAll()
    }
}

extension DownstreamConnection {
    /// Adds a piece of the answer's body, framed.
    mutating func appendPayload(
        _ payload: borrowing ByteBuffer, framing: AnswerFraming, _ pool: BufferPool
    ) {
        guard !payload.isEmpty else { return }
        pool.provide(&output)
        switch framing {
        case .none: break
        case .length, .untilClose: output.append(payload.bytes)
        case .chunked:
            HeadWriter.appendChunkSize(payload.count, into: &output)
            output.append(payload.bytes)
            output.append("\r\n")
        }
    }

    /// Adds the last piece and the body's proper end.
    mutating func appendEnd(
        _ payload: borrowing ByteBuffer, framing: AnswerFraming, _ pool: BufferPool
    ) {
        appendPayload(payload, framing: framing, pool)
        switch framing {
        case .none, .length, .untilClose: break
        case .chunked:
            pool.provide(&output)
            HeadWriter.appendLastChunk(into: &output)
        }
    }
}
