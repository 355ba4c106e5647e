import SluiceBytes
import SluiceSimulation

/// Words out of nothing: token `k` of a seed is always the same, so text need not be kept.
///
/// All words are valid inside a JSON string as they are; some are not ASCII, one is an escape.
package struct TextSource: Equatable, Sendable {
    private static let words: [StaticString] = [
        "the", "a", "and", "of", "to", "in", "is", "it", "that", "for", "on", "with", "as", "are",
        "this", "be", "at", "or", "from", "by", "which", "one", "all", "so", "there", "when",
        "water", "light", "time", "river", "gate", "queue", "token", "stream", "model", "answer",
        "first", "last", "small", "large", "open", "close", "early", "late", "slow", "quick",
        "north", "south", "morning", "evening", "letter", "number", "always", "never", "perhaps",
        "because", "however", "café", "naïve", "größer", "東京", "✓", ",", "\\n",
    ]

    private let seed: UInt64

    package init(seed: UInt64) { self.seed = seed }

    /// The text of another choice of the same request.
    func choice(_ index: Int) -> TextSource {
        index == 0 ? self : TextSource(seed: SplitMix64.mixed(seed &+ UInt64(index)))
    }

    /// Appends token `index` (from 0), JSON-escaped: a word, after the first one with a space.
    func appendToken(_ index: Int, to buffer: inout ByteBuffer) {
        let bits = SplitMix64.mixed(seed &+ UInt64(truncatingIfNeeded: index) &* 0x9E37_79B9)
        if index > 0 { buffer.append(0x20) }
        buffer.append(Self.words[Int(truncatingIfNeeded: bits & 63)])
    }

    /// Appends the first `count` tokens.
    func appendTokens(_ count: Int, to buffer: inout ByteBuffer) {
        for index in 0..<max(0, count) { appendToken(index, to: &buffer) }
    }
}
