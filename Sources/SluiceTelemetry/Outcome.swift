/// How an exchange ended: every exchange ends in exactly one (docs/metrics.md, *Outcomes*).
package enum Outcome: UInt8, CaseIterable, Sendable {
    /// A complete answer, with its terminal event where the route has one.
    case ok
    /// Refused by us for the client's fault, or over its quota.
    case clientError
    /// Refused by admission; ``Reason`` says why.
    case shed
    /// The upstream answered 4xx.
    case upstreamClientError
    /// Upstream 5xx, connect error, reset, timeout or malformed answer, before any content.
    case upstreamFailed
    /// 200 was sent, then an error event came in the stream.
    case streamError
    /// The answer had begun and the upstream ended early.
    case truncated
    /// The answer had begun and our idle or total limit passed.
    case streamTimeout
    /// The client did not read for the write-stall limit.
    case clientStalled
    /// The client left.
    case clientGone
    /// Cut by us at the drain limit.
    case drained
    /// Our own fault.
    case gatewayError

    /// The value of the label `outcome`.
    package var label: StaticString {
        switch self {
        case .ok: "ok"
        case .clientError: "client_error"
        case .shed: "shed"
        case .upstreamClientError: "upstream_client_error"
        case .upstreamFailed: "upstream_failed"
        case .streamError: "stream_error"
        case .truncated: "truncated"
        case .streamTimeout: "stream_timeout"
        case .clientStalled: "client_stalled"
        case .clientGone: "client_gone"
        case .drained: "drained"
        case .gatewayError: "gateway_error"
        }
    }

    /// Whose latency the exchange belongs to, so that a quick refusal never improves the served.
    package var result: ExchangeResult {
        switch self {
        case .ok: .served
        case .clientError, .shed, .upstreamClientError: .refused
        case .upstreamFailed, .streamError, .truncated, .streamTimeout, .drained, .gatewayError:
            .failed
        case .clientStalled, .clientGone: .abandoned
        }
    }
}

/// The label `result` of `sluice_request_duration_seconds`.
package enum ExchangeResult: UInt8, CaseIterable, Sendable {
    case served, refused, failed, abandoned

    /// The value of the label `result`.
    package var label: StaticString {
        switch self {
        case .served: "served"
        case .refused: "refused"
        case .failed: "failed"
        case .abandoned: "abandoned"
        }
    }
}

/// The label `result` of `sluice_first_token_wait_seconds`: how the wait for a first token ended.
package enum WaitResult: UInt8, CaseIterable, Sendable {
    case delivered, abandoned, failed, expired

    /// The value of the label `result`.
    package var label: StaticString {
        switch self {
        case .delivered: "delivered"
        case .abandoned: "abandoned"
        case .failed: "failed"
        case .expired: "expired"
        }
    }
}
