import SluiceBytes

/// Reads response heads, strictly: what does not hold to the grammar is 502, never passed on.
///
/// Interim answers (1xx) come out as heads of their own. Source: RFC 9112 §4, §6.3.
package struct ResponseParser: Sendable {
    /// Bytes of a status line at most.
    package static let statusLineBytesMax = 1_024

    private let limits: HeadLimits
    private var progress = HeadProgress()

    package init(limits: HeadLimits) { self.limits = limits }

    /// Forgets the head; the next call starts at a new one.
    package mutating func reset() { progress = HeadProgress() }

    /// Parses the head at the front of a buffer.
    package mutating func parse(
        _ buffer: borrowing ByteBuffer, into head: inout ResponseHead, requestMethod: Method
    ) -> HeadStep<ResponseError> {
        parse(buffer.bytes, into: &head, requestMethod: requestMethod)
    }

    /// Parses the head at the front of `bytes`, which must begin at the same byte in every call
    /// until the verdict.
    ///
    /// - Parameter requestMethod: an answer to HEAD has no body whatever its fields say.
    /// - Returns: the same verdict however the input is cut.
    package mutating func parse(
        _ bytes: Span<UInt8>, into head: inout ResponseHead, requestMethod: Method
    ) -> HeadStep<ResponseError> {
        do throws(ResponseError) {
            return try read(bytes, &head, requestMethod) ? .complete : .needMore
        } catch {
            return .failed(error)
        }
    }

    /// Whether the head is complete.
    private mutating func read(
        _ bytes: Span<UInt8>, _ head: inout ResponseHead, _ method: Method
    ) throws(ResponseError) -> Bool {
        let limit = min(bytes.count, limits.headBytesMax)
        let isAnswerToHead = method == .head
        if progress.lineStart == 0 {
            if progress.scanned == 0,
                head.memory.matches(bytes, limits, isAnswerToHead: isAnswerToHead)
            {
                return true
            }
            try checkStart(bytes, limit)
        }
        head.memory.forget()
        head.edition &+= 1
        var offset = progress.lineStart
        if offset == 0 {
            switch StartLine.find(
                bytes, from: progress.scanned, limit: limit, lineBytesMax: Self.statusLineBytesMax)
            {
            case .needMore:
                progress.scanned = limit
                return try starve(bytes)
            case .tooLong: throw .headTooLarge
            case .bareLineFeed: throw .bareLineFeed
            case .bareCarriageReturn: throw .bareCarriageReturn
            case .ends(let lineEnd):
                try parseStatusLine(bytes, lineEnd, into: &head)
                offset = lineEnd &+ 2
            }
        } else if !progress.findsLineEnd(bytes, limit: limit) {
            return try starve(bytes)
        }
        head.fields.removeAll(assuming: progress.fields)
        let isComplete: Bool
        do throws(FieldError) {
            isComplete = try head.fields.parse(bytes, from: &offset, to: limit, limits: limits)
        } catch {
            throw ResponseError(error)
        }
        guard isComplete else {
            progress.scanned = limit
            progress.lineStart = offset
            progress.fields = head.fields.count
            return try starve(bytes)
        }
        if progress.lineStart > 0 {
            // The lines of earlier reads are not in the table: once more, from the first.
            reset()
            return try read(bytes, &head, method)
        }
        head.byteCount = offset
        do throws(FieldError) {
            try head.fields.nominate(bytes)
        } catch {
            throw ResponseError(error)
        }
        try judge(bytes, &head, method)
        head.memory.keep(bytes, count: offset, limits, isAnswerToHead: isAnswerToHead)
        reset()
        return true
    }

    /// Nothing more to judge: false, or the head has had its room.
    private func starve(_ bytes: Span<UInt8>) throws(ResponseError) -> Bool {
        if bytes.count >= limits.headBytesMax { throw .headTooLarge }
        return false
    }

    @inline(__always)
    private func checkStart(_ bytes: Span<UInt8>, _ limit: Int) throws(ResponseError) {
        for index in 0..<min(limit, 7) where bytes[index] != Self.start[index] {
            throw .badStatusLine
        }
    }

    private static var start: InlineArray<7, UInt8> {
        [0x48, 0x54, 0x54, 0x50, 0x2F, 0x31, 0x2E]
    }

    /// Judges and takes apart the status line that ends before `end`.
    private func parseStatusLine(
        _ bytes: Span<UInt8>, _ end: Int, into head: inout ResponseHead
    ) throws(ResponseError) {
        guard end >= 12, bytes[8] == 0x20 else { throw .badStatusLine }
        switch bytes[7] {
        case 0x31: head.version = .http11
        case 0x30: head.version = .http10
        default: throw .badVersion
        }
        var status = 0
        for index in 9..<12 {
            let digit = bytes[index] &- 0x30
            guard digit < 10 else { throw .badStatus }
            status = status &* 10 &+ Int(digit)
        }
        guard status >= 100, status < 600 else { throw .badStatus }
        // RFC 9112 §4 wants a space even before an empty reason; many servers leave both out.
        guard end == 12 || bytes[12] == 0x20 else { throw .badStatus }
        let reasonStart = min(13, end)
        var control = bytes.firstControl(from: reasonStart, to: end)
        while control < end, bytes[control] == 0x09 {
            control = bytes.firstControl(from: control &+ 1, to: end)
        }
        guard control == end else { throw .badStatusLine }
        head.status = status
        head.reason = reasonStart..<end
    }

    private func judge(_ bytes: Span<UInt8>, _ head: inout ResponseHead, _ method: Method)
        throws(ResponseError)
    {
        if head.status == 101 { throw .switchingProtocols }
        try judgeFraming(bytes, &head, method)
        head.keepAlive =
            head.fields.keepsAlive(head.version)
            && head.framing != .untilClose
        head.keepAliveTimeoutSeconds = head.first(.keepAlive).flatMap {
            Self.timeout(bytes, $0.value)
        }
        head.isEventStream =
            head.first(.contentType).map { Self.isEventStream(bytes, $0.value) } ?? false
    }

    private func judgeFraming(
        _ bytes: Span<UInt8>, _ head: inout ResponseHead, _ method: Method
    ) throws(ResponseError) {
        let length = head.first(.contentLength)
        let coding = head.first(.transferEncoding)
        var framing = BodyFraming.untilClose
        if let coding {
            if length != nil { throw .contentLengthWithTransferEncoding }
            guard bytes.equalsName("chunked", in: coding.value), head.version == .http11,
                !head.fields.repeated.contains(.transferEncoding)
            else { throw .badTransferEncoding }
            framing = .chunked
        } else if let length {
            if head.fields.repeated.contains(.contentLength) { throw .repeatedContentLength }
            guard case .bytes(let count) = ContentLength.parse(bytes, length.value) else {
                throw .badContentLength
            }
            framing = count == 0 ? .none : .length(count)
        }
        let hasNoBody =
            method == .head || head.status < 200 || head.status == 204 || head.status == 304
        head.framing = hasNoBody ? .none : framing
    }

    private static func isEventStream(_ bytes: Span<UInt8>, _ value: Range<Int>) -> Bool {
        let name: StaticString = "text/event-stream"
        let end = bytes.firstIndex(of: 0x3B, from: value.lowerBound, to: value.upperBound)
        var stop = end
        while stop > value.lowerBound, isBlank(bytes[stop &- 1]) { stop &-= 1 }
        return bytes.equalsName(name, in: value.lowerBound..<stop)
    }

    /// The number in `timeout=5, max=100`. Source: RFC 2068 §19.7.1 (the field was never in a later one).
    private static func timeout(_ bytes: Span<UInt8>, _ value: Range<Int>) -> Int? {
        var list = TokenList(value)
        while let parameter = list.next(bytes) {
            guard parameter.count > 8, parameter.count <= 12 else { continue }
            let digits = parameter.lowerBound &+ 8..<parameter.upperBound
            guard bytes.equalsName("timeout=", in: parameter.lowerBound..<digits.lowerBound)
            else { continue }
            guard case .bytes(let seconds) = ContentLength.parse(bytes, digits) else { return nil }
            return seconds
        }
        return nil
    }
}
