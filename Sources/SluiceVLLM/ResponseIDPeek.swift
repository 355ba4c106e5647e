import SluiceBytes

/// Finds the id that a replica gave a response of `/v1/responses`, as the answer passes: the body's
/// top-level `id`, or in a stream that of the `response` in an event (`response.created` is the first).
///
/// The id cannot be told from the request: vLLM takes the body's `request_id`, else one at random,
/// never `X-Request-Id` (ResponsesRequest.request_id in its protocol module). Fixed state, any cut.
package struct ResponseIDPeek: ~Copyable, Sendable {
    /// Bytes of the answer looked at; the id is among the first hundred of what vLLM writes.
    package static let bytesMax = 65_536
    /// Bytes of an id at most; a longer one is no route's (``RouteTable``).
    package static let idBytesMax = 128

    /// `data:`, the first byte lowest.
    private static let dataName: UInt64 = 0x3A_6174_6164

    private enum Line {
        /// So many bytes of `data:` have come.
        case start(Int)
        case data, skip
    }

    /// There is no use in feeding more.
    package private(set) var isOver = false
    private var isFound = false
    private let isStream: Bool
    private var scanner = JSONScanner<128>()
    private var line = Line.start(0)
    private var left = bytesMax
    private var isInResponse = false
    private var isAtID = false

    /// At the beginning of a body.
    package init(isStream: Bool) {
        self.isStream = isStream
        scanner.stopsAtLineEnd = isStream
    }

    /// The id; empty until it is found.
    package var id: Span<UInt8> {
        @_lifetime(borrow self) get {
            scanner.text.extracting(0..<(isFound ? scanner.textCount : 0))
        }
    }

    /// Takes the next bytes of the body, without its framing.
    package mutating func feed(_ bytes: Span<UInt8>) {
        let count = min(bytes.count, left)
        left -= count
        let looked = bytes.extracting(0..<count)
        var offset = 0
        while offset < count, !isOver {
            offset = isStream ? takeLine(looked, offset) : scan(looked, offset)
        }
        if left == 0 { isOver = true }
    }

    private mutating func takeLine(_ bytes: Span<UInt8>, _ offset: Int) -> Int {
        let byte = bytes[offset]
        switch line {
        case .start(let matched):
            if byte == 0x0A || byte == 0x0D {
                line = .start(0)
            } else if UInt64(byte) != Self.dataName >> UInt64(8 * matched) & 0xFF {
                line = .skip
            } else if matched < 4 {
                line = .start(matched + 1)
            } else {
                line = .data
                scanner.restart()
                isInResponse = false
                isAtID = false
            }
            return offset + 1
        case .skip:
            let lineFeed = bytes.firstIndex(of: 0x0A, from: offset, to: bytes.count)
            let end = bytes.firstIndex(of: 0x0D, from: offset, to: lineFeed)
            if end < bytes.count { line = .start(0) }
            return end
        case .data: return scan(bytes, offset)
        }
    }

    /// Reads JSON on; where it stopped.
    private mutating func scan(_ bytes: Span<UInt8>, _ start: Int) -> Int {
        var offset = start
        while !isOver {
            switch scanner.next(bytes, from: offset) {
            case .token(let token, let end):
                take(token)
                offset = end
            case .needMore: return bytes.count
            case .lineEnd(let end):
                line = .start(0)
                return end
            case .end:
                isOver = !isStream
                return bytes.count
            case .failed:
                isOver = !isStream
                line = .skip
                return offset
            }
        }
        return offset
    }

    private mutating func take(_ token: JSONToken) {
        switch token {
        case .key:
            if isStream, scanner.depth == 1 {
                isInResponse = scanner.textEquals("response")
                isAtID = false
                scanner.skipsContainers = !isInResponse
            } else {
                isAtID = (isInResponse || !isStream) && scanner.textEquals("id")
                scanner.skipsContainers = true
            }
        case .string:
            guard isAtID else { return }
            isFound = !scanner.isTextCut && RouteTable.isResponseID(scanner.text)
            isOver = true
        case .objectStart, .arrayStart, .objectEnd, .arrayEnd, .number, .true, .false, .null,
            .skipped:
            break
        }
    }
}
