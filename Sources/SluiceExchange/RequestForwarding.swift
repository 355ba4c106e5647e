import SluiceBytes
import SluiceHTTP
import SluiceTelemetry

/// What of a client's head goes to a replica, and what is written in its place.
package enum RequestForwarding {
    /// Ours or of one connection: never passed on. `Accept-Encoding` too, for a compressed stream
    /// blinds the scanner; the forwarding fields are made anew.
    private static let dropped = KnownFieldSet(
        .host, .contentLength, .expect, .acceptEncoding, .authorization, .xRequestID, .forwarded,
        .xForwardedFor, .xForwardedProto, .xForwardedHost, .xForwardedPort, .xRealIP, .via, .sluice,
        .xSluiceClass, .xSluiceExplain, .gatewayObjective, .gatewayFairnessID,
        .endpointLoadMetricsFormat)

    /// Which of the client's trace fields are left out, as the gateway writes its own.
    package enum ReplacedTrace: Sendable {
        /// None: they go through as they are.
        case none
        case parent
        /// The state as well, which belongs to a parent that is not taken over.
        case parentAndState

        fileprivate var dropped: KnownFieldSet {
            switch self {
            case .none: RequestForwarding.dropped
            case .parent: RequestForwarding.droppedWithParent
            case .parentAndState: RequestForwarding.droppedWithState
            }
        }
    }

    private static let droppedWithParent = dropped.union(KnownFieldSet(.traceparent))
    private static let droppedWithState = droppedWithParent.union(KnownFieldSet(.tracestate))

    /// Keeps what every attempt will send of a head: target, the line of its authorization, fields.
    ///
    /// Changes nothing in the head: a borrow of one would be passed as a copy.
    ///
    /// - Parameters:
    ///   - client: the peer's address, the last entry of `X-Forwarded-For` and of `Forwarded` (RFC 7239).
    ///   - trusts: whether the peer's own forwarding fields are believed.
    ///   - trace: what is left out beside that.
    package static func keep(
        _ head: inout RequestHead, _ bytes: Span<UInt8>, client: InlineText<46>, trusts: Bool,
        isTLS: Bool, replacing trace: ReplacedTrace, in request: inout ByteBuffer,
        targetCount: inout Int,
        authorizationCount: inout Int, fieldsCount: inout Int
    ) {
        request.append(bytes, head.target)
        targetCount = request.count
        if let authorization = head.first(.authorization), !authorization.value.isEmpty {
            request.append("authorization: ")
            request.append(bytes, authorization.value)
            request.append("\r\n")
        }
        authorizationCount = request.count - targetCount
        let start = request.count
        HeadWriter.appendFields(of: &head, bytes, dropping: trace.dropped, into: &request)
        request.append("x-forwarded-for: ")
        if trusts { appendEarlier(.xForwardedFor, of: &head, bytes, to: &request) }
        request.append(client.bytes)
        request.append("\r\nx-forwarded-proto: ")
        if trusts, let proto = head.first(.xForwardedProto) {
            request.append(bytes, proto.value)
        } else {
            request.append(isTLS ? "https" : "http")
        }
        request.append("\r\nforwarded: ")
        if trusts { appendEarlier(.forwarded, of: &head, bytes, to: &request) }
        let isIPv6 = client.bytes.firstIndex(of: 0x3A, from: 0, to: client.count) < client.count
        request.append(isIPv6 ? "for=\"[" : "for=")
        request.append(client.bytes)
        request.append(isIPv6 ? "]\";proto=" : ";proto=")
        request.append(isTLS ? "https" : "http")
        if let host = head.host {
            request.append("\r\nx-forwarded-host: ")
            request.append(bytes, host)
        }
        request.append("\r\nvia: ")
        if trusts { appendEarlier(.via, of: &head, bytes, to: &request) }
        request.append("1.1 sluice\r\n")
        fieldsCount = request.count - start
    }

    /// What proxies before us wrote, each in a line of its own or behind the last one's: all of it, in order.
    private static func appendEarlier(
        _ field: KnownField, of head: inout RequestHead, _ bytes: Span<UInt8>,
        to request: inout ByteBuffer
    ) {
        guard head.first(field) != nil else { return }
        for index in 0..<head.fields.count where head.fields[index].known == field {
            request.append(bytes, head.fields[index].value)
            request.append(", ")
        }
    }

    /// Bytes of a head that are written around what is given, at most: the method, names and ends of
    /// fields, a number, an attempt's suffix.
    private static let writtenBytesMax = 256

    /// Writes the head of one attempt.
    ///
    /// - Parameters:
    ///   - kept: what
    ///     ``keep(_:_:client:trusts:isTLS:replacing:in:targetCount:authorizationCount:fieldsCount:)``
    ///     left, in its order.
    ///   - authorization: the replica's own; empty lets the client's through.
    ///   - bodyCount: bytes of the body; nil for a request without one.
    ///   - asksForLoad: the replica is to report its load (ORCA).
    package static func appendHead(
        method: Method, kept: Span<UInt8>, targetCount: Int, authorizationCount: Int,
        fieldsCount: Int, authority: Span<UInt8>, authorization: Span<UInt8>,
        requestID: Span<UInt8>, suffix: UInt64, bodyCount: Int?, asksForLoad: Bool = false,
        into output: inout ByteBuffer
    ) {
        let start = targetCount + authorizationCount
        // Not as much as is kept, which has the body in it.
        let given = start + fieldsCount + authority.count + authorization.count + requestID.count
        var room = RoomWriter(to: &output, atMost: given + writtenBytesMax)
        // As most are: a literal takes no call.
        if method == .post {
            room.append("POST ")
        } else {
            room.append(method.name)
            room.append(" ")
        }
        room.append(kept.extracting(0..<targetCount))
        room.append(" HTTP/1.1\r\nhost: ")
        room.append(authority)
        room.append("\r\nx-request-id: ")
        RequestIdentity.append(requestID, suffix: suffix, to: &room)
        if let bodyCount {
            room.append("\r\ncontent-length: ")
            room.appendDecimal(bodyCount)
        }
        room.append("\r\n")
        if authorization.isEmpty {
            // The client's own, where it has one, stands before the fields.
            room.append(kept.extracting(targetCount..<start + fieldsCount))
        } else {
            room.append("authorization: ")
            room.append(authorization)
            room.append("\r\n")
            room.append(kept.extracting(start..<start + fieldsCount))
        }
        if asksForLoad { room.append("endpoint-load-metrics-format: TEXT\r\n") }
        room.append("\r\n")
        room.giveBack(to: &output)
    }
}

/// What was last kept of a head, for the next request whose head is the same.
///
/// Belongs to one ``RequestHead`` value, whose editions it knows.
package struct KeptHead: ~Copyable {
    /// Bytes that are remembered at most.
    static let bytesMax = 4_096

    private var edition = -1
    private var client = InlineText<46>()
    private var trusts = false
    private var isTLS = false
    private var text = ByteBuffer()
    private var targetCount = 0
    private var authorizationCount = 0

    /// Remembers nothing.
    package init() {}

    /// Does what
    /// ``RequestForwarding/keep(_:_:client:trusts:isTLS:replacing:in:targetCount:authorizationCount:fieldsCount:)``
    /// does, by a copy where it was the last thing done. The request is empty so far, and what is
    /// dropped follows from the head.
    package mutating func keep(
        _ head: inout RequestHead, _ bytes: Span<UInt8>, client: InlineText<46>, trusts: Bool,
        isTLS: Bool, replacing trace: RequestForwarding.ReplacedTrace, in request: inout ByteBuffer,
        targetCount: inout Int,
        authorizationCount: inout Int, fieldsCount: inout Int
    ) {
        let isSame =
            edition == head.edition && self.trusts == trusts && self.isTLS == isTLS
            && self.client.count == client.count
            && self.client.bytes.hasBytes(client.bytes, from: 0, count: client.count, at: 0)
        if isSame {
            request.append(text.bytes)
            targetCount = self.targetCount
            authorizationCount = self.authorizationCount
            fieldsCount = text.count - targetCount - authorizationCount
            return
        }
        RequestForwarding.keep(
            &head, bytes, client: client, trusts: trusts, isTLS: isTLS, replacing: trace,
            in: &request, targetCount: &targetCount, authorizationCount: &authorizationCount,
            fieldsCount: &fieldsCount)
        guard request.count <= Self.bytesMax else { return }
        edition = head.edition
        self.client.removeAll()
        self.client.append(client.bytes)
        self.trusts = trusts
        self.isTLS = isTLS
        text.removeAll()
        text.append(request.bytes)
        self.targetCount = targetCount
        self.authorizationCount = authorizationCount
    }
}

/// How an answer's body is framed for the client.
package enum AnswerFraming: Sendable {
    case none
    case length
    case chunked
    /// An HTTP/1.0 client: the end of the connection is the end of the body.
    case untilClose
}

/// What of a replica's head goes to the client.
package enum ResponseForwarding {
    private static let dropped = KnownFieldSet(
        .contentLength, .xRequestID, .via, .sluice, .xSluiceClass, .xSluiceExplain,
        .endpointLoadMetrics)

    /// Writes the client's head of a replica's answer as far as the request's id.
    static func appendUpToID(
        of head: inout ResponseHead, _ bytes: Span<UInt8>, into output: inout ByteBuffer
    ) {
        output.append("HTTP/1.1 ")
        output.appendDecimal(head.status)
        output.append(" ")
        output.append(StatusReason.phrase(head.status))
        output.append("\r\n")
        var dropping = dropped
        if head.isEventStream {
            dropping.formUnion(KnownFieldSet(.cacheControl, .xAccelBuffering))
        }
        HeadWriter.appendFields(of: &head, bytes, dropping: dropping, into: &output)
        if head.isEventStream {
            output.append("cache-control: no-cache\r\nx-accel-buffering: no\r\n")
        }
        output.append("x-request-id: ")
    }

    /// Writes what follows the request's id.
    ///
    /// - Parameter explanation: for a client that asked for one.
    /// - Returns: how the body that follows is framed.
    static func appendAfterID(
        of head: inout ResponseHead, _ bytes: Span<UInt8>, isHead: Bool, isHTTP11: Bool,
        explanation: Explanation?, closes: inout Bool, into output: inout ByteBuffer
    ) -> AnswerFraming {
        output.append("\r\nvia: 1.1 sluice\r\n")
        explanation?.append(to: &output)
        let framing = frame(&head, bytes, isHead: isHead, isHTTP11: isHTTP11, into: &output)
        if framing == .untilClose { closes = true }
        Persistence(closes: closes, isHTTP11: isHTTP11).append(to: &output)
        output.append("\r\n")
        return framing
    }

    private static func frame(
        _ head: inout ResponseHead, _ bytes: Span<UInt8>, isHead: Bool, isHTTP11: Bool,
        into output: inout ByteBuffer
    ) -> AnswerFraming {
        switch head.framing {
        case .length(let count):
            output.append("content-length: ")
            output.appendDecimal(count)
            output.append("\r\n")
            return .length
        case .none:
            if isHead || head.status == 304 {
                // What a GET would have said; there is no body to disagree with it.
                if let length = head.first(.contentLength) {
                    output.append("content-length: ")
                    output.append(bytes, length.value)
                    output.append("\r\n")
                }
            } else if head.status != 204 {
                output.append("content-length: 0\r\n")
            }
            return .none
        case .chunked, .untilClose:
            guard isHTTP11 else { return .untilClose }
            output.append("transfer-encoding: chunked\r\n")
            return .chunked
        }
    }
}
