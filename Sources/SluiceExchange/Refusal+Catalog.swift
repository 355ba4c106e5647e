import SluiceHTTP
import SluiceTelemetry
import SluiceTime
import SluiceTraffic
import SluiceVLLM

/// Every refusal that is not an upstream's failure, worded once.
extension Refusal {
    /// What the gate said.
    ///
    /// - Parameter overloadStatus: what the pool answers where capacity is contended: 429 or 503.
    package init(_ shed: Shed, overloadStatus: Int = 429) {
        let (why, message): (Reason, String) =
            switch shed.reason {
            case .overload:
                (.overload, "The model servers are too busy to answer in time; retry later.")
            case .infeasible:
                (.infeasible, "The prompt is too long to be answered within the objective.")
            case .full: (.full, "Too many requests are waiting; retry later.")
            case .expired:
                (.expired, "The request waited too long for a model server; retry later.")
            case .deadline: (.deadline, "The request's own deadline passed while it waited.")
            case .noReplica: (.noReplica, "No model server can take requests now; retry later.")
            case .draining: (.draining, "This gateway is shutting down; retry.")
            }
        let status = shed.reason.status == 429 ? overloadStatus : shed.reason.status
        self.init(status, why, message)
        if shed.predictedWait >= .zero { predictedWait = shed.predictedWait }
        switch shed.reason {
        case .deadline, .infeasible: shouldRetry = false
        case .overload, .full, .expired, .noReplica, .draining:
            // A client that is told nothing comes back in half a second, and so do all others.
            let wait = shed.retryAfter ?? Self.retryAfterMin
            retryAfter = min(max(wait, Self.retryAfterMin), Self.retryAfterMax)
        }
    }

    /// Bounds of what clients are told to wait; beyond two minutes the official one gives up.
    private static var retryAfterMin: Nanoseconds { .seconds(1) }
    private static var retryAfterMax: Nanoseconds { .seconds(60) }

    /// A body beyond the limit; it is not read.
    package static func bodyTooLarge(bytesMax: Int) -> Refusal {
        Refusal(
            413, .bodyTooLarge,
            "The request body is larger than \(bytesMax) bytes (`limits.body_bytes_max`).")
    }

    /// A head that cannot be read, or is beyond a limit; the key that raises it is named where there
    /// is one.
    package init(_ error: RequestError, _ why: Reason, limits: GatewaySettings.Limits) {
        let limit: String? =
            switch error {
            case .headTooLarge: "\(limits.headBytesMax) bytes (`limits.head_bytes_max`)"
            case .tooManyFields: "\(limits.fieldsMax) (`limits.fields_max`)"
            case .targetTooLong: "\(limits.targetBytesMax) bytes (`limits.target_bytes_max`)"
            case .contentTooLarge: "\(limits.bodyBytesMax) bytes (`limits.body_bytes_max`)"
            case .fieldNameTooLong:
                "\(HeadLimits().fieldNameBytesMax) bytes, whatever is configured"
            case .tooManyConnectionOptions:
                "\(FieldTable.connectionOptionsMax), whatever is configured"
            case .badRequestLine, .badMethod, .methodTooLong, .connectRefused, .traceRefused,
                .badTarget, .authorityMismatch, .badVersion, .versionNotSupported, .bareLineFeed,
                .bareCarriageReturn, .obsoleteFold, .missingColon, .emptyName, .badNameByte,
                .spaceBeforeColon, .badValueByte, .missingHost, .repeatedHost, .badHost,
                .repeatedAuthorization, .badContentLength, .repeatedContentLength,
                .contentLengthWithTransferEncoding, .badTransferEncoding, .codingNotImplemented,
                .chunkedInHTTP10, .unknownExpectation, .tlsHandshake:
                nil
            }
        let sentence = error.reason.description
        self.init(error.status, why, limit.map { "\(sentence) Allowed are \($0)." } ?? sentence)
        closes = true
    }

    /// No room for another body in memory.
    package static var gatewayMemory: Refusal {
        var refusal = Refusal(
            503, .gatewayMemory, "The gateway holds as much as it may; retry later.")
        refusal.retryAfter = .seconds(1)
        return refusal
    }

    /// The client did not deliver its request.
    package static func requestTimeout(_ message: String) -> Refusal {
        var refusal = Refusal(408, .requestTimeout, message)
        refusal.closes = true
        return refusal
    }

    /// What the paths of the admin listener begin with.
    private static let operatorsPages: Set<String> = [
        "livez", "readyz", "metrics", "replicas", "queue", "decisions", "route", "admission",
        "config",
        "drain", "reload", "slo", "diagnosis", "dashboard",
    ]

    /// - Parameter path: as the client wrote it, of 96 bytes at most.
    package static func unknownRoute(_ method: StaticString, _ path: String) -> Refusal {
        let first = path.split(separator: "/").first.map(String.init) ?? ""
        let isOperators = path.hasPrefix("/") && operatorsPages.contains(first)
        return Refusal(
            404, .unknownRoute,
            isOperators
                ? "`\(path)` is a page of the admin listener, and this is the one of clients: ask the address of `admin`, 127.0.0.1:9801 where nothing else is configured."
                : "There is no route \(method) `\(path)` here. The base URL of an OpenAI client ends in /v1."
        )
    }

    /// A body that is compressed: what is judged must be what the replica reads.
    package static func compressedBody(_ coding: String) -> Refusal {
        Refusal(
            415, .unsupportedMediaType,
            "A request body with content-encoding `\(coding)` is not read here; send it as it is.")
    }

    package static var routeDenied: Refusal {
        Refusal(404, .routeDenied, "This route is not served to clients.")
    }

    package static func methodNotAllowed(allow: StaticString) -> Refusal {
        var refusal = Refusal(405, .methodNotAllowed, "This route is served for \(allow) only.")
        refusal.allow = StaticStringBox(allow)
        return refusal
    }

    /// The body is not what the route takes.
    package init(_ error: PeekError) {
        self.init(400, .badBody, error.reason)
        if let key = error.key { param = key.name.description }
    }

    /// A class that is not configured: a guess in its place could be a surprise either way.
    ///
    /// - Parameter name: as the client wrote it, of 64 bytes at most.
    package static func unknownClass(_ name: String, known: [String]) -> Refusal {
        var refusal = Refusal(
            400, .unknownClass,
            "`\(name)` is no class of this gateway. Known classes: \(known.joined(separator: ", "))."
        )
        refusal.param = "x-sluice-class"
        return refusal
    }

    /// A limit of the caller's own that is none: ignored, the caller would wait for ever.
    ///
    /// - Parameter value: as the client wrote it, of 32 bytes at most.
    package static func badCallerLimit(_ value: String) -> Refusal {
        var refusal = Refusal(
            400, .badRequest,
            "`x-request-timeout-ms` is `\(value)`; it takes milliseconds, 1 … 999999999.")
        refusal.param = "x-request-timeout-ms"
        return refusal
    }

    package static var missingModel: Refusal {
        var refusal = Refusal(
            400, .missingModel, "The request names no model, and there are several.")
        refusal.param = "model"
        return refusal
    }

    package static func unknownModel(_ name: String, known: [String]) -> Refusal {
        let list = known.prefix(32).map { "`\($0)`" }.joined(separator: ", ")
        var refusal = Refusal(
            404, .unknownModel,
            "The model `\(name.prefix(64))` does not exist. Known models: \(list).",
            type: "NotFoundError")
        refusal.param = "model"
        return refusal
    }

    /// The model may be one of a replica that has not spoken yet: a 404 would hide the outage.
    package static var modelsNotKnownYet: Refusal {
        var refusal = Refusal(
            503, .noReplica, "Not every model server has told its models yet; retry later.")
        refusal.retryAfter = .seconds(2)
        return refusal
    }

    package static var deadline: Refusal {
        var refusal = Refusal(504, .deadline, "The request's own deadline has passed.")
        refusal.shouldRetry = false
        return refusal
    }

    /// The tenant has had what it may have.
    package static func quota(retryAfter: Nanoseconds) -> Refusal {
        var refusal = Refusal(429, .quota, "The quota of this API key is used up; retry later.")
        refusal.retryAfter = retryAfter
        return refusal
    }

    package static var poison: Refusal {
        var refusal = Refusal(
            502, .poison, "Two model servers died while they worked on this request.")
        refusal.shouldRetry = false
        return refusal
    }

    package static var unknownResponse: Refusal {
        Refusal(
            404, .unknownRoute,
            "No model server known to this gateway has made a response of this id.")
    }

    /// Its replica has been removed, and what it remembered with it.
    package static var responseGone: Refusal {
        Refusal(
            404, .unknownRoute,
            "The model server that made this response is gone, and with it the response.")
    }

    /// Its replica is there but cannot be reached; no other can answer.
    package static var responseOwnerDown: Refusal {
        var refusal = Refusal(
            503, .noReplica,
            "The model server that made this response cannot be reached now; retry later.")
        refusal.retryAfter = .seconds(5)
        return refusal
    }
}
