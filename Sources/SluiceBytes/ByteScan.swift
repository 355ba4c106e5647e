/// Eight bytes at a time in one machine word: the fast way to look for a byte in Swift.
///
/// Source: "Bit Twiddling Hacks", determining whether a word has a byte equal to n. Combining
/// `SIMD16` masks instead compiles to scalar code three times as long (measured).
@usableFromInline package enum ByteScan {
    /// 0x01 in every byte.
    @usableFromInline package static let ones: UInt64 = 0x0101_0101_0101_0101
    /// 0x80 in every byte.
    @usableFromInline package static let highs: UInt64 = 0x8080_8080_8080_8080

    /// A word with `byte` in each of its eight places.
    @inlinable package static func broadcast(_ byte: UInt8) -> UInt64 { UInt64(byte) &* ones }

    /// The high bit of the lowest byte of `word` that equals the pattern's, and perhaps of later
    /// ones: only the lowest set bit is exact.
    @inlinable package static func matches(_ word: UInt64, _ pattern: UInt64) -> UInt64 {
        let difference = word ^ pattern
        return (difference &- ones) & ~difference & highs
    }
}

extension Span<UInt8> {
    /// Eight bytes from `offset` as a little-endian word; traps unless all eight lie inside.
    @inlinable package func word(at offset: Int) -> UInt64 {
        precondition(offset >= 0 && offset <= count &- 8)
        // Safety: the eight bytes lie inside the span, as just checked.
        return UInt64(
            littleEndian: unsafe self.bytes.unsafeLoadUnaligned(
                fromUncheckedByteOffset: offset, as: UInt64.self))
    }

    /// The first place of `byte` in `start..<end`, or `end`; `0 <= start <= end <= count`.
    @inlinable package func firstIndex(of byte: UInt8, from start: Int, to end: Int) -> Int {
        precondition(start >= 0 && end <= count)
        var index = start
        let pattern = ByteScan.broadcast(byte)
        while index &+ 8 <= end {
            let found = ByteScan.matches(word(at: index), pattern)
            if found != 0 { return index &+ found.trailingZeroBitCount / 8 }
            index &+= 8
        }
        while index < end {
            if self[index] == byte { return index }
            index &+= 1
        }
        return end
    }

    /// Whether the bytes from `offset` on begin with `literal`.
    @inlinable package func hasBytes(_ literal: StaticString, at offset: Int) -> Bool {
        let n = literal.utf8CodeUnitCount
        guard offset >= 0, offset <= count, n <= count &- offset else { return false }
        // Safety: n is the literal's own length.
        let start = unsafe literal.utf8Start
        for i in 0..<n where unsafe start[i] != self[offset &+ i] { return false }
        return true
    }

    /// Whether `range` equals `literal`, byte for byte.
    @inlinable package func equals(_ literal: StaticString, in range: Range<Int>) -> Bool {
        range.count == literal.utf8CodeUnitCount && hasBytes(literal, at: range.lowerBound)
    }

    /// Whether `range` equals `literal`, which is written in lower case, ignoring ASCII case.
    @inlinable package func equalsIgnoringCase(_ literal: StaticString, in range: Range<Int>)
        -> Bool
    {
        let n = literal.utf8CodeUnitCount
        guard range.count == n, range.lowerBound >= 0, range.upperBound <= count else {
            return false
        }
        let start = unsafe literal.utf8Start
        for i in 0..<n {
            let byte = self[range.lowerBound &+ i]
            let folded = byte &- 0x41 < 26 ? byte | 0x20 : byte
            // Safety: i is below the literal's own length.
            if unsafe folded != start[i] { return false }
        }
        return true
    }

    /// The bytes as text, invalid UTF-8 repaired; for cold paths and tests.
    package func text() -> String {
        unsafe withUnsafeBufferPointer { unsafe String(decoding: $0, as: UTF8.self) }
    }

    /// The part `range` as text; for cold paths and tests.
    package func text(in range: Range<Int>) -> String { extracting(range).text() }
}
