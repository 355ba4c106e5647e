import SluiceBytes

/// What an event that carries text looks like around the text, so that the next one of its kind is
/// known by comparing bytes instead of reading JSON.
///
/// The chunks of a stream differ in one string only. Where an event is the learned one with another
/// text in that string, a reader is in the same state before and after it, and comes to the same
/// verdict. Anything else (another choice, usage, an odd escape, a changed finish reason) does not
/// match and is read in full.
struct EventTemplate: ~Copyable, Sendable {
    /// Bytes of an event around its text at most.
    static let bytesMax = 448

    /// The bytes before the text and, right behind them, those after it.
    private var storage = InlineArray<448, UInt8>(repeating: 0)
    private var headCount = 0
    private var tailCount = 0

    /// Matches nothing.
    init() {}

    /// Keeps what stands around `text`, a range inside the event's one content string.
    mutating func learn(_ event: Span<UInt8>, text: Range<Int>) {
        headCount = 0
        tailCount = 0
        let tail = event.count &- text.upperBound
        guard text.lowerBound &+ tail <= Self.bytesMax else { return }
        var room = storage.mutableSpan
        for i in 0..<text.lowerBound { room[i] = event[i] }
        for i in 0..<tail { room[text.lowerBound &+ i] = event[text.upperBound &+ i] }
        headCount = text.lowerBound
        tailCount = tail
    }

    /// Whether `event` is the learned one with another text, which is not empty.
    mutating func matches(_ event: Span<UInt8>) -> Bool {
        let textEnd = event.count &- tailCount
        guard headCount > 0, textEnd > headCount else { return false }
        let known = storage.span
        guard Self.areEqual(known, at: 0, event, at: 0, count: headCount),
            Self.areEqual(known, at: headCount, event, at: textEnd, count: tailCount)
        else { return false }
        var index = headCount
        while true {
            index = JSONText.plainEnd(event, from: index, to: textEnd)
            if index == textEnd { return true }
            guard index &+ 8 <= event.count else { return false }
            let length = JSONText.lengthOfSpecial(event.word(at: index))
            // An escape that reaches over the end has the closing quote in it: a longer string.
            guard length > 0, index &+ length <= textEnd else { return false }
            index &+= length
        }
    }

    @inline(__always) private static func areEqual(
        _ a: Span<UInt8>, at aStart: Int, _ b: Span<UInt8>, at bStart: Int, count: Int
    ) -> Bool {
        var index = 0
        while index &+ 32 <= count {
            let first =
                (a.word(at: aStart &+ index) ^ b.word(at: bStart &+ index))
                | (a.word(at: aStart &+ index &+ 8) ^ b.word(at: bStart &+ index &+ 8))
            let second =
                (a.word(at: aStart &+ index &+ 16) ^ b.word(at: bStart &+ index &+ 16))
                | (a.word(at: aStart &+ index &+ 24) ^ b.word(at: bStart &+ index &+ 24))
            if first | second != 0 { return false }
            index &+= 32
        }
        while index &+ 8 <= count {
            if a.word(at: aStart &+ index) != b.word(at: bStart &+ index) { return false }
            index &+= 8
        }
        while index < count {
            if a[aStart &+ index] != b[bStart &+ index] { return false }
            index &+= 1
        }
        return true
    }
}
