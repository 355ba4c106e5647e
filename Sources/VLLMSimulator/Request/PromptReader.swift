import SluiceBytes
import SluiceSimulation

/// Guesses how many tokens a prompt has and hashes it at its boundaries.
struct PromptReader {
    /// Boundaries hashed; a longer conversation shares no more than these.
    static let prefixesMax = 64
    /// Tokens an image or another part without text counts for.
    private static let partTokens = 1_000

    private var bytes = 0
    private var otherTokens = 0
    private var hash = FNV1a()
    private(set) var prefixes: [PrefixLink] = []

    /// Tokens so far, at least 1.
    var tokens: Int { max(1, bytes / SimulatedRequest.bytesPerToken + otherTokens) }

    /// Reads `messages`, `input` or `prompt`, whatever shape it has.
    mutating func read(_ prompt: Any, isMessages: Bool) {
        guard let elements = prompt as? [Any] else {
            add(prompt)
            mark()
            return
        }
        for element in elements {
            if let message = element as? [String: Any] {
                add(message["role"] as Any)
                addContent(message["content"] as Any)
            } else {
                addContent(element)
            }
            // Boundaries of text prompts do not matter: only one of them is given as a rule.
            if isMessages { mark() }
        }
        if !isMessages { mark() }
    }

    /// Tokens of each input of an embeddings request.
    static func inputTokens(_ input: Any) -> [Int] {
        guard let elements = input as? [Any], !(elements.first is Int) else {
            var reader = PromptReader()
            reader.read(input, isMessages: false)
            return [reader.tokens]
        }
        return elements.prefix(SimulatedRequest.inputsMax).map { element in
            var reader = PromptReader()
            reader.read(element, isMessages: false)
            return reader.tokens
        }
    }

    private mutating func addContent(_ content: Any) {
        guard let parts = content as? [Any] else { return add(content) }
        for part in parts {
            guard let part = part as? [String: Any] else {
                add(part)
                continue
            }
            if let text = part["text"] as? String {
                add(text)
            } else {
                otherTokens += Self.partTokens
            }
        }
    }

    private mutating func add(_ value: Any) {
        if let text = value as? String {
            for byte in text.utf8 { hash.add(byte) }
            bytes += text.utf8.count
        } else if let token = value as? Int {
            hash.value = SplitMix64.mixed(hash.value ^ UInt64(bitPattern: Int64(token)))
            otherTokens += 1
        }
    }

    private mutating func mark() {
        if prefixes.count < Self.prefixesMax {
            prefixes.append(PrefixLink(key: hash.value, tokens: tokens))
        }
    }
}
