import SluiceBytes
import SluiceSimulation

// The bodies of plain answers: chat, completion and embeddings.

extension SimulatedReply {
    /// `chat.completion`.
    func appendChat(to buffer: inout ByteBuffer) {
        appendOpening("chat.completion", to: &buffer)
        for (index, choice) in choices.enumerated() {
            if index > 0 { buffer.append(0x2C) }
            buffer.append(#"{"index":"#)
            buffer.appendDecimal(index)
            buffer.append(#","message":{"role":"assistant","content":""#)
            choice.text.appendTokens(choice.tokens, to: &buffer)
            buffer.append(
                #"","refusal":null,"annotations":null,"audio":null,"function_call":null,"tool_calls":[],"reasoning":null},"logprobs":null,"finish_reason":""#
            )
            buffer.append((choice.finish ?? .stop).label)
            buffer.append(#"","stop_reason":null,"token_ids":null,"routed_experts":null}"#)
        }
        appendClosing(to: &buffer)
        buffer.append(
            #","prompt_logprobs":null,"prompt_token_ids":null,"prompt_text":null,"kv_transfer_params":null}"#
        )
    }

    /// `text_completion`.
    func appendCompletion(to buffer: inout ByteBuffer) {
        appendOpening("text_completion", to: &buffer)
        for (index, choice) in choices.enumerated() {
            if index > 0 { buffer.append(0x2C) }
            buffer.append(#"{"index":"#)
            buffer.appendDecimal(index)
            buffer.append(#","text":""#)
            choice.text.appendTokens(choice.tokens, to: &buffer)
            buffer.append(#"","logprobs":null,"finish_reason":""#)
            buffer.append((choice.finish ?? .stop).label)
            buffer.append(
                #"","stop_reason":null,"token_ids":null,"prompt_logprobs":null,"prompt_token_ids":null,"routed_experts":null}"#
            )
        }
        appendClosing(to: &buffer)
        buffer.append(#","kv_transfer_params":null}"#)
    }

    /// The list of embeddings, as numbers or as the base64 of little-endian 32-bit floats.
    ///
    /// Not captured; the shape is `EmbeddingResponse` of vLLM's sources.
    func appendEmbeddings(to buffer: inout ByteBuffer) {
        buffer.append(#"{"id":""#)
        buffer.append(text: id)
        buffer.append(#"","object":"list","created":"#)
        buffer.appendDecimal(created)
        buffer.append(#","model":"#)
        buffer.append(json: request.model)
        buffer.append(#","data":["#)
        for index in request.inputTokens.indices {
            if index > 0 { buffer.append(0x2C) }
            buffer.append(#"{"index":"#)
            buffer.appendDecimal(index)
            buffer.append(#","object":"embedding","embedding":"#)
            let vector = Self.embedding(of: index, dimensions: request.dimensions)
            if request.isBase64 {
                Self.appendBase64(vector, to: &buffer)
            } else {
                buffer.append(text: "[\(vector.map(\.description).joined(separator: ","))]")
            }
            buffer.append("}")
        }
        buffer.append("],")
        appendUsage(0, details: true, to: &buffer)
        buffer.append("}")
    }

    /// A unit vector that depends on its place only.
    private static func embedding(of index: Int, dimensions: Int) -> [Float] {
        var generator = SplitMix64(seed: UInt64(truncatingIfNeeded: index))
        let numbers = (0..<dimensions).map { _ in Float(generator.nextUnit()) - 0.5 }
        let length = numbers.reduce(0) { $0 + $1 * $1 }.squareRoot()
        return numbers.map { length > 0 ? $0 / length : 0 }
    }

    private static let alphabet = Array(
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/".utf8)

    /// Appends a JSON string of the numbers' bytes (RFC 4648 §4).
    private static func appendBase64(_ vector: [Float], to buffer: inout ByteBuffer) {
        let bytes = vector.flatMap { number -> [UInt8] in
            let bits = number.bitPattern
            return (0..<4).map { UInt8(truncatingIfNeeded: bits >> (8 * UInt32($0))) }
        }
        buffer.append(0x22)
        for start in stride(from: 0, to: bytes.count, by: 3) {
            let group = bytes[start..<min(start + 3, bytes.count)]
            var bits: UInt32 = 0
            for place in 0..<3 {
                let byte = place < group.count ? group[start + place] : 0
                bits = bits << 8 | UInt32(byte)
            }
            for place in 0..<4 {
                let index = Int(bits >> UInt32(18 - 6 * place)) & 63
                buffer.append(place <= group.count ? alphabet[index] : 0x3D)
            }
        }
        buffer.append(0x22)
    }

    private func appendOpening(_ kind: StaticString, to buffer: inout ByteBuffer) {
        buffer.append(#"{"id":""#)
        buffer.append(text: id)
        buffer.append(#"","object":""#)
        buffer.append(kind)
        buffer.append(#"","created":"#)
        buffer.appendDecimal(created)
        buffer.append(#","model":"#)
        buffer.append(json: request.model)
        buffer.append(#","choices":["#)
    }

    private func appendClosing(to buffer: inout ByteBuffer) {
        buffer.append(#"],"service_tier":null"#)
        appendFingerprint(to: &buffer)
        buffer.append(0x2C)
        appendUsage(completionTokens, details: true, to: &buffer)
    }
}
