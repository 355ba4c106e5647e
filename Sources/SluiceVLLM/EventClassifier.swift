import SluiceBytes
import SluiceTelemetry

/// What one server-sent event is, as far as clocks and outcomes care.
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
/// Only an event that equals an earlier one but for its text is known without (``EventTemplate``).
package struct EventClassifier: ~Copyable, Sendable {
    enum Shape: UInt8 { case choices, responses, messages, audio, opaque }
    private enum Line: UInt8 { case start, name, data, skip }
    enum Key: UInt8 {
        case other, choices, delta, content, toolCalls, text, error, usage, type
        case promptTokens, completionTokens, details, cachedTokens, arguments
    }

    /// What `usage` said last.
    package internal(set) var usage = TokenUsage()

    private(set) var shape: Shape
    private var line = Line.start
    private var name: UInt64 = 0
    private var nameCount: UInt8 = 0
    private var isAfterColon = false
    var scanner = JSONScanner<64>()
    private var isJSON = false
    private var isBadJSON = false
    private var hasData = false
    private var hasComment = false
    private var doneMatched: UInt8 = 0
    private var isDone = false
    var keys = InlineArray<8, Key>(repeating: .other)
    var sawChoices = false
    var sawChoice = false
    var sawContent = false
    var sawError = false
    var sawUsage = false
    var typeKind: EventKind?
    private var sawFirstData = false
    private var template = TextTemplate<448>()
    /// Content strings of this event, and where the text of the last lies in the piece being fed.
    var contentStrings = 0
    var contentText = 0..<0

    package init(route: Route) {
        shape = Shape(route)
        scanner.keepsKeys = false
        scanner.keepsStrings = false
        scanner.stopsAtLineEnd = true
    }

    /// Begins with another stream; cheaper than a new value, whose texts would have to be cleared.
    package mutating func restart(route: Route) {
        shape = Shape(route)
        usage = TokenUsage()
        sawFirstData = false
        template.forget()
        endEvent()
        // The rest is set where a line, a name or a JSON value begins.
        scanner.keepsStrings = false
    }

    /// Whether a stream of this route that ends without a terminal event was cut short.
    package static func needsTerminalEvent(_ route: Route) -> Bool {
        switch Shape(route) {
        case .choices, .responses, .messages: true
        case .audio, .opaque: false
        }
    }

    /// Whether a whole event is one that is known to carry text but for that text; if so it need not be
    /// taken. It ends with the blank line's LF.
    package mutating func isKnownContent(_ event: Span<UInt8>) -> Bool { template.matches(event) }

    /// Takes a whole event: ``feed(_:)`` and ``endOfEvent()`` in one. No part of it may have been fed.
    package mutating func take(_ event: Span<UInt8>) -> EventKind {
        if template.matches(event) { return .content }
        feed(event)
        let isTypical =
            shape == .choices && contentStrings == 1 && !sawUsage && !contentText.isEmpty
        let kind = endOfEvent()
        if isTypical, kind == .content {
            // Without a line end the next event would find its reader in another state.
            if event[event.count &- 1] == 0x0A {
                template.learn(event, text: contentText)
            } else {
                template.forget()
            }
        }
        return kind
    }

    /// Takes a part of the present event.
    package mutating func feed(_ bytes: Span<UInt8>) {
        var offset = 0
        let end = bytes.count
        while offset < end {
            switch line {
            case .start: offset = takeLineStart(bytes, offset, end)
            case .name: offset = takeName(bytes, offset, end)
            case .data: offset = takeData(bytes, offset, end)
            case .skip:
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
        endEvent()
        return kind
    }

    /// Forgets the present event.
    private mutating func endEvent() {
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
        contentStrings = 0
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
            scanner.restart()
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
        if shape != .opaque {
            if !isJSON, !isBadJSON { offset = takeTextStart(bytes, offset) }
            if isJSON, !isBadJSON { offset = takeJSON(bytes, offset) }
        }
        let stop = lineEnd(bytes, offset, end)
        if stop < end { line = .start }
        return stop
    }

    /// The beginning of data: `{`, where it is left to ``takeJSON(_:_:)``, or `[DONE]`.
    ///
    /// - Returns: the offset up to which there is nothing more to be learned.
    private mutating func takeTextStart(_ bytes: Span<UInt8>, _ start: Int) -> Int {
        var offset = start
        while offset < bytes.count {
            let byte = bytes[offset]
            if byte == 0x0A || byte == 0x0D { break }
            if doneMatched == 0, byte == 0x7B {
                isJSON = true
                break
            }
            // "[DONE]", byte by byte; the first one lowest.
            let done: UInt64 = 0x5D45_4E4F_445B
            guard doneMatched < 6,
                byte == UInt8(truncatingIfNeeded: done >> (8 &* UInt64(doneMatched)))
            else {
                isDone = false
                isBadJSON = true
                break
            }
            doneMatched &+= 1
            isDone = doneMatched == 6
            offset &+= 1
        }
        return offset
    }

    /// JSON up to the end of its line, or of the piece.
    ///
    /// - Returns: an offset before which no line ends.
    private mutating func takeJSON(_ bytes: Span<UInt8>, _ start: Int) -> Int {
        var offset = start
        while true {
            switch scanner.next(bytes, from: offset) {
            case .token(let token, let end):
                take(token, end: end)
                offset = end
            case .lineEnd(let end): return end
            case .needMore, .end: return bytes.count
            case .failed:
                isBadJSON = true
                return offset
            }
        }
    }
}

extension EventClassifier.Shape {
    /// What the events of a route's streams look like.
    init(_ route: Route) {
        self =
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
}
