/// Numbers as lower-case hexadecimal digits, eight at once.
@usableFromInline package enum HexText {
    /// The low 32 bits in eight digits, with leading zeros, the first in the lowest byte.
    ///
    /// All digits at once: nibbles are spread to a byte each, and those above 9 moved to the letters.
    @inlinable @inline(__always) package static func eightDigits(_ word: UInt64) -> UInt64 {
        var spread = (word & 0xFFFF) << 32 | word >> 16 & 0xFFFF
        spread = (spread & 0x0000_00FF_0000_00FF) << 16 | spread >> 8 & 0x0000_00FF_0000_00FF
        spread = (spread & 0x000F_000F_000F_000F) << 8 | spread >> 4 & 0x000F_000F_000F_000F
        let letters = (spread &+ 0x0606_0606_0606_0606) >> 4 & 0x0101_0101_0101_0101
        return spread &+ 0x3030_3030_3030_3030 &+ letters &* 0x27
    }

    /// The number of `bytes`, sixteen lower-case digits or fewer; nil where one is no such digit.
    package static func number(_ bytes: Span<UInt8>) -> UInt64? {
        guard bytes.count <= 16 else { return nil }
        var number: UInt64 = 0
        for index in 0..<bytes.count {
            let byte = bytes[index]
            let digit = byte &- 0x30
            let letter = byte &- 0x61
            guard digit < 10 || letter < 6 else { return nil }
            number = number << 4 | UInt64(digit < 10 ? digit : letter &+ 10)
        }
        return number
    }
}
