#if canImport(Glibc)
    import Glibc
#endif

// Ownership: a buffer is noncopyable and owned by one connection or exchange of one thread. Its
// storage comes from that thread's BufferPool (fixed blocks) or from malloc (larger). `release(to:)`
// gives a block back for reuse; a buffer that is merely dropped frees its memory, and the pool's
// `blocksOut` then shows that somebody forgot.

/// A queue of bytes in one contiguous piece of memory: appended at the end, consumed at the front.
///
/// An empty buffer holds no memory, so that an idle connection costs only its slot.
@usableFromInline @safe package struct ByteBuffer: ~Copyable {
    @usableFromInline var base: UnsafeMutablePointer<UInt8>?
    /// Bytes of memory behind `base`.
    @usableFromInline package var capacity: Int
    /// Offset of the first unread byte.
    @usableFromInline var lower: Int
    /// Offset just past the last byte written.
    @usableFromInline var upper: Int

    /// An empty buffer without storage.
    @inlinable package init() {
        unsafe base = nil
        capacity = 0
        lower = 0
        upper = 0
    }

    /// An empty buffer with room for `minimumCapacity` bytes, outside any pool.
    package init(minimumCapacity: Int) {
        self.init()
        reserve(minimumCapacity)
    }

    @inlinable deinit {
        if let base = unsafe base { unsafe free(base) }
    }

    // Offsets are added and subtracted unchecked: 0 <= lower <= upper <= capacity always holds.

    /// Unread bytes.
    @inlinable package var count: Int { upper &- lower }
    /// Whether nothing is left to read.
    @inlinable package var isEmpty: Bool { lower == upper }
    /// Whether memory is held.
    @inlinable package var hasStorage: Bool { unsafe base != nil }
    /// Bytes that can be appended without growing.
    @inlinable package var room: Int { capacity &- upper }

    /// The unread bytes.
    @inlinable package var bytes: Span<UInt8> {
        @_lifetime(borrow self) get {
            // Safety: [lower, upper) lies in the allocation and was written by `append` or `fill`;
            // the span's lifetime is tied to this borrow of the buffer.
            let span = unsafe Span(
                _unsafeElements: UnsafeBufferPointer(
                    start: base.map { unsafe UnsafePointer($0 + lower) }, count: upper &- lower))
            return unsafe _overrideLifetime(span, borrowing: self)
        }
    }

    /// The unread byte at `offset` from the front. Traps outside `0..<count`.
    @inlinable package subscript(offset: Int) -> UInt8 {
        bytes[offset]
    }

    /// Drops `n` bytes at the front; `0 <= n <= count`.
    @inlinable package mutating func consume(_ n: Int) {
        precondition(n >= 0 && n <= upper &- lower)
        lower &+= n
        if lower == upper {
            lower = 0
            upper = 0
        }
    }

    /// Keeps the first `n` unread bytes and drops the rest; `0 <= n <= count`.
    @inlinable package mutating func truncate(to n: Int) {
        precondition(n >= 0 && n <= upper &- lower)
        upper = lower &+ n
    }

    /// Drops all bytes and keeps the memory.
    @inlinable package mutating func removeAll() {
        lower = 0
        upper = 0
    }

    /// Makes room for `n` more bytes, moving or growing the memory where it has to.
    ///
    /// Grows outside the pool; a caller with a bound checks it first.
    @inlinable package mutating func reserve(_ n: Int) {
        if capacity &- upper < n { makeRoom(n) }
    }

    @inline(never) @usableFromInline mutating func makeRoom(_ n: Int) {
        precondition(n >= 0)
        let count = upper - lower
        let (needed, overflow) = count.addingReportingOverflow(n)
        precondition(!overflow)
        if lower > 0, let base = unsafe base {
            // Safety: both ranges lie in the one allocation; memmove allows overlap.
            unsafe memmove(base, base + lower, count)
        }
        if needed > capacity {
            let larger = max(needed, capacity * 2, 256)
            // Safety: of `larger` bytes, the first `capacity` those of the old allocation, which is
            // gone. A large one is moved by the kernel: no copy, and no second one meanwhile.
            guard let memory = unsafe realloc(base, larger) else {
                fatalError("out of memory: \(larger) bytes for a buffer")
            }
            unsafe base = unsafe memory.assumingMemoryBound(to: UInt8.self)
            capacity = larger
        }
        lower = 0
        upper = count
    }

    /// Appends one byte.
    @inlinable package mutating func append(_ byte: UInt8) {
        reserve(1)
        // Safety: `reserve` left at least one byte of room at `upper`.
        unsafe base.unsafelyUnwrapped[upper] = byte
        upper &+= 1
    }

    /// Appends the lowest `count` bytes of a word, the lowest first; `0 <= count <= 8`.
    @inlinable @inline(__always) package mutating func append(packed word: UInt64, count: Int) {
        reserve(8)
        store(packed: word, count: count)
    }

    /// Does what ``append(packed:count:)`` does where there is room for eight bytes.
    @inlinable @inline(__always) mutating func store(packed word: UInt64, count: Int) {
        precondition(count >= 0 && count <= 8)
        assert(room >= 8)
        // Safety: the caller has reserved eight bytes; those past `count` stay unwritten room.
        unsafe UnsafeMutableRawPointer(base.unsafelyUnwrapped + upper)
            .storeBytes(of: word.littleEndian, as: UInt64.self)
        upper &+= count
    }

    /// Appends a copy of `bytes`.
    @inlinable package mutating func append(_ bytes: Span<UInt8>) {
        let n = bytes.count
        guard n > 0, n <= room else { return appendGrowing(bytes) }
        let end = unsafe base.unsafelyUnwrapped + upper
        // Before the copy, which is the last thing done: nothing is kept across a call of memcpy(3).
        upper &+= n
        // Safety: there are n bytes of room at `end`; a span never aliases memory we may write.
        unsafe bytes.withUnsafeBufferPointer { source in
            let start = unsafe source.baseAddress.unsafelyUnwrapped
            if n <= Self.shortMax {
                unsafe Self.copyShort(n, from: start, to: end)
            } else {
                _ = unsafe memcpy(end, start, n)
            }
        }
    }

    /// What needs more memory, or is nothing at all; by itself, so that what has room takes no call.
    @inline(never) @usableFromInline mutating func appendGrowing(_ bytes: Span<UInt8>) {
        if bytes.count == 0 { return }
        reserve(bytes.count)
        append(bytes)
    }

    /// Bytes that are moved as words and not by memcpy(3), at most.
    @inlinable static var shortMax: Int { 64 }

    /// Copies `n` bytes, 1 … ``shortMax``, between pieces of memory that do not overlap.
    ///
    /// Most texts here are a few words long; they are moved as words that may overlap, at a third of
    /// the instructions of a call of memcpy(3) (measured).
    @inlinable @inline(__always) static func copyShort(
        _ n: Int, from source: UnsafePointer<UInt8>, to target: UnsafeMutablePointer<UInt8>
    ) {
        // Safety: in every branch both words lie within the `n` bytes of their piece.
        let from = unsafe UnsafeRawPointer(source)
        let to = UnsafeMutableRawPointer(target)
        if n > 32 {
            // Both ends; the middle may be copied twice.
            unsafe move(SIMD4<UInt64>.self, from, to, 0, n &- 32)
        } else if n >= 16 {
            unsafe move(SIMD2<UInt64>.self, from, to, 0, n &- 16)
        } else if n >= 8 {
            unsafe move(UInt64.self, from, to, 0, n &- 8)
        } else if n >= 4 {
            unsafe move(UInt32.self, from, to, 0, n &- 4)
        } else {
            unsafe move(UInt8.self, from, to, 0, n &- 1)
            unsafe move(UInt8.self, from, to, 0, n &>> 1)
        }
    }

    /// Copies two words, at offsets `a` and `b`.
    @inlinable @inline(__always) static func move<Word: BitwiseCopyable>(
        _: Word.Type, _ from: UnsafeRawPointer, _ to: UnsafeMutableRawPointer, _ a: Int, _ b: Int
    ) {
        // Safety: the caller's.
        let first = unsafe from.loadUnaligned(fromByteOffset: a, as: Word.self)
        let second = unsafe from.loadUnaligned(fromByteOffset: b, as: Word.self)
        unsafe to.storeBytes(of: first, toByteOffset: a, as: Word.self)
        unsafe to.storeBytes(of: second, toByteOffset: b, as: Word.self)
    }

    /// Appends the part `range` of `bytes`; the range must lie inside.
    @inlinable package mutating func append(_ bytes: Span<UInt8>, _ range: Range<Int>) {
        append(bytes.extracting(range))
    }

    /// Appends a literal; inlined, so that its length is known and the copy is a few moves.
    @inlinable @inline(__always) package mutating func append(_ literal: StaticString) {
        let n = literal.utf8CodeUnitCount
        if n == 0 { return }
        reserve(n)
        // Safety: `reserve` left n bytes; a StaticString's code units are immortal.
        unsafe memcpy(base.unsafelyUnwrapped + upper, literal.utf8Start, n)
        upper &+= n
    }

    /// Appends a string's UTF-8; for cold paths.
    package mutating func append(text: String) {
        var string = text
        string.withUTF8 { utf8 in
            guard let start = utf8.baseAddress else { return }
            reserve(utf8.count)
            // Safety: `reserve` left utf8.count bytes of room.
            unsafe memcpy(base.unsafelyUnwrapped + upper, start, utf8.count)
            upper += utf8.count
        }
    }

    /// Replaces the unread bytes in `range` (offsets from the front) by a literal.
    package mutating func replace(_ range: Range<Int>, with literal: StaticString) {
        precondition(range.lowerBound >= 0 && range.upperBound <= count)
        let n = literal.utf8CodeUnitCount
        reserve(max(0, n - range.count))
        guard let base = unsafe base else { return }
        let tail = count - range.upperBound
        let start = unsafe base + lower + range.lowerBound
        // Safety: `reserve` left room for the growth; memmove allows overlap; the literal is immortal.
        unsafe memmove(start + n, start + range.count, tail)
        unsafe memcpy(start, literal.utf8Start, n)
        upper += n - range.count
    }

    /// Puts a word's eight bytes, the lowest first, in place of the unread bytes from `offset` on.
    package mutating func overwrite(at offset: Int, packed word: UInt64) {
        precondition(offset >= 0 && offset <= count - 8)
        // Safety: the eight bytes lie within the unread ones, as just checked.
        unsafe UnsafeMutableRawPointer(base.unsafelyUnwrapped + lower + offset)
            .storeBytes(of: word.littleEndian, as: UInt64.self)
    }

    /// Replaces the unread bytes in `range` by the lowest `n` bytes of a word, the lowest first;
    /// `0 <= n <= 8`.
    package mutating func replace(_ range: Range<Int>, packed word: UInt64, count n: Int) {
        precondition(range.lowerBound >= 0 && range.upperBound <= count && n >= 0 && n <= 8)
        if n != range.count {
            reserve(max(0, n - range.count))
            let tail = count - range.upperBound
            guard let base = unsafe base else { return }
            let start = unsafe base + lower + range.lowerBound
            // Safety: `reserve` left room for the growth; memmove allows overlap.
            unsafe memmove(start + n, start + range.count, tail)
            upper += n - range.count
        }
        guard let base = unsafe base else { return }
        let start = unsafe base + lower + range.lowerBound
        // Safety: the n bytes from `start` on are unread ones by now.
        for place in 0..<n {
            unsafe start[place] = UInt8(truncatingIfNeeded: word >> UInt64(8 * place))
        }
    }

    /// Appends a number in lower-case hexadecimal digits, as chunk sizes are written.
    @inlinable package mutating func appendHex(_ number: Int) {
        let bits = UInt(bitPattern: number)
        var shift = bits == 0 ? 0 : (UInt.bitWidth - 1 - bits.leadingZeroBitCount) & ~3
        while shift >= 0 {
            let nibble = UInt8(truncatingIfNeeded: (bits >> UInt(shift)) & 15)
            append(nibble < 10 ? 0x30 | nibble : 0x57 + nibble)
            shift -= 4
        }
    }

    /// Copies all unread bytes into an array; for cold paths and tests.
    package func array() -> [UInt8] {
        unsafe bytes.withUnsafeBufferPointer { unsafe Array($0) }
    }

    /// Copies the part `range` of the unread bytes into an array; for cold paths.
    package func array(_ range: Range<Int>) -> [UInt8] {
        unsafe bytes.extracting(range).withUnsafeBufferPointer { unsafe Array($0) }
    }

    /// The unread bytes as text, invalid UTF-8 repaired; for cold paths and tests.
    package func text() -> String { bytes.text() }

    /// Lets `body` fill the room at the end (at least `minimum` bytes) and say how many it wrote.
    ///
    /// The seam for `read(2)` and `SSL_read`; only the reactor calls it.
    @inlinable package mutating func fill<Failure: Error>(
        minimum: Int,
        _ body: (UnsafeMutableRawBufferPointer) throws(Failure) -> Int
    ) throws(Failure) -> Int {
        reserve(minimum)
        // Safety: [upper, capacity) is ours and unwritten; the count is checked before it is used.
        let written = unsafe try body(
            UnsafeMutableRawBufferPointer(
                start: base.unsafelyUnwrapped + upper, count: capacity - upper))
        precondition(written >= 0 && written <= capacity - upper)
        upper += written
        return written
    }

    /// Takes over a block of a pool; the buffer has no storage so far.
    @inline(__always)
    mutating func putStorage(_ block: UnsafeMutablePointer<UInt8>, capacity: Int) {
        assert(!hasStorage)
        unsafe base = unsafe block
        self.capacity = capacity
    }

    /// Gives the storage to the caller, leaving the buffer empty.
    mutating func takeStorage() -> (UnsafeMutablePointer<UInt8>?, Int) {
        let storage = unsafe (base, capacity)
        unsafe base = nil
        capacity = 0
        lower = 0
        upper = 0
        return unsafe storage
    }
}
