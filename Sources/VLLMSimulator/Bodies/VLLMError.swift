import SluiceBytes

/// What vLLM refuses, with its status and body; the captured ones byte for byte.
package enum VLLMError: Error, Equatable, Sendable {
    /// 404: the body names a model that is not served.
    case modelNotFound(String)
    /// 400: the body is no JSON; `position` is where Python's parser gave up.
    case badJSON(route: SimulatedRoute, position: Int, problem: String)
    /// 400: a required member is absent; `input` is the body as Python shows it.
    case missingField(route: SimulatedRoute, field: String, input: String)
    /// 400: a member has a JSON type that it cannot have; `place` is where, as Python shows it.
    case wrongType(route: SimulatedRoute, place: String, problem: TypeProblem, input: String)
    /// 500: the body is JSON and no object, which vLLM does not expect; its type in Python.
    case notAnObject(pythonType: String)
    /// 400: the body is empty or `null`.
    case missingBody(route: SimulatedRoute)
    /// 400: more output asked for than the model can hold.
    case maxTokensTooLarge(parameter: String, value: Int, modelLength: Int)
    /// 400: prompt and output together are longer than the model can hold.
    case contextTooLong(modelLength: Int, outputTokens: Int)
    /// 400: another member has a value that cannot be.
    case invalidValue(message: String, parameter: String, value: String)
    /// 400: the request's media type is not `application/json`.
    case contentType
    /// 401: `--api-key` is set and the request does not carry it.
    case unauthorized
    /// 404: no such path.
    case pathNotFound
    /// 405: the path exists for another method only.
    case methodNotAllowed(allow: String)
    /// 500: the engine is dead.
    case engineDied
    /// 503: too many requests inside (`--max-num-queued-reqs`, vLLM 0.29 and later).
    ///
    /// No capture exists; the shape is that of the other errors of the server.
    case queueFull(bound: Int)

    /// The HTTP status.
    package var status: Int {
        switch self {
        case .modelNotFound, .pathNotFound: 404
        case .badJSON, .missingField, .wrongType, .missingBody, .maxTokensTooLarge,
            .contextTooLong, .invalidValue, .contentType:
            400
        case .unauthorized: 401
        case .methodNotAllowed: 405
        case .engineDied, .notAnObject: 500
        case .queueFull: 503
        }
    }

    /// The value of the `allow` field, for 405 only.
    package var allow: String? {
        guard case .methodNotAllowed(let allow) = self else { return nil }
        return allow
    }

    /// Writes the JSON body.
    package func append(to buffer: inout ByteBuffer) {
        switch self {
        case .pathNotFound: return buffer.append(#"{"detail":"Not Found"}"#)
        case .methodNotAllowed: return buffer.append(#"{"detail":"Method Not Allowed"}"#)
        case .unauthorized: return buffer.append(#"{"error":"Unauthorized"}"#)
        case .modelNotFound, .badJSON, .missingField, .wrongType, .notAnObject, .missingBody,
            .maxTokensTooLarge, .contextTooLong, .invalidValue, .contentType, .engineDied,
            .queueFull:
            break
        }
        buffer.append(#"{"error":{"message":"#)
        buffer.append(json: message)
        buffer.append(#","type":""#)
        buffer.append(type)
        buffer.append(#"","param":"#)
        if let parameter { buffer.append(json: parameter) } else { buffer.append("null") }
        buffer.append(#","code":"#)
        buffer.appendDecimal(status)
        buffer.append("}}")
    }

    /// The `type` member.
    private var type: StaticString {
        switch self {
        case .modelNotFound, .pathNotFound: "NotFoundError"
        case .badJSON, .missingField, .wrongType, .missingBody, .contentType: "Bad Request"
        case .maxTokensTooLarge, .contextTooLong, .invalidValue, .unauthorized, .methodNotAllowed:
            "BadRequestError"
        case .engineDied, .notAnObject: "InternalServerError"
        case .queueFull: "ServiceUnavailableError"
        }
    }

    /// The `param` member.
    private var parameter: String? {
        switch self {
        case .modelNotFound: "model"
        case .maxTokensTooLarge(let parameter, _, _), .invalidValue(_, let parameter, _): parameter
        case .contextTooLong: "input_tokens"
        case .badJSON, .missingField, .wrongType, .notAnObject, .missingBody, .contentType,
            .unauthorized, .pathNotFound, .methodNotAllowed, .engineDied, .queueFull:
            nil
        }
    }

    /// The `message` member.
    package var message: String {
        switch self {
        case .modelNotFound(let model): return "The model `\(model)` does not exist."
        case .badJSON(let route, let position, let problem):
            return Self.validation(
                route,
                "{'type': 'json_invalid', 'loc': ('body', \(position)), 'msg': 'JSON decode error', 'input': {}, 'ctx': {'error': '\(problem)'}}"
            )
        case .missingField(let route, let field, let input):
            return Self.validation(
                route,
                "{'type': 'missing', 'loc': ('body', '\(field)'), 'msg': 'Field required', 'input': \(input)}"
            )
        case .wrongType(let route, let place, let problem, let input):
            return Self.validation(
                route,
                "{'type': '\(problem.name)', 'loc': (\(place)), 'msg': '\(problem.message)', 'input': \(input)}"
            )
        case .notAnObject(let type): return "'\(type)' object has no attribute 'get'"
        case .missingBody(let route):
            return Self.validation(
                route,
                "{'type': 'missing', 'loc': ('body',), 'msg': 'Field required', 'input': None}")
        case .maxTokensTooLarge(let parameter, let value, let length):
            return
                "\(parameter)=\(value) cannot be greater than max_model_len=max_total_tokens=\(length). Please request fewer output tokens. (parameter=\(parameter), value=\(value))"
        case .contextTooLong(let length, let output):
            // vLLM stops counting as soon as the prompt is known to be too long.
            let prompt = max(0, length - output) + 1
            return
                "This model's maximum context length is \(length) tokens. However, you requested \(output) output tokens and your prompt contains at least \(prompt) input tokens, for a total of at least \(output + prompt) tokens. Please reduce the length of the input prompt or the number of requested output tokens. (parameter=input_tokens, value=\(prompt))"
        case .invalidValue(let message, let parameter, let value):
            return "\(message) (parameter=\(parameter), value=\(value))"
        case .contentType:
            return
                "1 validation error:\n  Unsupported Media Type: Only 'application/json' is allowed [\"Unsupported Media Type: Only 'application/json' is allowed\"]"
        case .engineDied: return Self.engineDiedMessage
        case .queueFull(let bound):
            return
                "The server has reached its limit of \(bound) requests in flight (--max-num-queued-reqs). Please retry later."
        case .unauthorized: return "Unauthorized"
        case .pathNotFound: return "Not Found"
        case .methodNotAllowed: return "Method Not Allowed"
        }
    }

    static let engineDiedMessage =
        "EngineCore encountered an issue. See stack trace (above) for the root cause."

    /// Pydantic's complaint with the trace line FastAPI puts under it.
    private static func validation(_ route: SimulatedRoute, _ problem: String) -> String {
        let file =
            "/usr/local/lib/python3.12/dist-packages/vllm/entrypoints/serve/utils/api_utils.py"
        return
            "1 validation error:\n  \(problem)\n\n  File \"\(file)\", line \(route.functionLine), in \(route.functionName)\n    POST \(route.path) [\(problem)]"
    }
}
