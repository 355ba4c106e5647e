/// What a request asks for: the route class that labels metrics and the access log.
///
/// Which path is which route is decided in SluiceVLLM; a path never becomes a label itself, or a
/// peer could create series.
@usableFromInline package enum Route: UInt8, CaseIterable, Sendable {
    case chatCompletions, completions, responses, responsesByID, embeddings, messages, rerank
    case score, audioTranscriptions, audioTranslations, tokenize, detokenize, pooling, classify
    /// Answered by the gateway itself.
    case models, health
    /// A path of vLLM that exists and is never forwarded.
    case admin
    /// A path that is on no list.
    case unknown

    /// The value of the label `route`.
    package var label: StaticString {
        switch self {
        case .chatCompletions: "chat_completions"
        case .completions: "completions"
        case .responses: "responses"
        case .responsesByID: "responses_by_id"
        case .embeddings: "embeddings"
        case .messages: "messages"
        case .rerank: "rerank"
        case .score: "score"
        case .audioTranscriptions: "audio_transcriptions"
        case .audioTranslations: "audio_translations"
        case .tokenize: "tokenize"
        case .detokenize: "detokenize"
        case .pooling: "pooling"
        case .classify: "classify"
        case .models: "models"
        case .health: "health"
        case .admin: "admin"
        case .unknown: "unknown"
        }
    }
}
