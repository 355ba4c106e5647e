import SluiceBytes

/// Finds `usage` in the JSON body of an answer as it passes: fixed state, one pass, any cut.
///
/// A body that comes in one piece is searched from its end instead (``UsageSearch``).
///
/// Only the top-level member counts; generated text that looks like usage stands in a string or
/// deeper. Of a repeated member the last object counts. Names: `prompt_tokens` and
/// `completion_tokens`, or `input_tokens` and `output_tokens` (`/v1/responses`, `/v1/messages`).
///
/// Around `usage` only strings and brackets are looked at, a third of the work of reading every
/// token: whether the rest is well formed is the client's affair. A body that is no JSON object
/// (compressed, an error page) ends the search, not the exchange.
package struct UsagePeek: ~Copyable, Sendable {
    /// What has been found so far; whole once the body is.
    package private(set) var usage = TokenUsage()

    private enum State: UInt8 {
        case start, between, string, escape, afterString, beforeValue, usage, over
    }
    private enum Key: UInt8 { case other, prompt, completion, details, cached }

    private var state = State.start
    /// Whether a piece of the body has been read.
    private var isBegun = false
    /// Levels open now.
    private var depth = 0
    /// Bytes of `usage` that the string being read has had so far; negative once it is another.
    private var matched = 0
    /// Reads the member itself.
    private var scanner = JSONScanner<1>()
    /// The key last read inside it, and inside an object of it.
    private var member = Key.other
    private var detail = Key.other

    /// At the beginning of a body.
    package init() {
        scanner.keepsStrings = false
        scanner.keepsKeys = false
    }

    /// Begins with another body.
    package mutating func restart() {
        usage = TokenUsage()
        state = .start
        isBegun = false
        depth = 0
    }

    /// Takes the next bytes of the body, without its framing.
    ///
    /// - Parameter isLast: the body ends with them. Where they are the first too, all of it is here
    ///   and is searched from its end.
    package mutating func feed(_ bytes: Span<UInt8>, isLast: Bool = false) {
        if isLast, state == .start, !isBegun {
            switch UsageSearch.last(in: bytes) {
            case .none: break
            case .plain(let plain): take(plain)
            case .object(let object):
                beginUsage()
                _ = takeUsage(bytes.extracting(object), 0)
            }
            state = .over
            return
        }
        isBegun = true
        var index = 0
        let end = bytes.count
        while index < end {
            switch state {
            case .between:
                // Mostly one comma or colon lies between two strings.
                var byte = bytes[index]
                if byte == 0x2C || byte == 0x3A {
                    index &+= 1
                    if index == end { return }
                    byte = bytes[index]
                }
                if byte != 0x22 {
                    index = bytes.firstStructure(from: index, to: end)
                    if index == end { return }
                    byte = bytes[index]
                }
                index &+= 1
                if byte == 0x22 {
                    let stop = bytes.firstQuoteOrBackslash(from: index, to: end)
                    if stop < end, bytes[stop] == 0x22 {
                        if depth == 1, bytes.equals(Self.name, in: index..<stop) {
                            state = .afterString
                        }
                        index = stop &+ 1
                    } else {
                        matched = depth == 1 ? 0 : -1
                        state = .string
                    }
                } else if byte == 0x7B || byte == 0x5B {
                    depth &+= 1
                } else {
                    depth &-= 1
                    if depth == 0 { state = .over }
                }
            case .string:
                let stop = bytes.firstQuoteOrBackslash(from: index, to: end)
                if matched >= 0 { match(bytes, index..<stop) }
                if stop == end { return }
                if bytes[stop] == 0x5C {
                    // No engine writes this key with an escape.
                    matched = -1
                    state = .escape
                } else {
                    state = matched == Self.name.utf8CodeUnitCount ? .afterString : .between
                }
                index = stop &+ 1
            case .escape:
                state = .string
                index &+= 1
            case .start, .afterString, .beforeValue:
                index = takeBetween(bytes[index], index)
            case .usage: index = takeUsage(bytes, index)
            case .over: return
            }
        }
    }

    private static let name: StaticString = "usage"

    /// Compares a part of a string at the top level with the name.
    private mutating func match(_ bytes: Span<UInt8>, _ part: Range<Int>) {
        let left = Self.name.utf8CodeUnitCount &- matched
        let rest = bytes.extracting(part)
        guard part.count <= left, rest.isPart(of: Self.name, from: matched) else {
            matched = -1
            return
        }
        matched &+= part.count
    }

    /// One byte before the object, between the key and its colon, or behind that.
    ///
    /// - Returns: where to go on: at this byte where it belongs to what follows.
    private mutating func takeBetween(_ byte: UInt8, _ index: Int) -> Int {
        if byte == 0x20 || byte == 0x0A || byte == 0x0D || byte == 0x09 { return index &+ 1 }
        switch state {
        case .start:
            guard byte == 0x7B else {
                state = .over
                return index
            }
            depth = 1
            state = .between
            return index &+ 1
        case .afterString where byte == 0x3A:
            state = .beforeValue
            return index &+ 1
        case .beforeValue where byte == 0x7B:
            beginUsage()
            return index
        default:
            // A value that says "usage", or a value of it that is no object.
            state = .between
            return index
        }
    }

    /// At the opening brace of the member's object.
    private mutating func beginUsage() {
        usage = TokenUsage()
        state = .usage
        scanner.restart()
        member = .other
        detail = .other
    }

    /// The member's own object, to its end or that of the piece.
    private mutating func takeUsage(_ bytes: Span<UInt8>, _ start: Int) -> Int {
        if scanner.depth == 0, let plain = PlainUsage(bytes, at: start) {
            take(plain)
            state = .between
            return plain.end
        }
        var offset = start
        while true {
            switch scanner.next(bytes, from: offset) {
            case .token(let token, let end):
                take(token)
                offset = end
                if token == .objectEnd, scanner.depth == 0 {
                    state = .between
                    return offset
                }
            case .needMore: return bytes.count
            case .end, .lineEnd, .failed:
                state = .over
                return bytes.count
            }
        }
    }

    private mutating func take(_ plain: PlainUsage) {
        usage.prompt = plain.prompt
        usage.completion = plain.completion
    }

    @inline(__always) private mutating func take(_ token: JSONToken) {
        let depth = scanner.depth
        guard depth <= 2 else { return }
        switch token {
        case .key:
            let key = classifyKey()
            if depth == 1 { member = key } else { detail = key }
        case .objectStart, .arrayStart:
            // What was below an earlier sibling is not below this one.
            if depth == 1 { member = .other }
            detail = .other
        case .number:
            if depth == 1, member == .prompt { usage.prompt = scanner.tokens }
            if depth == 1, member == .completion { usage.completion = scanner.tokens }
            if depth == 2, member == .details, detail == .cached { usage.cached = scanner.tokens }
        case .objectEnd, .arrayEnd, .string, .true, .false, .null, .skipped: break
        }
    }

    @inline(__always) private func classifyKey() -> Key {
        let key = scanner.key
        switch key.count {
        case 12: return key == Name.inputTokens ? .prompt : .other
        case 13:
            if key == Name.promptTokens { return .prompt }
            if key == Name.outputTokens { return .completion }
            return key == Name.cachedTokens ? .cached : .other
        case 17: return key == Name.completionTokens ? .completion : .other
        case 20: return key == Name.inputTokensDetails ? .details : .other
        case 21: return key == Name.promptTokensDetails ? .details : .other
        default: return .other
        }
    }
}
