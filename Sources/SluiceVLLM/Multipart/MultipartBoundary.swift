import SluiceBytes

/// The line that separates parts: CR LF `--` and the boundary of the Content-Type.
struct MultipartBoundary: Sendable {
    /// Bytes of a boundary at most. Source: RFC 2046 §5.1.1.
    static let bytesMax = 70

    private var storage = InlineArray<74, UInt8>(repeating: 0)
    /// Bytes of the delimiter, 5 … 74.
    private(set) var count = 4

    /// Reads a Content-Type; nil unless it is `multipart/form-data` with exactly one valid boundary.
    init?(contentType field: Span<UInt8>) {
        storage[0] = 0x0D
        storage[1] = 0x0A
        storage[2] = 0x2D
        storage[3] = 0x2D
        let type: StaticString = "multipart/form-data"
        let end = type.utf8CodeUnitCount
        guard field.count > end, field.equalsIgnoringCase(type, in: 0..<end) else { return nil }
        var parameters = FieldParameters(from: end)
        while true {
            switch parameters.next(field) {
            case .parameter(let name, let value, _):
                guard field.equalsIgnoringCase("boundary", in: name) else { continue }
                // Twice: which of them the replica takes is anybody's guess.
                guard count == 4, take(field, value) else { return nil }
            case .end:
                guard count > 4 else { return nil }
                return
            case .malformed: return nil
            }
        }
    }

    /// The byte at `index` of the delimiter; `0 <= index < count`.
    subscript(index: Int) -> UInt8 { storage[index] }

    private mutating func take(_ field: Span<UInt8>, _ value: Range<Int>) -> Bool {
        guard !value.isEmpty, value.count <= Self.bytesMax else { return false }
        guard field[value.upperBound - 1] != 0x20 else { return false }
        for index in value {
            let byte = field[index]
            guard Self.isBoundaryByte(byte) else { return false }
            storage[count] = byte
            count += 1
        }
        return true
    }

    /// Source: RFC 2046 §5.1.1, `bchars`.
    private static func isBoundaryByte(_ byte: UInt8) -> Bool {
        if (byte | 0x20) &- 0x61 < 26 || byte &- 0x30 < 10 { return true }
        switch byte {
        // ' ( ) + , - . / : = ? _ and a blank
        case 0x20, 0x27, 0x28, 0x29, 0x2B...0x2F, 0x3A, 0x3D, 0x3F, 0x5F: return true
        default: return false
        }
    }
}
