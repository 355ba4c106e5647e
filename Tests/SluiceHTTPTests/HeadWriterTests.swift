import HTTPTestSupport
import SluiceBytes
import Testing

@testable import SluiceHTTP

@Suite struct `A head is written from what was judged` {
    private func forwarded(_ fields: String, dropping: KnownFieldSet = KnownFieldSet()) -> String {
        let input = octets("POST / HTTP/1.1\r\n\(fields)\r\n")
        var head = RequestHead()
        var parser = RequestParser(limits: HeadLimits())
        guard case .complete = parser.parse(input.span, into: &head) else { return "refused" }
        var output = ByteBuffer()
        HeadWriter.appendFields(of: &head, input.span, dropping: dropping, into: &output)
        return output.text()
    }

    @Test func `in order, each line as name, colon, space, value`() {
        let written = forwarded(
            "Host: a\r\nX-A:1\r\nX-B:  2 \r\nX-C: 3\r\nX-D:\t4\r\nX-E:\r\nX-F: 6\r\nX-G: 7\r\n")
        #expect(
            written
                == "Host: a\r\nX-A: 1\r\nX-B: 2\r\nX-C: 3\r\nX-D: 4\r\nX-E: \r\nX-F: 6\r\nX-G: 7\r\n"
        )
    }

    @Test func `without the fields of one connection (row 53)`() {
        let written = forwarded(
            "Host: a\r\nKeep-Alive: timeout=5\r\nX-A: 1\r\nProxy-Connection: keep-alive\r\nUpgrade: h2c\r\n"
                + "HTTP2-Settings: AAMAAABk\r\nTE: trailers\r\nTrailer: X-T\r\nTransfer-Encoding: chunked\r\n"
                + "Proxy-Authorization: Basic eDp5\r\nConnection: keep-alive\r\nX-B: 2\r\n")
        #expect(written == "Host: a\r\nX-A: 1\r\nX-B: 2\r\n")
    }

    @Test func `without what Connection names (row 52)`() {
        #expect(
            forwarded("Host: a\r\nX-A: 1\r\nx-b:2\r\nConnection: X-B\r\n")
                == "Host: a\r\nX-A: 1\r\n")
    }

    @Test func `without what the caller drops`() {
        let fields = "Host: a\r\nX-A: 1\r\nContent-Length: 5\r\nX-B: 2\r\nX-Forwarded-For: b\r\n"
        let written = forwarded(
            fields, dropping: KnownFieldSet(.host, .contentLength, .xForwardedFor))
        #expect(written == "X-A: 1\r\nX-B: 2\r\n")
    }

    @Test func `for responses too`() {
        let input = octets(
            "HTTP/1.1 200 OK\r\nserver:uvicorn\r\nX-A: 1\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n"
        )
        var head = ResponseHead()
        var parser = ResponseParser(limits: HeadLimits())
        _ = parser.parse(input.span, into: &head, requestMethod: .get)
        var output = ByteBuffer()
        HeadWriter.appendFields(of: &head, input.span, dropping: KnownFieldSet(), into: &output)
        #expect(output.text() == "server: uvicorn\r\nX-A: 1\r\n")
    }

    @Test func `and chunks as hexadecimal sizes`() {
        var output = ByteBuffer()
        HeadWriter.appendChunkSize(220, into: &output)
        HeadWriter.appendLastChunk(into: &output)
        #expect(output.text() == "dc\r\n0\r\n\r\n")
    }
}

@Suite struct `A field name is known` {
    private static let names: [(String, KnownField)] = [
        ("host", .host), ("content-length", .contentLength),
        ("transfer-encoding", .transferEncoding), ("connection", .connection),
        ("keep-alive", .keepAlive), ("proxy-connection", .proxyConnection), ("upgrade", .upgrade),
        ("te", .te), ("trailer", .trailer), ("expect", .expect), ("http2-settings", .http2Settings),
        ("proxy-authenticate", .proxyAuthenticate), ("proxy-authorization", .proxyAuthorization),
        ("content-type", .contentType), ("content-encoding", .contentEncoding),
        ("accept-encoding", .acceptEncoding), ("authorization", .authorization),
        ("x-request-id", .xRequestID), ("x-forwarded-for", .xForwardedFor),
        ("x-forwarded-proto", .xForwardedProto), ("x-forwarded-host", .xForwardedHost),
        ("x-forwarded-port", .xForwardedPort), ("x-real-ip", .xRealIP), ("forwarded", .forwarded),
        ("via", .via), ("date", .date), ("server", .server), ("cache-control", .cacheControl),
        ("x-accel-buffering", .xAccelBuffering), ("retry-after", .retryAfter),
        ("endpoint-load-metrics", .endpointLoadMetrics),
        ("endpoint-load-metrics-format", .endpointLoadMetricsFormat),
        ("x-data-parallel-rank", .dataParallelRank),
        ("x-stainless-retry-count", .xStainlessRetryCount),
        ("x-stainless-read-timeout", .xStainlessReadTimeout),
        ("x-request-timeout-ms", .xRequestTimeoutMs),
        ("x-envoy-expected-rq-timeout-ms", .xEnvoyExpectedTimeoutMs), ("traceparent", .traceparent),
        ("tracestate", .tracestate), ("x-sluice-class", .xSluiceClass),
        ("x-sluice-explain", .xSluiceExplain),
        ("x-gateway-inference-objective", .gatewayObjective),
        ("x-gateway-inference-fairness-id", .gatewayFairnessID), ("x-sluice-a", .sluice),
    ]

    private func classify(_ name: String) -> KnownField {
        let bytes = octets(name)
        return KnownField.classify(bytes.span, 0..<bytes.count)
    }

    @Test func `in any case, and there is no known field without a name here`() {
        for (name, known) in Self.names {
            #expect(classify(name) == known)
            #expect(classify(name.uppercased()) == known)
            #expect(classify(name.capitalized) == known)
        }
        #expect(Set(Self.names.map(\.1)).count == KnownField.allCases.count - 1)
        #expect(KnownField.allCases.count <= 64)
    }

    @Test func `and one that differs in one character is not`() {
        for (name, known) in Self.names where known != .sluice {
            func missed(_ other: String) -> KnownField {
                other.hasPrefix("x-sluice-") ? .sluice : .other
            }
            for index in name.indices {
                var other = name
                other.replaceSubrange(index...index, with: name[index] == "q" ? "z" : "q")
                #expect(classify(other) == missed(other), "\(other)")
                other = name
                other.replaceSubrange(index...index, with: "_")
                #expect(classify(other) == missed(other), "\(other)")
            }
            #expect(classify(name + "s") == missed(name))
            #expect(classify(String(name.dropLast())) == missed(name))
        }
        #expect(classify("x-sluice-") == .sluice)
        #expect(classify("x-sluice") == .other)
        #expect(!KnownFieldSet(rawValue: .max).contains(.other))
        #expect(classify("x-slvice-a") == .other)
        #expect(classify("") == .other)
    }

    @Test func `and is made of the bytes that the grammar allows`() {
        #expect(Token.isConsistent)
        let allowed = Set(
            "!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ".utf8)
        for byte in UInt8.min...UInt8.max {
            #expect(Token.contains(byte) == allowed.contains(byte))
            // In the head of a whole request too, at every place of a machine word.
            for place in [0, 1, 6, 7, 8] {
                let name = [UInt8](repeating: 0x61, count: place) + [byte] + octets("bcdefghi")
                let input = octets("GET / HTTP/1.1\r\nHost: a\r\n") + name + octets(": v\r\n\r\n")
                let isRead = request(input).facts?.lines.last?.name.utf8.count == name.count
                #expect(isRead == allowed.contains(byte), "byte \(byte) at \(place)")
            }
        }
    }
}
