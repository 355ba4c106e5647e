import SluiceTelemetry

/// What spans call a route. Source: OpenTelemetry semantic conventions, *Generative AI* and *HTTP*.
extension Route {
    /// `gen_ai.operation.name`; nil where the conventions have no name for it.
    package var operationName: StaticString? {
        switch self {
        case .chatCompletions, .responses, .messages: "chat"
        case .completions: "text_completion"
        case .embeddings: "embeddings"
        case .responsesByID, .rerank, .score, .audioTranscriptions, .audioTranslations, .tokenize,
            .detokenize, .pooling, .classify, .models, .health, .admin, .unknown:
            nil
        }
    }

    /// `http.route`: the path as it is documented, for a response and what belongs to it that of the
    /// response; nil where the route stands for many paths.
    package var pathTemplate: StaticString? {
        switch self {
        case .chatCompletions: "/v1/chat/completions"
        case .completions: "/v1/completions"
        case .responses: "/v1/responses"
        case .responsesByID: "/v1/responses/{response_id}"
        case .embeddings: "/v1/embeddings"
        case .messages: "/v1/messages"
        case .rerank: "/v1/rerank"
        case .score: "/v1/score"
        case .audioTranscriptions: "/v1/audio/transcriptions"
        case .audioTranslations: "/v1/audio/translations"
        case .tokenize: "/tokenize"
        case .detokenize: "/detokenize"
        case .pooling: "/pooling"
        case .classify: "/classify"
        case .models: "/v1/models"
        case .health: "/health"
        case .admin, .unknown: nil
        }
    }
}
