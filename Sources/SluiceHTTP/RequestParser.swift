import SluiceBytes

/// Reads request heads, strictly: what two parsers could read differently is refused.
///
/// Its state is only how far it has looked, so a connection pays a few words while a head is coming.
/// Source: RFC 9112 §2 – §6, RFC 9110 §5.
package struct RequestParser: Sendable {
    private let limits: HeadLimits
    private var progress = HeadProgress()

    package init(limits: HeadLimits) { self.limits = limits }

    /// Forgets the head; the next call starts at a new one.
    package mutating func reset() { progress = HeadProgress() }

    /// Parses the head at the front of a buffer.
    package mutating func parse(_ buffer: borrowing ByteBuffer, into head: inout RequestHead)
        -> HeadStep<RequestError>
    {
        parse(buffer.bytes, into: &head)
    }

    /// Parses the head at the front of `bytes`, which must begin at the same byte in every call
    /// until the verdict.
    ///
    /// - Returns: the same verdict however the input is cut; a fatal error shows as soon as the line
    ///   that holds it has ended, in the method at once.
    package mutating func parse(_ bytes: Span<UInt8>, into head: inout RequestHead)
        -> HeadStep<RequestError>
    {
        do throws(RequestError) {
            return try read(bytes, &head) ? .complete : .needMore
        } catch {
            return .failed(error)
        }
    }

    /// Whether the head is complete.
    private mutating func read(_ bytes: Span<UInt8>, _ head: inout RequestHead)
        throws(RequestError) -> Bool
    {
        let limit = min(bytes.count, limits.headBytesMax)
        if progress.lineStart == 0 {
            if progress.scanned == 0, head.memory.matches(bytes, limits) { return true }
            try checkMethod(bytes, limit)
        }
        head.memory.forget()
        head.edition &+= 1
        var offset = progress.lineStart
        if offset == 0 {
            guard let lineEnd = try requestLineEnd(bytes, limit) else {
                progress.scanned = limit
                return try starve(bytes)
            }
            try parseRequestLine(bytes, lineEnd, into: &head)
            offset = lineEnd &+ 2
        } else if !progress.findsLineEnd(bytes, limit: limit) {
            return try starve(bytes)
        }
        head.fields.removeAll(assuming: progress.fields)
        let isComplete: Bool
        do throws(FieldError) {
            isComplete = try head.fields.parse(bytes, from: &offset, to: limit, limits: limits)
        } catch {
            throw RequestError(error)
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
            return try read(bytes, &head)
        }
        head.byteCount = offset
        do throws(FieldError) {
            try head.fields.nominate(bytes)
        } catch {
            throw RequestError(error)
        }
        try judge(bytes, &head)
        head.memory.keep(bytes, count: offset, limits)
        reset()
        return true
    }

    /// Nothing more to judge: false, or the head has had its room.
    private func starve(_ bytes: Span<UInt8>) throws(RequestError) -> Bool {
        if bytes.count >= limits.headBytesMax { throw .headTooLarge }
        return false
    }

    /// Offset of the request line's CR, or nil where it has not come.
    private func requestLineEnd(_ bytes: Span<UInt8>, _ limit: Int) throws(RequestError) -> Int? {
        // Method, target, version and what separates them.
        let lineBytesMax = limits.targetBytesMax &+ limits.methodBytesMax &+ 16
        switch StartLine.find(
            bytes, from: progress.scanned, limit: limit, lineBytesMax: lineBytesMax)
        {
        case .needMore: return nil
        case .tooLong: throw .targetTooLong
        case .bareLineFeed: throw .bareLineFeed
        case .bareCarriageReturn: throw .bareCarriageReturn
        case .ends(let end): return end
        }
    }

    /// Refuses TLS, PROXY lines and noise at their first bytes.
    @inline(__always)
    private func checkMethod(_ bytes: Span<UInt8>, _ limit: Int) throws(RequestError) {
        if limit >= 8 {
            // "POST " and "GET ", as nearly every request begins.
            let word = bytes.word(at: 0)
            if word & 0xFF_FFFF_FFFF == 0x20_5453_4F50 || word & 0xFFFF_FFFF == 0x2054_4547 {
                return
            }
        }
        var offset = 0
        let end = min(limit, limits.methodBytesMax &+ 1)
        while offset < end {
            let byte = bytes[offset]
            if byte == 0x20 {
                if offset == 0 { throw .badMethod }
                return
            }
            guard Token.contains(byte), !(byte &- 0x61 < 26) else {
                // A record of type handshake. Source: RFC 8446 §5.1.
                throw offset == 0 && byte == 0x16 ? .tlsHandshake : .badMethod
            }
            offset &+= 1
        }
        if offset > limits.methodBytesMax { throw .methodTooLong }
    }

    /// Judges and takes apart the request line that ends before `end`.
    private func parseRequestLine(
        _ bytes: Span<UInt8>, _ end: Int, into head: inout RequestHead
    ) throws(RequestError) {
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
        // By length first: the two methods that nearly every request has cost one comparison.
        func named(_ method: Method) -> Method {
            bytes.equals(method.name, in: name) ? method : .other
        }
        if name.count == 4, bytes.count >= 8, bytes.word(at: 0) & 0xFFFF_FFFF == 0x5453_4F50 {
            return .post
        }
        switch name.count {
        case 3: return bytes[name.lowerBound] == 0x47 ? named(.get) : named(.put)
        case 4: return bytes[name.lowerBound] == 0x50 ? named(.post) : named(.head)
        case 5: return bytes[name.lowerBound] == 0x50 ? named(.patch) : named(.trace)
        case 6: return named(.delete)
        case 7: return bytes[name.lowerBound] == 0x4F ? named(.options) : named(.connect)
        default: return .other
        }
    }

    private func version(_ bytes: Span<UInt8>, _ start: Int, _ end: Int) throws(RequestError)
        -> HTTPVersion
    {
        // "HTTP/1.1" in one word.
        if end &- start == 8, bytes.word(at: start) == 0x312E_312F_5054_5448 { return .http11 }
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
        guard bytes.firstNonTargetByte(from: start, to: end) == end else { throw .badTarget }
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
            guard bytes.equalsName("100-continue", in: expect.value),
                !head.fields.repeated.contains(.expect)
            else { throw .unknownExpectation }
            head.expectsContinue = head.version == .http11 && head.framing != .none
        }
        head.keepAlive = head.fields.keepsAlive(head.version)
    }

    private func judgeHost(_ bytes: Span<UInt8>, _ head: inout RequestHead) throws(RequestError) {
        head.host = nil
        if head.fields.repeated.contains(.host) { throw .repeatedHost }
        guard let host = head.first(.host) else {
            if head.version == .http11 { throw .missingHost }
            // Nothing to compare with: two authorities may be meant, so neither is believed.
            if head.authority != nil { throw .authorityMismatch }
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
            guard bytes.equalsName("chunked", in: coding.value) else {
                throw TransferCoding.endsInChunked(bytes, coding.value)
                    ? .codingNotImplemented : .badTransferEncoding
            }
            head.framing = .chunked
        } else if let length {
            if head.fields.repeated.contains(.contentLength) { throw .repeatedContentLength }
            switch ContentLength.parse(bytes, length.value) {
            case .bytes(let count): head.framing = count == 0 ? .none : .length(count)
            case .tooLarge: throw .contentTooLarge
            case .malformed: throw .badContentLength
            }
        } else {
            head.framing = .none
        }
    }
}
