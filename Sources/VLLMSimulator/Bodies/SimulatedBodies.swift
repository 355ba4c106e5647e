import SluiceBytes
import SluiceSimulation

/// The bodies that do not belong to one generation: models, version, load, ORCA.
package enum SimulatedBodies {
    /// What the bodies call themselves, as vLLM 0.23.0 does.
    package static let fingerprint: StaticString = "vllm-0.23.0-a1282fbc"
    /// `GET /version`.
    package static let version: StaticString = "0.23.0"

    /// `GET /v1/models`: the base model first, then its LoRA adapters with it as their parent.
    ///
    /// - Parameters:
    ///   - created: seconds since 1970, the moment of the request as vLLM has it.
    ///   - generator: makes the ids of the permissions.
    package static func appendModels(
        _ models: [String], modelLengthMax: Int, created: Int,
        generator: inout SplitMix64, to buffer: inout ByteBuffer
    ) {
        buffer.append(#"{"object":"list","data":["#)
        for (index, model) in models.enumerated() {
            if index > 0 { buffer.append(0x2C) }
            buffer.append(#"{"id":"#)
            buffer.append(json: model)
            buffer.append(#","object":"model","created":"#)
            buffer.appendDecimal(created)
            buffer.append(#","owned_by":"vllm","root":"#)
            buffer.append(json: "/models/\(model)")
            buffer.append(#","parent":"#)
            if index == 0 { buffer.append("null") } else { buffer.append(json: models[0]) }
            buffer.append(#","max_model_len":"#)
            // vLLM gives no length for adapters.
            if index == 0 { buffer.appendDecimal(modelLengthMax) } else { buffer.append("null") }
            buffer.append(#","permission":[{"id":"modelperm-"#)
            appendRandomID(&generator, to: &buffer)
            buffer.append(#"","object":"model_permission","created":"#)
            buffer.appendDecimal(created)
            buffer.append(
                #","allow_create_engine":false,"allow_sampling":true,"allow_logprobs":true,"allow_search_indices":false,"allow_view":true,"allow_fine_tuning":false,"organization":"*","group":null,"is_blocking":false}]}"#
            )
        }
        buffer.append("]}")
    }

    /// `GET /version`.
    package static func appendVersion(to buffer: inout ByteBuffer) {
        buffer.append(#"{"version":""#)
        buffer.append(version)
        buffer.append(#""}"#)
    }

    /// `GET /load`; stays 0 without `--enable-server-load-tracking`.
    package static func appendLoad(_ requests: Int, to buffer: inout ByteBuffer) {
        buffer.append(#"{"server_load":"#)
        buffer.appendDecimal(requests)
        buffer.append("}")
    }

    /// The value of the `endpoint-load-metrics` field.
    ///
    /// - Parameter format: the value of the request's `endpoint-load-metrics-format`.
    /// - Returns: nothing where vLLM sends no field: a format it does not know.
    package static func loadHeader(format: String, snapshot: EngineSnapshot) -> String? {
        let waiting = Double(snapshot.waiting).description
        let cache = snapshot.cacheUsage.description
        switch format.uppercased() {
        case "JSON":
            return
                #"JSON {"named_metrics": {"num_requests_waiting": \#(waiting), "kv_cache_usage_perc": \#(cache)}}"#
        case "TEXT":
            return
                "TEXT named_metrics.num_requests_waiting=\(waiting), named_metrics.kv_cache_usage_perc=\(cache)"
        default: return nil
        }
    }

    /// The in-stream event of an engine that died, before `data: [DONE]`.
    package static func appendEngineDiedEvent(to buffer: inout ByteBuffer) {
        buffer.append(#"data: {"error": {"message": ""#)
        buffer.append(text: VLLMError.engineDiedMessage)
        buffer.append(#"", "type": "InternalServerError", "param": null, "code": 500}}"#)
        buffer.append("\n\n")
    }

    /// The last event of chat and completion streams.
    package static func appendDoneEvent(to buffer: inout ByteBuffer) {
        buffer.append("data: [DONE]\n\n")
    }

    /// Sixteen hexadecimal digits, as `random_uuid` cut short by vLLM.
    package static func appendRandomID(
        _ generator: inout SplitMix64, to buffer: inout ByteBuffer
    ) {
        let bits = generator.next()
        for shift in stride(from: UInt64(60), through: 0, by: -4) {
            let nibble = UInt8(truncatingIfNeeded: (bits >> shift) & 15)
            buffer.append(nibble < 10 ? 0x30 | nibble : 0x57 + nibble)
        }
    }

    /// A fresh request id, where the client named none.
    package static func randomID(_ generator: inout SplitMix64) -> String {
        var buffer = ByteBuffer()
        appendRandomID(&generator, to: &buffer)
        return buffer.text()
    }

    /// Frames `body` as one chunk of `transfer-encoding: chunked`; empty bodies are left out,
    /// for an empty chunk would end the message.
    package static func appendChunk(_ body: Span<UInt8>, to buffer: inout ByteBuffer) {
        guard !body.isEmpty else { return }
        buffer.appendHex(body.count)
        buffer.append("\r\n")
        buffer.append(body)
        buffer.append("\r\n")
    }

    /// Ends a chunked body.
    package static func appendLastChunk(to buffer: inout ByteBuffer) {
        buffer.append("0\r\n\r\n")
    }
}
