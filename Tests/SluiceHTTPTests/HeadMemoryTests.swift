import HTTPTestSupport
import Testing

@testable import SluiceHTTP

@Suite struct `A head that follows another` {
    private static let requests = [
        "POST /v1/chat/completions HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\n",
        "POST /v1/chat/completions HTTP/1.1\r\nHost: a\r\nContent-Length: 6\r\n\r\n",
        "POST /v1/chat/completions HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nX: y\r\n\r\n",
        "POST /v1/chat/completions HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n X: y\r\n\r\n",
        "POST /v1/chat/completions HTTP/1.1\r\nHost: a\r\nContent-Length: +5\r\n\r\n",
        "POST /v1/chat/completions HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n",
        "GET /health HTTP/1.1\r\nHost: a\r\nConnection: x, close\r\nX: y\r\n\r\n",
        "GET /health HTTP/1.1\r\nHost: a\r\nConnection: z, close\r\nX: y\r\n\r\n",
        "GET /health HTTP/1.0\r\n\r\n", "\0", "GET http://b/ HTTP/1.1\r\nHost: b\r\n\r\n",
        "POST / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 1\r\n\r\n",
    ].map(octets)

    private static let responses = [
        "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\n", "HTTP/1.1 204 No\r\n\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nContent-Type: text/event-stream\r\n\r\n",
        "HTTP/1.0 200 OK\r\nKeep-Alive: timeout=5\r\nConnection: keep-alive\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 5\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n", "HTTP/2",
    ].map(octets)

    @Test func `is read as if it were the first`() {
        var tight = HeadLimits()
        tight.fieldsMax = 2
        for first in Self.requests {
            for second in Self.requests {
                for limits in [HeadLimits(), tight] {
                    var head = RequestHead()
                    _ = request(first, into: &head)
                    // Bytes behind the head are none of it.
                    let input = second + octets("\r\n{}")
                    let cuts = [min(20, input.count)]
                    let found = request(input, into: &head, limits: limits)
                    #expect(found == request(input, limits: limits))
                    #expect(found == request(input, into: &head, limits: limits))
                    #expect(found == request(input, into: &head, cuts: cuts, limits: limits))
                    #expect(request(first, into: &head) == request(first))
                }
            }
        }
    }

    @Test func `is read as if it were the first, in an answer to any method`() {
        for first in Self.responses {
            for second in Self.responses {
                for method in [Method.post, .head] {
                    var head = ResponseHead()
                    _ = response(first, into: &head)
                    let input = second + octets("\r\n{}")
                    let cuts = [min(20, input.count)]
                    let found = response(input, into: &head, to: method)
                    #expect(found == response(input, to: method))
                    #expect(found == response(input, into: &head, to: method))
                    #expect(found == response(input, into: &head, to: method, cuts: cuts))
                    #expect(response(first, into: &head, to: .head) == response(first, to: .head))
                }
            }
        }
    }

    @Test func `is read again where it is longer than what is remembered`() {
        for count in [HeadMemory.bytesMax - 60, HeadMemory.bytesMax, HeadMemory.bytesMax + 60] {
            var head = RequestHead()
            let long = octets(
                "GET / HTTP/1.1\r\nHost: a\r\nX: \(String(repeating: "x", count: count))\r\n\r\n")
            #expect(request(long, into: &head) == request(long))
            #expect(request(long, into: &head) == request(long))
        }
    }
}
