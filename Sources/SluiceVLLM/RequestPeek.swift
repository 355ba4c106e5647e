import SluiceBytes
import SluiceTelemetry

/// Why a body is refused: always the client's doing.
package enum PeekError: Error, Equatable, Sendable {
    case notJSON(JSONError)
    case truncated
    case notAnObject
    case repeatedKey(JudgedKey)
    case wrongType(JudgedKey)
    case outOfRange(JudgedKey)

    /// One sentence for the person behind the client.
    package var reason: String {
        switch self {
        case .notJSON(let error):
            switch error {
            case .tooDeep: "The body is nested more than \(JSONScanner.depthMax) levels deep."
            case .badUTF8: "The body is not UTF-8."
            case .trailingBytes: "The body has bytes after its JSON value."
            case .unexpectedByte, .badEscape, .badNumber, .badLiteral, .controlInString:
                "The body is not valid JSON."
            }
        case .truncated: "The body ends in the middle of its JSON value."
        case .notAnObject: "The body is not a JSON object."
        case .repeatedKey(let key): "The key '\(key.name)' occurs more than once."
        case .wrongType(let key): "'\(key.name)' must be \(key.expected)."
        case .outOfRange(let key): "'\(key.name)' is out of range."
        }
    }

    /// The key that is at fault, for the error body's `param`.
    package var key: JudgedKey? {
        switch self {
        case .repeatedKey(let key), .wrongType(let key), .outOfRange(let key): key
        case .notJSON, .truncated, .notAnObject: nil
        }
    }
}

/// The keys of a request body that admission and routing look at.
package enum JudgedKey: UInt8, CaseIterable, Sendable {
    case model, stream, streamOptions, maxTokens, maxCompletionTokens, maxOutputTokens, n, bestOf
    case priority, promptCacheKey, store, messages, prompt, input

    /// The key as it is written.
    package var name: StaticString {
        switch self {
        case .model: "model"
        case .stream: "stream"
        case .streamOptions: "stream_options"
        case .maxTokens: "max_tokens"
        case .maxCompletionTokens: "max_completion_tokens"
        case .maxOutputTokens: "max_output_tokens"
        case .n: "n"
        case .bestOf: "best_of"
        case .priority: "priority"
        case .promptCacheKey: "prompt_cache_key"
        case .store: "store"
        case .messages: "messages"
        case .prompt: "prompt"
        case .input: "input"
        }
    }

    /// What its value must be.
    var expected: StaticString {
        switch self {
        case .model, .promptCacheKey: "a string"
        case .stream, .store: "true or false"
        case .streamOptions: "an object"
        case .maxTokens, .maxCompletionTokens, .maxOutputTokens, .n, .bestOf, .priority:
            "an integer"
        case .messages: "an array"
        case .prompt, .input: "a string or an array"
        }
    }
}

/// What a request body says that the gateway needs: one pass as the body arrives, O(1) state.
///
/// What is judged here is what the replica reads: keys are unescaped before they are compared,
/// a judged key that occurs twice or has another type than documented is refused.
package struct RequestPeek: ~Copyable, Sendable {
    package private(set) var model = InlineText<256>()
    package private(set) var isModelCut = false
    package private(set) var isStream = false
    /// `max_tokens`, `max_completion_tokens` or `max_output_tokens`, the last that came; nil: none.
    package private(set) var outputTokensMax: Int?
    /// `n` and `best_of`, the larger.
    package private(set) var sequences = 1
    package private(set) var priority: Int?
    package private(set) var stores = true
    /// FNV-1a of `prompt_cache_key`.
    package private(set) var cacheKeyHash: UInt64?
    /// Bytes of text under `messages`, `prompt` and `input`, without base64 payloads.
    package private(set) var promptBytes = 0
    /// Elements of token arrays.
    package private(set) var promptTokens = 0
    /// Parts that are an image, audio or a file.
    package private(set) var mediaParts = 0
    /// The client asked for usage in the stream by itself.
    package private(set) var asksUsage = false
    package private(set) var error: PeekError?

    // For the injection of stream_options: offsets in the body.
    private(set) var objectStart = -1
    private(set) var options = OptionsSite.absent

    /// Where `stream_options` stands.
    enum OptionsSite: Equatable, Sendable {
        case absent
        case null(Range<Int>)
        case object(afterBrace: Int, isEmpty: Bool)
        case includeUsage(value: Range<Int>)
    }

    private var scanner = JSONScanner()
    private var consumed = 0
    private var seen: UInt16 = 0
    private var topKey: JudgedKey?
    private var isMediaKey = false
    private var isTypeKey = false
    private var valueStart = 0
    private let isJSON: Bool

    package init(route: Route) {
        isJSON = !route.isMultipart
        scanner.keepsStrings = false
    }

    /// Whether the key was present.
    package func has(_ key: JudgedKey) -> Bool { seen >> UInt16(key.rawValue) & 1 == 1 }

    /// Takes the next bytes of the body.
    package mutating func feed(_ bytes: Span<UInt8>) {
        guard isJSON, error == nil else { return }
        var offset = 0
        while true {
            switch scanner.next(bytes, from: offset) {
            case .token(let token, let end):
                take(token, end: consumed &+ end)
                if error != nil { return }
                offset = end
            case .needMore, .end:
                consumed &+= bytes.count
                return
            case .failed(let failure):
                error = .notJSON(failure)
                return
            }
        }
    }

    /// The body is over; what it lacks is an error too.
    package mutating func finish() {
        guard isJSON, error == nil else { return }
        if !scanner.finish() {
            error = .truncated
        } else if objectStart < 0 {
            error = .notAnObject
        }
    }

    private mutating func take(_ token: JSONToken, end: Int) {
        if scanner.depth == 0 || (scanner.depth == 1 && token == .objectStart) {
            takeOutermost(token, end: end)
        } else if token == .key {
            takeKey(end: end)
        } else if scanner.depth == 1 || (scanner.depth == 2 && isOpening(token)) {
            takeTopValue(token, end: end)
        } else {
            takeInside(token, end: end)
        }
    }

    private func isOpening(_ token: JSONToken) -> Bool {
        token == .objectStart || token == .arrayStart
    }

    private mutating func takeOutermost(_ token: JSONToken, end: Int) {
        if token == .objectStart {
            objectStart = end
        } else if token != .objectEnd || objectStart < 0 {
            error = .notAnObject
        }
    }

    private mutating func takeKey(end: Int) {
        valueStart = end
        if scanner.depth == 1 {
            topKey = Self.judged(scanner)
            scanner.keepsStrings = topKey == .model || topKey == .promptCacheKey
            isMediaKey = false
            isTypeKey = false
            guard let key = topKey else { return }
            let bit: UInt16 = 1 << UInt16(key.rawValue)
            if seen & bit != 0 { error = .repeatedKey(key) }
            seen |= bit
        } else if topKey == .streamOptions, scanner.depth == 2 {
            isTypeKey = scanner.textEquals("include_usage")
        } else if topKey == .messages || topKey == .input {
            isTypeKey = scanner.textEquals("type")
            scanner.keepsStrings = isTypeKey
            isMediaKey =
                scanner.textEquals("url") || scanner.textEquals("data")
                || scanner.textEquals("image_url") || scanner.textEquals("file_data")
                || scanner.textEquals("image_embeds")
        }
    }

    private static func judged(_ scanner: borrowing JSONScanner) -> JudgedKey? {
        func named(_ key: JudgedKey) -> JudgedKey? { scanner.textEquals(key.name) ? key : nil }
        switch scanner.textCount {
        case 1: return named(.n)
        case 5: return named(.model) ?? named(.store) ?? named(.input)
        case 6: return named(.stream) ?? named(.prompt)
        case 7: return named(.bestOf)
        case 8: return named(.messages) ?? named(.priority)
        case 10: return named(.maxTokens)
        case 14: return named(.streamOptions)
        case 16: return named(.promptCacheKey)
        case 17: return named(.maxOutputTokens)
        case 21: return named(.maxCompletionTokens)
        default: return nil
        }
    }

    /// A value of a top-level key, or the opening of one.
    private mutating func takeTopValue(_ token: JSONToken, end: Int) {
        guard let key = topKey else { return }
        if token == .objectEnd || token == .arrayEnd { return }
        if token == .null {
            if key == .model || key == .messages { error = .wrongType(key) }
            if key == .streamOptions { options = .null(end &- 4..<end) }
            return
        }
        switch key {
        case .model:
            guard token == .string else { return fail(key) }
            model.removeAll()
            model.append(scanner.text)
            isModelCut = scanner.isTextCut
        case .promptCacheKey:
            guard token == .string else { return fail(key) }
            var hash: UInt64 = 0xCBF2_9CE4_8422_2325
            let text = scanner.text
            for i in 0..<text.count { hash = (hash ^ UInt64(text[i])) &* 0x0000_0100_0000_01B3 }
            cacheKeyHash = hash
        case .stream, .store:
            guard token == .true || token == .false else { return fail(key) }
            if key == .stream { isStream = token == .true } else { stores = token == .true }
        case .streamOptions:
            guard token == .objectStart else { return fail(key) }
            options = .object(afterBrace: end, isEmpty: true)
        case .maxTokens, .maxCompletionTokens, .maxOutputTokens, .n, .bestOf, .priority:
            guard token == .number else { return fail(key) }
            takeNumber(key)
        case .messages:
            guard token == .arrayStart else { return fail(key) }
        case .prompt, .input:
            if token == .string {
                promptBytes &+= scanner.stringBytes
            } else if token != .arrayStart {
                fail(key)
            }
        }
    }

    private mutating func fail(_ key: JudgedKey) { error = .wrongType(key) }

    private mutating func takeNumber(_ key: JudgedKey) {
        guard let number = scanner.integer else {
            error = scanner.isTextCut || scanner.textCount > 18 ? .outOfRange(key) : .wrongType(key)
            return
        }
        switch key {
        case .priority: priority = number
        case .n, .bestOf:
            guard number >= 0, number <= 16_384 else {
                error = .outOfRange(key)
                return
            }
            sequences = max(sequences, number)
        case .maxTokens, .maxCompletionTokens, .maxOutputTokens: outputTokensMax = number
        case .model, .stream, .streamOptions, .promptCacheKey, .store, .messages, .prompt, .input:
            break
        }
    }

    /// A value deeper than the top level.
    private mutating func takeInside(_ token: JSONToken, end: Int) {
        switch topKey {
        case .streamOptions:
            guard scanner.depth == 2 else { return }
            if case .object(let brace, _) = options {
                options = .object(afterBrace: brace, isEmpty: false)
            }
            guard isTypeKey else { return }
            isTypeKey = false
            switch token {
            case .true:
                asksUsage = true
                options = .includeUsage(value: end &- 4..<end)
            case .false: options = .includeUsage(value: end &- 5..<end)
            case .null: options = .includeUsage(value: end &- 4..<end)
            case .objectStart, .objectEnd, .arrayStart, .arrayEnd, .key, .string, .number: break
            }
        case .messages, .input, .prompt:
            switch token {
            case .string:
                if isTypeKey {
                    if isMedia() { mediaParts &+= 1 }
                } else if !isMediaKey {
                    promptBytes &+= scanner.stringBytes
                }
                isMediaKey = false
                isTypeKey = false
                scanner.keepsStrings = false
            case .number: promptTokens &+= 1
            case .objectStart, .objectEnd, .arrayStart, .arrayEnd, .key, .true, .false, .null: break
            }
        case .model, .stream, .maxTokens, .maxCompletionTokens, .maxOutputTokens, .n, .bestOf,
            .priority, .promptCacheKey, .store, nil:
            break
        }
    }

    private func isMedia() -> Bool {
        for name: StaticString in [
            "image_url", "input_image", "input_audio", "audio_url", "video_url", "input_file",
            "file",
        ] where scanner.textEquals(name) {
            return true
        }
        return false
    }
}
