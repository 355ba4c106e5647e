import CSluiceScan

/// Looking for bytes from the end of a range towards its beginning.
extension Span<UInt8> {
    /// The last byte in `start..<end` that is looked for, or nil; bounds and parameters as for
    /// ``scan(from:to:_:_:)``. Reads nothing outside the range.
    @inlinable @inline(__always) func scanBack(
        from start: Int, to end: Int, _ lanes: (UnsafePointer<UInt8>) -> UInt32,
        _ isFound: (UInt8) -> Bool
    ) -> Int? {
        precondition(start >= 0 && start <= end && end <= count)
        var index = end
        // Safety: the sixteen bytes before `index` lie in the range, hence in the span.
        let place: Int? = unsafe withUnsafeBufferPointer { buffer in
            while index &- start >= 16 {
                index &-= 16
                let found = unsafe lanes(buffer.baseAddress.unsafelyUnwrapped + index)
                if found != 0 { return index &+ 31 &- found.leadingZeroBitCount }
            }
            return nil
        }
        if let place { return place }
        while index > start {
            index &-= 1
            if isFound(self[index]) { return index }
        }
        return nil
    }

    /// The last quote or bracket of either kind.
    @inlinable package func lastStructure(from start: Int, to end: Int) -> Int? {
        unsafe scanBack(from: start, to: end) {
            unsafe sluice_scan_structure($0)
        } _: {
            $0 == 0x22 || $0 | 0x20 == 0x7B || $0 | 0x20 == 0x7D
        }
    }

    /// The last place of `byte`.
    @inlinable package func lastIndex(of byte: UInt8, from start: Int, to end: Int) -> Int? {
        unsafe scanBack(from: start, to: end) {
            unsafe sluice_scan_equal($0, byte)
        } _: {
            $0 == byte
        }
    }
}
