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

    // MARK: Long numbers

    /// What writing a number takes at most: a sign, twenty digits, a point with three, and the rest of
    /// a word.
    @inlinable static var bytesMax: Int { 32 }

    /// Writes eight bytes, the lowest first.
    @inlinable @inline(__always)
    static func store(_ word: UInt64, at target: UnsafeMutablePointer<UInt8>) {
        // Safety: the caller's: eight bytes at `target` are its own.
        unsafe UnsafeMutableRawPointer(target).storeBytes(of: word.littleEndian, as: UInt64.self)
    }

    /// Writes a number of any size, within ``bytesMax``, and answers how many bytes it is.
    @inline(never) @usableFromInline
    static func write(_ number: Int, to target: UnsafeMutablePointer<UInt8>) -> Int {
        guard number < 0 else { return unsafe write(magnitude: UInt64(number), to: target) }
        // Safety: the caller's: ``bytesMax`` bytes at `target` are its own; so below.
        unsafe target.pointee = 0x2D
        return unsafe 1 + write(magnitude: UInt64(number.magnitude), to: target + 1)
    }

    /// Writes so many thousandths with three digits after the point, as ``write(_:to:)``.
    @inline(never) @usableFromInline
    static func write(thousandths number: UInt64, to target: UnsafeMutablePointer<UInt8>) -> Int {
        guard number < wordBound else {
            let whole = number / 1_000
            let count = unsafe write(magnitude: whole, to: target)
            let part = eightDigits(number &- whole &* 1_000)
            unsafe store(part >> 32 & ~0xFF | 0x2E, at: target + count)
            return count &+ 4
        }
        let digits = eightDigits(number)
        // Five digits before the point, the last of which stays; what follows them is written over.
        let zeros = min(leadingZeros(digits), 4)
        unsafe store(digits &>> UInt64(8 &* zeros), at: target)
        unsafe store(digits >> 32 & ~0xFF | 0x2E, at: target + (5 &- zeros))
        return 9 &- zeros
    }

    private static func write(
        magnitude number: UInt64, to target: UnsafeMutablePointer<UInt8>
    ) -> Int {
        guard number < wordBound else {
            // What is left first, which has none of the last eight digits.
            let rest = number / wordBound
            let count = unsafe write(magnitude: rest, to: target)
            unsafe store(eightDigits(number &- rest &* wordBound), at: target + count)
            return count &+ 8
        }
        let digits = eightDigits(number)
        let zeros = leadingZeros(digits)
        unsafe store(digits &>> UInt64(8 &* zeros), at: target)
        return 8 &- zeros
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
        var room = RoomWriter(to: &self, atMost: DecimalText.bytesMax)
        room.appendDecimal(number)
        room.giveBack(to: &self)
    }

    /// Appends so many thousandths as a number with three digits after the point.
    @inlinable package mutating func appendThousandths(_ number: UInt64) {
        var room = RoomWriter(to: &self, atMost: DecimalText.bytesMax)
        room.appendThousandths(number)
        room.giveBack(to: &self)
    }
}
