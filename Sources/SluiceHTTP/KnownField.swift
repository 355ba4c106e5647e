import SluiceBytes

/// The fields that Sluice judges, drops or makes itself; everything else is `other` and passes.
package enum KnownField: UInt8, CaseIterable, Sendable {
    case other
    // Framing and connection: ours on each side, never forwarded.
    case host, contentLength, transferEncoding, connection, keepAlive, proxyConnection, upgrade, te
    case trailer, expect, http2Settings, proxyAuthenticate, proxyAuthorization
    // Judged or replaced.
    case contentType, contentEncoding, acceptEncoding, authorization, xRequestID
    case xForwardedFor, xForwardedProto, xForwardedHost, xForwardedPort, xRealIP, forwarded, via
    case date, server, cacheControl, xAccelBuffering, retryAfter
    case endpointLoadMetrics, endpointLoadMetricsFormat, dataParallelRank
    case xStainlessRetryCount, xStainlessReadTimeout, xRequestTimeoutMs, xEnvoyExpectedTimeoutMs
    case traceparent, tracestate
    /// Any field whose name begins with `x-sluice-`.
    case sluice

    /// Classifies a field name, ignoring ASCII case.
    package static func classify(_ bytes: Span<UInt8>, _ name: Range<Int>) -> KnownField {
        func named(_ literal: StaticString) -> Bool { bytes.equalsIgnoringCase(literal, in: name) }
        guard let first = name.first.map({ bytes[$0] | 0x20 }) else { return .other }
        switch (name.count, first) {
        case (2, 0x74): return named("te") ? .te : .other
        case (3, 0x76): return named("via") ? .via : .other
        case (4, 0x68): return named("host") ? .host : .other
        case (4, 0x64): return named("date") ? .date : .other
        case (6, 0x65): return named("expect") ? .expect : .other
        case (6, 0x73): return named("server") ? .server : .other
        case (7, 0x75): return named("upgrade") ? .upgrade : .other
        case (7, 0x74): return named("trailer") ? .trailer : .other
        case (9, 0x66): return named("forwarded") ? .forwarded : .other
        case (9, 0x78): return named("x-real-ip") ? .xRealIP : sluice(bytes, name)
        case (10, 0x63): return named("connection") ? .connection : .other
        case (10, 0x6B): return named("keep-alive") ? .keepAlive : .other
        case (10, 0x74): return named("tracestate") ? .tracestate : .other
        case (11, 0x74): return named("traceparent") ? .traceparent : .other
        case (11, 0x72): return named("retry-after") ? .retryAfter : .other
        case (12, 0x63): return named("content-type") ? .contentType : .other
        case (12, 0x78): return named("x-request-id") ? .xRequestID : sluice(bytes, name)
        case (13, 0x61): return named("authorization") ? .authorization : .other
        case (13, 0x63): return named("cache-control") ? .cacheControl : .other
        case (14, 0x63): return named("content-length") ? .contentLength : .other
        case (14, 0x68): return named("http2-settings") ? .http2Settings : .other
        case (15, 0x61): return named("accept-encoding") ? .acceptEncoding : .other
        case (15, 0x78): return named("x-forwarded-for") ? .xForwardedFor : sluice(bytes, name)
        case (16, 0x63): return named("content-encoding") ? .contentEncoding : .other
        case (16, 0x70): return named("proxy-connection") ? .proxyConnection : .other
        case (16, 0x78):
            if named("x-forwarded-host") { return .xForwardedHost }
            return named("x-forwarded-port") ? .xForwardedPort : sluice(bytes, name)
        case (17, 0x74): return named("transfer-encoding") ? .transferEncoding : .other
        case (17, 0x78):
            if named("x-forwarded-proto") { return .xForwardedProto }
            return named("x-accel-buffering") ? .xAccelBuffering : sluice(bytes, name)
        case (18, 0x70): return named("proxy-authenticate") ? .proxyAuthenticate : .other
        case (19, 0x70): return named("proxy-authorization") ? .proxyAuthorization : .other
        case (20, 0x78):
            if named("x-request-timeout-ms") { return .xRequestTimeoutMs }
            return named("x-data-parallel-rank") ? .dataParallelRank : sluice(bytes, name)
        case (21, 0x65): return named("endpoint-load-metrics") ? .endpointLoadMetrics : .other
        case (23, 0x78):
            return named("x-stainless-retry-count") ? .xStainlessRetryCount : sluice(bytes, name)
        case (24, 0x78):
            return named("x-stainless-read-timeout") ? .xStainlessReadTimeout : sluice(bytes, name)
        case (28, 0x65):
            return named("endpoint-load-metrics-format") ? .endpointLoadMetricsFormat : .other
        case (30, 0x78):
            return named("x-envoy-expected-rq-timeout-ms")
                ? .xEnvoyExpectedTimeoutMs : sluice(bytes, name)
        default: return first == 0x78 ? sluice(bytes, name) : .other
        }
    }

    private static func sluice(_ bytes: Span<UInt8>, _ name: Range<Int>) -> KnownField {
        guard name.count > 9 else { return .other }
        let prefix = name.lowerBound..<name.lowerBound + 9
        return bytes.equalsIgnoringCase("x-sluice-", in: prefix) ? .sluice : .other
    }
}

/// A set of known fields.
package struct KnownFieldSet: OptionSet, Sendable {
    package let rawValue: UInt64
    package init(rawValue: UInt64) { self.rawValue = rawValue }

    package init(_ fields: KnownField...) {
        var bits: UInt64 = 0
        for field in fields where field != .other { bits |= 1 << UInt64(field.rawValue) }
        rawValue = bits
    }

    /// Whether `field` is in the set; `other` never is.
    @inline(__always) package func contains(_ field: KnownField) -> Bool {
        rawValue >> UInt64(field.rawValue) & 1 == 1
    }

    /// Fields that concern one connection only: never forwarded. Source: RFC 9110 §7.6.1.
    package static let hopByHop = KnownFieldSet(
        .connection, .keepAlive, .proxyConnection, .upgrade, .te, .trailer, .transferEncoding,
        .http2Settings, .proxyAuthenticate, .proxyAuthorization)
}
