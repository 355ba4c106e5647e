/// Numbers as decimal digits, eight at once.
@usableFromInline package enum DecimalText {
    /// The numbers whose digits fit a word.
    @usableFromInline package static let wordBound: UInt64 = 100_000_000

    /// Eight digits of a number below ``wordBound``, with leading zeros, the first in the lowest byte.
    ///
    /// Halves, quarters and digits are parted side by side in one word, with multiplications in place
    /// of divisions. Source: P. Khuong, "How to print integers really fast", 2017.
    @inlinable package static func eightDigits(_ number: UInt64) -> UInt64 {
        let high = number / 10_000
        let halves = high | (number &- high &* 10_000) << 32
        let hundreds = (halves &* 10_486) >> 20 & 0x0000_007F_0000_007F
        let pairs = hundreds | (halves &- hundreds &* 100) << 16
        let tens = (pairs &* 103) >> 10 & 0x000F_000F_000F_000F
        return (tens | (pairs &- tens &* 10) << 8) | 0x3030_3030_3030_3030
    }

    /// Four digits of a number below 10,000, as ``eightDigits(_:)``.
    @inlinable package static func fourDigits(_ number: UInt64) -> UInt64 {
        let high = (number &* 5_243) >> 19
        let pairs = high | (number &- high &* 100) << 16
        let tens = (pairs &* 103) >> 10 & 0x000F_000F
        return (tens | (pairs &- tens &* 10) << 8) | 0x3030_3030
    }

    /// Zeros that the digits of ``fourDigits(_:)`` begin with, 3 at most.
    @inlinable package static func leadingZeros(ofFour digits: UInt64) -> Int {
        ((digits ^ 0x3030_3030) | 1 << 27).trailingZeroBitCount >> 3
    }

    /// Zeros that the digits of ``eightDigits(_:)`` begin with, 7 at most: a zero has one digit.
    @inlinable package static func leadingZeros(_ digits: UInt64) -> Int {
        // Bit 59 stands for the last digit, which is never left out.
        ((digits ^ 0x3030_3030_3030_3030) | 1 << 59).trailingZeroBitCount >> 3
    }
}

extension ByteBuffer {
    /// Appends a literal and a number in decimal digits, as one piece.
    @inlinable @inline(__always) package mutating func append(
        _ literal: StaticString, decimal number: Int
    ) {
        append(literal)
        appendDecimal(number)
    }

    /// Appends a number in decimal digits.
    @inlinable package mutating func appendDecimal(_ number: Int) {
        guard UInt(bitPattern: number) < 10_000 else { return appendLongDecimal(number) }
        // First of all, so that nothing has to outlive the call that it seldom is.
        reserve(8)
        let digits = DecimalText.fourDigits(UInt64(truncatingIfNeeded: number))
        let zeros = DecimalText.leadingZeros(ofFour: digits)
        store(packed: digits &>> UInt64(8 &* zeros), count: 4 &- zeros)
    }

    @inline(never) @usableFromInline mutating func appendLongDecimal(_ number: Int) {
        if number < 0 { append(0x2D) }
        appendMagnitude(UInt64(number.magnitude))
    }

    /// Also of numbers below 10,000: what is left of a longer one.
    private mutating func appendMagnitude(_ number: UInt64) {
        guard number < DecimalText.wordBound else {
            // What is left first, which has none of the last eight digits.
            let rest = number / DecimalText.wordBound
            appendMagnitude(rest)
            let digits = DecimalText.eightDigits(number &- rest &* DecimalText.wordBound)
            return append(packed: digits, count: 8)
        }
        let digits = DecimalText.eightDigits(number)
        let zeros = DecimalText.leadingZeros(digits)
        append(packed: digits &>> UInt64(8 &* zeros), count: 8 &- zeros)
    }

    /// Appends so many thousandths as a number with three digits after the point.
    @inlinable package mutating func appendThousandths(_ number: UInt64) {
        guard number < 10_000 else { return appendLongThousandths(number) }
        reserve(8)
        let digits = DecimalText.fourDigits(number)
        store(packed: digits & 0xFF | 0x2E00 | (digits & ~0xFF) << 8, count: 5)
    }

    @inline(never) @usableFromInline mutating func appendLongThousandths(_ number: UInt64) {
        guard number < DecimalText.wordBound else {
            let whole = number / 1_000
            appendMagnitude(whole)
            let part = DecimalText.eightDigits(number &- whole &* 1_000)
            return append(packed: part >> 32 & ~0xFF | 0x2E, count: 4)
        }
        let digits = DecimalText.eightDigits(number)
        // Five digits before the point, the last of which stays.
        let zeros = DecimalText.leadingZeros(digits)
        let whole = 5 &- zeros
        let part = digits >> 32 & ~0xFF | 0x2E
        if whole == 5 {
            append(packed: digits, count: 5)
            return append(packed: part, count: 4)
        }
        let shift = UInt64(8 &* whole)
        let text = (digits &>> UInt64(8 &* zeros)) & ((1 &<< shift) &- 1)
        append(packed: text | part &<< shift, count: whole &+ 4)
    }
}
