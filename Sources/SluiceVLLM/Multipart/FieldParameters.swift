import SluiceBytes

/// Reads `; name=value` after the first word of a field such as Content-Type, strictly.
///
/// Lenient readers differ from each other, and here the replica's would read the same bytes again.
/// Source: RFC 9110 §5.6.6, §5.6.4 (RFC 2183 §2 for Content-Disposition).
struct FieldParameters {
    /// What came next.
    enum Step {
        /// A parameter: where its name is, and its value without quotes but with its escapes.
        case parameter(name: Range<Int>, value: Range<Int>, hasEscapes: Bool)
        case end
        case malformed
    }

    private var index: Int

    /// Starts behind the first word of the field.
    init(from start: Int) { index = start }

    /// The next parameter of `field`.
    mutating func next(_ field: Span<UInt8>) -> Step {
        skipBlanks(field)
        guard index < field.count else { return .end }
        guard field[index] == 0x3B else { return .malformed }
        index += 1
        skipBlanks(field)
        let name = token(field)
        guard !name.isEmpty, index < field.count, field[index] == 0x3D else { return .malformed }
        index += 1
        if index < field.count, field[index] == 0x22 { return quoted(field, name) }
        let value = token(field)
        return value.isEmpty
            ? .malformed : .parameter(name: name, value: value, hasEscapes: false)
    }

    private mutating func quoted(_ field: Span<UInt8>, _ name: Range<Int>) -> Step {
        index += 1
        let start = index
        var hasEscapes = false
        while index < field.count {
            let byte = field[index]
            if byte == 0x22 {
                index += 1
                return .parameter(name: name, value: start..<(index - 1), hasEscapes: hasEscapes)
            }
            guard byte >= 0x20 || byte == 0x09, byte != 0x7F else { return .malformed }
            if byte == 0x5C {
                hasEscapes = true
                index += 1
            }
            index += 1
        }
        return .malformed
    }

    private mutating func skipBlanks(_ field: Span<UInt8>) {
        while index < field.count, field[index] == 0x20 || field[index] == 0x09 { index += 1 }
    }

    private mutating func token(_ field: Span<UInt8>) -> Range<Int> {
        let start = index
        while index < field.count, Self.isTokenByte(field[index]) { index += 1 }
        return start..<index
    }

    /// Whether `byte` may stand in a token. Source: RFC 9110 §5.6.2.
    static func isTokenByte(_ byte: UInt8) -> Bool {
        if (byte | 0x20) &- 0x61 < 26 || byte &- 0x30 < 10 { return true }
        switch byte {
        // ! # $ % & ' * + - . ^ _ ` | ~
        case 0x21, 0x23...0x27, 0x2A, 0x2B, 0x2D, 0x2E, 0x5E...0x60, 0x7C, 0x7E: return true
        default: return false
        }
    }
}
