import SluiceBytes

/// What the members of an event's JSON say.
extension EventClassifier {
    /// Takes one token; it ends at offset `end` of the piece being fed.
    @inline(__always) mutating func take(_ token: JSONToken, end: Int) {
        let depth = scanner.depth
        switch token {
        case .key:
            let key = classifyKey()
            if depth < 8 { keys[depth] = key }
            scanner.keepsStrings = key == .type && depth == 1
            // Log probabilities are long, and nothing that counts lies in what has no known name
            // there. Deeper, tool calls have `function` around their arguments.
            scanner.skipsContainers = key == .other && (depth == 3 || depth == 4)
            if depth == 1, key == .choices { sawChoices = true }
        case .objectStart:
            // The object belongs to the key one level up.
            if depth == 2, keys[1] == .error { sawError = true }
            if depth == 3, keys[1] == .choices { sawChoice = true }
            if depth < 8 { keys[depth] = .other }
        case .string:
            takeString(depth, end: end)
            scanner.keepsStrings = false
        case .objectEnd: scanner.keepsStrings = false
        case .number: takeNumber(depth)
        case .arrayStart, .arrayEnd, .true, .false, .null, .skipped: break
        }
    }

    @inline(__always) private mutating func takeString(_ depth: Int, end: Int) {
        if depth == 1 {
            if keys[1] == .type { takeType() }
            if keys[1] == .error { sawError = true }
            return
        }
        guard scanner.stringBytes > 0, keys[1] == .choices, depth < 8 else { return }
        let isContent: Bool
        switch depth {
        case 3: isContent = keys[3] == .text
        case 4: isContent = keys[3] == .delta && keys[4] == .content
        case 5...:
            isContent =
                keys[3] == .delta && keys[4] == .toolCalls && keys[depth] == .arguments
        default: isContent = false
        }
        guard isContent else { return }
        sawContent = true
        contentStrings &+= 1
        // Empty where the string began in an earlier piece: such an event is no template.
        let textEnd = end &- 1
        let textStart = textEnd &- scanner.stringBytes
        contentText = textStart > 0 ? textStart..<textEnd : 0..<0
    }

    private mutating func takeNumber(_ depth: Int) {
        // usage{…} at the top, or response{usage{…}}, message{usage{…}}.
        let at = depth == 2 && keys[1] == .usage ? 2 : depth == 3 && keys[2] == .usage ? 3 : 0
        let details =
            depth == 3 && keys[1] == .usage && keys[2] == .details
            || depth == 4 && keys[2] == .usage && keys[3] == .details
        if details, keys[depth] == .cachedTokens {
            usage.cached = scanner.tokens
        }
        guard at > 0 else { return }
        sawUsage = true
        if keys[at] == .promptTokens { usage.prompt = scanner.tokens }
        if keys[at] == .completionTokens { usage.completion = scanner.tokens }
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
                typeKind = .error
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

    @inline(__always) private func classifyKey() -> Key {
        let key = scanner.key
        switch key.count {
        case 4:
            return key == Name.text
                ? .text : key == Name.type ? .type : key == Name.name ? .arguments : .other
        case 5:
            return key == Name.delta
                ? .delta : key == Name.error ? .error : key == Name.usage ? .usage : .other
        case 7:
            return key == Name.choices
                ? .choices : key == Name.content || key == Name.refusal ? .content : .other
        case 9:
            return key == Name.reasoning ? .content : key == Name.arguments ? .arguments : .other
        case 10: return key == Name.toolCalls ? .toolCalls : .other
        case 12: return key == Name.inputTokens ? .promptTokens : .other
        case 13:
            if key == Name.promptTokens { return .promptTokens }
            if key == Name.outputTokens { return .completionTokens }
            return key == Name.cachedTokens ? .cachedTokens : .other
        case 17:
            return key == Name.completionTokens
                ? .completionTokens : key == Name.reasoningContent ? .content : .other
        case 20: return key == Name.inputTokensDetails ? .details : .other
        case 21: return key == Name.promptTokensDetails ? .details : .other
        default: return .other
        }
    }
}
