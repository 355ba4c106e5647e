import SluiceExchange
import SluiceTime
import Testing

/// What a replica may answer instead of an answer.
struct BadAnswer: Sendable, CustomTestStringConvertible {
    let row: Int
    let testDescription: String
    let bytes: String
    /// Whether the replica closes after it.
    let closes: Bool

    init(_ row: Int, _ what: String, _ bytes: String, closes: Bool = false) {
        self.row = row
        testDescription = what
        self.bytes = bytes
        self.closes = closes
    }

    private static func ok(_ fields: String, _ body: String = "") -> String {
        "HTTP/1.1 200 OK\r\n\(fields)\r\n\r\n\(body)"
    }

    static let refused: [BadAnswer] = [
        BadAnswer(
            71, "an unasked 101", "HTTP/1.1 101 Switching Protocols\r\nupgrade: x\r\n\r\nraw"),
        BadAnswer(77, "garbage", "\u{16}\u{3}\u{1}garbage\r\n\r\n"),
        BadAnswer(77, "nothing", "", closes: true),
        BadAnswer(77, "half a head", "HTTP/1.1 200 OK\r\ncontent-le", closes: true),
        BadAnswer(77, "a status of four digits", "HTTP/1.1 2000 OK\r\n\r\n"),
        BadAnswer(77, "no version", "200 OK\r\n\r\n"),
        BadAnswer(
            78, "a length and a coding",
            ok("content-length: 3\r\ntransfer-encoding: chunked", "0\r\n\r\n")),
        BadAnswer(78, "two lengths", ok("content-length: 3\r\ncontent-length: 4", "abcd")),
        BadAnswer(78, "a negative length", ok("content-length: -1")),
        BadAnswer(78, "a length of letters", ok("content-length: abc")),
        BadAnswer(78, "a length with a plus", ok("content-length: +5", "abcde")),
        BadAnswer(78, "a length of 2^64+5", ok("content-length: 18446744073709551621", "abcde")),
        BadAnswer(78, "an unknown coding", ok("transfer-encoding: xchunked", "0\r\n\r\n")),
        BadAnswer(80, "NUL in a value", ok("content-length: 0\r\nx-a: a\u{0}b")),
        BadAnswer(80, "a bare CR in a value", ok("content-length: 0\r\nx-a: a\rb")),
        BadAnswer(80, "an obs-fold", ok("content-length: 0\r\nx-a: a\r\n b")),
        BadAnswer(80, "a space before the colon", ok("content-length : 0")),
        BadAnswer(80, "a line without a colon", ok("content-length: 0\r\nnothing")),
        BadAnswer(80, "an empty name", ok("content-length: 0\r\n: a")),
        BadAnswer(80, "bare LF line ends", "HTTP/1.1 200 OK\ncontent-length: 0\n\n"),
        BadAnswer(81, "an endless head", ok("x-a: " + String(repeating: "a", count: 262_144))),
        BadAnswer(
            81, "2000 interim answers",
            String(repeating: "HTTP/1.1 100 Continue\r\n\r\n", count: 2_000)
                + ok("content-length: 0")),
    ]

    static let cut: [BadAnswer] = [
        BadAnswer(79, "a bad chunk", ok("transfer-encoding: chunked", "3\r\nabc\r\nXYZ\r\n")),
        BadAnswer(
            79, "an overflowing chunk",
            ok("transfer-encoding: chunked", "3\r\nabc\r\nFFFFFFFFFFFFFFFFF\r\n")),
        BadAnswer(
            79, "a cut-off chunked body", ok("transfer-encoding: chunked", "3\r\nabc\r\n"),
            closes: true),
        BadAnswer(79, "a cut-off body of a length", ok("content-length: 9", "abc"), closes: true),
    ]
}

extension GatewayTests {
    @Suite(.serialized) struct ResponseTests {
        @Test func `an answer that is no HTTP becomes a 502 and is not passed on`() throws {
            let rows = BadAnswer.refused
            let upstream = try ScriptedUpstream { peer in
                guard peer.nextRequest() != nil else { return }
                let row = rows[peer.requestCount - 1]
                peer.send(row.bytes)
                if !row.closes { peer.waitForEnd() }
            }
            try GatewayUnderTest.run([upstream]) { gateway in
                let client = try gateway.connect()
                for (index, row) in rows.enumerated() {
                    // Responses are never repeated, so each row meets the replica once.
                    let body = #"{"model":"tiny","input":"a"}"#
                    client.send(
                        "POST /v1/responses HTTP/1.1\r\nhost: a\r\ncontent-length: "
                            + "\(body.utf8.count)\r\n\r\n\(body)")
                    let answer = client.readAnswer()
                    #expect(answer?.status == 502, "row \(row.row): \(row.testDescription)")
                    #expect(answer?.isWhole == true)
                    #expect(upstream.requests.count == index + 1, "\(row.testDescription)")
                }
                #expect(gateway.sees("upstream_failed", Double(rows.count)))
            }
        }

        @Test func `a broken body is a cut and never looks whole`() throws {
            let rows = BadAnswer.cut
            let upstream = try ScriptedUpstream { peer in
                guard peer.nextRequest() != nil else { return }
                let row = rows[peer.requestCount - 1]
                peer.send(row.bytes)
                if !row.closes { peer.waitForEnd() }
            }
            try GatewayUnderTest.run([upstream]) { gateway in
                for row in rows {
                    let answer = try gateway.ask(chat())
                    #expect(answer.status == 200, "\(row.testDescription)")
                    #expect(answer.text == "abc", "\(row.testDescription)")
                    #expect(!answer.isWhole, "\(row.testDescription)")
                }
                #expect(gateway.sees("truncated", Double(rows.count)))
            }
        }

        @Test func `a truncated stream gets neither a last chunk nor DONE`() throws {
            let upstream = try ScriptedUpstream { peer in
                guard peer.nextRequest() != nil else { return }
                peer.send(streamHead + chunk(token("a")))
                // vLLM dying politely: a proper last chunk, but no terminal event.
                if peer.requestCount == 2 { peer.send("0\r\n\r\n") }
            }
            try GatewayUnderTest.run([upstream]) { gateway in
                for _ in 0..<2 {
                    let answer = try gateway.ask(streamingChat)
                    #expect(answer.text == token("a"))
                    #expect(!answer.isWhole)
                }
                #expect(gateway.sees("truncated", 2))
            }
        }

        @Test func `interim answers are not the answer`() throws {
            let upstream = try ScriptedUpstream { peer in
                while peer.nextRequest() != nil {
                    peer.send(
                        "HTTP/1.1 102 Processing\r\n\r\nHTTP/1.1 103 Early\r\nlink: x\r\n\r\n")
                    peer.answer("last")
                }
            }
            try GatewayUnderTest.run([upstream]) { gateway in
                let client = try gateway.connect()
                client.send(chat())
                let answer = client.readAnswer()
                #expect(answer?.status == 200)
                #expect(answer?.text == "last")
            }
        }

        @Test(arguments: [204, 304])
        func `an answer without a body may be followed by another`(status: Int) throws {
            let upstream = try ScriptedUpstream { peer in
                while peer.nextRequest() != nil {
                    if peer.requestCount == 1 {
                        peer.send("HTTP/1.1 \(status) X\r\n\r\n")
                    } else {
                        peer.answer("second")
                    }
                }
            }
            try GatewayUnderTest.run([upstream]) { gateway in
                let client = try gateway.connect()
                client.send(chat())
                #expect(client.readAnswer()?.status == status)
                client.send(chat())
                #expect(client.readAnswer()?.text == "second")
            }
        }

        @Test(arguments: [
            "HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nstray", "garbage", "\r\n",
        ])
        func `bytes after an answer are nobody's and end the connection`(stray: String) throws {
            let upstream = try ScriptedUpstream { peer in
                while peer.nextRequest() != nil {
                    let body = "answer \(peer.requestCount)"
                    peer.send(
                        "HTTP/1.1 200 OK\r\ncontent-length: \(body.utf8.count)\r\n\r\n\(body)"
                            + (peer.requestCount == 1 ? stray : ""))
                }
            }
            try GatewayUnderTest.run([upstream]) { gateway in
                let client = try gateway.connect()
                for number in 1...3 {
                    client.send(chat())
                    #expect(client.readAnswer()?.text == "answer \(number)")
                }
                #expect(upstream.connections.count == 2)
            }
        }

        @Test func `a late second answer is never given to anyone`() throws {
            let upstream = try ScriptedUpstream { peer in
                while peer.nextRequest() != nil {
                    let isFirst = peer.requestCount == 1
                    peer.answer(isFirst ? "first" : "second")
                    guard isFirst else { continue }
                    pause(.milliseconds(30))
                    peer.answer("poison")
                    peer.waitForEnd()
                }
            }
            try GatewayUnderTest.run([upstream]) { gateway in
                let client = try gateway.connect()
                client.send(chat())
                #expect(client.readAnswer()?.text == "first")
                #expect(eventually { upstream.state.withLock { !$0.endings.isEmpty } })
                client.send(chat())
                #expect(client.readAnswer()?.text == "second")
                #expect(upstream.connections.count == 2)
            }
        }

        @Test func `an error as the first event becomes an honest status`() throws {
            let upstream = try ScriptedUpstream { peer in
                guard peer.nextRequest() != nil else { return }
                peer.send(
                    streamHead
                        + chunk(
                            "data: {\"error\":{\"message\":\"EngineCore died\",\"type\":"
                                + "\"InternalServerError\",\"code\":500}}\n\n")
                        + chunk(done) + "0\r\n\r\n")
            }
            try GatewayUnderTest.run([upstream]) { gateway in
                let answer = try gateway.ask(streamingChat)
                #expect(answer.status >= 500)
                #expect(answer["x-sluice-reason"] == "error_event")
                #expect(gateway.sees("upstream_failed"))
            }
        }

        @Test func `an error later in a stream is passed on and counted`() throws {
            let error = "data: {\"error\":{\"message\":\"died\",\"code\":500}}\n\n"
            let upstream = try ScriptedUpstream { peer in
                guard peer.nextRequest() != nil else { return }
                peer.send(streamHead + chunk(token("a")) + chunk(error) + chunk(done) + "0\r\n\r\n")
            }
            try GatewayUnderTest.run([upstream]) { gateway in
                let answer = try gateway.ask(streamingChat)
                #expect(answer.text == token("a") + error + done)
                #expect(gateway.sees("stream_error"))
            }
        }

        @Test(arguments: [
            (400, "upstream_client_error"), (404, "upstream_client_error"),
            (500, "upstream_failed"), (422, "upstream_client_error"),
        ])
        func `a replica's own error keeps its status and is counted`(
            status: Int, outcome: String
        ) throws {
            let upstream = try ScriptedUpstream { peer in
                while peer.nextRequest() != nil { peer.answer("why", status: status) }
            }
            try GatewayUnderTest.run([upstream]) { gateway in
                let answer = try gateway.ask(chat())
                #expect(answer.status == status)
                #expect(answer.text == "why")
                #expect(gateway.sees(outcome))
                #expect(upstream.requests.count == 1)
            }
        }
    }
}
