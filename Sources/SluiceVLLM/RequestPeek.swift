import SluiceBytes
import SluiceTelemetry

/// What a request body says that the gateway needs: one pass as the body arrives, O(1) state.
///
/// What is judged here is what the replica reads: keys are unescaped before they are compared,
/// a judged key that occurs twice or has another type than documented is refused.
package struct RequestPeek: ~Copyable, Sendable {
    /// Bytes of messages that are worth recognising: some 256 tokens.
    package static let openingMin = 1_024

    private var model = InlineText<256>()
    /// The model asked for; empty where none is named. Lent: a copy is a quarter of a kilobyte.
    package var modelName: Span<UInt8> {
        @_lifetime(borrow self) get { model.bytes }
    }
    /// What has been read beside it.
    package private(set) var facts = RequestFacts()
    /// The bound on the answer that the replica reads; nil: none.
    ///
    /// Chat takes `max_completion_tokens` and only without it `max_tokens`, responses take
    /// `max_output_tokens`, others `max_tokens`: a bound that the route ignores must not make a
    /// long answer look short. Source: vLLM, `ChatCompletionRequest.to_sampling_params`.
    ///
    /// Changes nothing: a borrow of a value this large is passed as a copy of it.
    package mutating func outputTokensMax() -> Int? {
        switch route {
        case .responses: return facts.maxOutputTokens
        case .chatCompletions: return facts.maxCompletionTokens ?? facts.maxTokens
        case .completions, .responsesByID, .embeddings, .messages, .rerank, .score,
            .audioTranscriptions, .audioTranslations, .tokenize, .detokenize, .pooling, .classify,
            .models, .health, .admin, .unknown:
            return facts.maxTokens
        }
    }
    package private(set) var error: PeekError?

    private var scanner = JSONScanner<256>()
    private var consumed = 0
    /// Where the last string that counts as prompt stands in the body.
    private var lastText = 0..<0
    private var seen: UInt16 = 0
    private var topKey: JudgedKey?
    /// What the members below `topKey` are looked at for.
    private var watch = Watch.nothing
    /// What the last key below `topKey` was.
    private var member = Member.other
    private var isRefused = false
    /// The body may be long enough for an opening.
    private var mayBeLong = true
    /// Messages are read whose first user message is still to come, and whether it is this one.
    private var awaitsUser = false
    private var isUser = false
    private var route: Route

    private enum Watch: UInt8 { case nothing, options, text, tokens }
    private enum Member: UInt8 { case other, type, media, role, includeUsage }

    package init(route: Route) {
        self.route = route
        scanner.keepsStrings = false
        scanner.keepsKeys = false
    }

    /// Begins with another body; cheaper than a new value, whose texts would have to be cleared.
    package mutating func restart(route: Route) {
        self.route = route
        model.removeAll()
        facts = RequestFacts()
        error = nil
        scanner.restart()
        scanner.keepsStrings = false
        consumed = 0
        lastText = 0..<0
        seen = 0
        topKey = nil
        watch = .nothing
        member = .other
        isRefused = false
        mayBeLong = true
        awaitsUser = false
        isUser = false
    }

    /// Takes the next bytes of the body; where they are all of it and nothing but its last text is
    /// new, by what `template` knows, which otherwise learns from them.
    ///
    /// - Parameter isLast: the body ends with them.
    package mutating func feed(
        _ bytes: Span<UInt8>, isLast: Bool, like template: inout RequestTemplate
    ) {
        guard isLast, consumed == 0, !route.isMultipart else { return feed(bytes) }
        if template.tell(of: bytes, &facts, model: &model) {
            consumed = bytes.count
            scanner.passOverText()
            return
        }
        mayBeLong = bytes.count >= Self.openingMin
        feed(bytes)
        if scanner.isAtEnd, !isRefused, !lastText.isEmpty {
            template.learn(bytes, text: lastText, facts, model: &model)
        }
    }

    /// Takes the next bytes of the body.
    package mutating func feed(_ bytes: Span<UInt8>) {
        guard !route.isMultipart, !isRefused else { return }
        var offset = 0
        while true {
            switch scanner.next(bytes, from: offset) {
            case .token(let token, let end):
                take(token, end: consumed &+ end)
                if isRefused { return }
                offset = end
            case .needMore, .end, .lineEnd:
                consumed &+= bytes.count
                return
            case .failed(let failure): return refuse(.notJSON(failure))
            }
        }
    }

    /// The body is over; what it lacks is an error too.
    package mutating func finish() {
        guard !route.isMultipart, !isRefused else { return }
        if !scanner.finish() {
            refuse(scanner.isUnbegun ? .empty : .truncated)
        } else if facts.objectStart < 0 {
            refuse(.notAnObject)
        }
    }

    /// The body has been edited: what stood at `end` or behind it stands `count` bytes further.
    package mutating func edited(by count: Int, end: Int) { facts.move(by: count, at: end) }

    private mutating func refuse(_ error: PeekError) {
        self.error = error
        isRefused = true
    }

    @inline(__always) private mutating func take(_ token: JSONToken, end: Int) {
        let depth = scanner.depth
        if token == .key {
            if depth == 1 { takeTopKey() } else if watch != .nothing { takeMember(depth) }
        } else if depth == 1 {
            takeTopValue(token, end: end)
        } else if depth == 0 {
            // The outermost object is closed; anything else here is a body of another kind.
            if token != .objectEnd || facts.objectStart < 0 { refuse(.notAnObject) }
        } else if depth == 2, token == .objectStart || token == .arrayStart {
            openTopValue(token, end: end)
        } else if watch == .options {
            takeOption(token, depth, end: end)
        } else if watch != .nothing {
            takeInside(token, end: end)
        }
    }

    // MARK: The top level

    @inline(__always) private mutating func takeTopKey() {
        watch = .nothing
        topKey = Self.judged(scanner.key)
        guard let key = topKey else {
            scanner.keepsStrings = false
            return
        }
        scanner.keepsStrings = key == .model || key == .promptCacheKey
        note(key)
    }

    /// A judged key may come once: parsers differ on which of two they take.
    @inline(__always) private mutating func note(_ key: JudgedKey) {
        let bit: UInt16 = 1 &<< UInt16(key.rawValue)
        if seen & bit != 0 { refuse(.repeatedKey(key)) }
        seen |= bit
    }

    @inline(__always) private static func judged(_ key: PackedText) -> JudgedKey? {
        switch key.count {
        case 1: key == Name.n ? .n : nil
        case 5:
            key == Name.model
                ? .model : key == Name.store ? .store : key == Name.input ? .input : nil
        case 6: key == Name.stream ? .stream : key == Name.prompt ? .prompt : nil
        case 7: key == Name.bestOf ? .bestOf : nil
        case 8: key == Name.messages ? .messages : key == Name.priority ? .priority : nil
        case 10: key == Name.maxTokens ? .maxTokens : nil
        case 14: key == Name.streamOptions ? .streamOptions : nil
        case 16: key == Name.promptCacheKey ? .promptCacheKey : nil
        case 17: key == Name.maxOutputTokens ? .maxOutputTokens : nil
        case 20: key == Name.previousResponseID ? .previousResponseID : nil
        case 21: key == Name.maxCompletionTokens ? .maxCompletionTokens : nil
        default: nil
        }
    }

    /// The opening of an object or array: the outermost one, or the value of a top-level key.
    private mutating func openTopValue(_ token: JSONToken, end: Int) {
        guard let key = topKey else { return }
        switch key {
        case .streamOptions where token == .objectStart:
            facts.options = .object(afterBrace: end, isEmpty: true)
            watch = .options
        case .messages where token == .arrayStart:
            watch = .text
            awaitsUser = mayBeLong
            if mayBeLong {
                facts.opening = Int32(truncatingIfNeeded: end)..<Int32(truncatingIfNeeded: end)
            }
        case .prompt where token == .arrayStart, .input where token == .arrayStart:
            watch = .tokens
        case .model, .stream, .streamOptions, .maxTokens, .maxCompletionTokens, .maxOutputTokens,
            .n, .bestOf, .priority, .promptCacheKey, .store, .messages, .prompt, .input,
            .previousResponseID, .includeUsage:
            refuse(.wrongType(key))
        }
        member = .other
    }

    /// The outermost opening, a plain value of a top-level key, or the end of its object or array.
    private mutating func takeTopValue(_ token: JSONToken, end: Int) {
        guard let key = topKey else {
            if facts.objectStart < 0 {
                if token == .objectStart { facts.objectStart = end } else { refuse(.notAnObject) }
            }
            return
        }
        if token == .objectEnd || token == .arrayEnd {
            watch = .nothing
            return
        }
        if token == .null {
            if key == .model || key == .messages { refuse(.null(key)) }
            if key == .streamOptions { facts.options = .null(end &- 4..<end) }
            if key == .priority { facts.priority = site(of: 4, end) }
            return
        }
        switch key {
        case .model where token == .string:
            model.removeAll()
            model.append(scanner.text)
            facts.isModelCut = scanner.isTextCut
        case .promptCacheKey where token == .string:
            facts.cacheKeyHash = FNV1a(scanner.text).value
        case .stream where token == .true || token == .false: facts.isStream = token == .true
        case .store where token == .true || token == .false: facts.stores = token == .true
        case .maxTokens where token == .number, .maxCompletionTokens where token == .number,
            .maxOutputTokens where token == .number, .n where token == .number,
            .bestOf where token == .number, .priority where token == .number:
            takeNumber(key, end: end)
        case .prompt where token == .string, .input where token == .string:
            takeText(end)
        case .previousResponseID where token == .string:
            // Before the closing quote; an escape makes the text longer than what it stands for.
            facts.previousResponse = end &- 1 &- scanner.stringBytes..<end &- 1
        case .model, .stream, .streamOptions, .maxTokens, .maxCompletionTokens, .maxOutputTokens,
            .n, .bestOf, .priority, .promptCacheKey, .store, .messages, .prompt, .input,
            .previousResponseID, .includeUsage:
            refuse(.wrongType(key))
        }
    }

    /// The last `count` bytes before `end`; bodies are no longer than a gigabyte.
    private func site(of count: Int, _ end: Int) -> Range<Int32> {
        let end = Int32(truncatingIfNeeded: end)
        return max(0, end &- Int32(truncatingIfNeeded: count))..<max(0, end)
    }

    private mutating func takeNumber(_ key: JudgedKey, end: Int) {
        guard let number = scanner.integer else {
            return refuse(scanner.isIntegerTooLong ? .outOfRange(key) : .wrongType(key))
        }
        switch key {
        case .priority: facts.priority = site(of: scanner.integerBytes, end)
        case .n, .bestOf:
            guard number >= 0, number <= 16_384 else { return refuse(.outOfRange(key)) }
            facts.sequences = max(facts.sequences, number)
        case .maxTokens: facts.maxTokens = number
        case .maxCompletionTokens: facts.maxCompletionTokens = number
        case .maxOutputTokens: facts.maxOutputTokens = number
        case .model, .stream, .streamOptions, .promptCacheKey, .store, .messages, .prompt, .input,
            .previousResponseID, .includeUsage:
            break
        }
    }

    // MARK: Below

    @inline(__always) private mutating func takeMember(_ depth: Int) {
        let key = scanner.key
        if watch == .options {
            guard depth == 2 else { return }
            if case .object(let brace, _) = facts.options {
                facts.options = .object(afterBrace: brace, isEmpty: false)
            }
            member = key == Name.includeUsage ? .includeUsage : .other
            if member == .includeUsage { note(.includeUsage) }
            return
        }
        member = .other
        switch key.count {
        case 3: if key == Name.url { member = .media }
        case 4:
            if key == Name.type { member = .type }
            if key == Name.data { member = .media }
            if awaitsUser, depth == 3, key == Name.role { member = .role }
        case 9: if key == Name.imageUrl || key == Name.fileData { member = .media }
        case 12: if key == Name.imageEmbeds { member = .media }
        default: break
        }
        scanner.keepsStrings = member == .type || member == .role
    }

    /// A value inside `stream_options`; the client's own wish is what the replica would read.
    private mutating func takeOption(_ token: JSONToken, _ depth: Int, end: Int) {
        guard member == .includeUsage else { return }
        member = .other
        switch token {
        case .true:
            facts.asksUsage = true
            facts.options = .includeUsage(value: end &- 4..<end)
        case .false: facts.options = .includeUsage(value: end &- 5..<end)
        case .null: facts.options = .includeUsage(value: end &- 4..<end)
        case .objectStart, .objectEnd, .arrayStart, .arrayEnd, .skipped, .key, .string, .number:
            refuse(.wrongType(.includeUsage))
        }
    }

    /// A value under `messages`, `prompt` or `input`.
    @inline(__always) private mutating func takeInside(_ token: JSONToken, end: Int) {
        if token == .string {
            switch member {
            case .type: if isMedia() { facts.mediaParts &+= 1 }
            case .media: break
            case .role:
                isUser = scanner.depth == 3 && scanner.key == Name.user
                takeText(end)
            case .other, .includeUsage: takeText(end)
            }
            member = .other
            scanner.keepsStrings = false
        } else if token == .number, watch == .tokens, !scanner.isInObject {
            facts.promptTokens &+= 1
        } else if isUser, token == .objectEnd, scanner.depth == 2 {
            facts.opening = facts.opening.lowerBound..<Int32(truncatingIfNeeded: end)
            awaitsUser = false
            isUser = false
        }
    }

    /// A string that is prompt and ends with the quote before `end`.
    @inline(__always) private mutating func takeText(_ end: Int) {
        facts.promptBytes &+= scanner.stringBytes
        lastText = end &- 1 &- scanner.stringBytes..<end &- 1
    }

    private func isMedia() -> Bool {
        let type = scanner.key
        return type == Name.imageUrl || type == Name.inputImage || type == Name.inputAudio
            || type == Name.audioUrl || type == Name.videoUrl || type == Name.inputFile
            || type == Name.file
    }
}
