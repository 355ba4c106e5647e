/// Writes messages of Protocol Buffers, field by field, as far as OTLP and Prometheus need them.
///
/// Source: protobuf.dev/programming-guides/encoding: a field is its number and wire type in one
/// varint, then a varint, eight or four bytes (the lowest first), or a length and so many bytes.
/// Fields that have their default are for the caller to leave out.
package struct WireWriter: ~Copyable {
    private var buffer: ByteBuffer

    /// - Parameter bytes: how many are expected; there may be more.
    package init(bytes: Int = 256) { buffer = ByteBuffer(minimumCapacity: bytes) }

    /// What has been written.
    package func array() -> [UInt8] { buffer.array() }

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
            buffer.append(UInt8(truncatingIfNeeded: rest) | 0x80)
            rest >>= 7
        }
        buffer.append(UInt8(truncatingIfNeeded: rest))
    }

    /// `int32`, `int64`, `bool` and enums.
    package mutating func integer(_ field: Int, _ number: Int64) {
        tag(field, .varint)
        varint(UInt64(bitPattern: number))
    }

    /// `sint32` and `sint64`: numbers near zero are short, negative ones too.
    package mutating func signed(_ field: Int, _ number: Int64) {
        tag(field, .varint)
        zigzag(number)
    }

    private mutating func zigzag(_ number: Int64) {
        varint(UInt64(bitPattern: number << 1 ^ number >> 63))
    }

    /// `repeated sint64`, packed.
    package mutating func signed(_ field: Int, _ numbers: [Int64]) {
        message(field) { writer in for number in numbers { writer.zigzag(number) } }
    }

    /// `double`.
    package mutating func real(_ field: Int, _ number: Double) { fixed64(field, number.bitPattern) }

    /// `fixed64`.
    package mutating func fixed64(_ field: Int, _ number: UInt64) {
        tag(field, .fixed64)
        buffer.append(packed: number, count: 8)
    }

    /// `fixed32`.
    package mutating func fixed32(_ field: Int, _ number: UInt32) {
        tag(field, .fixed32)
        buffer.append(packed: UInt64(number), count: 4)
    }

    /// `string`.
    package mutating func text(_ field: Int, _ text: String) {
        tag(field, .lengthDelimited)
        varint(UInt64(text.utf8.count))
        buffer.append(text: text)
    }

    /// `string`.
    package mutating func text(_ field: Int, _ text: StaticString) {
        tag(field, .lengthDelimited)
        varint(UInt64(text.utf8CodeUnitCount))
        buffer.append(text)
    }

    /// `bytes`: eight, the highest of the word first.
    package mutating func id(_ field: Int, _ word: UInt64) {
        tag(field, .lengthDelimited)
        varint(8)
        buffer.append(packed: word.byteSwapped, count: 8)
    }

    /// `bytes`: sixteen.
    package mutating func id(_ field: Int, _ high: UInt64, _ low: UInt64) {
        tag(field, .lengthDelimited)
        varint(16)
        buffer.append(packed: high.byteSwapped, count: 8)
        buffer.append(packed: low.byteSwapped, count: 8)
    }

    /// A message within the message, written by `body`.
    ///
    /// Its length comes before it and is known after it: room is left for one of `lengthBytes`, and
    /// what is written moves only where another number was needed.
    @inline(__always)
    package mutating func message(
        _ field: Int, lengthBytes: Int = 1, _ body: (inout WireWriter) -> Void
    ) {
        tag(field, .lengthDelimited)
        delimited(lengthBytes: lengthBytes, body)
    }

    /// A message of its own, behind its length.
    @inline(__always)
    package mutating func delimited(
        lengthBytes: Int = 1, _ body: (inout WireWriter) -> Void
    ) {
        let start = buffer.count
        buffer.append(packed: 0, count: lengthBytes)
        body(&self)
        var rest = UInt64(buffer.count - start - lengthBytes)
        var (varint, count): (UInt64, Int) = (0, 0)
        repeat {
            let byte = rest & 0x7F | (rest >= 0x80 ? 0x80 : 0)
            varint |= byte << UInt64(8 * count)
            rest >>= 7
            count += 1
        } while rest > 0 && count < 8
        buffer.replace(start..<start + lengthBytes, packed: varint, count: count)
    }
}
