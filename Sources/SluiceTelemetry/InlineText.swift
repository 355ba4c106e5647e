#if canImport(Glibc)
    import Glibc
#endif
import SluiceBytes

/// Text of a bounded length stored in place, so that a record holding it has no references.
///
/// Longer text is cut at `capacity` bytes; the bytes are whatever a peer sent, so whoever writes
/// them out escapes them.
@usableFromInline package struct InlineText<let capacity: Int>: BitwiseCopyable, Sendable {
    @usableFromInline var storage: InlineArray<capacity, UInt8>
    @usableFromInline var length: UInt16

    /// An empty text.
    @inlinable package init() {
        storage = InlineArray(repeating: 0)
        length = 0
    }

    /// The first `capacity` bytes of `text`; for cold paths and tests.
    package init(_ text: String) {
        self.init()
        for byte in text.utf8.prefix(capacity) { append(byte) }
    }

    /// Bytes held, 0 … `capacity`.
    @inlinable package var count: Int { Int(length) }
    /// Whether nothing is held.
    @inlinable package var isEmpty: Bool { length == 0 }

    /// The bytes held.
    @inlinable package var bytes: Span<UInt8> {
        @_lifetime(borrow self) get { storage.span.extracting(0..<Int(length)) }
    }

    /// Whether all of it may stand in a JSON string as it is: printable ASCII but `"` and `\`.
    ///
    /// Looks at whole vectors of the storage, whatever lies behind the text.
    @inlinable package var isPlain: Bool {
        storage.span.firstOtherThanPlainText(from: 0, to: count) == count
    }

    /// The bytes as text, invalid UTF-8 repaired; for cold paths and tests.
    package var text: String { bytes.text() }

    /// The last eight bytes or fewer in one word, the first of them lowest.
    ///
    /// `mutating`, for a borrow of a text this long would be passed as a copy.
    @inlinable package mutating func tail() -> UInt64 {
        guard count < 8 else {
            let start = count &- 8
            var room = storage.mutableSpan
            // Safety: eight bytes from `start` lie inside, since `start + 8 == count <= capacity`.
            return unsafe room.withUnsafeMutableBytes { room in
                unsafe UInt64(
                    littleEndian: room.loadUnaligned(fromByteOffset: start, as: UInt64.self))
            }
        }
        var word: UInt64 = 0
        for place in 0..<count { word |= UInt64(storage.span[place]) << UInt64(8 &* place) }
        return word
    }

    /// Appends one byte, unless the text is full.
    @inlinable package mutating func append(_ byte: UInt8) {
        guard count < capacity else { return }
        storage[count] = byte
        length &+= 1
    }

    /// Appends the lowest `n` bytes of a word, the lowest first, as many as fit; `0 <= n <= 8`.
    @inlinable package mutating func append(packed word: UInt64, count n: Int) {
        precondition(n >= 0 && n <= 8)
        guard count &+ 8 <= capacity else {
            for place in 0..<n { append(UInt8(truncatingIfNeeded: word >> UInt64(8 &* place))) }
            return
        }
        let start = count
        var room = storage.mutableSpan
        // Safety: eight bytes from `start` lie inside, as just checked; those past `n` are unused.
        unsafe room.withUnsafeMutableBytes { room in
            unsafe room.storeBytes(of: word.littleEndian, toByteOffset: start, as: UInt64.self)
        }
        length &+= UInt16(truncatingIfNeeded: n)
    }

    /// Appends as many of `bytes` as fit.
    @inlinable package mutating func append(_ bytes: Span<UInt8>) {
        let kept = min(bytes.count, capacity &- count)
        guard kept > 0 else { return }
        let start = count
        var room = storage.mutableSpan
        // Safety: `start + kept` is at most the capacity, `kept` at most the source's count.
        unsafe room.withUnsafeMutableBufferPointer { room in
            unsafe bytes.withUnsafeBufferPointer { source in
                _ = unsafe memcpy(
                    room.baseAddress.unsafelyUnwrapped + start,
                    source.baseAddress.unsafelyUnwrapped, kept)
            }
        }
        length &+= UInt16(truncatingIfNeeded: kept)
    }

    /// Appends as much of the part `range` of `bytes` as fits; the range must lie inside.
    @inlinable package mutating func append(_ bytes: Span<UInt8>, _ range: Range<Int>) {
        append(bytes.extracting(range))
    }

    /// Forgets the text.
    @inlinable package mutating func removeAll() { length = 0 }
}
