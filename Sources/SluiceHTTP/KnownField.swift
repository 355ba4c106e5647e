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
    case xSluiceClass, xSluiceExplain
    /// Class and tenant, as gateways of the Kubernetes inference extension name them.
    case gatewayObjective, gatewayFairnessID
    /// Any other field whose name begins with `x-sluice-`.
    case sluice

    /// Classifies a field name, ignoring ASCII case.
    ///
    /// By length, then by first letter: at most three names are compared, mostly one or none.
    @inline(__always)
    package static func classify(_ bytes: Span<UInt8>, _ name: Range<Int>) -> KnownField {
        guard !name.isEmpty else { return .other }
        let first = bytes[name.lowerBound] | 0x20
        switch name.count {
        case 2:
            switch first {
            case 0x74:
                if bytes.equalsName("te", in: name) { return .te }
            default: return other(bytes, name, first)
            }
        case 3:
            switch first {
            case 0x76:
                if bytes.equalsName("via", in: name) { return .via }
            default: return other(bytes, name, first)
            }
        case 4:
            switch first {
            case 0x68:
                if bytes.equalsName("host", in: name) { return .host }
            case 0x64:
                if bytes.equalsName("date", in: name) { return .date }
            default: return other(bytes, name, first)
            }
        case 6:
            switch first {
            case 0x65:
                if bytes.equalsName("expect", in: name) { return .expect }
            case 0x73:
                if bytes.equalsName("server", in: name) { return .server }
            default: return other(bytes, name, first)
            }
        case 7:
            switch first {
            case 0x75:
                if bytes.equalsName("upgrade", in: name) { return .upgrade }
            case 0x74:
                if bytes.equalsName("trailer", in: name) { return .trailer }
            default: return other(bytes, name, first)
            }
        case 9:
            switch first {
            case 0x66:
                if bytes.equalsName("forwarded", in: name) { return .forwarded }
            case 0x78:
                if bytes.equalsName("x-real-ip", in: name) { return .xRealIP }
            default: return other(bytes, name, first)
            }
        case 10:
            switch first {
            case 0x63:
                if bytes.equalsName("connection", in: name) { return .connection }
            case 0x6B:
                if bytes.equalsName("keep-alive", in: name) { return .keepAlive }
            case 0x74:
                if bytes.equalsName("tracestate", in: name) { return .tracestate }
            default: return other(bytes, name, first)
            }
        case 11:
            switch first {
            case 0x74:
                if bytes.equalsName("traceparent", in: name) { return .traceparent }
            case 0x72:
                if bytes.equalsName("retry-after", in: name) { return .retryAfter }
            default: return other(bytes, name, first)
            }
        case 12:
            switch first {
            case 0x63:
                if bytes.equalsName("content-type", in: name) { return .contentType }
            case 0x78:
                if bytes.equalsName("x-request-id", in: name) { return .xRequestID }
            default: return other(bytes, name, first)
            }
        case 13:
            switch first {
            case 0x61:
                if bytes.equalsName("authorization", in: name) { return .authorization }
            case 0x63:
                if bytes.equalsName("cache-control", in: name) { return .cacheControl }
            default: return other(bytes, name, first)
            }
        case 14:
            switch first {
            case 0x63:
                if bytes.equalsName("content-length", in: name) { return .contentLength }
            case 0x68:
                if bytes.equalsName("http2-settings", in: name) { return .http2Settings }
            case 0x78:
                if bytes.equalsName("x-sluice-class", in: name) { return .xSluiceClass }
            default: return other(bytes, name, first)
            }
        case 15:
            switch first {
            case 0x61:
                if bytes.equalsName("accept-encoding", in: name) { return .acceptEncoding }
            case 0x78:
                if bytes.equalsName("x-forwarded-for", in: name) { return .xForwardedFor }
            default: return other(bytes, name, first)
            }
        case 16:
            switch first {
            case 0x63:
                if bytes.equalsName("content-encoding", in: name) { return .contentEncoding }
            case 0x70:
                if bytes.equalsName("proxy-connection", in: name) { return .proxyConnection }
            case 0x78:
                if bytes.equalsName("x-forwarded-host", in: name) { return .xForwardedHost }
                if bytes.equalsName("x-forwarded-port", in: name) { return .xForwardedPort }
                if bytes.equalsName("x-sluice-explain", in: name) { return .xSluiceExplain }
            default: return other(bytes, name, first)
            }
        case 17:
            switch first {
            case 0x74:
                if bytes.equalsName("transfer-encoding", in: name) { return .transferEncoding }
            case 0x78:
                if bytes.equalsName("x-forwarded-proto", in: name) { return .xForwardedProto }
                if bytes.equalsName("x-accel-buffering", in: name) { return .xAccelBuffering }
            default: return other(bytes, name, first)
            }
        case 18:
            switch first {
            case 0x70:
                if bytes.equalsName("proxy-authenticate", in: name) { return .proxyAuthenticate }
            default: return other(bytes, name, first)
            }
        case 19:
            switch first {
            case 0x70:
                if bytes.equalsName("proxy-authorization", in: name) { return .proxyAuthorization }
            default: return other(bytes, name, first)
            }
        case 20:
            switch first {
            case 0x78:
                if bytes.equalsName("x-request-timeout-ms", in: name) { return .xRequestTimeoutMs }
                if bytes.equalsName("x-data-parallel-rank", in: name) { return .dataParallelRank }
            default: return other(bytes, name, first)
            }
        case 21:
            switch first {
            case 0x65:
                if bytes.equalsName("endpoint-load-metrics", in: name) {
                    return .endpointLoadMetrics
                }
            default: return other(bytes, name, first)
            }
        case 23:
            switch first {
            case 0x78:
                if bytes.equalsName("x-stainless-retry-count", in: name) {
                    return .xStainlessRetryCount
                }
            default: return other(bytes, name, first)
            }
        case 24:
            switch first {
            case 0x78:
                if bytes.equalsName("x-stainless-read-timeout", in: name) {
                    return .xStainlessReadTimeout
                }
            default: return other(bytes, name, first)
            }
        case 28:
            switch first {
            case 0x65:
                if bytes.equalsName("endpoint-load-metrics-format", in: name) {
                    return .endpointLoadMetricsFormat
                }
            default: return other(bytes, name, first)
            }
        case 29:
            switch first {
            case 0x78:
                if bytes.equalsName("x-gateway-inference-objective", in: name) {
                    return .gatewayObjective
                }
            default: return other(bytes, name, first)
            }
        case 31:
            switch first {
            case 0x78:
                if bytes.equalsName("x-gateway-inference-fairness-id", in: name) {
                    return .gatewayFairnessID
                }
            default: return other(bytes, name, first)
            }
        case 30:
            switch first {
            case 0x78:
                if bytes.equalsName("x-envoy-expected-rq-timeout-ms", in: name) {
                    return .xEnvoyExpectedTimeoutMs
                }
            default: return other(bytes, name, first)
            }
        default: break
        }
        return other(bytes, name, first)
    }

    /// Only `x-sluice-` is left.
    @inline(__always)
    private static func other(_ bytes: Span<UInt8>, _ name: Range<Int>, _ first: UInt8)
        -> KnownField
    {
        guard first == 0x78, name.count >= 9 else { return .other }
        let prefix = name.lowerBound..<name.lowerBound &+ 9
        return bytes.equalsName("x-sluice-", in: prefix) ? .sluice : .other
    }
}

/// A set of known fields.
package struct KnownFieldSet: OptionSet, Sendable {
    package let rawValue: UInt64
    // `other` is no member of any set.
    package init(rawValue: UInt64) { self.rawValue = rawValue & ~1 }

    /// One field; without the array that the list below is.
    @inline(__always) package init(_ field: KnownField) {
        self.init(rawValue: 1 &<< UInt64(field.rawValue))
    }

    /// Several fields; allocates, so for constants only.
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
