import SluiceBytes

/// Runs of bytes inside a JSON string, many at a time.
enum JSONText {
    /// The first byte in `start..<end` that is a quote, a backslash, a control or not ASCII, or `end`.
    @inline(__always) static func plainEnd(
        _ bytes: Span<UInt8>, from start: Int, to end: Int
    ) -> Int {
        var index = start
        while index &+ 8 <= end {
            let found = stops(bytes.word(at: index)) & ByteScan.highs
            if found != 0 { return index &+ found.trailingZeroBitCount &>> 3 }
            index &+= 8
            // Names and short values have ended after three words; prompts go on 32 bytes a turn.
            while index &- start >= 24, index &+ 32 <= end {
                let found =
                    (stops(bytes.word(at: index)) | stops(bytes.word(at: index &+ 8))
                        | stops(bytes.word(at: index &+ 16)) | stops(bytes.word(at: index &+ 24)))
                    & ByteScan.highs
                if found != 0 { break }
                index &+= 32
            }
        }
        while index < end {
            let byte = bytes[index]
            if byte == 0x22 || byte == 0x5C || byte < 0x20 || byte >= 0x80 { break }
            index &+= 1
        }
        return index
    }

    /// The high bit of the first byte that no plain run holds is set; of later ones perhaps.
    ///
    /// No `& ~word` as in "Bit Twiddling Hacks": what it would take away are bytes from 0x80 on,
    /// which stop the run anyway. A borrow reaches only bytes above a true find.
    @inline(__always) private static func stops(_ word: UInt64) -> UInt64 {
        ((word ^ 0x2222_2222_2222_2222) &- ByteScan.ones)
            | ((word ^ 0x5C5C_5C5C_5C5C_5C5C) &- ByteScan.ones)
            | (word &- 0x2020_2020_2020_2020) | word
    }

    /// The end of a run of plain bytes, whole longer characters and two-byte escapes: the first byte
    /// that needs the careful way, or `end`. Nothing in between is invalid.
    static func textEnd(_ bytes: Span<UInt8>, from start: Int, to end: Int) -> Int {
        var index = start
        while true {
            index = plainEnd(bytes, from: index, to: end)
            // What follows is judged by one word; less than that left goes the careful way.
            while index &+ 8 <= end {
                let word = bytes.word(at: index)
                let length = lengthOfSpecial(word)
                if length == 0 {
                    if word & 0x80 != 0 || word & 0xFF == 0x22 || word & 0xFF == 0x5C
                        || word & 0xFF < 0x20
                    {
                        return index
                    }
                    break
                }
                index &+= length
            }
            if index &+ 8 > end { return index }
        }
    }

    /// Bytes of the well-formed longer character or two-byte escape a word begins with; 0: neither.
    ///
    /// Source: Unicode, table 3-7.
    @inline(__always) static func lengthOfSpecial(_ word: UInt64) -> Int {
        if word & 0xC0_C0F0 == 0x80_80E0 {
            // E0 wants A0 … BF next, ED 80 … 9F: no overlong form, no surrogate.
            let second = word & 0x200F
            return second != 0x0000 && second != 0x200D ? 3 : 0
        }
        // C0 and C1 would be overlong.
        if word & 0xC0E0 == 0x80C0 { return word & 0x1E != 0 ? 2 : 0 }
        if word & 0xC0C0_C0F8 == 0x8080_80F0 {
            // F0 wants 90 … BF next, F4 80 … 8F, and nothing is above F4.
            let lead = word & 0x07
            let second = word & 0x3000
            let isGood = lead == 0 ? second != 0 : lead < 4 || lead == 4 && second == 0
            return isGood ? 4 : 0
        }
        guard word & 0xFF == 0x5C else { return 0 }
        switch UInt8(truncatingIfNeeded: word &>> 8) {
        case 0x22, 0x5C, 0x2F, 0x62, 0x66, 0x6E, 0x72, 0x74: return 2
        default: return 0
        }
    }

    /// The first quote or backslash in `start..<end`, or `end`.
    @inline(__always) static func quoteOrBackslash(
        _ bytes: Span<UInt8>, from start: Int, to end: Int
    ) -> Int {
        var index = start
        while index &+ 8 <= end {
            let word = bytes.word(at: index)
            let found = endings(word)
            if found != 0 { return index &+ found.trailingZeroBitCount &>> 3 }
            index &+= 8
            while index &- start >= 24, index &+ 32 <= end {
                let found =
                    endings(bytes.word(at: index)) | endings(bytes.word(at: index &+ 8))
                    | endings(bytes.word(at: index &+ 16)) | endings(bytes.word(at: index &+ 24))
                if found != 0 { break }
                index &+= 32
            }
        }
        while index < end, bytes[index] != 0x22, bytes[index] != 0x5C { index &+= 1 }
        return index
    }

    /// The high bit of the first quote or backslash is set; of later bytes perhaps.
    @inline(__always) private static func endings(_ word: UInt64) -> UInt64 {
        ByteScan.matches(word, 0x2222_2222_2222_2222)
            | ByteScan.matches(word, 0x5C5C_5C5C_5C5C_5C5C)
    }
}
