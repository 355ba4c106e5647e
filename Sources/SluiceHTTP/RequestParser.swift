import SluiceBytes

/// Reads request heads, strictly: what two parsers could read differently is refused.
///
/// Its state is only how far it has looked, so a connection pays a few words while a head is coming.
/// Source: RFC 9112 §2 – §6, RFC 9110 §5.
package struct RequestParser: Sendable {
    private let limits: HeadLimits
    private var scanner = HeadScanner()

    package init(limits: HeadLimits) { self.limits = limits }

    /// Forgets the head; the next call starts at a new one.
    package mutating func reset() { scanner = HeadScanner() }

    /// Parses the head at the front of a buffer.
    package mutating func parse(_ buffer: borrowing ByteBuffer, into head: inout RequestHead)
        -> HeadStep<RequestError>
    {
        parse(buffer.bytes, into: &head)
    }

    /// Parses the head at the front of `bytes`, which must begin at the same byte in every call.
    ///
    /// - Returns: the same verdict however the input is cut, though a fatal error may show before
    ///   the head is whole.
    package mutating func parse(_ bytes: Span<UInt8>, into head: inout RequestHead)
        -> HeadStep<RequestError>
    {
        do throws(RequestError) {
            if bytes.count > 0, scanner.firstLineEnd == 0 { try checkMethod(bytes) }
            let hadFirstLine = scanner.firstLineEnd != 0
            switch scanner.scan(bytes, headBytesMax: limits.headBytesMax) {
            case .complete(let count):
                try parseRequestLine(bytes, into: &head)
                head.byteCount = count
                do throws(FieldError) {
                    try head.fields.parse(
                        bytes, from: scanner.firstLineEnd, end: count, limits: limits)
                } catch {
                    throw RequestError(error)
                }
                try judge(bytes, &head)
                return .complete
            case .needMore:
                if !hadFirstLine, scanner.firstLineEnd != 0 {
                    try parseRequestLine(bytes, into: &head)
                } else if scanner.firstLineEnd == 0, bytes.count > targetLineMax {
                    throw .targetTooLong
                }
                return .needMore
            case .bareLineFeed:
                // The request line's own faults come first, so that the verdict does not depend on
                // how far the reads have got.
                if scanner.firstLineEnd != 0 { try parseRequestLine(bytes, into: &head) }
                throw .bareLineFeed
            case .tooLarge:
                if scanner.firstLineEnd != 0 {
                    try parseRequestLine(bytes, into: &head)
                } else if bytes.count > targetLineMax {
                    throw .targetTooLong
                }
                throw .headTooLarge
            }
        } catch {
            return .failed(error)
        }
    }

    /// Bytes of a request line at most: method, target, version and what separates them.
    private var targetLineMax: Int { limits.targetBytesMax + limits.methodBytesMax + 16 }

    /// Refuses TLS, PROXY lines and noise at their first bytes.
    private func checkMethod(_ bytes: Span<UInt8>) throws(RequestError) {
        var offset = 0
        let end = min(bytes.count, limits.methodBytesMax &+ 1)
        while offset < end {
            let byte = bytes[offset]
            if byte == 0x20 {
                if offset == 0 { throw .badMethod }
                return
            }
            guard Token.contains(byte), !(byte &- 0x61 < 26) else { throw .badMethod }
            offset &+= 1
        }
        if offset > limits.methodBytesMax { throw .methodTooLong }
    }

    private func parseRequestLine(_ bytes: Span<UInt8>, into head: inout RequestHead)
        throws(RequestError)
    {
        let end = scanner.firstLineEnd &- 2
        let methodEnd = bytes.firstIndex(of: 0x20, from: 0, to: end)
        guard methodEnd < end else { throw .badRequestLine }
        head.methodName = 0..<methodEnd
        head.method = Self.method(bytes, 0..<methodEnd)
        let targetStart = methodEnd &+ 1
        let targetEnd = bytes.firstIndex(of: 0x20, from: targetStart, to: end)
        guard targetEnd &- targetStart <= limits.targetBytesMax else { throw .targetTooLong }
        guard targetEnd < end, targetEnd > targetStart else { throw .badRequestLine }
        head.version = try version(bytes, targetEnd &+ 1, end)
        switch head.method {
        case .connect: throw .connectRefused
        case .trace: throw .traceRefused
        case .get, .head, .post, .put, .delete, .patch, .options, .other: break
        }
        try parseTarget(bytes, targetStart, targetEnd, into: &head)
    }

    private static func method(_ bytes: Span<UInt8>, _ name: Range<Int>) -> Method {
        let candidate: Method =
            switch (name.count, bytes[name.lowerBound]) {
            case (3, 0x47): .get
            case (4, 0x48): .head
            case (4, 0x50): .post
            case (3, 0x50): .put
            case (6, 0x44): .delete
            case (5, 0x50): .patch
            case (7, 0x4F): .options
            case (7, 0x43): .connect
            case (5, 0x54): .trace
            default: .other
            }
        return candidate != .other && bytes.equals(candidate.name, in: name) ? candidate : .other
    }

    private func version(_ bytes: Span<UInt8>, _ start: Int, _ end: Int) throws(RequestError)
        -> HTTPVersion
    {
        guard end &- start == 8, bytes.hasBytes("HTTP/", at: start), bytes[start &+ 6] == 0x2E
        else { throw .badVersion }
        let (major, minor) = (bytes[start &+ 5] &- 0x30, bytes[start &+ 7] &- 0x30)
        guard major < 10, minor < 10 else { throw .badVersion }
        switch (major, minor) {
        case (1, 1): return .http11
        case (1, 0): return .http10
        default: throw .versionNotSupported
        }
    }

    /// Origin form, or absolute form of http and https. Source: RFC 9112 §3.2.
    private func parseTarget(
        _ bytes: Span<UInt8>, _ start: Int, _ end: Int, into head: inout RequestHead
    ) throws(RequestError) {
        for index in start..<end {
            let byte = bytes[index]
            guard byte > 0x20, byte < 0x7F, byte != 0x23, byte != 0x5C else { throw .badTarget }
        }
        var pathStart = start
        if bytes[start] != 0x2F {
            let schemeEnd: Int
            if bytes.hasBytes("http://", at: start) {
                schemeEnd = start &+ 7
            } else if bytes.hasBytes("https://", at: start) {
                schemeEnd = start &+ 8
            } else {
                throw .badTarget
            }
            pathStart = bytes.firstIndex(of: 0x2F, from: schemeEnd, to: end)
            guard pathStart < end else { throw .badTarget }
            head.authority = schemeEnd..<pathStart
        } else {
            head.authority = nil
        }
        head.target = pathStart..<end
        let question = bytes.firstIndex(of: 0x3F, from: pathStart, to: end)
        head.path = pathStart..<question
        head.query = min(question &+ 1, end)..<end
    }

    // MARK: What the fields say together

    private func judge(_ bytes: Span<UInt8>, _ head: inout RequestHead) throws(RequestError) {
        try judgeHost(bytes, &head)
        try judgeFraming(bytes, &head)
        if head.fields.repeated.contains(.authorization) { throw .repeatedAuthorization }
        head.expectsContinue = false
        if let expect = head.first(.expect) {
            guard bytes.equalsIgnoringCase("100-continue", in: expect.value),
                !head.fields.repeated.contains(.expect)
            else { throw .unknownExpectation }
            head.expectsContinue = head.version == .http11
        }
        head.keepAlive = ConnectionOptions(head.fields, bytes).keepsAlive(head.version)
    }

    private func judgeHost(_ bytes: Span<UInt8>, _ head: inout RequestHead) throws(RequestError) {
        head.host = nil
        if head.fields.repeated.contains(.host) { throw .repeatedHost }
        guard let host = head.first(.host) else {
            if head.version == .http11 { throw .missingHost }
            return
        }
        guard HostSyntax.isValid(bytes, host.value) else { throw .badHost }
        head.host = host.value
        if let authority = head.authority,
            !equalIgnoringCase(bytes, authority, host.value)
        {
            throw .authorityMismatch
        }
    }

    private func judgeFraming(_ bytes: Span<UInt8>, _ head: inout RequestHead)
        throws(RequestError)
    {
        let length = head.first(.contentLength)
        if let coding = head.first(.transferEncoding) {
            if length != nil { throw .contentLengthWithTransferEncoding }
            if head.version == .http10 { throw .chunkedInHTTP10 }
            if head.fields.repeated.contains(.transferEncoding) { throw .badTransferEncoding }
            guard bytes.equalsIgnoringCase("chunked", in: coding.value) else {
                throw TransferCoding.endsInChunked(bytes, coding.value)
                    ? .codingNotImplemented : .badTransferEncoding
            }
            head.framing = .chunked
        } else if let length {
            if head.fields.repeated.contains(.contentLength) { throw .repeatedContentLength }
            guard let count = ContentLength.parse(bytes, length.value) else {
                throw .badContentLength
            }
            head.framing = count == 0 ? .none : .length(count)
        } else {
            head.framing = .none
        }
    }
}
