import SluiceExchange
import SluiceReactor
import SluiceTelemetry

/// Pages of the data listener that need no replica.
extension Worker {
    /// The gateway's own answer for a route, or nil where a replica answers.
    func ownAnswer(_ route: Route) -> OwnAnswer? {
        switch route {
        case .health:
            return OwnAnswer(
                status: shared.isReady() ? 200 : 503, contentType: "text/plain", body: [])
        case .models:
            // Nobody has told anything: an empty list would say that there is nothing to be served.
            let page = directory.value.modelsPage
            guard !page.isEmpty else { return OwnAnswer(status: 503, contentType: "", body: []) }
            return OwnAnswer(
                status: 200, contentType: "application/json", body: page)
        case .chatCompletions, .completions, .responses, .responsesByID, .embeddings, .messages,
            .rerank, .score, .audioTranscriptions, .audioTranslations, .tokenize, .detokenize,
            .pooling, .classify, .admin, .unknown:
            return nil
        }
    }
}
