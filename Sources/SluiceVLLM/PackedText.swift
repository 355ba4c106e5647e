import SluiceBytes

/// A short text in three machine words, so that it is compared with a known name in a few integer
/// comparisons, wherever in the input it lies.
///
/// Texts longer than ``packedMax`` keep their length only and equal no name.
package struct PackedText: Equatable, BitwiseCopyable, Sendable {
    /// Bytes that are kept; the longest judged key has 21.
    package static let packedMax = 24

    /// Bytes of the text, kept or not.
    package private(set) var count: Int
    private var a: UInt64
    private var b: UInt64
    private var c: UInt64

    /// An empty text.
    @inline(__always) init() { self.init(0, 0, 0, 0) }

    /// A name written as its length and its bytes, the first one lowest; for ``Name``.
    @inline(__always) init(_ count: Int, _ a: UInt64, _ b: UInt64 = 0, _ c: UInt64 = 0) {
        self.count = count
        self.a = a
        self.b = b
        self.c = c
    }

    /// The bytes `start..<start + count`, which must lie in `bytes`.
    @inline(__always) init(_ bytes: Span<UInt8>, at start: Int, count: Int) {
        self.init(count, 0)
        guard count <= Self.packedMax else { return }
        // Whole words are loaded and what is too much is masked out; only a text at the very end of
        // a piece goes byte by byte.
        if bytes.count &- start >= Self.packedMax {
            a = bytes.word(at: start) & Self.mask(count)
            guard count > 8 else { return }
            b = bytes.word(at: start &+ 8) & Self.mask(count &- 8)
            guard count > 16 else { return }
            c = bytes.word(at: start &+ 16) & Self.mask(count &- 16)
        } else {
            self.count = 0
            for index in start..<start &+ count { append(bytes[index]) }
        }
    }

    /// Ones in the lowest `count` bytes; none below 1, all from 8 on.
    @inline(__always) private static func mask(_ count: Int) -> UInt64 {
        count >= 8 ? .max : count <= 0 ? 0 : (1 &<< UInt64(truncatingIfNeeded: 8 &* count)) &- 1
    }

    /// Appends a byte.
    mutating func append(_ byte: UInt8) {
        let shift = UInt64(truncatingIfNeeded: count & 7) &* 8
        let part = UInt64(byte) &<< shift
        if count < 8 {
            a |= part
        } else if count < 16 {
            b |= part
        } else if count < 24 {
            c |= part
        }
        count &+= 1
        if count == Self.packedMax &+ 1 {
            // Longer than any name: nothing of it may equal one.
            a = 0
            b = 0
            c = 0
        }
    }
}
