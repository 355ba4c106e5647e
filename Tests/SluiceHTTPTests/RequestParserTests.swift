import HTTPTestSupport
import SluiceBytes
import Testing

@testable import SluiceHTTP

@Suite struct `A request head is read whole` {
    private let typical = octets(
        """
        POST /v1/chat/completions?api=1&x=%20 HTTP/1.1\r
        Host: gateway.example:8080\r
        User-Agent: OpenAI/Python 2.1.0\r
        Accept: application/json\r
        Content-Type: application/json\r
        Authorization: Bearer sk-0123456789\r
        X-Request-ID: 7b1c\r
        X-Stainless-Retry-Count: 0\r
        x-sluice-class: interactive\r
        Content-Length: 412\r
        Connection: keep-alive\r
        \r
        {"model":
        """)

    @Test func `with method, target, version, Host, framing and every field in order`() throws {
        let facts = try #require(requestEverywhere(typical).facts)
        #expect(facts.method == .post)
        #expect(facts.methodName == "POST")
        #expect(facts.target == "/v1/chat/completions?api=1&x=%20")
        #expect(facts.path == "/v1/chat/completions")
        #expect(facts.query == "api=1&x=%20")
        #expect(facts.version == .http11)
        #expect(facts.host == "gateway.example:8080")
        #expect(facts.framing == .length(412))
        #expect(facts.keepAlive)
        #expect(!facts.expectsContinue)
        #expect(facts.byteCount == typical.count - 9)
        #expect(
            facts.lines.map(\.known) == [
                .host, .other, .other, .contentType, .authorization, .xRequestID,
                .xStainlessRetryCount, .xSluiceClass, .contentLength, .connection,
            ])
        #expect(
            facts.lines[1]
                == Line(
                    name: "User-Agent", value: "OpenAI/Python 2.1.0", known: .other,
                    isNominated: false))
    }

    @Test func `and bytes behind it are not looked at`() throws {
        let input = octets("GET / HTTP/1.1\r\nHost: a\r\n\r\n\0\n\u{FF} / HTTP/9.9\n")
        #expect(requestEverywhere(input).facts?.byteCount == 27)
    }

    @Test func `again and again by one parser (row 67)`() {
        let one = octets("GET /a HTTP/1.1\r\nHost: a\r\n\r\n")
        let all = Array([[UInt8]](repeating: one, count: 200).joined())
        var head = RequestHead()
        var parser = RequestParser(limits: HeadLimits())
        var offset = 0
        var heads = 0
        while offset < all.count {
            let rest = all.span.extracting(offset..<all.count)
            guard case .complete = parser.parse(rest, into: &head) else { break }
            offset += head.byteCount
            heads += 1
            parser.reset()
        }
        #expect(heads == 200)
    }

    @Test(arguments: Method.allCases) func `with its method`(_ method: Method) {
        let name = method == .other ? "PROPFIND" : method.name.description
        let verdict = requestEverywhere(octets("\(name) / HTTP/1.1\r\nHost: a\r\n\r\n"))
        switch method {
        case .connect: #expect(verdict.failure == .connectRefused)
        case .trace: #expect(verdict.failure == .traceRefused)
        case .get, .head, .post, .put, .delete, .patch, .options, .other:
            #expect(verdict.facts?.method == method)
            #expect(verdict.facts?.methodName == name)
        }
    }

    @Test func `where a token that only resembles a method is another one`() {
        for name in [
            "GETS", "PUX", "GOT", "POSX", "HEAT", "PATCX", "DELETF", "OPTIONX", "M-SEARCH",
        ] {
            let verdict = requestEverywhere(octets("\(name) / HTTP/1.1\r\nHost: a\r\n\r\n"))
            #expect(verdict.facts?.method == .other, "\(name)")
        }
    }

    @Test(arguments: [
        ("gateway", "gateway"), ("gateway:8080", "gateway:8080"), ("127.0.0.1:1", "127.0.0.1:1"),
        ("[::1]:8080", "[::1]:8080"), ("[2001:db8::1]", "[2001:db8::1]"), ("a_b-c.d", "a_b-c.d"),
        ("a:65535", "a:65535"), ("\t a \t", "a"),
    ]) func `with a Host that is a host`(_ field: String, _ host: String) {
        let verdict = requestEverywhere(octets("GET / HTTP/1.1\r\nHost:\(field)\r\n\r\n"))
        #expect(verdict.facts?.host == host)
    }

    @Test func `and HTTP 1.0 needs no Host`() {
        let facts = requestEverywhere(octets("GET / HTTP/1.0\r\n\r\n")).facts
        #expect(facts?.version == .http10)
        #expect(facts?.host == nil)
        #expect(facts?.keepAlive == false)
    }

    @Test func `in absolute form of its own Host, as origin form (row 64)`() {
        for scheme in ["http", "https"] {
            let input =
                "GET \(scheme)://GateWay:80/v1/models?a=b HTTP/1.1\r\nHost: gateway:80\r\n\r\n"
            let facts = requestEverywhere(octets(input)).facts
            #expect(facts?.target == "/v1/models?a=b")
            #expect(facts?.path == "/v1/models")
            #expect(facts?.query == "a=b")
        }
    }

    @Test func `and an absolute form does not colour the next head`() {
        var head = RequestHead()
        var parser = RequestParser(limits: HeadLimits())
        let absolute = octets("GET http://a/ HTTP/1.1\r\nHost: a\r\n\r\n")
        let origin = octets("GET / HTTP/1.0\r\n\r\n")
        let first = parser.parse(absolute.span, into: &head)
        let second = parser.parse(origin.span, into: &head)
        guard case .complete = first, case .complete = second else {
            Issue.record("refused")
            return
        }
    }

    @Test func `whose body is chunked`() {
        for coding in ["chunked", "Chunked", "CHUNKED", "\tchunked "] {
            let input = "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding:\(coding)\r\n\r\n"
            #expect(requestEverywhere(octets(input)).facts?.framing == .chunked)
        }
    }

    @Test
    func `whose length is zero or absent has no body, and never one until the close (row 25)`() {
        for fields in ["", "Content-Length: 0\r\n"] {
            for version in ["1.0", "1.1"] {
                let input = "POST / HTTP/\(version)\r\nHost: a\r\n\(fields)\r\n"
                #expect(requestEverywhere(octets(input)).facts?.framing == BodyFraming.none)
            }
        }
        let get = "GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 44\r\n\r\n"
        #expect(requestEverywhere(octets(get)).facts?.framing == .length(44))
    }

    @Test func `up to lengths of eighteen digits`() {
        let input = "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 999999999999999999\r\n\r\n"
        #expect(requestEverywhere(octets(input)).facts?.framing == .length(999_999_999_999_999_999))
    }

    @Test func `where look-alikes of framing fields are ordinary fields (row 23)`() {
        let input = octets(
            "POST / HTTP/1.1\r\nHost: a\r\nTransfer_Encoding: chunked\r\nContent_Length: 5\r\n"
                + "Content-Lengt\u{68}s: 7\r\nXContent-Length: 8\r\n\r\n")
        let facts = requestEverywhere(input).facts
        #expect(facts?.framing == BodyFraming.none)
        #expect(facts?.lines.filter { $0.known == .other }.count == 4)
    }

    @Test func `whose connection is kept or not`() {
        let cases: [(String, String, Bool)] = [
            ("1.1", "", true), ("1.1", "Connection: close\r\n", false),
            ("1.1", "Connection: Close\r\n", false), ("1.1", "Connection: x, close\r\n", false),
            ("1.1", "Connection: keep-alive\r\n", true),
            ("1.1", "Connection: keep-alive\r\nConnection: close\r\n", false),
            ("1.1", "Connection: closed\r\n", true), ("1.0", "", false),
            ("1.0", "Connection: keep-alive\r\n", true),
            ("1.0", "Connection: , Keep-Alive ,\r\n", true),
            ("1.0", "Connection: keep-alive, close\r\n", false),
            ("1.0", "Proxy-Connection: keep-alive\r\n", false),
        ]
        for (version, fields, keeps) in cases {
            let input = octets("GET / HTTP/\(version)\r\nHost: a\r\n\(fields)\r\n")
            #expect(requestEverywhere(input).facts?.keepAlive == keeps, "\(version) \(fields)")
        }
    }

    @Test func `with the fields that Connection names marked (row 52)`() throws {
        let input = octets(
            "GET / HTTP/1.1\r\nhost: a\r\nX-Secret: 1\r\nx-other: 2\r\nContent-Length: 3\r\n"
                + "Connection: x-SECRET,,host ,\tcontent-length, x-forwarded-for\r\n"
                + "X-Forwarded-For: ::1\r\nConnection: X-Last\r\nX-Last: 1\r\n\r\n")
        let facts = try #require(requestEverywhere(input).facts)
        let nominated = facts.lines.filter(\.isNominated).map(\.name)
        #expect(nominated == ["host", "X-Secret", "Content-Length", "X-Forwarded-For", "X-Last"])
        // What is ours is judged all the same.
        #expect(facts.framing == .length(3))
        #expect(facts.host == "a")
    }

    @Test func `and expects 100 only when a body of HTTP 1.1 waits for it (row 68)`() {
        func expects(_ version: String, _ fields: String) -> Bool? {
            requestEverywhere(octets("POST / HTTP/\(version)\r\nHost: a\r\n\(fields)\r\n")).facts?
                .expectsContinue
        }
        #expect(expects("1.1", "Expect: 100-continue\r\nContent-Length: 5\r\n") == true)
        #expect(expects("1.1", "Expect: 100-Continue\r\nTransfer-Encoding: chunked\r\n") == true)
        #expect(expects("1.1", "Expect: 100-continue\r\n") == false)
        #expect(expects("1.0", "Expect: 100-continue\r\nContent-Length: 5\r\n") == false)
    }

    @Test func `with values of any bytes but controls`() {
        let input = octets(
            "GET / HTTP/1.1\r\nHost: a\r\nX:\r\nY: \t\r\nZ: a\tb\u{80}\u{FF}\"\\ \r\n"
                + "W:no space, and a tail of more than eight\t\tbytes \u{E9}\t \r\n\r\n")
        let lines = requestEverywhere(input).facts?.lines.dropFirst().map(\.value)
        // Text repairs what is not UTF-8; lengths tell that the bytes are all there.
        #expect(lines?.map(\.count) == [0, 0, 7, 48])
    }
}

@Suite struct `A request head stays within its limits` {
    private func head(_ fields: String, target: String = "/", method: String = "GET") -> [UInt8] {
        octets("\(method) \(target) HTTP/1.1\r\nHost: a\r\n\(fields)\r\n")
    }

    @Test func `of bytes: at the limit it is read, one more is 431 (row 51)`() {
        var limits = HeadLimits()
        limits.headBytesMax = 2_048
        let frame = head("X: \r\n").count
        for (extra, fits) in [(-1, true), (0, true), (1, false)] {
            let value = String(repeating: "v", count: 2_048 - frame + extra)
            let verdict = requestEverywhere(head("X: \(value)\r\n"), limits: limits)
            if fits {
                #expect(verdict.facts?.byteCount == 2_048 + extra)
            } else {
                #expect(verdict.failure == .headTooLarge)
                #expect(verdict.failure?.status == 431)
            }
        }
    }

    @Test func `of bytes, also where it never ends (row 51)`() {
        let field = requestEverywhere(head("X: " + String(repeating: "v", count: 65_536)))
        #expect(field.failure == .headTooLarge)
        let endless = requestEverywhere(
            head(
                String(repeating: "X-Filler: 0123456789abcdefghij\r\n", count: 90)
                    + "Y: " + String(repeating: "y", count: 40_000)))
        #expect(endless.failure == .headTooLarge)
    }

    @Test func `of fields: a hundred are read, one more is 431 (row 50)`() {
        let hundred = requestEverywhere(head(String(repeating: "a: b\r\n", count: 99)))
        #expect(hundred.facts?.lines.count == 100)
        let more = requestEverywhere(head(String(repeating: "a: b\r\n", count: 100)))
        #expect(more.failure == .tooManyFields)
        let thousand = requestEverywhere(head(String(repeating: "a: b\r\n", count: 1_000)))
        #expect(thousand.failure == .tooManyFields)
        #expect(RequestError.tooManyFields.status == 431)
        var limits = HeadLimits()
        limits.fieldsMax = 2
        #expect(requestEverywhere(head("a: b\r\n"), limits: limits).facts != nil)
        #expect(
            requestEverywhere(head("a: b\r\na: b\r\n"), limits: limits).failure == .tooManyFields)
        limits.fieldsMax = 1_000
        #expect(
            requestEverywhere(head(String(repeating: "a: b\r\n", count: 100)), limits: limits)
                .failure
                == .tooManyFields)
    }

    @Test func `of the target: 8,192 bytes are read, one more is 414 (row 51)`() {
        for (count, fits) in [
            (8_191, true), (8_192, true), (8_193, false), (8_300, false), (65_536, false),
        ] {
            let target = "/" + String(repeating: "t", count: count - 1)
            let verdict = requestEverywhere(head("", target: target))
            if fits {
                #expect(verdict.facts?.target.utf8.count == count)
            } else {
                #expect(verdict.failure == .targetTooLong)
                #expect(verdict.failure?.status == 414)
            }
        }
    }

    @Test func `of the method: 32 bytes are read, one more is 501 (row 51)`() {
        let fits = requestEverywhere(head("", method: String(repeating: "M", count: 32)))
        #expect(fits.facts?.method == .other)
        for count in [33, 9_000] {
            let verdict = requestEverywhere(head("", method: String(repeating: "M", count: count)))
            #expect(verdict.failure == .methodTooLong)
            #expect(verdict.failure?.status == 501)
        }
    }

    @Test func `of a field name: 128 bytes are read, one more is 431 (row 24)`() {
        let fits = requestEverywhere(head(String(repeating: "n", count: 128) + ": 1\r\n"))
        #expect(fits.facts?.lines.count == 2)
        let more = requestEverywhere(head(String(repeating: "n", count: 129) + ": 1\r\n"))
        #expect(more.failure == .fieldNameTooLong)
    }

    @Test func `of connection options: 64 are read, one more is 431`() {
        let fits = requestEverywhere(
            head("Connection: " + String(repeating: "x,", count: 64) + "\r\n"))
        #expect(fits.facts != nil)
        let more = requestEverywhere(
            head("Connection: " + String(repeating: "x,", count: 65) + "\r\n"))
        #expect(more.failure == .tooManyConnectionOptions)
    }

    @Test func `and an unfinished one says nothing yet`() {
        let whole = head("X: y\r\nContent-Length: 5\r\n")
        for count in 0..<whole.count {
            #expect(request(Array(whole[..<count])) == .needMore)
        }
    }
}
