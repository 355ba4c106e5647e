/// Why a body is refused: always the client's doing.
package enum PeekError: Error, Equatable, Sendable {
    case notJSON(JSONError)
    case empty
    case truncated
    case notAnObject
    case repeatedKey(JudgedKey)
    case wrongType(JudgedKey)
    /// `null` where a value is needed.
    case null(JudgedKey)
    case outOfRange(JudgedKey)

    /// One sentence for the person behind the client.
    package var reason: String {
        switch self {
        case .notJSON(let error):
            switch error {
            case .tooDeep: "The body is nested more than \(jsonDepthMax) levels deep."
            case .badUTF8: "The body is not UTF-8."
            case .trailingBytes: "The body has bytes after its JSON value."
            case .unexpectedByte, .badEscape, .badNumber, .badLiteral, .controlInString:
                "The body is not valid JSON."
            }
        case .empty: "The body is empty; a JSON object is expected."
        case .truncated: "The body ends in the middle of its JSON value."
        case .notAnObject: "The body is not a JSON object."
        case .repeatedKey(let key): "The key '\(key.name)' occurs more than once."
        case .wrongType(let key): "'\(key.name)' must be \(key.expected)."
        case .null(let key): "'\(key.name)' is null; it must be \(key.expected)."
        case .outOfRange(let key): "'\(key.name)' is out of range."
        }
    }

    /// The key that is at fault, for the error body's `param`.
    package var key: JudgedKey? {
        switch self {
        case .repeatedKey(let key), .wrongType(let key), .null(let key), .outOfRange(let key): key
        case .notJSON, .empty, .truncated, .notAnObject: nil
        }
    }
}

/// The keys of a request body that admission and routing look at.
package enum JudgedKey: UInt8, CaseIterable, Sendable {
    case model, stream, streamOptions, maxTokens, maxCompletionTokens, maxOutputTokens, n, bestOf
    case priority, promptCacheKey, store, messages, prompt, input, previousResponseID
    /// Inside `stream_options`.
    case includeUsage

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
        case .previousResponseID: "previous_response_id"
        case .includeUsage: "stream_options.include_usage"
        }
    }

    /// What its value must be.
    var expected: StaticString {
        switch self {
        case .model, .promptCacheKey, .previousResponseID: "a string"
        case .stream, .store, .includeUsage: "true or false"
        case .streamOptions: "an object"
        case .maxTokens, .maxCompletionTokens, .maxOutputTokens, .n, .bestOf, .priority:
            "an integer"
        case .messages: "an array"
        case .prompt, .input: "a string or an array"
        }
    }
}
