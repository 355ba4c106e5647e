import SluiceBytes
import SluiceTelemetry

/// What one server-sent event is, as far as clocks and outcomes care (VLLM.md, event streams by route).
package enum EventKind: UInt8, Sendable, Equatable {
    /// Text, reasoning, a refusal or a tool call for the user: what a first token is.
    case content
    /// Engine output without any of these: a role prelude, an empty delta.
    case prelude
    /// Token counts and no choices: the event that usage injection adds.
    case usage
    /// The stream's proper end.
    case terminal
    /// An error inside the stream.
    case error
    /// Comment lines only.
    case comment
    case other
}

/// Tells what each event of a stream is, in one pass across any cut, in O(1) state.
///
/// The JSON is tokenised, not searched: a text that contains `"error"` or `[DONE]` confuses nothing.
package struct EventClassifier: ~Copyable, Sendable {
    private enum Shape: UInt8 { case choices, responses, messages, audio, opaque }
    private enum Line: UInt8 { case start, name, data, eventName, skip }
    private enum Key: UInt8 {
        case other, choices, delta, content, toolCalls, text, error, usage, type, response
        case promptTokens, completionTokens, details, cachedTokens, arguments
    }

    /// What `usage` said last.
    package private(set) var usage = TokenUsage()

    private let shape: Shape
    private var line = Line.start
    private var name: UInt64 = 0
    private var nameCount: UInt8 = 0
    private var isAfterColon = false
    private var scanner = JSONScanner()
    private var isJSON = false
    private var isBadJSON = false
    private var hasData = false
    private var hasComment = false
    private var doneMatched: UInt8 = 0
    private var isDone = false
    private var keys = InlineArray<8, Key>(repeating: .other)
    private var sawChoices = false
    private var sawChoice = false
    private var sawContent = false
    private var sawError = false
    private var sawUsage = false
    private var type = Key.other
    private var typeKind: EventKind?
    private var sawFirstData = false

    package init(route: Route) {
        shape =
            switch route {
            case .chatCompletions, .completions: .choices
            case .responses, .responsesByID: .responses
            case .messages: .messages
            case .audioTranscriptions, .audioTranslations: .audio
            case .embeddings, .rerank, .score, .tokenize, .detokenize, .pooling, .classify, .models,
                .health, .admin, .unknown:
                .opaque
            }
    }

    /// Whether a stream of this route that ends without a terminal event was cut short.
    package var needsTerminalEvent: Bool {
        switch shape {
        case .choices, .responses, .messages: true
        case .audio, .opaque: false
        }
    }

    /// Takes a part of the present event.
    package mutating func feed(_ bytes: Span<UInt8>, _ range: Range<Int>) {
        var offset = range.lowerBound
        let end = range.upperBound
        while offset < end {
            switch line {
            case .start: offset = takeLineStart(bytes, offset, end)
            case .name: offset = takeName(bytes, offset, end)
            case .data: offset = takeData(bytes, offset, end)
            case .eventName, .skip:
                let stop = lineEnd(bytes, offset, end)
                offset = stop
                if stop < end { line = .start }
            }
        }
    }

    /// The event is complete: what it was. Ready for the next one then.
    package mutating func endOfEvent() -> EventKind {
        if isJSON, !scanner.finish() { isBadJSON = true }
        let kind = verdict()
        if hasData { sawFirstData = true }
        line = .start
        isJSON = false
        isBadJSON = false
        hasData = false
        hasComment = false
        isDone = false
        doneMatched = 0
        sawChoices = false
        sawChoice = false
        sawContent = false
        sawError = false
        sawUsage = false
        typeKind = nil
        return kind
    }

    private func verdict() -> EventKind {
        guard hasData else { return hasComment ? .comment : .other }
        if isDone { return .terminal }
        if shape == .opaque { return sawFirstData ? .other : .content }
        if sawError { return .error }
        if isBadJSON || !isJSON { return .other }
        switch shape {
        case .choices:
            if sawContent { return .content }
            if sawChoice { return .prelude }
            return sawChoices && sawUsage ? .usage : .other
        case .audio:
            if sawContent || typeKind == .content { return .content }
            return typeKind ?? (sawChoice ? .prelude : .other)
        case .responses, .messages: return typeKind ?? .other
        case .opaque: return .other
        }
    }

    // MARK: Lines

    private func lineEnd(_ bytes: Span<UInt8>, _ start: Int, _ end: Int) -> Int {
        let lineFeed = bytes.firstIndex(of: 0x0A, from: start, to: end)
        return bytes.firstIndex(of: 0x0D, from: start, to: lineFeed)
    }

    private mutating func takeLineStart(_ bytes: Span<UInt8>, _ start: Int, _ end: Int) -> Int {
        let byte = bytes[start]
        if byte == 0x0A || byte == 0x0D { return start &+ 1 }
        name = 0
        nameCount = 0
        isAfterColon = false
        if byte == 0x3A {
            hasComment = true
            line = .skip
            return start &+ 1
        }
        // The usual line in one comparison.
        if bytes.hasBytes("data:", at: start), start &+ 5 <= end {
            beginData()
            isAfterColon = true
            return start &+ 5
        }
        line = .name
        return start
    }

    private mutating func takeName(_ bytes: Span<UInt8>, _ start: Int, _ end: Int) -> Int {
        var offset = start
        while offset < end {
            let byte = bytes[offset]
            offset &+= 1
            if byte == 0x3A {
                // "data" in a word, first byte lowest; other fields say nothing that JSON does not.
                if nameCount == 4, name == 0x6174_6164 {
                    beginData()
                    isAfterColon = true
                } else {
                    line = .skip
                }
                return offset
            }
            if byte == 0x0A || byte == 0x0D {
                if nameCount == 4, name == 0x6174_6164 { beginData() }
                line = .start
                return offset
            }
            if nameCount < 8 { name |= UInt64(byte) << UInt64(8 &* nameCount) }
            nameCount = min(nameCount &+ 1, 9)
        }
        return offset
    }

    private mutating func beginData() {
        line = .data
        if !hasData {
            hasData = true
            isJSON = false
            scanner = JSONScanner()
        }
    }

    private mutating func takeData(_ bytes: Span<UInt8>, _ start: Int, _ end: Int) -> Int {
        var offset = start
        if isAfterColon {
            isAfterColon = false
            if bytes[offset] == 0x20 {
                offset &+= 1
                if offset == end { return end }
            }
        }
        let stop = lineEnd(bytes, offset, end)
        if shape != .opaque { takeText(bytes.extracting(offset..<stop)) }
        if stop < end { line = .start }
        return stop
    }

    /// Bytes of data: JSON, or `[DONE]`.
    private mutating func takeText(_ text: Span<UInt8>) {
        var offset = 0
        while offset < text.count, !isJSON, !isBadJSON {
            let byte = text[offset]
            if doneMatched == 0, byte == 0x7B {
                isJSON = true
                scanner.keepsStrings = false
                break
            }
            // "[DONE]", byte by byte.
            let done: InlineArray<6, UInt8> = [0x5B, 0x44, 0x4F, 0x4E, 0x45, 0x5D]
            if doneMatched < 6, byte == done[Int(doneMatched)] {
                doneMatched &+= 1
                isDone = doneMatched == 6
            } else {
                isDone = false
                isBadJSON = true
            }
            offset &+= 1
        }
        while isJSON, !isBadJSON {
            switch scanner.next(text, from: offset) {
            case .token(let token, let end):
                take(token)
                offset = end
            case .needMore, .end: return
            case .failed: isBadJSON = true
            }
        }
    }

    // MARK: JSON

    private mutating func take(_ token: JSONToken) {
        let depth = scanner.depth
        if token == .key {
            let key = classifyKey()
            if depth < 8 { keys[depth] = key }
            scanner.keepsStrings = key == .type && depth == 1
            if depth == 1, key == .choices { sawChoices = true }
            return
        }
        switch token {
        case .objectStart:
            // The object belongs to the key one level up.
            if depth == 2, keys[1] == .error { sawError = true }
            if depth == 3, keys[1] == .choices { sawChoice = true }
            if depth < 8 { keys[depth] = .other }
        case .string: takeString(depth)
        case .number: takeNumber(depth)
        case .arrayStart, .objectEnd, .arrayEnd, .true, .false, .null, .key: break
        }
        if token == .string || token == .objectEnd { scanner.keepsStrings = false }
    }

    private mutating func takeString(_ depth: Int) {
        if depth == 1 {
            if keys[1] == .type { takeType() }
            if keys[1] == .error { sawError = true }
            return
        }
        guard scanner.stringBytes > 0, keys[1] == .choices, depth < 8 else { return }
        if depth == 3, keys[3] == .text { sawContent = true }
        guard depth >= 4, keys[3] == .delta else { return }
        if depth == 4, keys[4] == .content { sawContent = true }
        if depth > 4, keys[4] == .toolCalls, keys[depth] == .arguments { sawContent = true }
    }

    private mutating func takeNumber(_ depth: Int) {
        // usage{…} at the top, or response{usage{…}}, message{usage{…}}.
        let at = depth == 2 && keys[1] == .usage ? 2 : depth == 3 && keys[2] == .usage ? 3 : 0
        let details =
            depth == 3 && keys[1] == .usage && keys[2] == .details
            || depth == 4 && keys[2] == .usage && keys[3] == .details
        if details, keys[depth] == .cachedTokens {
            usage.cached = Int32(clamping: scanner.integer ?? -1)
        }
        guard at > 0 else { return }
        sawUsage = true
        let value = Int32(clamping: scanner.integer ?? -1)
        if keys[at] == .promptTokens { usage.prompt = value }
        if keys[at] == .completionTokens { usage.completion = value }
    }

    private mutating func takeType() {
        let text = scanner.text
        let all = 0..<text.count
        switch shape {
        case .responses:
            if text.equals("response.completed", in: all)
                || text.equals("response.incomplete", in: all)
            {
                typeKind = .terminal
            } else if text.equals("response.failed", in: all) || text.equals("error", in: all) {
                typeKind = text.count == 5 ? .error : .terminal
            } else if text.count > 6, text.hasBytes(".delta", at: text.count &- 6) {
                typeKind = .content
            } else {
                typeKind = .prelude
            }
        case .messages:
            if text.equals("content_block_delta", in: all) {
                typeKind = .content
            } else if text.equals("message_stop", in: all) {
                typeKind = .terminal
            } else if text.equals("error", in: all) {
                typeKind = .error
            } else if text.equals("message_delta", in: all) {
                typeKind = .other
            } else {
                typeKind = .prelude
            }
        case .audio:
            if text.hasBytes("transcript.", at: 0) {
                typeKind = text.hasBytes(".delta", at: text.count &- 6) ? .content : .other
            }
        case .choices, .opaque: break
        }
    }

    private func classifyKey() -> Key {
        func named(_ word: StaticString) -> Bool { scanner.textEquals(word) }
        switch scanner.textCount {
        case 4:
            return named("text")
                ? .text : named("type") ? .type : named("name") ? .arguments : .other
        case 5:
            return named("delta")
                ? .delta : named("error") ? .error : named("usage") ? .usage : .other
        case 7:
            return named("choices")
                ? .choices : named("content") || named("refusal") ? .content : .other
        case 8: return named("response") ? .response : .other
        case 9: return named("reasoning") ? .content : named("arguments") ? .arguments : .other
        case 10: return named("tool_calls") ? .toolCalls : .other
        case 12: return named("input_tokens") ? .promptTokens : .other
        case 13:
            return named("prompt_tokens")
                ? .promptTokens
                : named("output_tokens")
                    ? .completionTokens
                    : named("cached_tokens") ? .cachedTokens : .other
        case 17:
            return named("completion_tokens")
                ? .completionTokens : named("reasoning_content") ? .content : .other
        case 20: return named("input_tokens_details") ? .details : .other
        case 21: return named("prompt_tokens_details") ? .details : .other
        default: return .other
        }
    }
}
