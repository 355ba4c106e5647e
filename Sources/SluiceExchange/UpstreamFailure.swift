import SluiceTelemetry

/// How an attempt at a replica failed; whose fault it is and what the client is told, in one place.
package enum UpstreamFailure: Sendable, Equatable {
    case connectRefused
    case connectTimeout
    /// Unreachable, out of local ports, and the like.
    case connectFailed
    case tlsFailed
    /// The connection ended before the answer did: FIN, or reset.
    case closedEarly
    case reset
    /// The answer broke HTTP.
    case malformed
    /// Bytes came before anything was asked: nobody's answer.
    case spokeFirst
    /// No content within the first-content limit.
    case firstContentTimeout
    /// No event, or no bytes of an answer without events, within the idle limit after it had begun.
    case idleTimeout
    /// The engine refused by its own queue limit: 503 (`--max-num-queued-reqs`).
    case engineRefused
    /// The stream's first event was an error.
    case errorEvent

    /// Whether the connection never stood, so that no byte of the request can have arrived.
    package var isBeforeRequest: Bool {
        switch self {
        case .connectRefused, .connectTimeout, .connectFailed, .tlsFailed, .spokeFirst: true
        case .closedEarly, .reset, .malformed, .firstContentTimeout, .idleTimeout, .engineRefused,
            .errorEvent:
            false
        }
    }

    /// Metric label, header and log field.
    package var reason: Reason {
        switch self {
        case .connectRefused: .connectRefused
        case .connectTimeout: .connectTimeout
        case .connectFailed: .connectFailed
        case .tlsFailed: .tlsFailed
        case .closedEarly: .closedEarly
        case .reset: .reset
        case .malformed, .spokeFirst: .malformed
        case .firstContentTimeout: .timeoutFirstContent
        case .idleTimeout: .timeoutIdle
        case .engineRefused: .upstreamStatus
        case .errorEvent: .errorEvent
        }
    }

    /// What the client is told when nothing can be retried and no byte has gone out.
    package var refusal: Refusal {
        let (status, message): (Int, String) =
            switch self {
            case .connectRefused:
                (502, "The model server refused the connection; it may be restarting.")
            case .connectTimeout:
                (504, "The model server could not be reached in time.")
            case .connectFailed: (502, "The model server could not be reached.")
            case .tlsFailed: (502, "The model server's TLS certificate was not accepted.")
            case .closedEarly, .reset:
                (502, "The model server closed the connection before it had answered.")
            case .malformed, .spokeFirst: (502, "The model server's answer was not valid HTTP.")
            case .firstContentTimeout: (504, "The model server sent nothing in time.")
            case .idleTimeout: (504, "The model server stopped in the middle of its answer.")
            case .engineRefused: (503, "The model server's own queue is full.")
            case .errorEvent: (502, "The model server failed before its first token.")
            }
        var refusal = Refusal(status, reason, message)
        if status == 504 { refusal.shouldRetry = false }
        // A client that is told nothing comes back in half a second, to an engine as full as now.
        if self == .engineRefused { refusal.retryAfter = .seconds(1) }
        return refusal
    }

    /// The outcome once a part of the answer has gone out: the client sees it end abnormally.
    package var outcomeAfterAnswerBegan: Outcome {
        switch self {
        case .firstContentTimeout, .idleTimeout: .streamTimeout
        case .errorEvent: .streamError
        case .connectRefused, .connectTimeout, .connectFailed, .tlsFailed, .closedEarly, .reset,
            .malformed, .spokeFirst, .engineRefused:
            .truncated
        }
    }
}

extension UpstreamFailure {
    /// How a connection that did not come about is counted.
    package var connectResult: EventResult {
        switch self {
        case .connectRefused: .refused
        case .connectTimeout: .timeout
        case .connectFailed, .tlsFailed, .closedEarly, .reset, .malformed, .spokeFirst,
            .firstContentTimeout, .idleTimeout, .engineRefused, .errorEvent:
            .failed
        }
    }
}
