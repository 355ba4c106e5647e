import Foundation
import SluiceBytes
import SluiceSimulation

/// What a client asked one of the engine's routes for.
package struct SimulatedRequest: Equatable, Sendable {
    /// What the server serves, which decides what it refuses.
    package struct Server: Equatable, Sendable {
        /// Names under `--served-model-name`, and of LoRA adapters; the first is the base model.
        package var models: [String]
        /// `--max-model-len`.
        package var modelLengthMax: Int

        package init(models: [String], modelLengthMax: Int) {
            self.models = models
            self.modelLengthMax = modelLengthMax
        }
    }

    /// Choices in one request; vLLM has no bound, the simulator needs one.
    package static let choicesMax = 16
    /// Inputs of one embeddings request.
    package static let inputsMax = 2_048
    /// Bytes that make a token here; the simulator has no tokenizer.
    package static let bytesPerToken = 4

    package let route: SimulatedRoute
    package var model = ""
    package var isStream = false
    /// `stream_options.include_usage`.
    package var includesUsage = false
    /// `stream_options.continuous_usage_stats`.
    package var hasContinuousUsage = false
    /// `max_completion_tokens`, `max_tokens` or `max_output_tokens`.
    package var maxTokens: Int?
    package var ignoresEndOfSequence = false
    /// `n`, or 1.
    package var choices = 1
    package var priority = 0
    /// Makes the text the same every time.
    package var seed: UInt64?
    /// Tokens of the whole prompt, at least 1.
    package var promptTokens = 1
    /// Hashes of the prompt at the boundaries of its messages, for the prefix cache.
    package var prefixes: [PrefixLink] = []
    /// Tokens of each input, for embeddings.
    package var inputTokens: [Int] = []
    /// Size of an embedding.
    package var dimensions = 64
    /// `encoding_format: base64`.
    package var isBase64 = false

    /// An empty request of a route; for tests and for `parse`.
    package init(route: SimulatedRoute) { self.route = route }

    /// Reads a request body as vLLM does: media type, JSON, members, model, bounds, in this order.
    ///
    /// - Parameter contentType: the `content-type` field's value; vLLM wants JSON to be named.
    /// - Throws: what vLLM would answer.
    package static func parse(
        _ body: Span<UInt8>, contentType: String?, route: SimulatedRoute, server: Server
    ) throws(VLLMError) -> SimulatedRequest {
        let media = (contentType ?? "").split(separator: ";").first ?? ""
        guard media.trimmingCharacters(in: .whitespaces).lowercased() == "application/json" else {
            throw .contentType
        }
        let object = try RequestBody(body, route: route)
        var request = SimulatedRequest(route: route)
        guard let prompt = object[route.promptField] else {
            throw .missingField(
                route: route, field: route.promptField,
                input: JSONText.pythonRepresentation(object.members))
        }
        request.model = try object.string("model") ?? server.models.first ?? ""
        guard server.models.contains(request.model) else { throw .modelNotFound(request.model) }
        try request.readOptions(object)
        request.readPrompt(prompt)
        try request.check(server, object)
        return request
    }

    /// What the engine is to do for one choice.
    ///
    /// - Parameter generator: draws the length where the client gave none.
    package func engineRequest(
        lengths: LognormalLengths, modelLengthMax: Int, generator: inout SplitMix64
    ) -> EngineRequest {
        let room = max(1, modelLengthMax - promptTokens)
        var output = 0
        var reason = FinishReason.stop
        if route != .embeddings {
            if let maxTokens {
                (output, reason) = (maxTokens, .length)
            } else if ignoresEndOfSequence {
                (output, reason) = (room, .length)
            } else {
                output = min(room, lengths.sample(&generator))
            }
        }
        var request = EngineRequest(
            promptTokens: promptTokens, outputTokens: output, finishReason: reason,
            maxTokens: maxTokens ?? room)
        request.priority = priority
        request.choices = choices
        request.prefixes = prefixes
        return request
    }

    // MARK: Reading

    private var maxTokensField: String {
        switch route {
        case .chatCompletions, .completions, .embeddings: "max_tokens"
        case .responses: "max_output_tokens"
        }
    }

    private mutating func readOptions(_ object: RequestBody) throws(VLLMError) {
        isStream = try object.flag("stream") ?? false
        if let options = object["stream_options"] as? [String: Any] {
            let options = RequestBody(
                members: options, named: "stream_options", route: route)
            includesUsage = try options.flag("include_usage") ?? false
            hasContinuousUsage = try options.flag("continuous_usage_stats") ?? false
        }
        maxTokens = try object.integer(maxTokensField)
        if route == .chatCompletions {
            maxTokens = try object.integer("max_completion_tokens") ?? maxTokens
        }
        ignoresEndOfSequence = try object.flag("ignore_eos") ?? false
        choices = try object.integer("n") ?? 1
        priority = try object.integer("priority") ?? 0
        seed = try object.integer("seed").map { UInt64(bitPattern: Int64($0)) }
        dimensions = try object.integer("dimensions") ?? dimensions
        isBase64 = try object.string("encoding_format") == "base64"
        if let temperature = try object.number("temperature"), temperature < 0 {
            throw .invalidValue(
                message: "temperature must be non-negative, got \(temperature).",
                parameter: "temperature", value: "\(temperature)")
        }
    }

    private func check(_ server: Server, _ object: RequestBody) throws(VLLMError) {
        guard choices >= 1, choices <= Self.choicesMax else {
            throw .invalidValue(
                message: "n must be between 1 and \(Self.choicesMax), got \(choices).",
                parameter: "n", value: "\(choices)")
        }
        guard dimensions >= 1, dimensions <= 8_192 else {
            throw .invalidValue(
                message: "dimensions must be between 1 and 8192, got \(dimensions).",
                parameter: "dimensions", value: "\(dimensions)")
        }
        if let maxTokens {
            guard maxTokens >= 1 else {
                throw .invalidValue(
                    message: "\(maxTokensField) must be at least 1, got \(maxTokens).",
                    parameter: maxTokensField, value: "\(maxTokens)")
            }
            guard maxTokens <= server.modelLengthMax else {
                throw .maxTokensTooLarge(
                    parameter: maxTokensField, value: maxTokens,
                    modelLength: server.modelLengthMax)
            }
        }
        // Without a bound at least one token must fit behind the prompt.
        let output = maxTokens ?? (route == .embeddings ? 0 : 1)
        if promptTokens > server.modelLengthMax - output {
            throw .contextTooLong(modelLength: server.modelLengthMax, outputTokens: output)
        }
    }

    private mutating func readPrompt(_ prompt: Any) {
        var reader = PromptReader()
        switch route {
        case .chatCompletions, .responses, .completions:
            reader.read(prompt, isMessages: route != .completions)
            promptTokens = reader.tokens
            prefixes = reader.prefixes
        case .embeddings:
            inputTokens = PromptReader.inputTokens(prompt)
            promptTokens = max(1, inputTokens.reduce(0, +))
        }
    }
}
