import SluiceBytes

extension JSONScanner {
    /// Goes on passing over an object or array, to its end or that of the piece.
    mutating func skip(_ bytes: Span<UInt8>, _ index: inout Int) -> JSONStep? {
        let end = bytes.count
        if state == .skippingEscape {
            index &+= 1
            state = .skippingString
        }
        while index < end {
            if state == .skippingString {
                index = bytes.firstQuoteOrBackslash(from: index, to: end)
                if index == end { return nil }
                let isEscape = bytes[index] == 0x5C
                index &+= 1
                if !isEscape {
                    state = .skipping
                } else if index < end {
                    index &+= 1
                } else {
                    state = .skippingEscape
                }
                continue
            }
            let byte = bytes[index]
            index &+= 1
            if byte == 0x22 {
                state = .skippingString
            } else if byte == 0x7B || byte == 0x5B {
                skippedDepth &+= 1
            } else if byte == 0x7D || byte == 0x5D {
                skippedDepth &-= 1
                if skippedDepth == 0 {
                    endValue()
                    return .token(.skipped, end: index)
                }
            } else if stopsAtLineEnd, byte == 0x0A || byte == 0x0D {
                return .lineEnd(at: index &- 1)
            }
        }
        return nil
    }
}
