import SluiceBytes

/// Reads a number's grammar and, where it is an integer, its value.
///
/// Source: RFC 8259 §6.
struct NumberReader: BitwiseCopyable, Sendable {
    private enum State: UInt8 {
        case start, minus, zero, integer, point, fraction, exponent, sign, digits
    }

    private var state = State.start
    private var isNegative = false
    /// Digits of the integer part, up to 19.
    private var digits: UInt8 = 0
    private var magnitude = 0

    /// Before the first byte.
    init() {}

    /// A whole integer of at most 18 digits.
    @inline(__always) init(_ value: Int) {
        state = .integer
        digits = 1
        magnitude = value
    }

    /// Whether the number had no fraction and no exponent.
    var isInteger: Bool { state == .zero || state == .integer }
    /// Whether the integer part is longer than ``integer`` holds.
    var isHuge: Bool { digits > 18 }

    /// The value where it is an integer of at most 18 digits.
    var integer: Int? {
        guard isInteger, !isHuge else { return nil }
        return isNegative ? -magnitude : magnitude
    }

    /// Bytes of the text of ``integer``.
    var integerBytes: Int {
        var count = isNegative ? 2 : 1
        var rest = magnitude / 10
        while rest > 0 {
            count += 1
            rest /= 10
        }
        return count
    }

    /// Whether the number may end here.
    var isWhole: Bool {
        switch state {
        case .zero, .integer, .fraction, .digits: true
        case .start, .minus, .point, .exponent, .sign: false
        }
    }

    /// Whether `byte` goes on with the number.
    @inline(__always) mutating func take(_ byte: UInt8) -> Bool {
        let digit = byte &- 0x30
        if digit < 10 {
            switch state {
            case .integer: add(digit)
            case .fraction, .digits: break
            case .start, .minus:
                state = digit == 0 ? .zero : .integer
                add(digit)
            case .zero: return false
            case .point: state = .fraction
            case .exponent, .sign: state = .digits
            }
            return true
        }
        switch byte {
        case 0x2E where state == .zero || state == .integer: state = .point
        case 0x65 where isMantissa, 0x45 where isMantissa: state = .exponent
        case 0x2D where state == .start:
            isNegative = true
            state = .minus
        case 0x2B where state == .exponent, 0x2D where state == .exponent: state = .sign
        default: return false
        }
        return true
    }

    private var isMantissa: Bool { state == .zero || state == .integer || state == .fraction }

    @inline(__always) private mutating func add(_ digit: UInt8) {
        // The nineteenth digit says that it is too long; no digit after that changes anything.
        guard digits < 19 else { return }
        digits &+= 1
        if digits < 19 { magnitude = magnitude &* 10 &+ Int(digit) }
    }
}

extension JSONScanner {
    /// A number or a literal: whole where it lies in this piece; nil if it is not over yet.
    @inline(__always) mutating func beginScalar(
        _ byte: UInt8, _ bytes: Span<UInt8>, _ index: inout Int
    ) -> JSONStep? {
        if byte == 0x74 || byte == 0x66 || byte == 0x6E {
            if index &+ 7 <= bytes.count {
                let word = bytes.word(at: index &- 1)
                if word & 0xFFFF_FFFF == 0x6C6C_756E { return endLiteral(.null, &index, 3) }
                if word & 0xFFFF_FFFF == 0x6575_7274 { return endLiteral(.true, &index, 3) }
                if word & 0xFF_FFFF_FFFF == 0x65_736C_6166 { return endLiteral(.false, &index, 4) }
            }
            literal = byte
            literalPosition = 1
            state = .literal
            return nil
        }
        if let end = takeInteger(byte, bytes, index) {
            index = end
            endValue()
            return .token(.number, end: end)
        }
        number = NumberReader()
        guard number.take(byte) else { return .failed(.unexpectedByte) }
        state = .number
        return resumeNumber(bytes, &index)
    }

    /// A plain integer that lies whole in this piece, as nearly all are; nil for any other number.
    @inline(__always) private mutating func takeInteger(
        _ first: UInt8, _ bytes: Span<UInt8>, _ start: Int
    ) -> Int? {
        var value = Int(first) &- 0x30
        guard value > 0, value < 10 else { return nil }
        let end = min(bytes.count, start &+ 17)
        var index = start
        while index < end {
            let digit = bytes[index] &- 0x30
            if digit >= 10 {
                let byte = bytes[index]
                if byte == 0x2E || byte | 0x20 == 0x65 { return nil }
                number = NumberReader(value)
                return index
            }
            value = value &* 10 &+ Int(digit)
            index &+= 1
        }
        return nil
    }

    @inline(__always) private mutating func endLiteral(
        _ token: JSONToken, _ index: inout Int, _ rest: Int
    ) -> JSONStep {
        index &+= rest
        endValue()
        return .token(token, end: index)
    }

    /// A number that has begun, to its end or that of the piece.
    mutating func resumeNumber(_ bytes: Span<UInt8>, _ index: inout Int) -> JSONStep? {
        var reader = number
        while index < bytes.count {
            guard reader.take(bytes[index]) else {
                number = reader
                guard reader.isWhole else { return .failed(.badNumber) }
                endValue()
                return .token(.number, end: index)
            }
            index &+= 1
        }
        number = reader
        return nil
    }

    /// The next byte of a literal that is cut.
    mutating func takeLiteral(_ byte: UInt8, _ index: inout Int) -> JSONStep? {
        // The letters of "true", "alse", "null" from the second on, lowest first.
        let letters: UInt64 =
            literal == 0x74 ? 0x6575_72 : literal == 0x66 ? 0x6573_6C61 : 0x6C6C_75
        let count: UInt8 = literal == 0x66 ? 5 : 4
        let letter = letters &>> (UInt64(literalPosition &- 1) &* 8)
        guard byte == UInt8(truncatingIfNeeded: letter) else { return .failed(.badLiteral) }
        literalPosition &+= 1
        index &+= 1
        guard literalPosition == count else { return nil }
        endValue()
        return .token(literal == 0x74 ? .true : literal == 0x66 ? .false : .null, end: index)
    }
}

extension JSONScanner {
    /// The last number as a number of tokens; -1 for what cannot be one.
    var tokens: Int32 {
        guard let value = integer, value >= 0 else { return -1 }
        return Int32(exactly: value) ?? -1
    }
}
