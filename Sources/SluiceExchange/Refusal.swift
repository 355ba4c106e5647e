import SluiceBytes
import SluiceHTTP
import SluiceTelemetry
import SluiceTime

/// An answer of our own that is not the upstream's: a status, a reason, and what may be done.
package struct Refusal: Sendable, Equatable {
    /// 400 … 504.
    package let status: Int
    /// The header `x-sluice-reason`, the metric label and the log field.
    package let reason: Reason
    /// One sentence for the person whose request failed.
    package let message: String
    /// The body's `error.type`.
    package let type: StaticStringBox
    /// The body's `error.param`; empty is null.
    package var param = ""
    /// When a retry makes sense: 1 … 60 s, jittered already; nil where unknown or of no use.
    package var retryAfter: Nanoseconds?
    /// The wait that admission predicted; nil where it predicted none.
    package var predictedWait: Nanoseconds?
    /// The header `x-should-retry`, which the official client obeys; nil leaves it to the status.
    package var shouldRetry: Bool?
    /// Whether the rest of the request is unread or unreadable: the connection ends after the answer.
    package var closes = false
    /// `Allow` of a 405.
    package var allow: StaticStringBox?

    package init(
        _ status: Int, _ reason: Reason, _ message: String, type: StaticString? = nil
    ) {
        self.status = status
        self.reason = reason
        self.message = message
        self.type = StaticStringBox(type ?? Self.defaultType(status))
    }

    private static func defaultType(_ status: Int) -> StaticString {
        switch status {
        case 401, 403: "authentication_error"
        case 404: "not_found_error"
        case 429: "rate_limit_error"
        case 500..<600: status == 503 ? "overloaded_error" : "server_error"
        default: "invalid_request_error"
        }
    }

    /// How the exchange that ends with this refusal is counted.
    package var outcome: Outcome {
        switch reason {
        case .overload, .infeasible, .full, .expired, .noReplica, .draining, .gatewayMemory,
            .deadline:
            .shed
        case .internalError: .gatewayError
        default: status < 500 || status == 501 || status == 505 ? .clientError : .upstreamFailed
        }
    }

    /// Appends the whole answer.
    ///
    /// - Parameters:
    ///   - requestID: echoed as `x-request-id`; empty before one is known.
    ///   - isHead: the request was HEAD: no body.
    ///   - persistence: of the client's connection.
    ///   - explanation: for a client that asked for one.
    ///   - unixSeconds: the wall clock.
    package func append(
        requestID: Span<UInt8>, isHead: Bool, persistence: Persistence,
        explanation: Explanation? = nil, unixSeconds: Int, to output: inout ByteBuffer
    ) {
        var body = ByteBuffer(minimumCapacity: 256)
        body.append("{\"error\":{\"message\":\"")
        Self.appendEscaped(message, to: &body)
        body.append("\",\"type\":\"")
        body.append(type.value)
        body.append("\",\"param\":")
        if param.isEmpty {
            body.append("null")
        } else {
            body.append("\"")
            Self.appendEscaped(param, to: &body)
            body.append("\"")
        }
        body.append(",\"code\":\"")
        body.append(reason.label)
        body.append("\"}}")

        AnswerStart.append(status, unixSeconds: unixSeconds, to: &output)
        output.append("content-type: application/json\r\ncontent-length: ")
        output.appendDecimal(body.count)
        output.append("\r\nx-sluice-reason: ")
        output.append(reason.label)
        if !requestID.isEmpty {
            output.append("\r\nx-request-id: ")
            output.append(requestID)
        }
        // Rounded up both, so that nobody is back before it makes sense. The official client takes
        // the milliseconds where it finds them.
        if let retryAfter {
            output.append("\r\nretry-after: ")
            output.appendDecimal(retryAfter.roundedUp(to: .seconds(1)))
            output.append("\r\nretry-after-ms: ")
            output.appendDecimal(retryAfter.roundedUp(to: .milliseconds(1)))
        }
        if let predictedWait {
            output.append("\r\nx-sluice-predicted-wait-ms: ")
            output.appendDecimal(predictedWait.roundedUp(to: .milliseconds(1)))
        }
        if let shouldRetry {
            output.append(shouldRetry ? "\r\nx-should-retry: true" : "\r\nx-should-retry: false")
        }
        if let allow {
            output.append("\r\nallow: ")
            output.append(allow.value)
        }
        output.append("\r\n")
        persistence.append(to: &output)
        explanation?.append(to: &output)
        output.append("\r\n")
        if !isHead { output.append(body.bytes) }
    }

    private static func appendEscaped(_ text: String, to buffer: inout ByteBuffer) {
        for byte in text.utf8 {
            switch byte {
            case 0x22, 0x5C:
                buffer.append(0x5C as UInt8)
                buffer.append(byte)
            case 0..<0x20:
                buffer.append(" ")
            default:
                buffer.append(byte)
            }
        }
    }
}

extension Nanoseconds {
    /// How many of `unit` the span is, not below zero.
    fileprivate func roundedUp(to unit: Nanoseconds) -> Int {
        let (whole, rest) = max(0, count).quotientAndRemainder(dividingBy: unit.count)
        return Int(whole) + (rest > 0 ? 1 : 0)
    }
}

/// A literal that can be compared, which `StaticString` cannot.
package struct StaticStringBox: Sendable, Equatable {
    package let value: StaticString
    package init(_ value: StaticString) { self.value = value }
    package static func == (a: StaticStringBox, b: StaticStringBox) -> Bool {
        a.value.description == b.value.description
    }
}
