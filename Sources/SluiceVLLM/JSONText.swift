import SluiceBytes

/// Runs of characters inside a JSON string.
enum JSONText {
    /// The end of a run of plain bytes, whole longer characters and two-byte escapes: the first byte
    /// that needs the careful way, or `end`. Nothing in between is invalid.
    static func textEnd(_ bytes: Span<UInt8>, from start: Int, to end: Int) -> Int {
        var index = start
        while true {
            index = bytes.firstStringStop(from: index, to: end)
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
}
