/// The routes of the simulated server that reach the engine.
package enum SimulatedRoute: UInt8, CaseIterable, Sendable {
    case chatCompletions, completions, responses, embeddings

    /// Where it is served.
    package var path: String {
        switch self {
        case .chatCompletions: "/v1/chat/completions"
        case .completions: "/v1/completions"
        case .responses: "/v1/responses"
        case .embeddings: "/v1/embeddings"
        }
    }

    /// What stands before the request's id in the answer's.
    package var idPrefix: StaticString {
        switch self {
        case .chatCompletions: "chatcmpl-"
        case .completions: "cmpl-"
        case .responses: "resp_"
        case .embeddings: "embd-"
        }
    }

    /// The member of the body that holds the prompt.
    var promptField: String {
        switch self {
        case .chatCompletions: "messages"
        case .completions: "prompt"
        case .responses, .embeddings: "input"
        }
    }

    /// vLLM's function behind the route, which its 400 bodies name.
    var functionName: String {
        switch self {
        case .chatCompletions: "create_chat_completion"
        case .completions: "create_completion"
        case .responses: "create_responses"
        case .embeddings: "create_embedding"
        }
    }

    /// The line of that function that they name too; for embeddings not seen, the most common one.
    var functionLine: Int {
        switch self {
        case .chatCompletions, .embeddings: 40
        case .completions: 34
        case .responses: 48
        }
    }
}
