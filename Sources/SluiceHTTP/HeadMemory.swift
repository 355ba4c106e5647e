import SluiceBytes

/// The bytes a parsed head was read from, so that the same head again is known by comparing them.
///
/// A client sends the same head with every request, and a replica with many answers. What a parser
/// makes of a whole head depends on its bytes and the limits alone, so where both are the same the
/// parsed form still stands, without reading it again: a tenth of the work (measured).
struct HeadMemory: ~Copyable {
    /// Bytes of a head that is remembered at most; one worker has two such memories.
    static let bytesMax = 4_096

    private var bytes = ByteBuffer()
    private var limits = HeadLimits()
    private var isAnswerToHead = false

    /// Remembers nothing.
    init() {}

    /// Whether `input` begins with the head that the parsed form is of.
    ///
    /// Changes nothing: a borrow of what holds this would be passed as a copy.
    @inline(__always) mutating func matches(
        _ input: Span<UInt8>, _ limits: HeadLimits, isAnswerToHead: Bool = false
    ) -> Bool {
        let count = bytes.count
        guard count > 0, self.isAnswerToHead == isAnswerToHead, self.limits == limits else {
            return false
        }
        return input.hasBytes(bytes.bytes, from: 0, count: count, at: 0)
    }

    /// The parsed form is about to change.
    mutating func forget() { bytes.removeAll() }

    /// The parsed form is that of the first `count` bytes of `input`, read without an error.
    mutating func keep(
        _ input: Span<UInt8>, count: Int, _ limits: HeadLimits, isAnswerToHead: Bool = false
    ) {
        bytes.removeAll()
        guard count <= Self.bytesMax else { return }
        bytes.append(input, 0..<count)
        self.limits = limits
        self.isAnswerToHead = isAnswerToHead
    }
}
