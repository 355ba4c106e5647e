/// What a method and a path of the simulated server lead to.
package enum SimulatedEndpoint: Equatable, Sendable {
    /// A request for the engine.
    case engine(SimulatedRoute)
    /// `GET /v1/models`, behind the API key like the engine's routes.
    case models
    /// `/health` and `/ping`: an empty 200, or 503 once the engine is dead.
    case health
    case version
    case load
    case metrics
    /// The simulator's own: POST turns knobs, GET shows them, DELETE turns all back.
    case faults

    /// Whether `--api-key` guards it: vLLM guards `/v1` only.
    package var isGuarded: Bool {
        switch self {
        case .engine, .models: true
        case .health, .version, .load, .metrics, .faults: false
        }
    }

    /// Finds the endpoint of a request.
    ///
    /// - Parameter path: without the query.
    /// - Throws: 404 or 405, as FastAPI answers them.
    package static func find(
        method: String, path: String
    ) throws(VLLMError) -> SimulatedEndpoint {
        guard let (endpoint, methods) = table(path) else { throw .pathNotFound }
        guard methods.contains(method) else {
            throw .methodNotAllowed(allow: methods.joined(separator: ", "))
        }
        return endpoint
    }

    private static func table(_ path: String) -> (SimulatedEndpoint, methods: [String])? {
        switch path {
        case "/health": return (.health, ["GET"])
        case "/ping": return (.health, ["GET", "POST"])
        case "/v1/models": return (.models, ["GET"])
        case "/version": return (.version, ["GET"])
        case "/load": return (.load, ["GET"])
        case "/metrics": return (.metrics, ["GET"])
        case "/sim/faults": return (.faults, ["GET", "POST", "DELETE"])
        default:
            let route = SimulatedRoute.allCases.first { $0.path == path }
            return route.map { (.engine($0), ["POST"]) }
        }
    }
}
