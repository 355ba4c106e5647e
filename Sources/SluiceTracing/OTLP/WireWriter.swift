/// Writes messages of Protocol Buffers, field by field, as far as OTLP needs them.
///
/// Source: protobuf.dev/programming-guides/encoding: a field is its number and wire type in one
/// varint, then a varint, eight or four bytes (the lowest first), or a length and so many bytes.
/// Fields that have their default are for the caller to leave out.
package struct WireWriter {
    package private(set) var bytes: [UInt8] = []

    package init() {}

    private enum WireType: UInt64 {
        case varint = 0
        case fixed64 = 1
        case lengthDelimited = 2
        case fixed32 = 5
    }

    private mutating func tag(_ field: Int, _ type: WireType) {
        varint(UInt64(field) << 3 | type.rawValue)
    }

    private mutating func varint(_ number: UInt64) {
        var rest = number
        while rest >= 0x80 {
            bytes.append(UInt8(truncatingIfNeeded: rest) | 0x80)
            rest >>= 7
        }
        bytes.append(UInt8(truncatingIfNeeded: rest))
    }

    /// `int32`, `int64`, `bool` and enums.
    mutating func integer(_ field: Int, _ number: Int64) {
        tag(field, .varint)
        varint(UInt64(bitPattern: number))
    }

    /// `fixed64`; a `double` by its bit pattern.
    mutating func fixed64(_ field: Int, _ number: UInt64) {
        tag(field, .fixed64)
        append(number, count: 8)
    }

    /// `fixed32`.
    mutating func fixed32(_ field: Int, _ number: UInt32) {
        tag(field, .fixed32)
        append(UInt64(number), count: 4)
    }

    private mutating func append(_ number: UInt64, count: Int) {
        for place in 0..<count {
            bytes.append(UInt8(truncatingIfNeeded: number >> UInt64(8 * place)))
        }
    }

    /// `string`.
    mutating func text(_ field: Int, _ text: String) {
        tag(field, .lengthDelimited)
        varint(UInt64(text.utf8.count))
        bytes.append(contentsOf: text.utf8)
    }

    /// `bytes`: these words, the highest byte of each first.
    mutating func id(_ field: Int, _ words: UInt64...) {
        tag(field, .lengthDelimited)
        varint(UInt64(8 * words.count))
        for word in words { append(word.byteSwapped, count: 8) }
    }

    /// A message within the message, written by `body`.
    ///
    /// Its length comes before it and is known after it: what is written moves by as many bytes.
    mutating func message(_ field: Int, _ body: (inout WireWriter) -> Void) {
        tag(field, .lengthDelimited)
        let start = bytes.count
        body(&self)
        let end = bytes.count
        varint(UInt64(end - start))
        let length = Array(bytes[end...])
        bytes.removeSubrange(end...)
        bytes.insert(contentsOf: length, at: start)
    }
}
