#if canImport(Glibc)
    import Glibc
#endif
import Synchronization

// One pool per thread; only its owner acquires and releases. The two counters are read by the
// control thread, hence relaxed atomics with a single writer.

/// Recycles fixed blocks of memory for the buffers of one worker.
@usableFromInline @safe package final class BufferPool: Sendable {
    /// Bytes of one block: one read, one small request with its body, one response head.
    @inlinable package static var blockBytes: Int { 16_384 }

    /// Blocks kept for reuse at most; more are returned to the system.
    package let blocksKeptMax: Int
    /// Blocks that there are; changes with the system's memory alone.
    private let blocksMadeCount = Atomic<Int>(0)
    private let blocksKeptCount = Atomic<Int>(0)
    /// Free blocks; each one's first word points to the next.
    private nonisolated(unsafe) var free: UnsafeMutableRawPointer?

    /// - Parameter blocksKeptMax: 0 … 1,048,576; the default keeps 16 MiB.
    package init(blocksKeptMax: Int = 1_024) {
        self.blocksKeptMax = blocksKeptMax
        unsafe free = nil
    }

    deinit {
        while let block = unsafe free {
            unsafe free = unsafe block.load(as: UnsafeMutableRawPointer?.self)
            unsafe Glibc.free(block)
        }
    }

    /// Blocks in use now; must be zero when nothing is open.
    package var blocksOut: Int {
        let kept = blocksKeptCount.load(ordering: .relaxed)
        return max(0, blocksMadeCount.load(ordering: .relaxed) - kept)
    }
    /// Bytes of blocks in use and kept.
    package var bytesHeld: Int { blocksMadeCount.load(ordering: .relaxed) * Self.blockBytes }

    /// Gives `buffer` a block if it has no storage.
    @inlinable @inline(__always) package func provide(_ buffer: inout ByteBuffer) {
        if !buffer.hasStorage { putBlock(into: &buffer) }
    }

    @usableFromInline func putBlock(into buffer: inout ByteBuffer) {
        unsafe buffer.putStorage(takeBlock(), capacity: Self.blockBytes)
    }

    /// An empty buffer with one block of room.
    package func acquire() -> ByteBuffer {
        var buffer = ByteBuffer()
        provide(&buffer)
        return buffer
    }

    private func takeBlock() -> UnsafeMutablePointer<UInt8> {
        guard let block = unsafe free else { return unsafe makeBlock() }
        // Safety: a kept block's first word was written by `release` and nothing else since.
        unsafe free = unsafe block.load(as: UnsafeMutableRawPointer?.self)
        blocksKeptCount.store(
            blocksKeptCount.load(ordering: .relaxed) &- 1, ordering: .relaxed)
        return unsafe block.assumingMemoryBound(to: UInt8.self)
    }

    @inline(never)
    private func makeBlock() -> UnsafeMutablePointer<UInt8> {
        guard let block = unsafe malloc(Self.blockBytes) else {
            fatalError("out of memory: a buffer of \(Self.blockBytes) bytes")
        }
        blocksMadeCount.store(
            blocksMadeCount.load(ordering: .relaxed) &+ 1, ordering: .relaxed)
        return unsafe block.assumingMemoryBound(to: UInt8.self)
    }

    /// Takes the buffer's storage back and leaves it empty, whatever it still held.
    ///
    /// Storage that has grown past a block goes back to the system.
    @inlinable @inline(__always) package func release(_ buffer: inout ByteBuffer) {
        if buffer.hasStorage { takeStorage(of: &buffer) }
    }

    @usableFromInline func takeStorage(of buffer: inout ByteBuffer) {
        let (base, capacity) = unsafe buffer.takeStorage()
        guard let base = unsafe base else { return }
        let kept = blocksKeptCount.load(ordering: .relaxed)
        guard capacity == Self.blockBytes, kept < blocksKeptMax else {
            blocksMadeCount.store(
                blocksMadeCount.load(ordering: .relaxed) &- 1, ordering: .relaxed)
            unsafe Glibc.free(base)
            return
        }
        // Safety: the block is ours, at least one word long and aligned by malloc.
        let block = UnsafeMutableRawPointer(base)
        unsafe block.storeBytes(of: free, as: UnsafeMutableRawPointer?.self)
        unsafe free = unsafe block
        blocksKeptCount.store(kept &+ 1, ordering: .relaxed)
    }
}
