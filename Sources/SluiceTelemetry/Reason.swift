/// Why an exchange ended as it did: the label `reason`, the header `x-sluice-reason` and the field
/// `reason` of the access log.
///
/// At most 64 cases: a metric key keeps a reason in six bits.
package enum Reason: UInt8, CaseIterable, Sendable {
    /// Nothing to explain.
    case none

    // Admission (429 contended, 503 nothing can serve, 504 the caller's deadline).
    case overload, infeasible, full, expired, quota
    case noReplica, draining, gatewayMemory
    case deadline

    // Upstream.
    case connectRefused, connectTimeout, connectFailed, connectionLimit, tlsFailed, nameFailed
    case reset, closedEarly, malformed, tooLong
    case timeoutSend, timeoutHead, timeoutFirstContent, timeoutIdle, timeoutTotal
    case upstreamStatus, errorEvent, poison, wedged, recalled

    // The client's request.
    case badRequest, badFraming, badBody, missingModel, unknownModel, unknownClass
    case unknownRoute, routeDenied
    case methodNotAllowed, lengthRequired, bodyTooLarge, targetTooLong, headTooLarge
    case unsupportedMediaType, expectationFailed, misdirected, notImplemented
    case versionNotSupported, unauthorized, forbidden, requestTimeout

    // The client's connection, and ourselves.
    case clientClosed, clientReset, writeStall
    case drainLimit, internalError

    /// The value of the label, empty for ``none``.
    package var label: StaticString {
        switch self {
        case .none: ""
        case .overload: "overload"
        case .infeasible: "infeasible"
        case .full: "full"
        case .expired: "expired"
        case .quota: "quota"
        case .noReplica: "no_replica"
        case .draining: "draining"
        case .gatewayMemory: "gateway_memory"
        case .deadline: "deadline"
        case .connectRefused: "connect_refused"
        case .connectTimeout: "connect_timeout"
        case .connectFailed: "connect_failed"
        case .connectionLimit: "connection_limit"
        case .tlsFailed: "tls_failed"
        case .nameFailed: "name_failed"
        case .reset: "reset"
        case .closedEarly: "closed_early"
        case .malformed: "malformed"
        case .tooLong: "too_long"
        case .timeoutSend: "timeout_send"
        case .timeoutHead: "timeout_head"
        case .timeoutFirstContent: "timeout_first_content"
        case .timeoutIdle: "timeout_idle"
        case .timeoutTotal: "timeout_total"
        case .upstreamStatus: "upstream_status"
        case .errorEvent: "error_event"
        case .poison: "poison"
        case .wedged: "wedged"
        case .recalled: "recalled"
        case .badRequest: "bad_request"
        case .badFraming: "bad_framing"
        case .badBody: "bad_body"
        case .missingModel: "missing_model"
        case .unknownModel: "unknown_model"
        case .unknownClass: "unknown_class"
        case .unknownRoute: "unknown_route"
        case .routeDenied: "route_denied"
        case .methodNotAllowed: "method_not_allowed"
        case .lengthRequired: "length_required"
        case .bodyTooLarge: "body_too_large"
        case .targetTooLong: "target_too_long"
        case .headTooLarge: "head_too_large"
        case .unsupportedMediaType: "unsupported_media_type"
        case .expectationFailed: "expectation_failed"
        case .misdirected: "misdirected"
        case .notImplemented: "not_implemented"
        case .versionNotSupported: "version_not_supported"
        case .unauthorized: "unauthorized"
        case .forbidden: "forbidden"
        case .requestTimeout: "request_timeout"
        case .clientClosed: "client_closed"
        case .clientReset: "client_reset"
        case .writeStall: "write_stall"
        case .drainLimit: "drain_limit"
        case .internalError: "internal_error"
        }
    }
}
