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

    /// Matches nothing again.
    mutating func forget() { headCount = 0 }

    /// Keeps what stands around `text`, a range inside the event's one content string.
    mutating func learn(_ event: Span<UInt8>, text: Range<Int>) {
        headCount = 0
        tailCount = 0
        let tail = event.count &- text.upperBound
        // Another line end would leave its reader in another state.
        guard text.lowerBound &+ tail <= Self.bytesMax, tail > 0,
            event[event.count &- 1] == 0x0A
        else { return }
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
        guard event.hasBytes(known, from: 0, count: headCount, at: 0),
            event.hasBytes(known, from: headCount, count: tailCount, at: textEnd)
        else { return false }
        var index = headCount
        while true {
            index = event.firstStringStop(from: index, to: textEnd)
            if index == textEnd { return true }
            guard index &+ 8 <= event.count else { return false }
            let length = JSONText.lengthOfSpecial(event.word(at: index))
            // An escape that reaches over the end has the closing quote in it: a longer string.
            guard length > 0, index &+ length <= textEnd else { return false }
            index &+= length
        }
    }
}
