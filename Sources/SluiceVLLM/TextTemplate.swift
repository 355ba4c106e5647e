import SluiceBytes
import SluiceTelemetry

/// What a piece of JSON that carries text looks like around the text, so that the next one of its
/// kind is known by comparing bytes instead of reading JSON.
///
/// The chunks of a stream differ in one string only, and so do most requests of an application. Where
/// a piece is the learned one with another text in that string, a reader is in the same state before
/// and after it, and comes to the same verdict. Anything else (another choice, usage, an odd escape,
/// a changed finish reason, another limit) does not match and is read in full.
///
/// - Parameter bytesMax: bytes of a piece around its text at most.
struct TextTemplate<let bytesMax: Int>: ~Copyable, Sendable {
    /// The bytes before the text and, right behind them, those after it.
    private var storage = InlineText<bytesMax>()
    private(set) var headCount = 0
    private var tailCount = 0

    /// Matches nothing.
    init() {}

    /// Matches nothing again.
    mutating func forget() { headCount = 0 }

    /// Keeps what stands around `text`, a range inside one string of `piece`; matches nothing where
    /// that is too much.
    mutating func learn(_ piece: Span<UInt8>, text: Range<Int>) {
        headCount = 0
        let tail = piece.count &- text.upperBound
        guard text.lowerBound &+ tail <= bytesMax, tail > 0 else { return }
        storage.removeAll()
        storage.append(piece, 0..<text.lowerBound)
        storage.append(piece, text.upperBound..<piece.count)
        headCount = text.lowerBound
        tailCount = tail
    }

    /// Whether `piece` is the learned one with another text, which is not empty.
    mutating func matches(_ piece: Span<UInt8>) -> Bool {
        let textEnd = piece.count &- tailCount
        guard headCount > 0, textEnd > headCount else { return false }
        let known = storage.bytes
        guard piece.hasBytes(known, from: 0, count: headCount, at: 0),
            piece.hasBytes(known, from: headCount, count: tailCount, at: textEnd)
        else { return false }
        var index = headCount
        while true {
            index = piece.firstStringStop(from: index, to: textEnd)
            if index == textEnd { return true }
            guard index &+ 8 <= piece.count else { return false }
            let length = JSONText.lengthOfSpecial(piece.word(at: index))
            // An escape that reaches over the end has the closing quote in it: a longer string.
            guard length > 0, index &+ length <= textEnd else { return false }
            index &+= length
        }
    }
}
