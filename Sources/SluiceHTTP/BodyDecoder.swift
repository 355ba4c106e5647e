import SluiceBytes

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
@usableFromInline package struct BodyDecoder: Sendable {
    /// Bytes of one trailer section at most.
    package static let trailerBytesMax = 8_192
    /// Extension bytes at most: this many more than bytes of body so far (CVE-2023-39326). Their
    /// number, unlike the bytes of a body, has no other limit.
    package static let extensionBytesFree = 256

    /// What the next byte belongs to.
    @usableFromInline enum Phase: UInt8, Sendable {
        case length, untilClose, ended, failed
        // Chunked.
        case size, sizeLineFeed, data, dataReturn, dataLineFeed
        case extensionStart, extensionName, extensionValueStart, extensionValue
        case quoted, quotedEscape, quotedEnd
        case trailerStart, trailerName, trailerValue, trailerLineFeed, lastLineFeed
    }

    @usableFromInline var phase: Phase
    @usableFromInline var failure: BodyError
    /// Hexadecimal digits of the chunk size seen so far.
    @usableFromInline var sizeDigits: UInt8
    /// `length`, `data`: bytes still to come. `size` and its line: the size so far.
    @usableFromInline var remaining: Int
    /// Bytes of chunk data so far: what extensions are measured against.
    @usableFromInline var dataBytes: Int
    @usableFromInline var extensionBytes: Int
    @usableFromInline var trailerBytes: Int

    /// A decoder at the first byte after the head.
    @inlinable @inline(__always) package init(framing: BodyFraming) {
        failure = .badChunkSize
        sizeDigits = 0
        remaining = 0
        dataBytes = 0
        extensionBytes = 0
        trailerBytes = 0
        switch framing {
        case .none: phase = .ended
        case .length(let count):
            phase = count > 0 ? .length : .ended
            remaining = count
        case .chunked: phase = .size
        case .untilClose: phase = .untilClose
        }
    }

    /// Whether the body has come to its end.
    @inlinable package var isComplete: Bool { phase == .ended }
    /// Whether the end of the connection is this body's proper end.
    package var endsWithConnection: Bool { phase == .untilClose || phase == .ended }

    /// Whether a chunk begins with the next byte.
    @inlinable package var isBetweenChunks: Bool { phase == .size && sizeDigits == 0 }

    /// The data of a chunk that is there as a whole at `offset`, where one begins: a size line without
    /// extensions, the data, CR LF. Nil for any other; the decoder stays where it is.
    @inlinable package static func wholeChunk(_ bytes: Span<UInt8>, at offset: Int) -> Range<Int>? {
        guard let line = sizeLine(bytes, at: offset), line.size &+ 2 <= bytes.count &- line.end
        else { return nil }
        let stop = line.end &+ line.size
        guard bytes[stop] == 0x0D, bytes[stop &+ 1] == 0x0A else { return nil }
        return line.end..<stop
    }

    /// The next step of `bytes` from `offset`; call again from where the step ends.
    ///
    /// A failure is final: every later call answers it again.
    package mutating func next(_ bytes: Span<UInt8>, from offset: Int) -> BodyStep {
        switch phase {
        case .ended: return .end(at: offset)
        case .failed: return .failed(failure)
        case .untilClose:
            return offset < bytes.count ? .data(offset..<bytes.count) : .needMore(at: offset)
        case .length:
            guard offset < bytes.count else { return .needMore(at: offset) }
            let count = min(remaining, bytes.count &- offset)
            remaining &-= count
            if remaining == 0 { phase = .ended }
            return .data(offset..<offset &+ count)
        case .size, .sizeLineFeed, .data, .dataReturn, .dataLineFeed, .extensionStart,
            .extensionName, .extensionValueStart, .extensionValue, .quoted, .quotedEscape,
            .quotedEnd, .trailerStart, .trailerName, .trailerValue, .trailerLineFeed,
            .lastLineFeed:
            return nextChunked(bytes, from: offset)
        }
    }

    // MARK: Chunked

    private mutating func nextChunked(_ bytes: Span<UInt8>, from start: Int) -> BodyStep {
        var offset = start
        let end = bytes.count
        // The usual chunk end and size line in one go; whatever is unusual is left to `take`.
        if phase == .dataReturn, offset &+ 1 < end, bytes[offset] == 0x0D,
            bytes[offset &+ 1] == 0x0A
        {
            offset &+= 2
            phase = .size
        }
        if phase == .size, sizeDigits == 0 { offset = takeSizeLine(bytes, from: offset) }
        while offset < end {
            if phase == .data {
                let count = min(remaining, end &- offset)
                remaining &-= count
                if remaining == 0 { phase = .dataReturn }
                dataBytes &+= count
                return .data(offset..<offset &+ count)
            }
            if let error = take(bytes[offset]) {
                phase = .failed
                failure = error
                return .failed(error)
            }
            offset &+= 1
            if phase == .ended { return .end(at: offset) }
        }
        return .needMore(at: offset)
    }

    /// Takes a plain size line that is here as a whole.
    ///
    /// - Returns: the offset behind it, or `start` where it is not such a line.
    @inline(__always)
    private mutating func takeSizeLine(_ bytes: Span<UInt8>, from start: Int) -> Int {
        guard let line = Self.sizeLine(bytes, at: start) else { return start }
        remaining = line.size
        phase = .data
        return line.end
    }

    /// A plain size line that is here as a whole: digits of a size above 0, CR LF; and where it ends.
    @inlinable @inline(__always) static func sizeLine(
        _ bytes: Span<UInt8>, at start: Int
    ) -> (size: Int, end: Int)? {
        var offset = start
        var size = 0
        // Eight digits are four gigabytes; longer sizes go byte by byte.
        let end = min(bytes.count &- 1, start &+ 8)
        while offset < end {
            let digit = hexDigit(bytes[offset])
            if digit < 0 { break }
            size = size &<< 4 | digit
            offset &+= 1
        }
        guard offset &+ 1 < bytes.count, bytes[offset] == 0x0D, bytes[offset &+ 1] == 0x0A,
            size > 0
        else { return nil }
        return (size, offset &+ 2)
    }

    /// The value of a hexadecimal digit, or -1.
    @inlinable @inline(__always) static func hexDigit(_ byte: UInt8) -> Int {
        let decimal = byte &- 0x30
        if decimal < 10 { return Int(decimal) }
        let letter = (byte | 0x20) &- 0x61
        return letter < 6 ? Int(letter) &+ 10 : -1
    }

    /// Takes one byte of framing.
    private mutating func take(_ byte: UInt8) -> BodyError? {
        switch phase {
        case .size: return takeSize(byte)
        case .extensionStart, .extensionName, .extensionValueStart, .extensionValue, .quoted,
            .quotedEscape, .quotedEnd:
            return takeExtension(byte)
        case .sizeLineFeed:
            guard byte == 0x0A else { return .badChunkExtension }
            sizeDigits = 0
            phase = remaining == 0 ? .trailerStart : .data
        case .dataReturn:
            guard byte == 0x0D else { return byte == 0x0A ? .bareLineFeed : .badChunkEnd }
            phase = .dataLineFeed
        case .dataLineFeed:
            guard byte == 0x0A else { return .badChunkEnd }
            phase = .size
        case .trailerStart, .trailerName, .trailerValue, .trailerLineFeed, .lastLineFeed:
            return takeTrailer(byte)
        case .length, .untilClose, .data, .ended, .failed: break
        }
        return nil
    }

    private mutating func takeSize(_ byte: UInt8) -> BodyError? {
        let digit = Self.hexDigit(byte)
        if digit >= 0 {
            // Fifteen digits fit an Int with room; leading zeros count, or they would be endless.
            guard sizeDigits < 15 else { return .chunkSizeTooLarge }
            remaining = (sizeDigits == 0 ? 0 : remaining &<< 4) | digit
            sizeDigits &+= 1
            return nil
        }
        guard sizeDigits > 0 else { return byte == 0x0A ? .bareLineFeed : .badChunkSize }
        switch byte {
        case 0x0D: phase = .sizeLineFeed
        case 0x3B:
            phase = .extensionStart
            return countExtensionByte()
        case 0x0A: return .bareLineFeed
        default: return .badChunkSize
        }
        return nil
    }

    /// `*( ";" token [ "=" ( token / quoted-string ) ] )`, without the white space that RFC 9112 calls
    /// bad: two readers of one extension is how chunked bodies are smuggled.
    private mutating func takeExtension(_ byte: UInt8) -> BodyError? {
        if byte != 0x0D, let error = countExtensionByte() { return error }
        if byte == 0x0A { return .bareLineFeed }
        let isToken = Token.contains(byte)
        switch phase {
        case .extensionStart:
            guard isToken else { return .badChunkExtension }
            phase = .extensionName
        case .extensionName:
            if byte == 0x3D {
                phase = .extensionValueStart
            } else if !isToken {
                return endExtension(byte)
            }
        case .extensionValueStart:
            guard isToken || byte == 0x22 else { return .badChunkExtension }
            phase = isToken ? .extensionValue : .quoted
        case .extensionValue:
            if !isToken { return endExtension(byte) }
        case .quoted, .quotedEscape:
            guard byte >= 0x20 && byte != 0x7F || byte == 0x09 else { return .badChunkExtension }
            if phase == .quotedEscape {
                phase = .quoted
            } else if byte == 0x5C {
                phase = .quotedEscape
            } else if byte == 0x22 {
                phase = .quotedEnd
            }
        case .quotedEnd: return endExtension(byte)
        case .length, .untilClose, .ended, .failed, .size, .sizeLineFeed, .data, .dataReturn,
            .dataLineFeed, .trailerStart, .trailerName, .trailerValue, .trailerLineFeed,
            .lastLineFeed:
            break
        }
        return nil
    }

    /// After a whole extension: another one, or the end of the line.
    private mutating func endExtension(_ byte: UInt8) -> BodyError? {
        switch byte {
        case 0x3B: phase = .extensionStart
        case 0x0D: phase = .sizeLineFeed
        default: return .badChunkExtension
        }
        return nil
    }

    private mutating func countExtensionByte() -> BodyError? {
        extensionBytes &+= 1
        return extensionBytes > Self.extensionBytesFree &+ dataBytes ? .extensionsTooLarge : nil
    }

    private mutating func takeTrailer(_ byte: UInt8) -> BodyError? {
        trailerBytes &+= 1
        if trailerBytes > Self.trailerBytesMax { return .trailerTooLarge }
        switch phase {
        case .trailerStart:
            if byte == 0x0D {
                phase = .lastLineFeed
            } else if Token.contains(byte) {
                phase = .trailerName
            } else {
                return byte == 0x0A ? .bareLineFeed : .badTrailer
            }
        case .trailerName:
            if byte == 0x3A {
                phase = .trailerValue
            } else if !Token.contains(byte) {
                return byte == 0x0A ? .bareLineFeed : .badTrailer
            }
        case .trailerValue:
            if byte == 0x0D {
                phase = .trailerLineFeed
            } else if byte == 0x0A {
                return .bareLineFeed
            } else if byte < 0x20 && byte != 0x09 || byte == 0x7F {
                return .badTrailer
            }
        case .trailerLineFeed:
            guard byte == 0x0A else { return .badTrailer }
            phase = .trailerStart
        case .lastLineFeed:
            guard byte == 0x0A else { return .badTrailer }
            phase = .ended
        case .length, .untilClose, .ended, .failed, .size, .sizeLineFeed, .data, .dataReturn,
            .dataLineFeed, .extensionStart, .extensionName, .extensionValueStart,
            .extensionValue, .quoted, .quotedEscape, .quotedEnd:
            break
        }
        return nil
    }
}
