#if canImport(Glibc)
    import Glibc
#endif

/// A buffer's memory while its end is written piece by piece, for as many bytes as were asked for.
///
/// Where it is lies in registers, and nothing grows: a buffer's own offsets are read again after every
/// byte that is stored, and each of its pieces may need memory. The buffer has no memory until it gets
/// it back by ``giveBack(to:)``; what is not given back is freed. Room that was asked for too small
/// stops the process: it is a sum of constants, whatever a peer sends.
@frozen @usableFromInline @safe package struct RoomWriter: ~Copyable {
    @usableFromInline let base: UnsafeMutablePointer<UInt8>
    @usableFromInline let capacity: Int
    @usableFromInline let lower: Int
    @usableFromInline var next: UnsafeMutablePointer<UInt8>
    @usableFromInline let end: UnsafeMutablePointer<UInt8>

    /// Takes a buffer's memory to write at most `n` bytes, more than none, at its end.
    @inlinable @inline(__always) package init(to buffer: inout ByteBuffer, atMost n: Int) {
        precondition(n > 0)
        buffer.reserve(n)
        // Safety: `reserve` left n bytes of room at `upper`; from here on the memory is ours alone.
        unsafe base = buffer.base.unsafelyUnwrapped
        capacity = buffer.capacity
        lower = buffer.lower
        unsafe next = base + buffer.upper
        unsafe end = next + n
        unsafe buffer.base = nil
        buffer.capacity = 0
        buffer.removeAll()
    }

    deinit { unsafe free(base) }

    /// Gives the memory back to the buffer it was taken from, which is empty, with what was written.
    @inlinable @inline(__always) package consuming func giveBack(to buffer: inout ByteBuffer) {
        precondition(!buffer.hasStorage)
        // Safety: the writer ends here without freeing; `next` lies between `base` and `end`.
        unsafe buffer.base = base
        buffer.capacity = capacity
        buffer.lower = lower
        buffer.upper = unsafe next - base
        discard self
    }

    /// Where the next `n` bytes go; traps unless there is room for them.
    @inlinable @inline(__always)
    func place(for n: Int) -> UnsafeMutablePointer<UInt8> {
        precondition(unsafe end - next >= n)
        return unsafe next
    }

    /// Appends a literal.
    @inlinable @inline(__always) package mutating func append(_ literal: StaticString) {
        let n = literal.utf8CodeUnitCount
        // Safety: there is room for n bytes, as checked; a StaticString's code units are immortal.
        unsafe memcpy(place(for: n), literal.utf8Start, n)
        unsafe next += n
    }

    /// Appends a copy of `bytes`.
    @inlinable @inline(__always) package mutating func append(_ bytes: Span<UInt8>) {
        let n = bytes.count
        if n == 0 { return }
        let target = unsafe place(for: n)
        // Safety: there is room for n bytes, as checked; a span never aliases memory we may write.
        unsafe bytes.withUnsafeBufferPointer { source in
            let source = unsafe source.baseAddress.unsafelyUnwrapped
            if n <= ByteBuffer.shortMax {
                unsafe ByteBuffer.copyShort(n, from: source, to: target)
            } else {
                _ = unsafe memcpy(target, source, n)
            }
        }
        unsafe next += n
    }

    /// Appends the lowest `count` bytes of a word, the lowest first; `0 <= count <= 8`. Takes room for
    /// all eight.
    @inlinable @inline(__always) package mutating func append(packed word: UInt64, count: Int) {
        precondition(count >= 0 && count <= 8)
        // Safety: there is room for eight bytes, as checked; those past `count` stay unwritten room.
        unsafe DecimalText.store(word, at: place(for: 8))
        unsafe next += count
    }

    /// Appends a number in decimal digits; takes room for ``DecimalText/bytesMax``.
    @inlinable @inline(__always) package mutating func appendDecimal(_ number: Int) {
        guard UInt(bitPattern: number) < 10_000 else {
            // Safety: there is room for as much as is written at most, as checked.
            unsafe next += DecimalText.write(number, to: place(for: DecimalText.bytesMax))
            return
        }
        let digits = DecimalText.fourDigits(UInt64(truncatingIfNeeded: number))
        let zeros = DecimalText.leadingZeros(ofFour: digits)
        append(packed: digits &>> UInt64(8 &* zeros), count: 4 &- zeros)
    }

    /// Appends so many thousandths as a number with three digits after the point; takes room for
    /// ``DecimalText/bytesMax``.
    @inlinable @inline(__always) package mutating func appendThousandths(_ number: UInt64) {
        guard number < 10_000 else {
            // Safety: as above.
            unsafe next += DecimalText.write(
                thousandths: number, to: place(for: DecimalText.bytesMax))
            return
        }
        let digits = DecimalText.fourDigits(number)
        append(packed: digits & 0xFF | 0x2E00 | (digits & ~0xFF) << 8, count: 5)
    }
}
