import SluiceBytes

/// What the scanner has just finished reading.
package enum JSONToken: Equatable, Sendable {
    case objectStart, objectEnd, arrayStart, arrayEnd
    /// A key; it is in ``JSONScanner/key``.
    case key
    /// A string value; its text, if it was wanted, is in ``JSONScanner/text``.
    case string
    /// A number; its value, where it is an integer, is in ``JSONScanner/integer``.
    case number
    case `true`, `false`, null
    /// An object or array passed over as ``JSONScanner/skipsContainers`` asks; this is its end.
    case skipped
}

/// Why a text is not JSON as two parsers would both read it.
package enum JSONError: Error, Equatable, Sendable {
    case unexpectedByte, tooDeep, badEscape, badNumber, badLiteral, controlInString, trailingBytes
    case badUTF8
}

/// What the next call came to.
package enum JSONStep: Equatable, Sendable {
    /// A token is complete; reading goes on at this offset. A value ends exactly there; behind a key
    /// its colon may be passed too.
    case token(JSONToken, end: Int)
    /// All bytes are used and the text is not at its end.
    case needMore
    /// The value is complete and only white space followed.
    case end
    /// A line ends at this offset; only where ``JSONScanner/stopsAtLineEnd`` is set.
    case lineEnd(at: Int)
    case failed(JSONError)
}

/// Levels of nesting at most; Python's own limit in the replica is about 1,000.
package let jsonDepthMax = 256

/// Reads JSON in one pass across any cut: no recursion, no allocation, `textMax` bytes of text and a
/// hundred of state.
///
/// Nesting is a bit per level (object or array) up to ``jsonDepthMax``. A token that lies whole in one
/// piece is read in one go, strings 32 bytes at a time; one that is cut goes byte by byte through
/// ``State``. Both ways accept the same texts (tests cut at every byte). Source: RFC 8259.
///
/// - Parameter textMax: bytes of a string kept; longer ones are marked as cut.
package struct JSONScanner<let textMax: Int>: ~Copyable, Sendable {
    enum State: UInt8 {
        case value, valueOrEnd, keyOrEnd, key, colon, commaOrEnd, string, escape, unicode, number
        case literal, done
        case skipping, skippingString, skippingEscape
    }

    var state = State.value
    /// Levels open now; 0 outside the outermost value.
    package private(set) var depth = 0
    /// Whether the innermost open level is an object.
    package private(set) var isInObject = false
    /// One bit per level: 1 for an object.
    private var kinds = InlineArray<4, UInt64>(repeating: 0)

    /// The last key, or the last string value where ``keepsStrings`` is set, unescaped.
    package internal(set) var key = PackedText()
    /// The text of the last key or string that was to be kept, unescaped, cut at `textMax`.
    var storage = InlineArray<textMax, UInt8>(repeating: 0)
    /// Bytes of ``text``.
    package internal(set) var textCount = 0
    /// Whether the text was longer than `textMax`.
    package internal(set) var isTextCut = false
    /// Bytes inside the last string, as they stood in the input.
    package internal(set) var stringBytes = 0
    /// Keep string values, in ``text`` and ``key``.
    package var keepsStrings = true
    /// Keep keys in ``text`` too; whoever compares ``key`` alone saves the copy.
    package var keepsKeys = true
    /// Stop where a line ends instead of taking it for white space.
    package var stopsAtLineEnd = false

    /// Pass over an object or array that begins now, for ``JSONToken/skipped``: only strings and
    /// brackets in it are looked at, so that it need not even be well formed.
    package var skipsContainers = false
    /// Levels open of what is passed over.
    var skippedDepth = 0

    // Of a string that is cut.
    var isKey = false
    var unicode: UInt32 = 0
    var unicodeDigits: UInt8 = 0
    var highSurrogate: UInt32 = 0
    /// Continuation bytes of UTF-8 still to come, and between what the next must lie.
    var utf8Left: UInt8 = 0
    var utf8Low: UInt8 = 0x80
    var utf8High: UInt8 = 0xBF
    // Of a number and of a literal.
    var number = NumberReader()
    var literal: UInt8 = 0
    var literalPosition: UInt8 = 0

    /// At the beginning of a text.
    package init() {}

    /// Begins a new text; what is kept and where it stops stays.
    ///
    /// Cheaper than a new value: the kept text needs no clearing.
    package mutating func restart() {
        state = .value
        depth = 0
        isInObject = false
        skipsContainers = false
    }

    /// Whether the kept text equals `word`.
    @inline(__always) package func textEquals(_ word: StaticString) -> Bool {
        guard textCount == word.utf8CodeUnitCount, !isTextCut else { return false }
        return storage.span.hasBytes(word, at: 0)
    }

    /// The kept text.
    package var text: Span<UInt8> {
        @_lifetime(borrow self) get { storage.span.extracting(0..<textCount) }
    }

    /// The last number's value where it is an integer of at most 18 digits.
    package var integer: Int? { number.integer }
    /// Bytes of the text of ``integer``: the number ends where its token does.
    package var integerBytes: Int { number.integerBytes }
    /// Whether the last number is an integer of more digits than ``integer`` holds.
    package var isIntegerTooLong: Bool { number.isInteger && number.isHuge }

    /// Reads on in `bytes` from `offset` to the end of the next token.
    @inline(__always)
    package mutating func next(_ bytes: Span<UInt8>, from offset: Int) -> JSONStep {
        var index = offset
        let end = bytes.count
        while index < end {
            let byte = bytes[index]
            switch state {
            case .value, .valueOrEnd:
                index &+= 1
                if byte == 0x22 {
                    if let step = beginString(bytes, &index, isKey: false) { return step }
                } else if byte == 0x7B || byte == 0x5B {
                    guard skipsContainers else { return open(isObject: byte == 0x7B, index) }
                    state = .skipping
                    skippedDepth = 1
                } else if Self.isWhite(byte) {
                    if stopsAtLineEnd, byte < 0x20, byte != 0x09 {
                        return .lineEnd(at: index &- 1)
                    }
                } else if byte == 0x5D, state == .valueOrEnd {
                    return close(index)
                } else if let step = beginScalar(byte, bytes, &index) {
                    return step
                }
            case .keyOrEnd, .key:
                index &+= 1
                if byte == 0x22 {
                    if let step = beginString(bytes, &index, isKey: true) { return step }
                } else if Self.isWhite(byte) {
                    if stopsAtLineEnd, byte < 0x20, byte != 0x09 {
                        return .lineEnd(at: index &- 1)
                    }
                } else if byte == 0x7D, state == .keyOrEnd {
                    return close(index)
                } else {
                    return .failed(.unexpectedByte)
                }
            case .colon, .commaOrEnd, .done:
                index &+= 1
                if byte == 0x2C, state == .commaOrEnd {
                    state = isInObject ? .key : .value
                } else if Self.isWhite(byte) {
                    if stopsAtLineEnd, byte < 0x20, byte != 0x09 {
                        return .lineEnd(at: index &- 1)
                    }
                } else if state == .commaOrEnd, byte == (isInObject ? 0x7D : 0x5D) {
                    return close(index)
                } else if byte == 0x3A, state == .colon {
                    state = .value
                } else {
                    return .failed(state == .done ? .trailingBytes : .unexpectedByte)
                }
            case .string, .escape, .unicode:
                if let step = resumeString(bytes, &index) { return step }
            case .number:
                if let step = resumeNumber(bytes, &index) { return step }
            case .literal:
                if let step = takeLiteral(byte, &index) { return step }
            case .skipping, .skippingString, .skippingEscape:
                if let step = skip(bytes, &index) { return step }
            }
        }
        return state == .done ? .end : .needMore
    }

    /// Whether the value is complete, as far as the text has been read.
    package var isAtEnd: Bool { state == .done }
    /// Whether nothing but white space has come.
    package var isUnbegun: Bool { state == .value && depth == 0 }

    /// The text has been found to be one value without reading it.
    package mutating func passOverText() {
        restart()
        state = .done
    }

    /// The text is over: whether it was whole. A number at the very end is only known to be over now.
    package mutating func finish() -> Bool {
        if state == .number, depth == 0, number.isWhole { state = .done }
        return state == .done
    }

    @inline(__always) private static func isWhite(_ byte: UInt8) -> Bool {
        byte == 0x20 || byte == 0x0A || byte == 0x0D || byte == 0x09
    }

    /// After a value: what may follow it.
    @inline(__always) mutating func endValue() { state = depth == 0 ? .done : .commaOrEnd }

    private mutating func open(isObject: Bool, _ end: Int) -> JSONStep {
        guard depth < jsonDepthMax else { return .failed(.tooDeep) }
        let bit: UInt64 = 1 &<< UInt64(truncatingIfNeeded: depth & 63)
        if isObject { kinds[depth &>> 6] |= bit } else { kinds[depth &>> 6] &= ~bit }
        depth &+= 1
        isInObject = isObject
        state = isObject ? .keyOrEnd : .valueOrEnd
        return .token(isObject ? .objectStart : .arrayStart, end: end)
    }

    private mutating func close(_ end: Int) -> JSONStep {
        let token: JSONToken = isInObject ? .objectEnd : .arrayEnd
        depth &-= 1
        if depth > 0 {
            let level = depth &- 1
            isInObject = kinds[level &>> 6] &>> UInt64(truncatingIfNeeded: level & 63) & 1 == 1
        }
        endValue()
        return .token(token, end: end)
    }
}
