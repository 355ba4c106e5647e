import SluiceBytes

// The Responses API: members and their order as vLLM 0.23 with openai 2 writes them; compared
// with a running one by Tests/Clients/test_simulator_likeness.py.

/// Where the stream of a response stands.
struct ResponsesProgress {
    /// Its events in order; `delta` repeats.
    enum Next {
        case created, inProgress, itemAdded, partAdded, delta, textDone, partDone, itemDone,
            completed, over
    }

    var next = Next.created
    /// `sequence_number` of the next event.
    var sequenceNumber = 0
}

extension SimulatedReply {
    /// What a response object is shown as.
    enum ResponseView { case inProgress, final, failed }

    /// Writes the next event, if there is one now.
    ///
    /// - Returns: whether the stream is over.
    mutating func appendResponsesEvent(to buffer: inout ByteBuffer) -> Bool {
        switch responses.next {
        case .created:
            appendResponseEvent("response.created", .inProgress, to: &buffer)
            responses.next = .inProgress
        case .inProgress:
            appendResponseEvent("response.in_progress", .inProgress, to: &buffer)
            responses.next = .itemAdded
        case .itemAdded:
            guard choices[0].tokens > 0 || isWhole else { return false }
            open("response.output_item.added", to: &buffer)
            buffer.append(#"{"item":{"id":""#)
            appendStreamedItemID(to: &buffer)
            buffer.append(
                #"","content":[],"role":"assistant","status":"in_progress","type":"message","phase":null},"output_index":0"#
            )
            close("response.output_item.added", to: &buffer)
            responses.next = .partAdded
        case .partAdded:
            open("response.content_part.added", to: &buffer)
            appendPlace(to: &buffer)
            buffer.append(
                #","output_index":0,"part":{"annotations":[],"text":"","type":"output_text","logprobs":[]}"#
            )
            close("response.content_part.added", to: &buffer)
            responses.next = .delta
        case .delta:
            if choices[0].written < choices[0].tokens {
                appendTextDelta(to: &buffer)
            } else if choices[0].finish != nil {
                responses.next = .textDone
                return appendResponsesEvent(to: &buffer)
            }
        case .textDone:
            open("response.output_text.done", to: &buffer)
            appendPlace(to: &buffer)
            buffer.append(#","logprobs":[],"output_index":0"#)
            appendSequence(to: &buffer)
            buffer.append(#","text":""#)
            choices[0].text.appendTokens(choices[0].tokens, to: &buffer)
            buffer.append(#"","type":"response.output_text.done"}"#)
            buffer.append("\n\n")
            responses.next = .partDone
        case .partDone:
            open("response.content_part.done", to: &buffer)
            appendPlace(to: &buffer)
            buffer.append(#","output_index":0,"part":"#)
            appendPart(to: &buffer)
            close("response.content_part.done", to: &buffer)
            responses.next = .itemDone
        case .itemDone:
            open("response.output_item.done", to: &buffer)
            buffer.append(#"{"item":{"id":""#)
            appendStreamedItemID(to: &buffer)
            appendItemMembers(to: &buffer)
            buffer.append(#","summary":[]},"output_index":0"#)
            close("response.output_item.done", to: &buffer)
            responses.next = .completed
        case .completed:
            // Also for an answer cut by its bound, whose `status` is then `incomplete`.
            appendResponseEvent("response.completed", .final, to: &buffer)
            responses.next = .over
            return true
        case .over: return true
        }
        return false
    }

    /// Writes the event of a response whose engine died.
    mutating func appendResponsesFailure(to buffer: inout ByteBuffer) {
        appendResponseEvent("response.failed", .failed, to: &buffer)
        responses.next = .over
    }

    /// Writes the response object.
    func appendResponse(_ view: ResponseView, to buffer: inout ByteBuffer) {
        let isFinal = view == .final
        let isCut = isFinal && choices[0].finish == .length
        buffer.append(#"{"id":""#)
        buffer.append(text: id)
        buffer.append(#"","created_at":"#)
        buffer.appendDecimal(created)
        buffer.append(#","incomplete_details":"#)
        buffer.append(isCut ? #"{"reason":"max_output_tokens"}"# : "null")
        buffer.append(#","instructions":null,"metadata":null,"model":"#)
        buffer.append(json: request.model)
        buffer.append(#","object":"response","output":["#)
        if isFinal { appendItem(to: &buffer) }
        buffer.append(
            #"],"parallel_tool_calls":true,"temperature":1.0,"tool_choice":"none","tools":[],"top_p":1.0,"background":false,"max_output_tokens":"#
        )
        if let bound = request.maxTokens {
            buffer.appendDecimal(bound)
        } else {
            buffer.append("null")
        }
        buffer.append(
            #","max_tool_calls":null,"previous_response_id":null,"prompt":null,"reasoning":null,"service_tier":"auto","status":""#
        )
        switch view {
        case .inProgress: buffer.append("in_progress")
        case .final: buffer.append(isCut ? "incomplete" : "completed")
        case .failed: buffer.append("failed")
        }
        buffer.append(#"","text":null,"top_logprobs":null,"truncation":"disabled","usage":"#)
        if isFinal { appendResponseUsage(to: &buffer) } else { buffer.append("null") }
        buffer.append(
            #","user":null,"presence_penalty":0.0,"frequency_penalty":0.0,"kv_transfer_params":null,"input_messages":null,"output_messages":null}"#
        )
    }

    // MARK: Parts

    private mutating func appendTextDelta(to buffer: inout ByteBuffer) {
        open("response.output_text.delta", to: &buffer)
        buffer.append(#"{"content_index":0,"delta":""#)
        choices[0].text.appendToken(choices[0].written, to: &buffer)
        choices[0].written += 1
        buffer.append(#"","item_id":""#)
        appendStreamedItemID(to: &buffer)
        buffer.append(#"","logprobs":[],"output_index":0"#)
        close("response.output_text.delta", to: &buffer)
    }

    private mutating func appendResponseEvent(
        _ type: StaticString, _ view: ResponseView, to buffer: inout ByteBuffer
    ) {
        open(type, to: &buffer)
        buffer.append(#"{"response":"#)
        appendResponse(view, to: &buffer)
        close(type, to: &buffer)
    }

    private func open(_ type: StaticString, to buffer: inout ByteBuffer) {
        buffer.append("event: ")
        buffer.append(type)
        buffer.append("\ndata: ")
    }

    private mutating func close(_ type: StaticString, to buffer: inout ByteBuffer) {
        appendSequence(to: &buffer)
        buffer.append(#","type":""#)
        buffer.append(type)
        buffer.append("\"}\n\n")
    }

    private mutating func appendSequence(to buffer: inout ByteBuffer) {
        buffer.append(#","sequence_number":"#)
        buffer.appendDecimal(responses.sequenceNumber)
        responses.sequenceNumber += 1
    }

    private func appendPlace(to buffer: inout ByteBuffer) {
        buffer.append(#"{"content_index":0,"item_id":""#)
        appendStreamedItemID(to: &buffer)
        buffer.append(0x22)
    }

    /// The message's id while it is streamed: in vLLM a number of its own, without a prefix, which
    /// the message in the final response does not have.
    private func appendStreamedItemID(to buffer: inout ByteBuffer) {
        buffer.append(text: String(id.dropFirst(request.route.idPrefix.utf8CodeUnitCount)))
    }

    private func appendPart(to buffer: inout ByteBuffer) {
        buffer.append(#"{"annotations":[],"text":""#)
        choices[0].text.appendTokens(choices[0].tokens, to: &buffer)
        buffer.append(#"","type":"output_text","logprobs":null}"#)
    }

    private func appendItem(to buffer: inout ByteBuffer) {
        buffer.append(#"{"id":"msg_"#)
        appendStreamedItemID(to: &buffer)
        appendItemMembers(to: &buffer)
        buffer.append(0x7D)
    }

    /// A whole message's members from the end of its id on, without the closing brace.
    private func appendItemMembers(to buffer: inout ByteBuffer) {
        buffer.append(#"","content":["#)
        appendPart(to: &buffer)
        buffer.append(
            #"],"role":"assistant","status":"completed","type":"message","phase":null"#)
    }

    private func appendResponseUsage(to buffer: inout ByteBuffer) {
        buffer.append(#"{"input_tokens":"#)
        buffer.appendDecimal(request.promptTokens)
        buffer.append(
            #","input_tokens_details":{"cached_tokens":0,"input_tokens_per_turn":[],"cached_tokens_per_turn":[]},"output_tokens":"#
        )
        buffer.appendDecimal(choices[0].tokens)
        buffer.append(
            #","output_tokens_details":{"reasoning_tokens":0,"tool_output_tokens":0,"output_tokens_per_turn":[],"tool_output_tokens_per_turn":[]},"total_tokens":"#
        )
        buffer.appendDecimal(request.promptTokens &+ choices[0].tokens)
        buffer.append("}")
    }
}
