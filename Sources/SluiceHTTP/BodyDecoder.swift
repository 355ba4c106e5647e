import SluiceBytes

/// Why a body cannot be read.
package enum BodyError: UInt8, Error, CaseIterable, Sendable {
    case badChunkSize, chunkSizeTooLarge, badChunkExtension, extensionsTooLarge
    case badChunkEnd, bareLineFeed, badTrailer, trailerTooLarge

    /// The status where it is a request's body.
    package var status: Int {
        switch self {
        case .extensionsTooLarge, .trailerTooLarge: 431
        case .badChunkSize, .chunkSizeTooLarge, .badChunkExtension, .badChunkEnd, .bareLineFeed,
            .badTrailer:
            400
        }
    }

    /// One sentence for the person behind the client.
    package var reason: StaticString {
        switch self {
        case .badChunkSize: "A chunk size is not a hexadecimal number."
        case .chunkSizeTooLarge: "A chunk size is out of range."
        case .badChunkExtension: "A chunk extension has a byte that none may have."
        case .extensionsTooLarge: "The chunk extensions are larger than the body allows."
        case .badChunkEnd: "A chunk is not followed by CR LF."
        case .bareLineFeed: "A line of the chunked body ends in LF without CR."
        case .badTrailer: "A trailer line is malformed."
        case .trailerTooLarge: "The trailer is too large."
        }
    }

    /// The metric label.
    package var label: StaticString {
        switch self {
        case .badChunkSize: "bad_chunk_size"
        case .chunkSizeTooLarge: "chunk_size_too_large"
        case .badChunkExtension: "bad_chunk_extension"
        case .extensionsTooLarge: "chunk_extensions_too_large"
        case .badChunkEnd: "bad_chunk_end"
        case .bareLineFeed: "bare_line_feed"
        case .badTrailer: "bad_trailer"
        case .trailerTooLarge: "trailer_too_large"
        }
    }
}

/// What comes next of a body.
package enum BodyStep: Equatable, Sendable {
    /// These bytes are the body's; go on at their end.
    case data(Range<Int>)
    /// Everything before this offset is used; more must come.
    case needMore(at: Int)
    /// The body ended just before this offset; what follows is not its.
    case end(at: Int)
    case failed(BodyError)
}

/// Takes the framing off a body, in both directions, across any cut, in a few words of state.
///
/// Source: RFC 9112 §6.2, §7.1. Chunk extensions are checked and dropped, trailers are dropped and
/// never merged into the fields.
package struct BodyDecoder: Sendable {
    /// Bytes of one trailer section at most.
    package static let trailerBytesMax = 8_192
    /// Extension bytes at most: this many more than bytes of body so far (CVE-2023-39326).
    package static let extensionBytesFree = 256

    private enum State: Equatable {
        case length(remaining: Int)
        case untilClose
        // Chunked.
        case size(digits: Int, value: Int)
        case extensions(value: Int, isQuoted: Bool, isEscaped: Bool)
        case sizeLineFeed(value: Int)
        case data(remaining: Int)
        case dataReturn
        case dataLineFeed
        case trailerStart
        case trailerName(count: Int)
        case trailerValue
        case trailerLineFeed
        case lastLineFeed
        case ended
    }

    private var state: State
    private var overheadBytes = 0
    private var dataBytes = 0
    private var trailerBytes = 0

    package init(framing: BodyFraming) {
        state =
            switch framing {
            case .none: .ended
            case .length(let count): count > 0 ? .length(remaining: count) : .ended
            case .chunked: .size(digits: 0, value: 0)
            case .untilClose: .untilClose
            }
    }

    /// Whether the body has come to its end.
    package var isComplete: Bool { state == .ended }
    /// Whether the end of the connection is this body's proper end.
    package var endsWithConnection: Bool { state == .untilClose || state == .ended }

    /// The next step of `bytes` from `offset`; call again from where the step ends.
    package mutating func next(_ bytes: Span<UInt8>, from offset: Int) -> BodyStep {
        switch state {
        case .ended: return .end(at: offset)
        case .untilClose:
            return offset < bytes.count ? .data(offset..<bytes.count) : .needMore(at: offset)
        case .length(let remaining):
            guard offset < bytes.count else { return .needMore(at: offset) }
            let count = min(remaining, bytes.count &- offset)
            state = count == remaining ? .ended : .length(remaining: remaining &- count)
            return .data(offset..<offset &+ count)
        case .size, .extensions, .sizeLineFeed, .data, .dataReturn, .dataLineFeed, .trailerStart,
            .trailerName, .trailerValue, .trailerLineFeed, .lastLineFeed:
            return nextChunked(bytes, from: offset)
        }
    }

    private mutating func nextChunked(_ bytes: Span<UInt8>, from start: Int) -> BodyStep {
        var offset = start
        while offset < bytes.count {
            if case .data(let remaining) = state {
                let count = min(remaining, bytes.count &- offset)
                state = count == remaining ? .dataReturn : .data(remaining: remaining &- count)
                dataBytes &+= count
                return .data(offset..<offset &+ count)
            }
            if let error = take(bytes[offset]) {
                return .failed(error)
            }
            offset &+= 1
            if state == .ended { return .end(at: offset) }
        }
        return .needMore(at: offset)
    }

    /// Takes one byte of framing.
    private mutating func take(_ byte: UInt8) -> BodyError? {
        switch state {
        case .size(let digits, let value): return takeSize(byte, digits, value)
        case .extensions(let value, let isQuoted, let isEscaped):
            return takeExtension(byte, value, isQuoted, isEscaped)
        case .sizeLineFeed(let value):
            guard byte == 0x0A else { return .badChunkExtension }
            state = value == 0 ? .trailerStart : .data(remaining: value)
        case .dataReturn:
            guard byte == 0x0D else { return byte == 0x0A ? .bareLineFeed : .badChunkEnd }
            state = .dataLineFeed
        case .dataLineFeed:
            guard byte == 0x0A else { return .badChunkEnd }
            state = .size(digits: 0, value: 0)
        case .trailerStart, .trailerName, .trailerValue, .trailerLineFeed, .lastLineFeed:
            return takeTrailer(byte)
        case .length, .untilClose, .data, .ended: break
        }
        return nil
    }

    private mutating func takeSize(_ byte: UInt8, _ digits: Int, _ value: Int) -> BodyError? {
        let decimal = byte &- 0x30
        let letter = (byte | 0x20) &- 0x61
        if decimal < 10 || letter < 6 {
            // Fifteen digits fit an Int with room; leading zeros count, or they would be endless.
            guard digits < 15 else { return .chunkSizeTooLarge }
            let digit = decimal < 10 ? Int(decimal) : Int(letter) &+ 10
            state = .size(digits: digits &+ 1, value: value &<< 4 | digit)
            return nil
        }
        guard digits > 0 else { return .badChunkSize }
        switch byte {
        case 0x0D: state = .sizeLineFeed(value: value)
        case 0x3B:
            state = .extensions(value: value, isQuoted: false, isEscaped: false)
            return countOverhead()
        case 0x0A: return .bareLineFeed
        default: return .badChunkSize
        }
        return nil
    }

    private mutating func takeExtension(
        _ byte: UInt8, _ value: Int, _ isQuoted: Bool, _ isEscaped: Bool
    ) -> BodyError? {
        if byte == 0x0D {
            guard !isQuoted else { return .badChunkExtension }
            state = .sizeLineFeed(value: value)
            return nil
        }
        if byte == 0x0A { return .bareLineFeed }
        guard byte >= 0x20 && byte != 0x7F || byte == 0x09 else { return .badChunkExtension }
        let closes = byte == 0x22 && !isEscaped
        state = .extensions(
            value: value, isQuoted: closes ? !isQuoted : isQuoted,
            isEscaped: isQuoted && byte == 0x5C && !isEscaped)
        return countOverhead()
    }

    private mutating func countOverhead() -> BodyError? {
        overheadBytes &+= 1
        return overheadBytes > Self.extensionBytesFree &+ dataBytes ? .extensionsTooLarge : nil
    }

    private mutating func takeTrailer(_ byte: UInt8) -> BodyError? {
        trailerBytes &+= 1
        if trailerBytes > Self.trailerBytesMax { return .trailerTooLarge }
        switch state {
        case .trailerStart:
            if byte == 0x0D {
                state = .lastLineFeed
            } else if Token.contains(byte) {
                state = .trailerName(count: 1)
            } else {
                return byte == 0x0A ? .bareLineFeed : .badTrailer
            }
        case .trailerName(let count):
            if byte == 0x3A {
                state = .trailerValue
            } else if Token.contains(byte) {
                state = .trailerName(count: count &+ 1)
            } else {
                return byte == 0x0A ? .bareLineFeed : .badTrailer
            }
        case .trailerValue:
            if byte == 0x0D {
                state = .trailerLineFeed
            } else if byte == 0x0A {
                return .bareLineFeed
            } else if byte < 0x20 && byte != 0x09 || byte == 0x7F {
                return .badTrailer
            }
        case .trailerLineFeed:
            guard byte == 0x0A else { return .badTrailer }
            state = .trailerStart
        case .lastLineFeed:
            guard byte == 0x0A else { return .badTrailer }
            state = .ended
        case .length, .untilClose, .size, .extensions, .sizeLineFeed, .data, .dataReturn,
            .dataLineFeed, .ended:
            break
        }
        return nil
    }
}
