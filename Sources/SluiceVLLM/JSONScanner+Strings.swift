import SluiceBytes

extension JSONScanner {
    /// Behind an opening quote: the whole string if it is plain and lies in this piece; nil if it
    /// goes on otherwise.
    @inline(__always) mutating func beginString(
        _ bytes: Span<UInt8>, _ index: inout Int, isKey: Bool
    ) -> JSONStep? {
        let start = index
        let stop = bytes.firstStringStop(from: start, to: bytes.count)
        stringBytes = stop &- start
        if stop < bytes.count, bytes[stop] == 0x22 {
            index = stop &+ 1
            if isKey {
                key = PackedText(bytes, at: start, count: stop &- start)
                if keepsKeys { keepOnly(bytes, start..<stop) }
                if index < bytes.count, bytes[index] == 0x3A {
                    index &+= 1
                    state = .value
                } else {
                    state = .colon
                }
                return .token(.key, end: index)
            }
            if keepsStrings {
                key = PackedText(bytes, at: start, count: stop &- start)
                keepOnly(bytes, start..<stop)
            }
            endValue()
            return .token(.string, end: index)
        }
        beginCutString(isKey: isKey)
        keep(bytes, start..<stop)
        index = stop
        return nil
    }

    private mutating func beginCutString(isKey: Bool) {
        self.isKey = isKey
        state = .string
        textCount = 0
        isTextCut = false
        highSurrogate = 0
        utf8Left = 0
        if isKey || keepsStrings { key = PackedText() }
    }

    /// A string that has begun, byte by byte where it is not plain.
    mutating func resumeString(_ bytes: Span<UInt8>, _ index: inout Int) -> JSONStep? {
        let end = bytes.count
        while index < end {
            switch state {
            case .escape:
                if let error = takeEscape(bytes[index]) { return .failed(error) }
                index &+= 1
            case .unicode:
                if let error = takeUnicode(bytes[index]) { return .failed(error) }
                index &+= 1
            case .string:
                let start = index
                if utf8Left == 0 {
                    // Long prompts: nothing to keep, so whole runs are only checked.
                    let isKept = isKey || keepsStrings
                    let stop =
                        isKept || highSurrogate != 0
                        ? bytes.firstStringStop(from: start, to: end)
                        : JSONText.textEnd(bytes, from: start, to: end)
                    if stop > start {
                        if highSurrogate != 0 { loneSurrogate() }
                        if isKept { keep(bytes, start..<stop) }
                        stringBytes &+= stop &- start
                        index = stop
                        // Near the end of a piece a run stops early: what follows may be plain.
                        continue
                    }
                }
                let byte = bytes[index]
                index &+= 1
                if utf8Left > 0 || byte >= 0x80 {
                    if let error = takeUTF8(byte) { return .failed(error) }
                } else if byte == 0x22 {
                    return endString(index)
                } else if byte == 0x5C {
                    stringBytes &+= 1
                    state = .escape
                } else {
                    return .failed(.controlInString)
                }
            case .value, .valueOrEnd, .keyOrEnd, .key, .colon, .commaOrEnd, .number, .literal,
                .done, .skipping, .skippingString, .skippingEscape:
                return nil
            }
        }
        return nil
    }

    private mutating func endString(_ end: Int) -> JSONStep {
        if highSurrogate != 0 { loneSurrogate() }
        if isKey {
            state = .colon
            return .token(.key, end: end)
        }
        endValue()
        return .token(.string, end: end)
    }

    // MARK: Kept text

    /// Makes a plain range the kept text.
    private mutating func keepOnly(_ bytes: Span<UInt8>, _ range: Range<Int>) {
        let count = min(range.count, textMax)
        for offset in 0..<count { storage[offset] = bytes[range.lowerBound &+ offset] }
        textCount = count
        isTextCut = range.count > textMax
    }

    /// Appends a plain range to the text, if it is kept.
    private mutating func keep(_ bytes: Span<UInt8>, _ range: Range<Int>) {
        guard isKey || keepsStrings else { return }
        for index in range { keep(bytes[index]) }
    }

    private mutating func keep(_ byte: UInt8) {
        guard isKey || keepsStrings else { return }
        key.append(byte)
        guard textCount < textMax else {
            isTextCut = true
            return
        }
        storage[textCount] = byte
        textCount &+= 1
    }

    // MARK: Byte by byte

    /// One byte of a longer character. Source: RFC 3629 §4; Unicode, table 3-7.
    private mutating func takeUTF8(_ byte: UInt8) -> JSONError? {
        if utf8Left > 0 {
            guard byte >= utf8Low, byte <= utf8High else { return .badUTF8 }
            utf8Left &-= 1
            utf8Low = 0x80
            utf8High = 0xBF
        } else {
            if highSurrogate != 0 { loneSurrogate() }
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
        keep(byte)
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
        switch byte {
        case 0x22, 0x5C, 0x2F: keep(byte)
        case 0x62: keep(8)
        case 0x66: keep(12)
        case 0x6E: keep(10)
        case 0x72: keep(13)
        case 0x74: keep(9)
        default: return .badEscape
        }
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
        guard isKey || keepsStrings else { return }
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
}
