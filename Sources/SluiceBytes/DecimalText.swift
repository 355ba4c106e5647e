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

    /// Zeros that the digits of ``eightDigits(_:)`` begin with, 7 at most: a zero has one digit.
    @inlinable package static func leadingZeros(_ digits: UInt64) -> Int {
        // Bit 59 stands for the last digit, which is never left out.
        ((digits ^ 0x3030_3030_3030_3030) | 1 << 59).trailingZeroBitCount >> 3
    }
}

extension ByteBuffer {
    /// Appends a number in decimal digits.
    @inlinable package mutating func appendDecimal(_ number: Int) {
        let magnitude = UInt64(number.magnitude)
        if number < 0 { append(0x2D) }
        appendDecimal(magnitude)
    }

    @inlinable mutating func appendDecimal(_ number: UInt64) {
        guard number < DecimalText.wordBound else {
            // What is left first, which has none of the last eight digits.
            let rest = number / DecimalText.wordBound
            appendDecimal(rest)
            let digits = DecimalText.eightDigits(number &- rest &* DecimalText.wordBound)
            return append(packed: digits, count: 8)
        }
        let digits = DecimalText.eightDigits(number)
        let zeros = DecimalText.leadingZeros(digits)
        append(packed: digits &>> UInt64(8 &* zeros), count: 8 &- zeros)
    }

    /// Appends so many thousandths as a number with three digits after the point.
    @inlinable package mutating func appendThousandths(_ number: UInt64) {
        guard number < DecimalText.wordBound else {
            let whole = number / 1_000
            appendDecimal(whole)
            let part = DecimalText.eightDigits(number &- whole &* 1_000)
            return append(packed: part >> 32 & ~0xFF | 0x2E, count: 4)
        }
        let digits = DecimalText.eightDigits(number)
        // Five digits before the point, the last of which stays.
        let zeros = min(DecimalText.leadingZeros(digits), 4)
        append(packed: digits &>> UInt64(8 &* zeros), count: 5 &- zeros)
        append(packed: digits >> 32 & ~0xFF | 0x2E, count: 4)
    }
}
