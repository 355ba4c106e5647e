import SluiceBytes

/// What the scanner has just finished reading.
package enum JSONToken: Equatable, Sendable {
    case objectStart, objectEnd, arrayStart, arrayEnd
    /// A key; its text is in ``JSONScanner/text``.
    case key
    /// A string value; its text, as far as it was wanted, is in ``JSONScanner/text``.
    case string
    /// A number; its text is in ``JSONScanner/text``.
    case number
    case `true`, `false`, null
}

/// Why a text is not JSON as two parsers would both read it.
package enum JSONError: Error, Equatable, Sendable {
    case unexpectedByte, tooDeep, badEscape, badNumber, badLiteral, controlInString, trailingBytes
    case badUTF8
}

/// What the next call came to.
package enum JSONStep: Equatable, Sendable {
    /// A token ended just before this offset.
    case token(JSONToken, end: Int)
    /// All bytes are used and the text is not at its end.
    case needMore
    /// The value is complete and only white space followed.
    case end
    case failed(JSONError)
}

/// Reads JSON in one pass across any cut: no recursion, no allocation, a few hundred bytes of state.
///
/// Nesting is a bit per level (object or array) up to ``depthMax``. Long strings are skipped eight
/// bytes at a time. Source: RFC 8259.
package struct JSONScanner: ~Copyable, Sendable {
    /// Levels of nesting at most; Python's own limit in the replica is about 1,000.
    package static let depthMax = 256
    /// Bytes of a key, number or string kept for comparison; longer ones are marked as cut.
    package static let textMax = 256

    private enum State: UInt8 {
        case value, valueOrEnd, keyOrEnd, key, colon, commaOrEnd, string, escape, unicode, number
        case literal, done
    }

    private var state = State.value
    private var isKey = false
    /// Levels open now; 0 outside the outermost value.
    package private(set) var depth = 0
    /// One bit per level: 1 for an object.
    private var kinds = InlineArray<4, UInt64>(repeating: 0)
    /// The text of the last key, string or number, unescaped, cut at ``textMax``.
    private var storage = InlineArray<256, UInt8>(repeating: 0)
    package private(set) var textCount = 0
    /// Bytes inside the last string, as they stood in the text.
    package private(set) var stringBytes = 0
    /// Whether the text was longer than ``textMax``.
    package private(set) var isTextCut = false
    /// Keep the text of string values too; keys and numbers always are.
    package var keepsStrings = true
    private var unicode: UInt32 = 0
    private var unicodeDigits: UInt8 = 0
    private var highSurrogate: UInt32 = 0
    private var literal: UInt8 = 0
    private var literalPosition: UInt8 = 0
    private var numberState = NumberState.start
    /// Continuation bytes of UTF-8 still to come, and the least the next may be.
    private var utf8Left: UInt8 = 0
    private var utf8Low: UInt8 = 0x80
    private var utf8High: UInt8 = 0xBF

    private enum NumberState: UInt8 {
        case start, minus, zero, integer, point, fraction, exponent, sign, digits
    }

    package init() {}

    /// Whether the outermost value is complete.
    package var isComplete: Bool { state == .done }
    /// Whether the innermost open level is an object.
    package var isInObject: Bool {
        depth > 0 && kinds[(depth &- 1) >> 6] >> UInt64((depth &- 1) & 63) & 1 == 1
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

    /// The number's value where it is an integer of at most 18 digits.
    package var integer: Int? {
        guard !isTextCut, textCount > 0, textCount <= 19 else { return nil }
        var value = 0
        var index = 0
        let isNegative = storage[0] == 0x2D
        if isNegative { index = 1 }
        guard index < textCount, textCount &- index <= 18 else { return nil }
        while index < textCount {
            let digit = storage[index] &- 0x30
            guard digit < 10 else { return nil }
            value = value &* 10 &+ Int(digit)
            index &+= 1
        }
        return isNegative ? -value : value
    }

    /// Reads on in `bytes` from `offset` to the end of the next token.
    package mutating func next(_ bytes: Span<UInt8>, from offset: Int) -> JSONStep {
        var index = offset
        let end = bytes.count
        while index < end {
            switch state {
            case .string:
                index = skipString(bytes, from: index, to: end)
                if index == end { return .needMore }
                let byte = bytes[index]
                if byte == 0x22 {
                    guard utf8Left == 0 else { return .failed(.badUTF8) }
                    if highSurrogate != 0 { loneSurrogate() }
                    index &+= 1
                    if isKey {
                        state = .colon
                        return .token(.key, end: index)
                    }
                    state = depth == 0 ? .done : .commaOrEnd
                    return .token(.string, end: index)
                }
                if byte == 0x5C {
                    guard utf8Left == 0 else { return .failed(.badUTF8) }
                    stringBytes &+= 1
                    state = .escape
                    index &+= 1
                } else if byte < 0x20 {
                    return .failed(.controlInString)
                } else {
                    if let error = takeUTF8(byte) { return .failed(error) }
                    index &+= 1
                }
                continue
            case .escape:
                if let error = takeEscape(bytes[index]) { return .failed(error) }
                index &+= 1
                continue
            case .unicode:
                if let error = takeUnicode(bytes[index]) { return .failed(error) }
                index &+= 1
                continue
            case .number:
                let byte = bytes[index]
                if takeNumber(byte) {
                    keep(byte)
                    index &+= 1
                    continue
                }
                guard numberIsWhole else { return .failed(.badNumber) }
                state = depth == 0 ? .done : .commaOrEnd
                return .token(.number, end: index)
            case .literal:
                guard let token = takeLiteral(bytes[index]) else { return .failed(.badLiteral) }
                index &+= 1
                if let token {
                    state = depth == 0 ? .done : .commaOrEnd
                    return .token(token, end: index)
                }
                continue
            case .value, .valueOrEnd, .keyOrEnd, .key, .colon, .commaOrEnd, .done: break
            }
            let byte = bytes[index]
            if byte == 0x20 || byte == 0x0A || byte == 0x0D || byte == 0x09 {
                index &+= 1
                continue
            }
            index &+= 1
            if let step = takeStructure(byte, end: index) { return step }
        }
        return state == .done ? .end : .needMore
    }

    /// The text is over: whether it was whole. A number at the very end is only known to be over now.
    package mutating func finish() -> Bool {
        if state == .number, depth == 0, numberIsWhole { state = .done }
        return state == .done
    }

    // MARK: Structure

    private mutating func takeStructure(_ byte: UInt8, end: Int) -> JSONStep? {
        switch state {
        case .value, .valueOrEnd:
            if byte == 0x5D, state == .valueOrEnd { return close(end) }
            return beginValue(byte, end)
        case .keyOrEnd, .key:
            if byte == 0x7D, state == .keyOrEnd { return close(end) }
            guard byte == 0x22 else { return .failed(.unexpectedByte) }
            beginString(isKey: true)
        case .colon:
            guard byte == 0x3A else { return .failed(.unexpectedByte) }
            state = .value
        case .commaOrEnd:
            if byte == 0x2C {
                state = isInObject ? .key : .value
            } else if byte == (isInObject ? 0x7D : 0x5D) {
                return close(end)
            } else {
                return .failed(.unexpectedByte)
            }
        case .done: return .failed(.trailingBytes)
        case .string, .escape, .unicode, .number, .literal: break
        }
        return nil
    }

    private mutating func beginValue(_ byte: UInt8, _ end: Int) -> JSONStep? {
        switch byte {
        case 0x22: beginString(isKey: false)
        case 0x7B, 0x5B:
            guard depth < Self.depthMax else { return .failed(.tooDeep) }
            let bit: UInt64 = 1 << UInt64(depth & 63)
            if byte == 0x7B { kinds[depth >> 6] |= bit } else { kinds[depth >> 6] &= ~bit }
            depth &+= 1
            state = byte == 0x7B ? .keyOrEnd : .valueOrEnd
            return .token(byte == 0x7B ? .objectStart : .arrayStart, end: end)
        case 0x74, 0x66, 0x6E:
            literal = byte
            literalPosition = 1
            state = .literal
        default:
            numberState = .start
            textCount = 0
            isTextCut = false
            guard takeNumber(byte) else { return .failed(.unexpectedByte) }
            keep(byte)
            state = .number
        }
        return nil
    }

    private mutating func close(_ end: Int) -> JSONStep {
        let token: JSONToken = isInObject ? .objectEnd : .arrayEnd
        depth &-= 1
        state = depth == 0 ? .done : .commaOrEnd
        return .token(token, end: end)
    }

    // MARK: Strings

    private mutating func beginString(isKey: Bool) {
        self.isKey = isKey
        state = .string
        textCount = 0
        stringBytes = 0
        isTextCut = false
        highSurrogate = 0
    }

    @inline(__always) private mutating func keep(_ byte: UInt8) {
        guard textCount < Self.textMax else {
            isTextCut = true
            return
        }
        storage[textCount] = byte
        textCount &+= 1
    }

    private var keepsText: Bool { isKey || keepsStrings }

    /// Passes over plain bytes of a string; stops at a quote, a backslash, a control, a byte of a
    /// longer character, or the end.
    private mutating func skipString(_ bytes: Span<UInt8>, from start: Int, to end: Int) -> Int {
        if utf8Left > 0 { return start }
        if highSurrogate != 0, start < end, bytes[start] != 0x5C { loneSurrogate() }
        var index = start
        var isStopped = false
        while index &+ 8 <= end {
            let word = bytes.word(at: index)
            // Source: "Bit Twiddling Hacks"; the lowest bit set is exact.
            let special =
                ByteScan.matches(word, 0x2222_2222_2222_2222)
                | ByteScan.matches(word, 0x5C5C_5C5C_5C5C_5C5C)
                | ((word &- 0x2020_2020_2020_2020) & ~word & ByteScan.highs)
                | (word & ByteScan.highs)
            if special != 0 {
                index &+= special.trailingZeroBitCount >> 3
                isStopped = true
                break
            }
            index &+= 8
        }
        while !isStopped, index < end {
            let byte = bytes[index]
            if byte == 0x22 || byte == 0x5C || byte < 0x20 || byte >= 0x80 { break }
            index &+= 1
        }
        stringBytes &+= index &- start
        if keepsText {
            var from = start
            let stop = min(index, start &+ (Self.textMax &- textCount))
            while from < stop {
                storage[textCount] = bytes[from]
                textCount &+= 1
                from &+= 1
            }
            if stop < index { isTextCut = true }
        }
        return index
    }

    /// One byte of a string from 0x20 on that is neither quote nor backslash, held to UTF-8.
    ///
    /// Source: RFC 3629 §4; Unicode, table 3-7.
    private mutating func takeUTF8(_ byte: UInt8) -> JSONError? {
        if utf8Left > 0 {
            guard byte >= utf8Low, byte <= utf8High else { return .badUTF8 }
            utf8Left &-= 1
            utf8Low = 0x80
            utf8High = 0xBF
        } else if byte >= 0x80 {
            utf8Low = 0x80
            utf8High = 0xBF
            switch byte {
            case 0xC2...0xDF: utf8Left = 1
            case 0xE0...0xEF:
                utf8Left = 2
                if byte == 0xE0 { utf8Low = 0xA0 }
                if byte == 0xED { utf8High = 0x9F }
            case 0xF0...0xF4:
                utf8Left = 3
                if byte == 0xF0 { utf8Low = 0x90 }
                if byte == 0xF4 { utf8High = 0x8F }
            default: return .badUTF8
            }
        }
        if keepsText { keep(byte) }
        stringBytes &+= 1
        return nil
    }

    private mutating func takeEscape(_ byte: UInt8) -> JSONError? {
        stringBytes &+= 1
        if byte == 0x75 {
            unicode = 0
            unicodeDigits = 0
            state = .unicode
            return nil
        }
        if highSurrogate != 0 { loneSurrogate() }
        let plain: UInt8
        switch byte {
        case 0x22, 0x5C, 0x2F: plain = byte
        case 0x62: plain = 8
        case 0x66: plain = 12
        case 0x6E: plain = 10
        case 0x72: plain = 13
        case 0x74: plain = 9
        default: return .badEscape
        }
        if keepsText { keep(plain) }
        state = .string
        return nil
    }

    private mutating func takeUnicode(_ byte: UInt8) -> JSONError? {
        stringBytes &+= 1
        let decimal = byte &- 0x30
        let letter = (byte | 0x20) &- 0x61
        guard decimal < 10 || letter < 6 else { return .badEscape }
        unicode = unicode << 4 | UInt32(decimal < 10 ? decimal : letter &+ 10)
        unicodeDigits &+= 1
        guard unicodeDigits == 4 else { return nil }
        state = .string
        if unicode & 0xFC00 == 0xDC00, highSurrogate != 0 {
            let scalar = 0x10000 + (highSurrogate & 0x3FF) << 10 + unicode & 0x3FF
            highSurrogate = 0
            keepScalar(scalar)
            return nil
        }
        if highSurrogate != 0 { loneSurrogate() }
        if unicode & 0xFC00 == 0xD800 {
            highSurrogate = unicode
        } else {
            keepScalar(unicode)
        }
        return nil
    }

    /// Half of a pair alone: it stands in the text as its three bytes, equal to no real name.
    private mutating func loneSurrogate() {
        let half = highSurrogate
        highSurrogate = 0
        keepScalar(half)
    }

    private mutating func keepScalar(_ scalar: UInt32) {
        guard keepsText else { return }
        func tail(_ shift: UInt32) -> UInt8 {
            0x80 | UInt8(truncatingIfNeeded: scalar >> shift) & 0x3F
        }
        if scalar < 0x80 {
            keep(UInt8(truncatingIfNeeded: scalar))
        } else if scalar < 0x800 {
            keep(0xC0 | UInt8(truncatingIfNeeded: scalar >> 6))
            keep(tail(0))
        } else if scalar < 0x10000 {
            keep(0xE0 | UInt8(truncatingIfNeeded: scalar >> 12))
            keep(tail(6))
            keep(tail(0))
        } else {
            keep(0xF0 | UInt8(truncatingIfNeeded: scalar >> 18) & 7)
            keep(tail(12))
            keep(tail(6))
            keep(tail(0))
        }
    }

    // MARK: Numbers and literals

    /// Whether `byte` goes on with the number.
    private mutating func takeNumber(_ byte: UInt8) -> Bool {
        let isDigit = byte &- 0x30 < 10
        switch numberState {
        case .start, .minus:
            if byte == 0x2D, numberState == .start {
                numberState = .minus
            } else if byte == 0x30 {
                numberState = .zero
            } else if isDigit {
                numberState = .integer
            } else {
                return false
            }
        case .zero, .integer:
            if isDigit, numberState == .integer { break }
            if byte == 0x2E {
                numberState = .point
            } else if byte | 0x20 == 0x65 {
                numberState = .exponent
            } else {
                return false
            }
        case .point:
            guard isDigit else { return false }
            numberState = .fraction
        case .fraction:
            if isDigit { break }
            guard byte | 0x20 == 0x65 else { return false }
            numberState = .exponent
        case .exponent:
            if byte == 0x2B || byte == 0x2D {
                numberState = .sign
            } else if isDigit {
                numberState = .digits
            } else {
                return false
            }
        case .sign:
            guard isDigit else { return false }
            numberState = .digits
        case .digits: return isDigit
        }
        return true
    }

    private var numberIsWhole: Bool {
        switch numberState {
        case .zero, .integer, .fraction, .digits: true
        case .start, .minus, .point, .exponent, .sign: false
        }
    }

    /// nil: wrong byte; .some(nil): goes on; a token: complete.
    private mutating func takeLiteral(_ byte: UInt8) -> JSONToken?? {
        let word: StaticString =
            literal == 0x74 ? "true" : literal == 0x66 ? "false" : "null"
        let count = word.utf8CodeUnitCount
        guard Self.byte(of: literal, at: Int(literalPosition)) == byte else { return nil }
        literalPosition &+= 1
        if Int(literalPosition) < count { return .some(nil) }
        return literal == 0x74 ? .true : literal == 0x66 ? .false : .null
    }

    private static func byte(of literal: UInt8, at position: Int) -> UInt8 {
        let letters: InlineArray<5, UInt8> =
            switch literal {
            case 0x74: [0x74, 0x72, 0x75, 0x65, 0]
            case 0x66: [0x66, 0x61, 0x6C, 0x73, 0x65]
            default: [0x6E, 0x75, 0x6C, 0x6C, 0]
            }
        return letters[position]
    }
}
