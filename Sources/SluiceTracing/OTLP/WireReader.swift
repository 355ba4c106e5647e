/// Reads messages of Protocol Buffers, field by field; what is malformed ends them.
///
/// Source: protobuf.dev/programming-guides/encoding.
struct WireReader {
    enum Value: Equatable {
        case number(UInt64)
        /// Offsets of the bytes.
        case bytes(Range<Int>)
    }

    private let input: [UInt8]
    private var offset: Int
    private let end: Int

    init(_ input: [UInt8], _ range: Range<Int>) {
        self.input = input
        offset = range.lowerBound
        end = range.upperBound
    }

    /// The next field; nil at the end, and where there is none that could be read.
    mutating func next() -> (field: UInt64, value: Value)? {
        guard let tag = varint() else { return nil }
        switch tag & 7 {
        case 0: return varint().map { (tag >> 3, .number($0)) }
        case 1: return skip(8).map { (tag >> 3, .bytes($0)) }
        case 2:
            guard let count = varint(), count <= UInt64(end - offset) else { return nil }
            return skip(Int(count)).map { (tag >> 3, .bytes($0)) }
        case 5: return skip(4).map { (tag >> 3, .bytes($0)) }
        default: return nil
        }
    }

    private mutating func skip(_ count: Int) -> Range<Int>? {
        guard count <= end - offset else { return nil }
        offset += count
        return offset - count..<offset
    }

    /// Ten bytes at most.
    private mutating func varint() -> UInt64? {
        var number: UInt64 = 0
        for shift in stride(from: UInt64(0), to: 70, by: 7) {
            guard offset < end else { return nil }
            let byte = input[offset]
            offset += 1
            number |= UInt64(byte & 0x7F) << shift
            if byte < 0x80 { return number }
        }
        return nil
    }
}
