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

    /// The bytes as text, invalid UTF-8 repaired; for cold paths and tests.
    package var text: String { bytes.text() }

    /// Appends one byte, unless the text is full.
    @inlinable package mutating func append(_ byte: UInt8) {
        guard count < capacity else { return }
        storage[count] = byte
        length &+= 1
    }

    /// Appends as many of `bytes` as fit.
    @inlinable package mutating func append(_ bytes: Span<UInt8>) {
        let kept = min(bytes.count, capacity &- count)
        let start = count
        for index in 0..<kept { storage[start &+ index] = bytes[index] }
        length &+= UInt16(truncatingIfNeeded: kept)
    }

    /// Appends as much of the part `range` of `bytes` as fits; the range must lie inside.
    @inlinable package mutating func append(_ bytes: Span<UInt8>, _ range: Range<Int>) {
        append(bytes.extracting(range))
    }

    /// Forgets the text.
    @inlinable package mutating func removeAll() { length = 0 }
}
