import SluiceBytes
import SluiceSimulation

/// The answer to one request, token by token: what the engine emits goes in, bytes come out.
///
/// A stream is pulled event by event, so that the server can frame each as a chunk of its own, as
/// vLLM does, and stop after any of them; a plain answer is written when it is whole.
///
/// ```swift
/// reply.take(choice: 0, tokens: emission.tokens, finish: emission.finish?.reason)
/// while reply.appendNextEvent(to: &scratch) { … }   // stream
/// if reply.isWhole { reply.appendBody(to: &body) }  // otherwise
/// ```
package struct SimulatedReply {
    /// How far a choice has come.
    struct Choice {
        var text: TextSource
        /// Tokens that came out of the engine, and those written as events.
        var tokens = 0
        var written = 0
        var finish: FinishReason?
        var isFinishWritten = false
    }

    /// What is still to come after the deltas.
    private enum Stage {
        case start, deltas, usage, done, over
    }

    let request: SimulatedRequest
    /// The id in the body: the route's prefix and the request's id, JSON-escaped.
    let id: String
    /// Seconds since 1970.
    let created: Int
    var choices: [Choice]
    /// Events written so far, `[DONE]` included.
    package private(set) var eventsWritten = 0
    /// Where the Responses API's stream stands.
    var responses = ResponsesProgress()

    private var stage = Stage.start
    private var preludes = 0
    private var isDead = false
    /// `data: {…"choices":[{"index":`, the same in every event.
    private let eventHead: [UInt8]

    /// An answer without a token yet.
    ///
    /// - Parameters:
    ///   - requestID: the client's `X-Request-Id`, or a random one.
    ///   - created: seconds since 1970.
    ///   - seed: makes the text where the request has no seed of its own.
    package init(request: SimulatedRequest, requestID: String, created: Int, seed: UInt64) {
        self.request = request
        self.created = created
        id = "\(request.route.idPrefix)\(JSONText.escaped(requestID))"
        let text = TextSource(seed: request.seed ?? seed)
        let hasChoices = request.route == .chatCompletions || request.route == .completions
        choices = (0..<(hasChoices ? max(1, request.choices) : 1)).map {
            Choice(text: text.choice($0))
        }
        let kind = request.route == .completions ? "text_completion" : "chat.completion.chunk"
        eventHead = Array(
            #"data: {"id":"\#(id)","object":"\#(kind)","created":\#(created),"model":"\#(JSONText.escaped(request.model))","choices":["#
                .utf8)
    }

    /// Whether every choice has ended.
    package var isWhole: Bool { isDead || choices.allSatisfy { $0.finish != nil } }
    /// Whether the last event of the stream has been written.
    package var isOver: Bool { stage == .over }
    /// Tokens of all choices.
    package var completionTokens: Int { choices.reduce(0) { $0 + $1.tokens } }

    /// Takes what the engine emitted for a choice.
    package mutating func take(choice: Int = 0, tokens: Int, finish: FinishReason?) {
        guard choices.indices.contains(choice) else { return }
        choices[choice].tokens += tokens
        choices[choice].finish = finish ?? choices[choice].finish
    }

    /// The engine died: the stream ends with the error event, a plain answer is a 500.
    package mutating func die() { isDead = true }

    /// Writes the next event of the stream, if there is one now.
    package mutating func appendNextEvent(to buffer: inout ByteBuffer) -> Bool {
        let before = buffer.count
        if isDead {
            appendDeath(to: &buffer)
        } else {
            switch request.route {
            case .chatCompletions, .completions: appendNextChoiceEvent(to: &buffer)
            case .responses:
                if appendResponsesEvent(to: &buffer) { stage = .over }
            case .embeddings: break
            }
        }
        guard buffer.count > before else { return false }
        eventsWritten += 1
        return true
    }

    /// Writes the body of a plain answer; to be called once ``isWhole``.
    package func appendBody(to buffer: inout ByteBuffer) {
        if isDead { return VLLMError.engineDied.append(to: &buffer) }
        switch request.route {
        case .chatCompletions: appendChat(to: &buffer)
        case .completions: appendCompletion(to: &buffer)
        case .responses: appendResponse(.final, to: &buffer)
        case .embeddings: appendEmbeddings(to: &buffer)
        }
    }

    // MARK: Streams of choices

    private mutating func appendNextChoiceEvent(to buffer: inout ByteBuffer) {
        switch stage {
        case .start:
            // vLLM sends the role with the first engine output, for all choices.
            guard completionTokens > 0 || isWhole else { return }
            guard request.route == .chatCompletions, preludes < choices.count else {
                stage = .deltas
                return appendNextChoiceEvent(to: &buffer)
            }
            appendPrelude(preludes, to: &buffer)
            preludes += 1
        case .deltas:
            guard let index = choices.firstIndex(where: Self.hasMore) else {
                guard isWhole else { return }
                stage = request.includesUsage ? .usage : .done
                return appendNextChoiceEvent(to: &buffer)
            }
            appendDelta(index, to: &buffer)
        case .usage:
            buffer.append(eventHead.span)
            buffer.append("],")
            appendUsage(completionTokens, details: false, to: &buffer)
            appendFingerprint(to: &buffer)
            buffer.append("}\n\n")
            stage = .done
        case .done:
            SimulatedBodies.appendDoneEvent(to: &buffer)
            stage = .over
        case .over: break
        }
    }

    private static func hasMore(_ choice: Choice) -> Bool {
        choice.written < choice.tokens || (choice.finish != nil && !choice.isFinishWritten)
    }

    private func appendPrelude(_ index: Int, to buffer: inout ByteBuffer) {
        buffer.append(eventHead.span)
        buffer.append(#"{"index":"#)
        buffer.appendDecimal(index)
        buffer.append(
            #","delta":{"role":"assistant","content":""},"logprobs":null,"finish_reason":null}]"#)
        appendContinuousUsage(0, to: &buffer)
        buffer.append(#","prompt_token_ids":null,"prompt_text":null}"#)
        buffer.append("\n\n")
    }

    private mutating func appendDelta(_ index: Int, to buffer: inout ByteBuffer) {
        let isChat = request.route == .chatCompletions
        buffer.append(eventHead.span)
        buffer.append(#"{"index":"#)
        buffer.appendDecimal(index)
        buffer.append(isChat ? #","delta":{"content":""# : #","text":""#)
        if choices[index].written < choices[index].tokens {
            choices[index].text.appendToken(choices[index].written, to: &buffer)
            choices[index].written += 1
        }
        buffer.append(
            isChat
                ? #""},"logprobs":null,"finish_reason":"# : #"","logprobs":null,"finish_reason":"#)
        let isLast = choices[index].written == choices[index].tokens && choices[index].finish != nil
        if isLast, let finish = choices[index].finish {
            choices[index].isFinishWritten = true
            buffer.append(0x22)
            buffer.append(finish.label)
            buffer.append(0x22)
        } else {
            buffer.append("null")
        }
        if isChat {
            buffer.append(
                isLast ? #","stop_reason":null,"token_ids":null}]"# : #","token_ids":null}]"#)
        } else {
            buffer.append(#","stop_reason":null,"prompt_token_ids":null,"token_ids":null}]"#)
        }
        appendContinuousUsage(choices[index].written, to: &buffer)
        // Without a usage event, the last delta carries the fingerprint.
        if isLast, !request.includesUsage, choices.allSatisfy(\.isFinishWritten) {
            appendFingerprint(to: &buffer)
        }
        buffer.append("}\n\n")
    }

    private mutating func appendDeath(to buffer: inout ByteBuffer) {
        switch stage {
        case .start, .deltas, .usage:
            if request.route == .responses {
                appendResponsesFailure(to: &buffer)
                stage = .over
            } else {
                SimulatedBodies.appendEngineDiedEvent(to: &buffer)
                stage = .done
            }
        case .done:
            SimulatedBodies.appendDoneEvent(to: &buffer)
            stage = .over
        case .over: break
        }
    }

    // MARK: Parts

    /// Appends `"usage":{…}` for a number of completion tokens.
    func appendUsage(_ completionTokens: Int, details: Bool, to buffer: inout ByteBuffer) {
        buffer.append(#""usage":{"prompt_tokens":"#)
        buffer.appendDecimal(request.promptTokens)
        buffer.append(#","total_tokens":"#)
        buffer.appendDecimal(request.promptTokens &+ completionTokens)
        buffer.append(#","completion_tokens":"#)
        buffer.appendDecimal(completionTokens)
        if details { buffer.append(#","prompt_tokens_details":null"#) }
        buffer.append("}")
    }

    private func appendContinuousUsage(_ tokens: Int, to buffer: inout ByteBuffer) {
        guard request.includesUsage, request.hasContinuousUsage else { return }
        buffer.append(0x2C)
        appendUsage(tokens, details: false, to: &buffer)
    }

    /// Appends `,"system_fingerprint":"…"`.
    func appendFingerprint(to buffer: inout ByteBuffer) {
        buffer.append(#","system_fingerprint":""#)
        buffer.append(SimulatedBodies.fingerprint)
        buffer.append(0x22)
    }
}
