import SluiceBytes
import SluiceTelemetry

/// What a request body says beside the model's name.
package struct RequestFacts: Equatable, Sendable {
    /// The model's name is longer than what is kept of it.
    package internal(set) var isModelCut = false
    package internal(set) var isStream = false
    /// `n` and `best_of`, the larger.
    package internal(set) var sequences = 1
    /// Where the value of `priority` stands in the body; empty where there is none.
    package internal(set) var priority: Range<Int32> = 0..<0
    package internal(set) var stores = true
    /// FNV-1a of `prompt_cache_key`.
    package internal(set) var cacheKeyHash: UInt64?
    /// Where the id in `previous_response_id` stands in the body, as it is written; an id with
    /// escapes is none that a replica made.
    package internal(set) var previousResponse: Range<Int>?
    /// Where the messages up to and with the first of role `user` stand in the body; empty where none
    /// is, and in bodies that came whole and are shorter than ``RequestPeek/openingMin``.
    package internal(set) var opening: Range<Int32> = 0..<0
    /// Bytes of text under `messages`, `prompt` and `input`, without base64 payloads.
    package internal(set) var promptBytes = 0
    /// Elements of token arrays.
    package internal(set) var promptTokens = 0
    /// Parts that are an image, audio or a file.
    package internal(set) var mediaParts = 0
    /// The client asked for usage in the stream by itself.
    package internal(set) var asksUsage = false
    var maxTokens: Int?
    var maxCompletionTokens: Int?
    var maxOutputTokens: Int?
    /// Behind the outermost brace; -1 before it.
    var objectStart = -1
    var options = OptionsSite.absent

    /// Where `stream_options` stands: for its injection.
    enum OptionsSite: Equatable, Sendable {
        case absent
        case null(Range<Int>)
        case object(afterBrace: Int, isEmpty: Bool)
        case includeUsage(value: Range<Int>)
    }

    /// Nothing said yet.
    init() {}

    /// The text that began at `start` is longer by `count` bytes: it is all prompt, and what stands
    /// behind it has moved.
    @inline(__always) mutating func lengthen(by count: Int, at start: Int) {
        promptBytes &+= count
        move(by: count, at: start)
    }

    /// The same range, longer or further back.
    private static func moved(
        _ range: Range<Int32>, by count: Int, at start: Int
    ) -> Range<Int32> {
        let shift = Int32(truncatingIfNeeded: count)
        let lower = range.lowerBound &+ (range.lowerBound < start ? 0 : shift)
        // A replacement never shortens it below nothing.
        return lower..<max(lower, range.upperBound &+ shift)
    }

    /// What stands in the body at `start` or behind it has moved by `count` bytes.
    @inline(__always) mutating func move(by count: Int, at start: Int) {
        func moved(_ range: Range<Int>) -> Range<Int> {
            range.lowerBound < start
                ? range : range.lowerBound &+ count..<range.upperBound &+ count
        }
        if let range = previousResponse { previousResponse = moved(range) }
        if priority.upperBound > start { priority = Self.moved(priority, by: count, at: start) }
        if opening.upperBound > start { opening = Self.moved(opening, by: count, at: start) }
        switch options {
        case .absent: break
        case .null(let range): options = .null(moved(range))
        case .object(let brace, let isEmpty):
            let place = brace < start ? brace : brace &+ count
            options = .object(afterBrace: place, isEmpty: isEmpty)
        case .includeUsage(let value): options = .includeUsage(value: moved(value))
        }
    }
}

/// The last body that was read whole, without its last text: most requests of an application differ
/// from the one before in that text only, and then say the same but for its length.
///
/// One per worker: what it knows of one client's request it uses for another's, which is the same to
/// the byte around the text.
package struct RequestTemplate: ~Copyable, Sendable {
    /// Bytes around the text at most; a longer body is read in full each time.
    package static let bytesMax = 4_096

    private var around = TextTemplate<4_096>()
    private var bodyCount = 0
    /// Whether the opening of the learned body was looked for.
    private var knowsOpening = false
    private var facts = RequestFacts()
    private var model = InlineText<256>()

    /// Knows no body yet.
    package init() {}

    /// Says what the body says, if it is the learned one with another text; false for any other.
    @inline(__always) mutating func tell(
        of body: Span<UInt8>, _ facts: inout RequestFacts, model: inout InlineText<256>
    ) -> Bool {
        guard knowsOpening || body.count < RequestPeek.openingMin, around.matches(body) else {
            return false
        }
        model.removeAll()
        model.append(self.model.bytes)
        facts = self.facts
        facts.lengthen(by: body.count &- bodyCount, at: around.headCount)
        // What a body says may not depend on the one before it.
        if body.count < RequestPeek.openingMin { facts.opening = 0..<0 }
        return true
    }

    /// Remembers a body that was read without an error.
    mutating func learn(
        _ body: Span<UInt8>, text: Range<Int>, _ facts: RequestFacts,
        model: inout InlineText<256>
    ) {
        knowsOpening = body.count >= RequestPeek.openingMin
        around.learn(body, text: text)
        bodyCount = body.count
        self.facts = facts
        self.model.removeAll()
        self.model.append(model.bytes)
    }
}
