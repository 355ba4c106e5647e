import SluiceBytes

/// Writes messages of Protocol Buffers, field by field, as far as OTLP needs them.
///
/// Source: protobuf.dev/programming-guides/encoding: a field is its number and wire type in one
/// varint, then a varint, eight or four bytes (the lowest first), or a length and so many bytes.
/// Fields that have their default are for the caller to leave out.
struct WireWriter: ~Copyable {
    private var buffer: ByteBuffer

    /// - Parameter bytes: how many are expected; there may be more.
    init(bytes: Int = 256) { buffer = ByteBuffer(minimumCapacity: bytes) }

    /// What has been written.
    func array() -> [UInt8] { buffer.array() }

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
    mutating func integer(_ field: Int, _ number: Int64) {
        tag(field, .varint)
        varint(UInt64(bitPattern: number))
    }

    /// `fixed64`; a `double` by its bit pattern.
    mutating func fixed64(_ field: Int, _ number: UInt64) {
        tag(field, .fixed64)
        buffer.append(packed: number, count: 8)
    }

    /// `fixed32`.
    mutating func fixed32(_ field: Int, _ number: UInt32) {
        tag(field, .fixed32)
        buffer.append(packed: UInt64(number), count: 4)
    }

    /// `string`.
    mutating func text(_ field: Int, _ text: String) {
        tag(field, .lengthDelimited)
        varint(UInt64(text.utf8.count))
        buffer.append(text: text)
    }

    /// `string`.
    mutating func text(_ field: Int, _ text: StaticString) {
        tag(field, .lengthDelimited)
        varint(UInt64(text.utf8CodeUnitCount))
        buffer.append(text)
    }

    /// `bytes`: eight, the highest of the word first.
    mutating func id(_ field: Int, _ word: UInt64) {
        tag(field, .lengthDelimited)
        varint(8)
        buffer.append(packed: word.byteSwapped, count: 8)
    }

    /// `bytes`: sixteen.
    mutating func id(_ field: Int, _ high: UInt64, _ low: UInt64) {
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
    mutating func message(_ field: Int, lengthBytes: Int = 1, _ body: (inout WireWriter) -> Void) {
        tag(field, .lengthDelimited)
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
