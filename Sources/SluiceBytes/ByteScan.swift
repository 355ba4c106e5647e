#if canImport(Glibc)
    import Glibc
#endif

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

    /// Whether `theirs` is `ours` but for the case of its letters.
    ///
    /// - Parameter ours: as it lies in memory; its bytes are lower-case letters or below 0x40, so that
    ///   bit 6 tells a letter, and setting bit 5 of another letter takes nothing else for it.
    @inlinable @inline(__always) static func isFolded(_ theirs: UInt64, _ ours: UInt64) -> Bool {
        let word = UInt64(littleEndian: ours)
        return theirs | (word & 0x4040_4040_4040_4040) >> 1 == word
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

    /// Eight bytes from `offset` as a little-endian word, unchecked: for the loops below only.
    @inlinable @inline(__always) func uncheckedWord(at offset: Int) -> UInt64 {
        // Safety: every caller has checked 0 <= offset and offset + 8 <= count.
        UInt64(
            littleEndian: unsafe self.bytes.unsafeLoadUnaligned(
                fromUncheckedByteOffset: offset, as: UInt64.self))
    }

    /// The first place of `byte` in `start..<end`, or `end`; `0 <= start <= end <= count`.
    ///
    /// Reads whole words past `end` where the span goes on, which spares the tail loop.
    @inlinable @inline(__always) package func firstIndex(
        of byte: UInt8, from start: Int, to end: Int
    )
        -> Int
    {
        precondition(start >= 0 && end <= count)
        var index = start
        let pattern = ByteScan.broadcast(byte)
        let wordsEnd = Swift.min(end, count &- 7)
        while index < wordsEnd {
            let found = ByteScan.matches(uncheckedWord(at: index), pattern)
            if found != 0 { return Swift.min(index &+ found.trailingZeroBitCount / 8, end) }
            index &+= 8
        }
        while index < end {
            if self[index] == byte { return index }
            index &+= 1
        }
        return end
    }

    /// The first byte in `start..<end` that is below `bound` (at most 0x80), or `end`;
    /// `0 <= start <= end <= count`.
    @inlinable package func firstIndex(below bound: UInt8, from start: Int, to end: Int) -> Int {
        precondition(start >= 0 && end <= count && bound <= 0x80)
        var index = start
        let bounds = ByteScan.broadcast(bound)
        // Thirty-two bytes a turn while they are ASCII and none is below: one test for four words.
        // A byte of 0x80 + bound or more looks like a find, so a find is looked at again below.
        while index &+ 32 <= end {
            let first =
                (uncheckedWord(at: index) &- bounds)
                | (uncheckedWord(at: index &+ 8) &- bounds)
            let second =
                (uncheckedWord(at: index &+ 16) &- bounds)
                | (uncheckedWord(at: index &+ 24) &- bounds)
            if (first | second) & ByteScan.highs != 0 {
                for offset in stride(from: index, to: index &+ 32, by: 8) {
                    let word = uncheckedWord(at: offset)
                    let found = (word &- bounds) & ~word & ByteScan.highs
                    if found != 0 { return offset &+ found.trailingZeroBitCount / 8 }
                }
            }
            index &+= 32
        }
        // Whole words past `end` where the span goes on spare the tail loop.
        let wordsEnd = Swift.min(end, count &- 7)
        while index < wordsEnd {
            let word = uncheckedWord(at: index)
            let found = (word &- bounds) & ~word & ByteScan.highs
            if found != 0 { return Swift.min(index &+ found.trailingZeroBitCount / 8, end) }
            index &+= 8
        }
        while index < end {
            if self[index] < bound { return index }
            index &+= 1
        }
        return end
    }

    /// The first control byte (below 0x20, or DEL) in `start..<end`, or `end`;
    /// `0 <= start <= end <= count`.
    ///
    /// Reads whole words past `end` where the span goes on, which spares the tail loop.
    @inlinable @inline(__always) package func firstControl(from start: Int, to end: Int) -> Int {
        precondition(start >= 0 && end <= count)
        var index = start
        let wordsEnd = Swift.min(end, count &- 7)
        while index < wordsEnd {
            let word = uncheckedWord(at: index)
            let below = word &- ByteScan.broadcast(0x20)
            let delete = (word & ~ByteScan.highs) &+ ByteScan.ones
            let found = (below | delete) & ~word & ByteScan.highs
            if found != 0 { return Swift.min(index &+ found.trailingZeroBitCount / 8, end) }
            index &+= 8
        }
        while index < end {
            let byte = self[index]
            if byte < 0x20 || byte == 0x7F { return index }
            index &+= 1
        }
        return end
    }

    /// The first byte in `start..<end` that no request target may hold: controls, space, `#`, `\\`,
    /// DEL and all beyond, or `end`; `0 <= start <= end <= count`. Source: RFC 3986 §2, §3.5.
    @inlinable package func firstNonTargetByte(from start: Int, to end: Int) -> Int {
        precondition(start >= 0 && end <= count)
        var index = start
        let wordsEnd = Swift.min(end, count &- 7)
        while index < wordsEnd {
            let word = uncheckedWord(at: index)
            let below = word &- ByteScan.broadcast(0x21)
            let delete = (word & ~ByteScan.highs) &+ ByteScan.ones
            let hash = (word ^ ByteScan.broadcast(0x23)) &- ByteScan.ones
            let backslash = (word ^ ByteScan.broadcast(0x5C)) &- ByteScan.ones
            let found = ((below | delete | hash | backslash) & ~word | word) & ByteScan.highs
            if found != 0 {
                // A borrow may mark a byte above the first true one; the first is exact.
                return Swift.min(index &+ found.trailingZeroBitCount / 8, end)
            }
            index &+= 8
        }
        while index < end {
            let byte = self[index]
            if byte <= 0x20 || byte >= 0x7F || byte == 0x23 || byte == 0x5C { return index }
            index &+= 1
        }
        return end
    }

    /// The first byte in `start..<end` that is neither an ASCII letter nor a hyphen, or `end`;
    /// `0 <= start <= end <= count`. Reads words as ``firstControl(from:to:)`` does.
    @inlinable @inline(__always) package func firstIndexOfOtherThanLetterOrHyphen(
        from start: Int, to end: Int
    )
        -> Int
    {
        precondition(start >= 0 && end <= count)
        var index = start
        let wordsEnd = Swift.min(end, count &- 7)
        while index < wordsEnd {
            let word = uncheckedWord(at: index)
            // Exact in every byte: no sum below carries, for its bytes are under 0x80.
            let folded = (word | ByteScan.broadcast(0x20)) & ~ByteScan.highs
            let fromA = folded &+ ByteScan.broadcast(0x80 - 0x61)
            let pastZ = folded &+ ByteScan.broadcast(0x80 - 0x7B)
            let hyphen = (word ^ ByteScan.broadcast(0x2D)) & ~ByteScan.highs
            let notHyphen = hyphen &+ ~ByteScan.highs
            let found = (~(fromA & ~pastZ) & notHyphen | word) & ByteScan.highs
            if found != 0 { return Swift.min(index &+ found.trailingZeroBitCount / 8, end) }
            index &+= 8
        }
        while index < end {
            let byte = self[index]
            let isLetter = (byte | 0x20) &- 0x61 < 26
            if !isLetter && byte != 0x2D { return index }
            index &+= 1
        }
        return end
    }

    /// Whether `range` equals `literal`, ignoring ASCII case, by the word.
    ///
    /// - Parameter literal: lower-case letters, digits and punctuation below `@` only.
    ///
    /// A third of the instructions of ``equalsIgnoringCase(_:in:)`` (measured on field names).
    @inlinable @inline(__always) package func equalsName(
        _ literal: StaticString, in range: Range<Int>
    )
        -> Bool
    {
        let n = literal.utf8CodeUnitCount
        guard range.count == n, range.lowerBound >= 0, range.upperBound <= count else {
            return false
        }
        // Safety: every load from the literal lies within its n bytes, every one from the span
        // within `range`, which lies inside as just checked.
        let ours = unsafe UnsafeRawPointer(literal.utf8Start)
        if n >= 8 {
            var i = 0
            while i &+ 8 <= n {
                let word = unsafe ours.loadUnaligned(fromByteOffset: i, as: UInt64.self)
                if !ByteScan.isFolded(uncheckedWord(at: range.lowerBound &+ i), word) {
                    return false
                }
                i &+= 8
            }
            // The rest, together with bytes already seen.
            let word = unsafe ours.loadUnaligned(fromByteOffset: n &- 8, as: UInt64.self)
            return i == n || ByteScan.isFolded(uncheckedWord(at: range.upperBound &- 8), word)
        }
        for i in 0..<n {
            let byte = unsafe ours.load(fromByteOffset: i, as: UInt8.self)
            if self[range.lowerBound &+ i] | (byte & 0x40) >> 1 != byte { return false }
        }
        return true
    }

    /// Whether `count` bytes from `offset` on are those of `other` from `otherOffset` on; false where
    /// either span ends before.
    @inlinable package func hasBytes(
        _ other: Span<UInt8>, from otherOffset: Int, count n: Int, at offset: Int
    ) -> Bool {
        guard n >= 0, offset >= 0, otherOffset >= 0, offset <= count &- n,
            otherOffset <= other.count &- n
        else { return false }
        if n == 0 { return true }
        // Safety: both ranges lie inside their spans, as just checked; memcmp only reads them.
        return unsafe withUnsafeBufferPointer { a in
            unsafe other.withUnsafeBufferPointer { b in
                unsafe memcmp(
                    a.baseAddress.unsafelyUnwrapped + offset,
                    b.baseAddress.unsafelyUnwrapped + otherOffset, n) == 0
            }
        }
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
