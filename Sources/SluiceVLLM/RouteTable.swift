import SluiceBytes
import SluiceTelemetry

/// What a path is, by an exact allow-list of bytes.
///
/// Nothing is normalised: a path with `%2f`, `..`, `;` or `//` in it equals no entry and is unknown,
/// so no two readings of it can disagree (CVE-2026-73511, -73551).
package enum RouteTable {
    /// The route of `path`, which lies in `bytes`.
    package static func match(_ bytes: Span<UInt8>, _ path: Range<Int>) -> RouteMatch {
        func isPath(_ literal: StaticString) -> Bool { bytes.equals(literal, in: path) }
        switch path.count {
        case 5: if isPath("/wake") { return RouteMatch(.admin) }
        case 6: if isPath("/sleep") { return RouteMatch(.admin) }
        case 7: if isPath("/health") { return RouteMatch(.health) }
        case 8:
            if isPath("/pooling") { return RouteMatch(.pooling) }
            if isPath("/metrics") || isPath("/wake_up") { return RouteMatch(.admin) }
        case 9:
            if isPath("/classify") { return RouteMatch(.classify) }
            if isPath("/tokenize") { return RouteMatch(.tokenize) }
            if isPath("/v1/score") { return RouteMatch(.score) }
        case 10:
            if isPath("/v1/models") { return RouteMatch(.models) }
            if isPath("/v1/rerank") { return RouteMatch(.rerank) }
        case 11: if isPath("/detokenize") { return RouteMatch(.detokenize) }
        case 12:
            if isPath("/v1/messages") { return RouteMatch(.messages) }
            if isPath("/is_sleeping") || isPath("/server_info") { return RouteMatch(.admin) }
        case 13:
            if isPath("/v1/responses") { return RouteMatch(.responses) }
            if isPath("/stop_profile") { return RouteMatch(.admin) }
        case 14:
            if isPath("/v1/embeddings") { return RouteMatch(.embeddings) }
            if isPath("/start_profile") { return RouteMatch(.admin) }
        case 15:
            if isPath("/v1/completions") { return RouteMatch(.completions) }
            if isPath("/collective_rpc") { return RouteMatch(.admin) }
        case 19: if isPath("/reset_prefix_cache") { return RouteMatch(.admin) }
        case 20:
            if isPath("/v1/chat/completions") { return RouteMatch(.chatCompletions) }
        case 21: if isPath("/v1/load_lora_adapter") { return RouteMatch(.admin) }
        case 22: if isPath("/v1/audio/translations") { return RouteMatch(.audioTranslations) }
        case 23: if isPath("/v1/unload_lora_adapter") { return RouteMatch(.admin) }
        case 24: if isPath("/v1/audio/transcriptions") { return RouteMatch(.audioTranscriptions) }
        default: break
        }
        return matchResponse(bytes, path)
    }

    /// `/v1/responses/{id}`, `…/cancel`, `…/input_items`; ids are 1 – 128 of `[A-Za-z0-9_-]`.
    private static func matchResponse(_ bytes: Span<UInt8>, _ path: Range<Int>) -> RouteMatch {
        guard path.count > 14, bytes.hasBytes("/v1/responses/", at: path.lowerBound) else {
            return RouteMatch(.unknown)
        }
        let start = path.lowerBound + 14
        var end = start
        while end < path.upperBound, isIDByte(bytes[end]) { end += 1 }
        guard end > start, end - start <= ResponseIDPeek.idBytesMax else {
            return RouteMatch(.unknown)
        }
        let rest = end..<path.upperBound
        guard
            rest.isEmpty || bytes.equals("/cancel", in: rest)
                || bytes.equals("/input_items", in: rest)
        else { return RouteMatch(.unknown) }
        var match = RouteMatch(.responsesByID)
        match.responseID = start..<end
        match.isCancel = bytes.equals("/cancel", in: rest)
        return match
    }

    /// Whether a path can name a response of this id.
    package static func isResponseID(_ id: Span<UInt8>) -> Bool {
        for index in 0..<id.count where !isIDByte(id[index]) { return false }
        return !id.isEmpty && id.count <= ResponseIDPeek.idBytesMax
    }

    private static func isIDByte(_ byte: UInt8) -> Bool {
        byte &- 0x30 < 10 || (byte | 0x20) &- 0x61 < 26 || byte == 0x5F || byte == 0x2D
    }
}

/// What a path came to.
package struct RouteMatch: Sendable {
    package let route: Route
    /// The id in a path of ``Route/responsesByID``.
    package internal(set) var responseID = 0..<0
    package internal(set) var isCancel = false

    init(_ route: Route) { self.route = route }

    /// Whether a POST (true) or a GET (false) is served; nil where both are (admin paths).
    package var wantsPost: Bool? {
        switch route {
        case .chatCompletions, .completions, .responses, .embeddings, .messages, .rerank, .score,
            .audioTranscriptions, .audioTranslations, .tokenize, .detokenize, .pooling, .classify:
            true
        case .models, .health: false
        case .responsesByID: isCancel
        case .admin, .unknown: nil
        }
    }
}

extension Route {
    /// Whether the body is multipart rather than JSON.
    package var isMultipart: Bool {
        switch self {
        case .audioTranscriptions, .audioTranslations: true
        case .chatCompletions, .completions, .responses, .responsesByID, .embeddings, .messages,
            .rerank, .score, .tokenize, .detokenize, .pooling, .classify, .models, .health, .admin,
            .unknown:
            false
        }
    }

    /// Whether an inference POST of this route may be repeated on another replica.
    package var isRepeatable: Bool {
        switch self {
        case .chatCompletions, .completions, .embeddings, .rerank, .score, .pooling, .classify,
            .tokenize, .detokenize:
            true
        case .responses, .responsesByID, .messages, .audioTranscriptions, .audioTranslations,
            .models, .health, .admin, .unknown:
            false
        }
    }

    /// Whether an answer takes steps of the engine; others the API server gives by itself.
    package var needsEngine: Bool {
        switch self {
        case .chatCompletions, .completions, .responses, .messages, .embeddings, .rerank, .score,
            .pooling, .classify, .audioTranscriptions, .audioTranslations:
            true
        case .responsesByID, .tokenize, .detokenize, .models, .health, .admin, .unknown: false
        }
    }

    /// Whether `stream_options` is understood.
    package var knowsStreamOptions: Bool { self == .chatCompletions || self == .completions }

    /// Whether a body's `priority` says in vLLM how urgent it is.
    package var knowsPriority: Bool {
        switch self {
        case .chatCompletions, .completions, .responses, .embeddings, .rerank, .score, .pooling,
            .classify:
            true
        case .responsesByID, .messages, .audioTranscriptions, .audioTranslations, .tokenize,
            .detokenize, .models, .health, .admin, .unknown:
            false
        }
    }
}
