import HTTPTestSupport
import SluiceBytes
import Testing

@testable import SluiceHTTP

/// One malformed answer.
struct ResponseCase: Sendable, CustomTestStringConvertible {
    var row: Int
    var what: String
    var input: String
    var error: ResponseError

    init(_ row: Int, _ what: String, _ input: String, _ error: ResponseError) {
        self.row = row
        self.what = what
        self.input = input
        self.error = error
    }

    var testDescription: String { "row \(row): \(what)" }
}

/// A 200 with these field lines.
private func ok(_ fields: String) -> String { "HTTP/1.1 200 OK\r\n\(fields)\r\n" }

private let malformed: [ResponseCase] = [
    .init(
        71, "unasked 101", "HTTP/1.1 101 Switching Protocols\r\nUpgrade: h2c\r\n\r\n",
        .switchingProtocols),
    .init(77, "garbage", "\u{16}\u{03}\u{01}", .badStatusLine),
    .init(77, "HTML at once", "<html>", .badStatusLine),
    .init(77, "an empty line first", "\r\nHTTP/1.1 200 OK\r\n\r\n", .badStatusLine),
    .init(77, "HTTP/2.0", "HTTP/2.0 200 OK\r\n\r\n", .badStatusLine),
    .init(77, "HTTP/1.2", "HTTP/1.2 200 OK\r\n\r\n", .badVersion),
    .init(77, "lower case", "http/1.1 200 OK\r\n\r\n", .badStatusLine),
    .init(77, "no status", "HTTP/1.1\r\n\r\n", .badStatusLine),
    .init(77, "short status", "HTTP/1.1 20\r\n\r\n", .badStatusLine),
    .init(77, "long status", "HTTP/1.1 2000 OK\r\n\r\n", .badStatus),
    .init(77, "letters", "HTTP/1.1 abc OK\r\n\r\n", .badStatus),
    .init(77, "status 099", "HTTP/1.1 099 X\r\n\r\n", .badStatus),
    .init(77, "status 600", "HTTP/1.1 600 X\r\n\r\n", .badStatus),
    .init(77, "two spaces", "HTTP/1.1  200 OK\r\n\r\n", .badStatus),
    .init(77, "tab", "HTTP/1.1\t200 OK\r\n\r\n", .badStatusLine),
    .init(
        77, "endless status line", "HTTP/1.1 200 " + String(repeating: "x", count: 2_000),
        .headTooLarge),
    .init(
        78, "length and coding", ok("Content-Length: 5\r\nTransfer-Encoding: chunked\r\n"),
        .contentLengthWithTransferEncoding),
    .init(
        78, "coding and length", ok("Transfer-Encoding: chunked\r\nContent-Length: 5\r\n"),
        .contentLengthWithTransferEncoding),
    .init(
        78, "two lengths", ok("Content-Length: 5\r\nContent-Length: 6\r\n"), .repeatedContentLength),
    .init(
        78, "the same length twice", ok("Content-Length: 5\r\nContent-Length: 5\r\n"),
        .repeatedContentLength),
    .init(78, "length -1", ok("Content-Length: -1\r\n"), .badContentLength),
    .init(78, "length abc", ok("Content-Length: abc\r\n"), .badContentLength),
    .init(78, "length +5", ok("Content-Length: +5\r\n"), .badContentLength),
    .init(78, "empty length", ok("Content-Length:\r\n"), .badContentLength),
    .init(78, "length 2^64 + 5", ok("Content-Length: 18446744073709551621\r\n"), .badContentLength),
    .init(78, "length 2^63 - 1", ok("Content-Length: 9223372036854775807\r\n"), .badContentLength),
    .init(78, "xchunked", ok("Transfer-Encoding: xchunked\r\n"), .badTransferEncoding),
    .init(78, "gzip, chunked", ok("Transfer-Encoding: gzip, chunked\r\n"), .badTransferEncoding),
    .init(
        78, "chunked twice", ok("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n"),
        .badTransferEncoding),
    .init(
        78, "chunked in 1.0", "HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
        .badTransferEncoding),
    .init(80, "NUL in a value", ok("X: a\0b\r\n"), .badValueByte),
    .init(80, "control in a value", ok("X: a\u{08}b\r\n"), .badValueByte),
    .init(80, "bare CR in a value", ok("X: a\rSet-Cookie: b\r\n"), .bareCarriageReturn),
    .init(80, "bare LF", ok("X: a\nSet-Cookie: b\r\n"), .bareLineFeed),
    .init(80, "bare LF after the status line", "HTTP/1.1 200 OK\nX: a\r\n\r\n", .bareLineFeed),
    .init(80, "bare CR in the reason", "HTTP/1.1 200 O\rK\r\n\r\n", .bareCarriageReturn),
    .init(80, "NUL in the reason", "HTTP/1.1 200 O\0K\r\n\r\n", .badStatusLine),
    .init(80, "folded line", ok("X: a\r\n b\r\n"), .obsoleteFold),
    .init(80, "space before the colon", ok("X : a\r\n"), .spaceBeforeColon),
    .init(80, "no colon", ok("X\r\n"), .missingColon),
    .init(80, "empty name", ok(": a\r\n"), .emptyName),
    .init(80, "bad name byte", ok("X[: a\r\n"), .badNameByte),
    .init(
        81, "256 KiB head", ok("X: " + String(repeating: "x", count: 262_144) + "\r\n"),
        .headTooLarge),
    .init(81, "many fields", ok(String(repeating: "a: b\r\n", count: 101)), .tooManyFields),
    .init(81, "long name", ok(String(repeating: "n", count: 129) + ": b\r\n"), .fieldNameTooLong),
    .init(
        81, "many options", ok("Connection: " + String(repeating: "a,", count: 65) + "\r\n"),
        .tooManyConnectionOptions),
]

@Suite struct `A response head` {
    @Test(arguments: malformed) func `that is malformed is an error`(_ row: ResponseCase) {
        #expect(responseEverywhere(octets(row.input)).failure == row.error)
    }

    @Test func `is read with status, reason, fields and framing`() throws {
        let input = octets(
            "HTTP/1.1 200 All is well\r\ndate: Sat, 21 Nov 2026 02:19:39 GMT\r\nserver: uvicorn\r\n"
                + "Content-Type: Text/Event-Stream ; charset=utf-8\r\ntransfer-encoding: chunked\r\n"
                + "Keep-Alive: max=100, timeout=5\r\n\r\nbody")
        let facts = try #require(responseEverywhere(input).facts)
        #expect(facts.status == 200)
        #expect(facts.reason == "All is well")
        #expect(facts.version == .http11)
        #expect(facts.framing == .chunked)
        #expect(facts.keepAlive)
        #expect(facts.keepAliveTimeoutSeconds == 5)
        #expect(facts.isEventStream)
        #expect(
            facts.lines.map(\.known) == [
                .date, .server, .contentType, .transferEncoding, .keepAlive,
            ])
        #expect(facts.byteCount == input.count - 4)
    }

    @Test func `may have an empty reason, with or without its space`() {
        #expect(responseEverywhere(octets("HTTP/1.1 204 \r\n\r\n")).facts?.reason == "")
        #expect(responseEverywhere(octets("HTTP/1.1 204\r\n\r\n")).facts?.status == 204)
    }

    @Test func `says which body follows, by request and status (row 73)`() {
        let cases: [(Method, Int, String, BodyFraming)] = [
            (.get, 200, "Content-Length: 5\r\n", .length(5)),
            (.get, 200, "Content-Length: 0\r\n", .none),
            (.get, 200, "Transfer-Encoding: chunked\r\n", .chunked),
            (.get, 200, "", .untilClose),
            (.head, 200, "Content-Length: 5\r\n", .none),
            (.head, 200, "Transfer-Encoding: chunked\r\n", .none),
            (.head, 200, "", .none),
            (.get, 204, "Content-Length: 5\r\n", .none),
            (.get, 204, "", .none),
            (.get, 304, "Content-Length: 5\r\n", .none),
            (.post, 100, "", .none),
            (.post, 103, "Link: </a>\r\n", .none),
            (.post, 500, "", .untilClose),
        ]
        for (method, status, fields, framing) in cases {
            let input = octets("HTTP/1.1 \(status) X\r\n\(fields)\r\n")
            let facts = responseEverywhere(input, to: method).facts
            #expect(facts?.framing == framing, "\(method) \(status) \(fields)")
            #expect(facts?.keepAlive == (framing != .untilClose))
        }
    }

    @Test func `errs in its framing even where no body follows`() {
        let input = octets("HTTP/1.1 304 X\r\nContent-Length: 5, 6\r\n\r\n")
        #expect(response(input, to: .head).failure == .badContentLength)
    }

    @Test func `keeps its connection only where both sides know where it ends`() {
        func keeps(_ head: String) -> Bool? { responseEverywhere(octets(head)).facts?.keepAlive }
        #expect(keeps("HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n") == true)
        #expect(keeps("HTTP/1.1 200 OK\r\nContent-Length: 1\r\nConnection: close\r\n\r\n") == false)
        #expect(keeps("HTTP/1.0 200 OK\r\nContent-Length: 1\r\n\r\n") == false)
        #expect(
            keeps("HTTP/1.0 200 OK\r\nContent-Length: 1\r\nConnection: keep-alive\r\n\r\n") == true)
        #expect(keeps("HTTP/1.0 200 OK\r\nConnection: keep-alive\r\n\r\n") == false)
    }

    @Test func `tells the peer's keep-alive only where it is a small number`() {
        func timeout(_ value: String) -> Int? {
            let input = octets(
                "HTTP/1.1 200 OK\r\nContent-Length: 0\r\nKeep-Alive: \(value)\r\n\r\n")
            return responseEverywhere(input).facts?.keepAliveTimeoutSeconds
        }
        #expect(timeout("timeout=5") == 5)
        #expect(timeout("max=3 , Timeout=75") == 75)
        #expect(timeout("timeout=") == nil)
        #expect(timeout("timeout=-1") == nil)
        #expect(timeout("timeout=99999999999999999999") == nil)
        #expect(timeout("max=3") == nil)
    }

    @Test func `is an event stream by its media type alone`() {
        func isStream(_ type: String) -> Bool? {
            let input = octets("HTTP/1.1 200 OK\r\nContent-Type: \(type)\r\n\r\n")
            return responseEverywhere(input).facts?.isEventStream
        }
        #expect(isStream("text/event-stream") == true)
        #expect(isStream("text/event-stream;charset=utf-8") == true)
        #expect(isStream("text/event-streams") == false)
        #expect(isStream("application/json") == false)
        #expect(isStream("") == false)
    }

    @Test func `after interim ones comes from the same parser`() {
        let input = octets(
            "HTTP/1.1 103 Early\r\nLink: a\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
        var head = ResponseHead()
        var parser = ResponseParser(limits: HeadLimits())
        _ = parser.parse(input.span, into: &head, requestMethod: .get)
        #expect(head.status == 103)
        parser.reset()
        let rest = input.span.extracting(head.byteCount..<input.count)
        _ = parser.parse(rest, into: &head, requestMethod: .get)
        #expect(head.status == 200)
        #expect(head.framing == .length(2))
        #expect(head.fieldCount == 1)
    }

    @Test func `at the limit of its size is read, one more is an error`() {
        var limits = HeadLimits()
        limits.headBytesMax = 1_024
        let frame = ok("X: \r\n").utf8.count
        for extra in [-1, 0, 1] {
            let input = octets(
                ok("X: " + String(repeating: "v", count: 1_024 - frame + extra) + "\r\n"))
            let verdict = responseEverywhere(input, limits: limits)
            if extra <= 0 {
                #expect(verdict.facts?.byteCount == 1_024 + extra)
            } else {
                #expect(verdict.failure == .headTooLarge)
            }
        }
    }

    @Test func `has errors with labels of their own`() {
        let labels = Set(ResponseError.allCases.map { $0.label.description })
        #expect(labels.count == ResponseError.allCases.count)
    }
}
