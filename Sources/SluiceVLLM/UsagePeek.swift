import SluiceBytes

/// Finds `usage` in the JSON body of an answer as it passes: fixed state, one pass, any cut.
///
/// Only the top-level member counts; generated text that looks like usage stands in a string or
/// deeper. Of a repeated member the last counts, as for Python. Names: `prompt_tokens` and
/// `completion_tokens`, or `input_tokens` and `output_tokens` (`/v1/responses`, `/v1/messages`).
/// A body that is not JSON (compressed, an error page) ends the search, not the exchange.
package struct UsagePeek: ~Copyable, Sendable {
    /// What has been found so far; whole once the body is.
    package private(set) var usage = TokenUsage()

    private enum Key: UInt8 { case other, usage, prompt, completion, details, cached }

    private var scanner = JSONScanner()
    private var isOver = false
    /// The key last read on each of the three levels that matter.
    private var top = Key.other
    private var member = Key.other
    private var detail = Key.other

    /// At the beginning of a body.
    package init() { scanner.keepsStrings = false }

    /// Takes the next bytes of the body, without its framing.
    package mutating func feed(_ bytes: Span<UInt8>) {
        var offset = 0
        while !isOver {
            switch scanner.next(bytes, from: offset) {
            case .token(let token, let end):
                take(token)
                offset = end
            case .needMore: return
            case .end, .failed: isOver = true
            }
        }
    }

    private mutating func take(_ token: JSONToken) {
        let depth = scanner.depth
        guard depth <= 3 else { return }
        switch token {
        case .key:
            let key = classifyKey()
            if depth == 1 { top = key } else if depth == 2 { member = key } else { detail = key }
        case .objectStart, .arrayStart:
            // What was below an earlier sibling is not below this one.
            if depth == 1 { top = .other }
            if depth == 2 { member = .other }
            detail = .other
        case .number: takeNumber(depth)
        case .objectEnd, .arrayEnd, .string, .true, .false, .null: break
        }
    }

    private mutating func takeNumber(_ depth: Int) {
        guard top == .usage else { return }
        if depth == 2, member == .prompt { usage.prompt = tokens }
        if depth == 2, member == .completion { usage.completion = tokens }
        if depth == 3, member == .details, detail == .cached { usage.cached = tokens }
    }

    /// The number as tokens; -1 for what cannot be a number of tokens.
    private var tokens: Int32 {
        guard let value = scanner.integer, value >= 0 else { return -1 }
        return Int32(exactly: value) ?? -1
    }

    private func classifyKey() -> Key {
        func named(_ word: StaticString) -> Bool { scanner.textEquals(word) }
        switch scanner.textCount {
        case 5: return named("usage") ? .usage : .other
        case 12: return named("input_tokens") ? .prompt : .other
        case 13:
            if named("prompt_tokens") { return .prompt }
            if named("output_tokens") { return .completion }
            return named("cached_tokens") ? .cached : .other
        case 17: return named("completion_tokens") ? .completion : .other
        case 20: return named("input_tokens_details") ? .details : .other
        case 21: return named("prompt_tokens_details") ? .details : .other
        default: return .other
        }
    }
}
