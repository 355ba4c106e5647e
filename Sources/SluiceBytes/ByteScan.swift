import CSluiceScan

#if canImport(Glibc)
    import Glibc
#endif

/// Bytes as machine words and, to look for some, as lanes of sixteen (``CSluiceScan``).
@usableFromInline package enum ByteScan {
    /// 0x01 in every byte.
    @usableFromInline package static let ones: UInt64 = 0x0101_0101_0101_0101

    /// Whether `theirs` is `ours` but for the case of its letters.
    ///
    /// - Parameter ours: as it lies in memory; its bytes are lower-case letters or below 0x40, so that
    ///   bit 6 tells a letter, and setting bit 5 of another letter takes nothing else for it.
    @inlinable @inline(__always) static func isFolded(_ theirs: UInt64, _ ours: UInt64) -> Bool {
        let word = UInt64(littleEndian: ours)
        return theirs | (word & 0x4040_4040_4040_4040) >> 1 == word
    }
}

extension UInt64 {
    /// Whether each of the lowest `count` bytes is a digit or a lower-case letter; `0 <= count <= 8`.
    @inlinable package func isLowerAlphanumeric(count: Int) -> Bool {
        let highs: UInt64 = 0x8080_8080_8080_8080
        // No byte of a sum reaches the next one: those from 0x80 on are refused apart.
        let low = self & ~highs
        let fromZero = low &+ (0x80 - 0x30) &* ByteScan.ones
        let afterNine = low &+ (0x80 - 0x3A) &* ByteScan.ones
        let fromA = low &+ (0x80 - 0x61) &* ByteScan.ones
        let afterZ = low &+ (0x80 - 0x7B) &* ByteScan.ones
        let good = (fromZero & ~afterNine | fromA & ~afterZ) & ~self & highs
        let wanted = count >= 8 ? highs : highs & ((1 &<< UInt64(8 &* count)) &- 1)
        return good & wanted == wanted
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

    /// The first byte in `start..<end` that is looked for, or `end`; `0 <= start <= end <= count`.
    ///
    /// - Parameters:
    ///   - lanes: a bit for each of sixteen bytes, the first one's lowest.
    ///   - isFound: the same of one byte, for spans of fewer than sixteen.
    ///
    /// Reads past `end` where the span goes on, and again bytes already seen where it does not, which
    /// spares a loop over the rest.
    @inlinable @inline(__always) func scan(
        from start: Int, to end: Int, _ lanes: (UnsafePointer<UInt8>) -> UInt32,
        _ isFound: (UInt8) -> Bool
    ) -> Int {
        precondition(start >= 0 && start <= end && end <= count)
        if start == end { return end }
        var index = start
        guard count >= 16 else {
            while index < end, !isFound(self[index]) { index &+= 1 }
            return index
        }
        // Safety: `index` goes up to count - 16 at most, and sixteen bytes from it are the span's.
        return unsafe withUnsafeBufferPointer { buffer in
            let base = unsafe buffer.baseAddress.unsafelyUnwrapped
            let last = count &- 16
            while index <= last {
                let found = unsafe lanes(base + index)
                if found != 0 {
                    return Swift.min(index &+ found.trailingZeroBitCount, end)
                }
                index &+= 16
                if index >= end { return end }
            }
            // The last sixteen bytes, without those that have been looked at.
            let seen = UInt32(truncatingIfNeeded: index &- last)
            let found = unsafe lanes(base + last) &>> seen
            return found == 0 ? end : Swift.min(index &+ found.trailingZeroBitCount, end)
        }
    }

    /// The first place of `byte`; bounds as for ``scan(from:to:_:_:)``, as for all below.
    @inlinable @inline(__always) package func firstIndex(
        of byte: UInt8, from start: Int, to end: Int
    ) -> Int {
        unsafe scan(from: start, to: end) {
            unsafe sluice_scan_equal($0, byte)
        } _: {
            $0 == byte
        }
    }

    /// The first byte below `bound`.
    @inlinable package func firstIndex(below bound: UInt8, from start: Int, to end: Int) -> Int {
        unsafe scan(from: start, to: end) {
            unsafe sluice_scan_below($0, bound)
        } _: {
            $0 < bound
        }
    }

    /// The first control byte: below 0x20, or DEL.
    @inlinable @inline(__always) package func firstControl(from start: Int, to end: Int) -> Int {
        unsafe scan(from: start, to: end) {
            unsafe sluice_scan_controls($0)
        } _: {
            $0 < 0x20 || $0 == 0x7F
        }
    }

    /// The first byte that no request target may hold: controls, space, `#`, `\\`, DEL and all
    /// beyond. Source: RFC 3986 §2, §3.5.
    @inlinable package func firstNonTargetByte(from start: Int, to end: Int) -> Int {
        unsafe scan(from: start, to: end) {
            unsafe sluice_scan_no_target($0)
        } _: {
            $0 <= 0x20 || $0 >= 0x7F || $0 == 0x23 || $0 == 0x5C
        }
    }

    /// The first byte that is neither an ASCII letter nor a hyphen.
    @inlinable @inline(__always) package func firstIndexOfOtherThanLetterOrHyphen(
        from start: Int, to end: Int
    ) -> Int {
        unsafe scan(from: start, to: end) {
            unsafe sluice_scan_no_letter_or_hyphen($0)
        } _: {
            ($0 | 0x20) &- 0x61 >= 26 && $0 != 0x2D
        }
    }

    /// The first byte that is not printable ASCII, or is a quote or a backslash.
    @inlinable package func firstOtherThanPlainText(from start: Int, to end: Int) -> Int {
        unsafe scan(from: start, to: end) {
            unsafe sluice_scan_no_plain_text($0)
        } _: {
            $0 < 0x20 || $0 >= 0x7F || $0 == 0x22 || $0 == 0x5C
        }
    }

    /// Where a plain run inside a JSON string ends: the first quote, backslash, control below 0x20
    /// or byte that is not ASCII.
    @inlinable @inline(__always) package func firstStringStop(from start: Int, to end: Int) -> Int {
        // Names and short values end here; texts go on 64 bytes a turn.
        var index = start
        for _ in 0..<2 where index <= count &- 16 {
            let near = unsafe scanOnce(from: index, to: end) { unsafe sluice_scan_string_stops($0) }
            if let near { return near }
            index &+= 16
            if index >= end { return end }
        }
        return restOfString(from: index, to: end)
    }

    @inlinable @inline(never) func restOfString(from start: Int, to end: Int) -> Int {
        // Safety: exactly the bytes of start..<end are read.
        let run = unsafe extracting(start..<end).withUnsafeBufferPointer { buffer in
            unsafe buffer.baseAddress.map { unsafe sluice_scan_string_run($0, buffer.count) } ?? 0
        }
        return unsafe scan(from: start &+ run, to: end) {
            unsafe sluice_scan_string_stops($0)
        } _: {
            $0 < 0x20 || $0 >= 0x80 || $0 == 0x22 || $0 == 0x5C
        }
    }

    /// The first quote or backslash.
    @inlinable @inline(__always) package func firstQuoteOrBackslash(
        from start: Int, to end: Int
    ) -> Int {
        let near = unsafe scanOnce(from: start, to: end) { unsafe sluice_scan_quotes($0) }
        if let near { return near }
        return restOfQuotes(from: start, to: end)
    }

    @inlinable @inline(never) func restOfQuotes(from start: Int, to end: Int) -> Int {
        // Safety: exactly the bytes of start..<end are read.
        let run = unsafe extracting(start..<end).withUnsafeBufferPointer { buffer in
            unsafe buffer.baseAddress.map { unsafe sluice_scan_quotes_run($0, buffer.count) } ?? 0
        }
        return unsafe scan(from: start &+ run, to: end) {
            unsafe sluice_scan_quotes($0)
        } _: {
            $0 == 0x22 || $0 == 0x5C
        }
    }

    /// The first quote or bracket of either kind.
    @inlinable @inline(__always) package func firstStructure(from start: Int, to end: Int) -> Int {
        unsafe scan(from: start, to: end) {
            unsafe sluice_scan_structure($0)
        } _: {
            $0 == 0x22 || $0 | 0x20 == 0x7B || $0 | 0x20 == 0x7D
        }
    }

    /// What the first sixteen bytes say, or nil where they say nothing or the span ends before.
    @inlinable @inline(__always) func scanOnce(
        from start: Int, to end: Int, _ lanes: (UnsafePointer<UInt8>) -> UInt32
    ) -> Int? {
        precondition(start >= 0 && start <= end && end <= count)
        guard start <= count &- 16 else { return nil }
        // Safety: sixteen bytes from `start` on lie in the span, as just checked.
        let found = unsafe withUnsafeBufferPointer { buffer in
            unsafe lanes(buffer.baseAddress.unsafelyUnwrapped + start)
        }
        return found == 0 ? nil : Swift.min(start &+ found.trailingZeroBitCount, end)
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
    @inlinable @inline(__always) package func hasBytes(
        _ other: Span<UInt8>, from otherOffset: Int, count n: Int, at offset: Int
    ) -> Bool {
        guard n >= 0, offset >= 0, otherOffset >= 0, offset <= count &- n,
            otherOffset <= other.count &- n
        else { return false }
        if n == 0 { return true }
        // Safety: both ranges lie inside their spans, as just checked; memcmp only reads them.
        return unsafe withUnsafeBufferPointer { a in
            unsafe other.withUnsafeBufferPointer { b in
                let first = unsafe a.baseAddress.unsafelyUnwrapped + offset
                let second = unsafe b.baseAddress.unsafelyUnwrapped + otherOffset
                if n >= 8, n <= 32 { return unsafe Self.areAlike(n, first, second) }
                return unsafe memcmp(first, second, n) == 0
            }
        }
    }

    /// Whether `n` bytes, 8 … 32, are the same: most texts are that long, and compared as words that
    /// may overlap, at half the instructions of a call of memcmp(3) (measured).
    @inlinable @inline(__always) static func areAlike(
        _ n: Int, _ first: UnsafePointer<UInt8>, _ second: UnsafePointer<UInt8>
    ) -> Bool {
        // Safety: the caller's: every word lies within the `n` bytes of its piece.
        let a = unsafe UnsafeRawPointer(first)
        let b = unsafe UnsafeRawPointer(second)
        let ends = unsafe difference(a, b, at: 0) | difference(a, b, at: n &- 8)
        if n <= 16 { return ends == 0 }
        return unsafe ends | difference(a, b, at: 8) | difference(a, b, at: n &- 16) == 0
    }

    /// What differs in the words at `offset`.
    @inlinable @inline(__always) static func difference(
        _ a: UnsafeRawPointer, _ b: UnsafeRawPointer, at offset: Int
    ) -> UInt64 {
        // Safety: the caller's: eight bytes lie there in both.
        unsafe a.loadUnaligned(fromByteOffset: offset, as: UInt64.self)
            ^ b.loadUnaligned(fromByteOffset: offset, as: UInt64.self)
    }

    /// Whether the bytes from `offset` on begin with `literal`; inlined, so that its length is known
    /// and the comparison is of a few words.
    @inlinable @inline(__always) package func hasBytes(_ literal: StaticString, at offset: Int)
        -> Bool
    {
        let n = literal.utf8CodeUnitCount
        guard offset >= 0, offset <= count, n <= count &- offset else { return false }
        if n == 0 { return true }
        // Safety: n bytes lie behind both pointers; memcmp only reads them.
        return unsafe withUnsafeBufferPointer { buffer in
            unsafe memcmp(
                buffer.baseAddress.unsafelyUnwrapped + offset, literal.utf8Start, n) == 0
        }
    }

    /// Whether these bytes stand in `literal` from `offset` on; false where it ends before.
    @inlinable package func isPart(of literal: StaticString, from offset: Int) -> Bool {
        guard offset >= 0, count <= literal.utf8CodeUnitCount &- offset else { return false }
        // Safety: offset + i is below the literal's own length, as just checked.
        let start = unsafe literal.utf8Start + offset
        for i in 0..<count where unsafe start[i] != self[i] { return false }
        return true
    }

    /// Whether `range` equals `literal`, byte for byte.
    @inlinable @inline(__always) package func equals(
        _ literal: StaticString, in range: Range<Int>
    ) -> Bool {
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
