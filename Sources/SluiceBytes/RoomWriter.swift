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
        // Safety: there is room for as much as is written at most, as checked.
        unsafe next = Self.write(number, to: place(for: DecimalText.bytesMax))
    }

    /// Appends so many thousandths as a number with three digits after the point; takes room for
    /// ``DecimalText/bytesMax``.
    @inlinable @inline(__always) package mutating func appendThousandths(_ number: UInt64) {
        // Safety: as above.
        unsafe next = Self.write(thousandths: number, to: place(for: DecimalText.bytesMax))
    }

    /// Appends a literal and a number in decimal digits, with one look at the room for both.
    @inlinable @inline(__always)
    package mutating func append(_ literal: StaticString, decimal number: Int) {
        // Safety: as above.
        unsafe next = Self.write(number, to: copy(literal, besides: DecimalText.bytesMax))
    }

    /// Appends a literal and so many thousandths, with one look at the room for both.
    @inlinable @inline(__always)
    package mutating func append(_ literal: StaticString, thousandths number: UInt64) {
        // Safety: as above.
        unsafe next = Self.write(
            thousandths: number, to: copy(literal, besides: DecimalText.bytesMax))
    }

    /// Copies a literal to where the next bytes go; answers where it ends. Takes room for `n` bytes
    /// more.
    @inlinable @inline(__always)
    func copy(_ literal: StaticString, besides n: Int) -> UnsafeMutablePointer<UInt8> {
        let count = literal.utf8CodeUnitCount
        let target = unsafe place(for: count &+ n)
        // Safety: as for `append`.
        unsafe memcpy(target, literal.utf8Start, count)
        return unsafe target + count
    }

    /// Writes a number within ``DecimalText/bytesMax``; answers where it ends.
    @inlinable @inline(__always)
    static func write(_ number: Int, to target: UnsafeMutablePointer<UInt8>)
        -> UnsafeMutablePointer<UInt8>
    {
        // Safety: the caller's: as many bytes at `target` are its own.
        guard UInt(bitPattern: number) < 10_000 else {
            return unsafe target + DecimalText.write(number, to: target)
        }
        let digits = DecimalText.fourDigits(UInt64(truncatingIfNeeded: number))
        let zeros = DecimalText.leadingZeros(ofFour: digits)
        unsafe DecimalText.store(digits &>> UInt64(8 &* zeros), at: target)
        return unsafe target + (4 &- zeros)
    }

    /// Writes so many thousandths, as ``write(_:to:)``.
    @inlinable @inline(__always)
    static func write(thousandths number: UInt64, to target: UnsafeMutablePointer<UInt8>)
        -> UnsafeMutablePointer<UInt8>
    {
        // Safety: the caller's, as above.
        guard number < 10_000 else {
            return unsafe target + DecimalText.write(thousandths: number, to: target)
        }
        let digits = DecimalText.fourDigits(number)
        unsafe DecimalText.store(digits & 0xFF | 0x2E00 | (digits & ~0xFF) << 8, at: target)
        return unsafe target + 5
    }
}
