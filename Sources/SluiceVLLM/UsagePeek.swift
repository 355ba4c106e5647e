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

    private var scanner = JSONScanner<1>()
    private var isOver = false
    /// The key last read on each of the three levels that matter.
    private var top = Key.other
    private var member = Key.other
    private var detail = Key.other

    /// At the beginning of a body.
    package init() {
        scanner.keepsStrings = false
        scanner.keepsKeys = false
    }

    /// Takes the next bytes of the body, without its framing.
    package mutating func feed(_ bytes: Span<UInt8>) {
        var offset = 0
        while !isOver {
            switch scanner.next(bytes, from: offset) {
            case .token(let token, let end):
                take(token)
                offset = end
            case .needMore: return
            case .end, .lineEnd, .failed: isOver = true
            }
        }
    }

    private mutating func take(_ token: JSONToken) {
        let depth = scanner.depth
        guard depth <= 3 else { return }
        switch token {
        case .key:
            let key = classifyKey()
            if depth == 1 {
                top = key
                scanner.skipsContainers = key != .usage
            } else if depth == 2 {
                member = key
            } else {
                detail = key
            }
        case .objectStart, .arrayStart:
            // What was below an earlier sibling is not below this one.
            if depth == 1 { top = .other }
            if depth == 2 { member = .other }
            detail = .other
        case .number: takeNumber(depth)
        case .objectEnd, .arrayEnd, .string, .true, .false, .null, .skipped: break
        }
    }

    private mutating func takeNumber(_ depth: Int) {
        guard top == .usage else { return }
        if depth == 2, member == .prompt { usage.prompt = scanner.tokens }
        if depth == 2, member == .completion { usage.completion = scanner.tokens }
        if depth == 3, member == .details, detail == .cached { usage.cached = scanner.tokens }
    }

    @inline(__always) private func classifyKey() -> Key {
        let key = scanner.key
        switch key.count {
        case 5: return key == Name.usage ? .usage : .other
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
