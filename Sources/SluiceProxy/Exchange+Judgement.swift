import SluiceBytes
import SluiceExchange
import SluiceHTTP
import SluiceReactor
import SluiceTelemetry
import SluiceTime
import SluiceTraffic
import SluiceVLLM

/// What a route and a method come to.
enum RouteVerdict {
    case forward
    /// Answered by the gateway.
    case answer
    /// Rare, and larger than all else here together: kept elsewhere, so that no verdict is copied at
    /// the size of one.
    indirect case refuse(Refusal)
}

extension RouteMatch {
    /// - Parameter record: names the method and the path of a refusal.
    func verdict(
        for method: Method, allowsAdmin: Bool, _ record: inout ExchangeRecord
    ) -> RouteVerdict {
        switch route {
        case .unknown:
            return .refuse(.unknownRoute(record.method.label, record.path.bytes.text()))
        case .admin where !allowsAdmin: return .refuse(.routeDenied)
        case .admin, .chatCompletions, .completions, .responses, .responsesByID, .embeddings,
            .messages, .rerank, .score, .audioTranscriptions, .audioTranslations, .tokenize,
            .detokenize, .pooling, .classify, .models, .health:
            break
        }
        let (isAllowed, allow): (Bool, StaticString) =
            switch wantsPost {
            case true?: (method == .post, "POST")
            case false?: (method == .get || method == .head, "GET, HEAD")
            case nil: (method == .get || method == .head || method == .post, "GET, HEAD, POST")
            }
        guard isAllowed else { return .refuse(.methodNotAllowed(allow: allow)) }
        return route == .models || route == .health ? .answer : .forward
    }
}

/// Where a whole request goes.
enum BodyVerdict {
    /// Where several pools have the model `split` says so, and the pool is the first of them.
    case pool(Int, model: UInt16, adapter: UInt16 = 0, split: UInt16 = 0)
    indirect case refuse(Refusal)
}

extension Exchange {
    /// Judges the body and finds the pool.
    mutating func judgeBody(
        _ peek: inout RequestPeek, directory: Pinned<ReplicaDirectory>, pools: Int
    ) -> BodyVerdict {
        if wantsWholeBody { peek.finish() }
        if let error = peek.error { return .refuse(Refusal(error)) }
        if let error = multipart?.value.error { return .refuse(Refusal(error)) }
        let verdict = findPool(&peek, directory: directory, pools: pools)
        guard case .pool = verdict else { return verdict }
        arrival.bodyBytes = bodyCount
        arrival.promptBytes = peek.facts.promptBytes
        arrival.promptTokens = peek.facts.promptTokens &+ peek.facts.mediaParts &* 1_000
        record.promptTokensEstimated = Int32(
            clamping: arrival.promptTokens &+ arrival.promptBytes / 4)
        arrival.sequences = peek.facts.sequences
        arrival.isStream = peek.facts.isStream
        let tokensMax = peek.outputTokensMax()
        arrival.outputTokensMax = tokensMax ?? 0
        record.tokensMax = Int32(clamping: tokensMax ?? -1)
        record.isStream = peek.facts.isStream
        isStored = peek.facts.stores
        return verdict
    }

    /// Whether a body that ends here must be a whole object: vLLM's admin routes are for the most part
    /// posted to without any.
    private var wantsWholeBody: Bool {
        mutating get {
            record.route == .admin ? bodyCount > 0 : hasBody || method == .post
        }
    }

    private mutating func findPool(
        _ peek: inout RequestPeek, directory: Pinned<ReplicaDirectory>, pools: Int
    ) -> BodyVerdict {
        if let upload = multipart?.value.model {
            return Self.findPool(model: upload.bytes, isCut: false, directory, pools)
        }
        return Self.findPool(model: peek.modelName, isCut: peek.facts.isModelCut, directory, pools)
    }

    private static func findPool(
        model: Span<UInt8>, isCut: Bool, _ directory: Pinned<ReplicaDirectory>, _ pools: Int
    ) -> BodyVerdict {
        if model.isEmpty {
            let label = directory.value.soleModelLabel
            return pools == 1 ? .pool(0, model: label) : .refuse(.missingModel)
        }
        if !isCut, let (pool, label, adapter, split) = directory.value.model(model) {
            return .pool(pool, model: label, adapter: adapter, split: split)
        }
        switch directory.value.modelsKnown {
        case .all:
            return .refuse(.unknownModel(model.text(), known: directory.value.modelNames))
        case .ofThosePresent: return .refuse(.modelsNotKnownYet)
        // With one pool the replica itself says best what it serves.
        case .some:
            return pools == 1 ? .pool(0, model: ModelTable.other) : .refuse(.modelsNotKnownYet)
        }
    }

    /// Edits the body of a stream so that the replica counts its tokens, as the pool wants it.
    mutating func askForUsage(_ peek: inout RequestPeek, _ mode: UsageMode) {
        switch mode {
        case .off: return
        case .observe: readsUsage = true
        case .inject:
            readsUsage = true
            guard record.route.knowsStreamOptions, peek.facts.isStream else { return }
            if let edit = UsageInjection.edit(for: &peek) {
                apply(edit)
                usageEdit = UsageEdit(edit)
                stripsUsage = true
            }
        }
    }

    /// Writes the request's class into the body as the engine's `priority`, over the client's own.
    @inline(never) mutating func setPriority(_ peek: inout RequestPeek) {
        guard record.route.knowsPriority else { return }
        let (start, end) = (bodyStart, request.count)
        let edit = PriorityInjection.edit(
            for: &peek, body: request.bytes.extracting(start..<end),
            priority: Int(record.classIndex))
        guard let edit else { return }
        apply(edit)
        peek.edited(
            by: edit.text.utf8CodeUnitCount - edit.range.count, end: edit.range.upperBound)
    }

    /// Rewrites the body with one replacement.
    private mutating func apply(_ edit: UsageInjection.Edit) {
        let (from, to) = (bodyStart + edit.range.lowerBound, bodyStart + edit.range.upperBound)
        request.replace(from..<to, with: edit.text)
    }
}
