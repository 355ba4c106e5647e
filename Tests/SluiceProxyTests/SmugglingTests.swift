import SluiceExchange
import SluiceReactor
import SluiceTime
import Testing

/// A request that must not reach a replica; `status` is what the client gets.
struct BadRequest: Sendable, CustomTestStringConvertible {
    let row: Int
    let testDescription: String
    let status: Int
    let bytes: String

    init(_ row: Int, _ what: String, _ status: Int, _ bytes: String) {
        self.row = row
        testDescription = what
        self.status = status
        self.bytes = bytes
    }

    /// A chat with these fields, and a whole request behind it that nobody may read.
    private static func post(_ fields: String, _ body: String) -> String {
        "POST /v1/chat/completions HTTP/1.1\r\nhost: a\r\n\(fields)\r\n\r\n\(body)" + smuggled
    }

    static let smuggled = chat(#"{"model":"tiny","smuggled":true}"#)

    static let rows: [BadRequest] = [
        BadRequest(
            1, "a length and a coding", 400,
            post("content-length: 5\r\ntransfer-encoding: chunked", "0\r\n\r\n")),
        BadRequest(
            2, "a coding and a length", 400,
            post("transfer-encoding: chunked\r\ncontent-length: 5", "0\r\n\r\n")),
        BadRequest(3, "two lengths", 400, post("content-length: 2\r\ncontent-length: 3", "{}")),
        BadRequest(6, "a length with a plus", 400, post("content-length: +2", "{}")),
        BadRequest(10, "a length of 2^64", 400, post("content-length: 18446744073709551616", "{}")),
        BadRequest(12, "a length over the limit", 413, post("content-length: 99999999", "{}")),
        BadRequest(14, "identity", 400, post("transfer-encoding: identity", "{}")),
        BadRequest(15, "gzip, chunked", 501, post("transfer-encoding: gzip, chunked", "0\r\n\r\n")),
        BadRequest(
            20, "a space before the colon", 400, post("transfer-encoding : chunked", "0\r\n\r\n")),
        BadRequest(
            21, "an obs-fold", 400, post("x: a\r\n transfer-encoding: chunked", "0\r\n\r\n")),
        BadRequest(
            28, "a chunk size of 17 digits", 400,
            post("transfer-encoding: chunked", "FFFFFFFFFFFFFFFFF\r\n{}\r\n0\r\n\r\n")),
        BadRequest(
            29, "a chunk size with 0x", 400,
            post("transfer-encoding: chunked", "0x2\r\n{}\r\n0\r\n\r\n")),
        BadRequest(
            33, "a chunk longer than its size", 400,
            post("transfer-encoding: chunked", "1\r\n{}\r\n0\r\n\r\n")),
        BadRequest(45, "NUL in a value", 400, post("x: a\u{0}b", "")),
        BadRequest(48, "two Hosts", 400, post("host: b", "")),
        BadRequest(
            50, "1000 fields", 431,
            post((0..<1_000).map { "x\($0): 1" }.joined(separator: "\r\n"), "")),
        BadRequest(57, "HTTP/2.0", 505, "GET /v1/models HTTP/2.0\r\nhost: a\r\n\r\n" + smuggled),
        BadRequest(62, "CONNECT", 405, "CONNECT a:80 HTTP/1.1\r\nhost: a:80\r\n\r\n" + smuggled),
        BadRequest(63, "TRACE", 405, "TRACE / HTTP/1.1\r\nhost: a\r\n\r\n" + smuggled),
        BadRequest(66, "an HTTP/2 preface", 505, "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + smuggled),
        BadRequest(
            69, "an unknown route with an unread body", 404,
            "POST /nope HTTP/1.1\r\nhost: a\r\ncontent-length: 9999\r\n\r\n" + smuggled),
        BadRequest(
            69, "a wrong method with an unread body", 405,
            "PUT /v1/chat/completions HTTP/1.1\r\nhost: a\r\ncontent-length: 9999\r\n\r\n"
                + smuggled),
        BadRequest(
            70, "a chunked body over the limit", 413,
            post(
                "transfer-encoding: chunked",
                "186A0\r\n" + String(repeating: " ", count: 100_000) + "\r\n0\r\n\r\n")),
        BadRequest(87, "duplicate keys", 400, chat(#"{"model":"tiny","model":"other"}"#)),
        BadRequest(87, "no JSON", 400, chat("{{{{")),
    ]
}

extension GatewayTests {
    @Suite(.serialized) struct SmugglingTests {
        private func echo() throws -> ScriptedUpstream {
            try ScriptedUpstream { peer in
                while let request = peer.nextRequest() { peer.answer(request.text) }
            }
        }

        @Test func `what is ambiguous or malformed is refused and nothing of it is forwarded`()
            throws
        {
            let upstream = try echo()
            try GatewayUnderTest.run([upstream], change: { $0.limits.bodyBytesMax = 65_536 }) {
                gateway in
                for row in BadRequest.rows {
                    let client = try gateway.connect()
                    client.send(row.bytes)
                    let answer = client.readAnswer()
                    #expect(answer?.status == row.status, "row \(row.row): \(row.testDescription)")
                    #expect(answer?["x-sluice-reason"] != nil, "\(row.testDescription)")
                    guard row.row != 87 else { continue }
                    #expect(answer?["connection"] == "close", "\(row.testDescription)")
                    let ending = client.readToEnd()
                    #expect(ending == .finished, "row \(row.row): \(row.testDescription)")
                    #expect(client.received.isEmpty, "row \(row.row): \(row.testDescription)")
                }
                #expect(upstream.requests == [])
                #expect(upstream.bytes.isEmpty)
            }
        }

        @Test(arguments: [2, 200])
        func `pipelined requests are all answered, in their order`(count: Int) throws {
            let upstream = try echo()
            try GatewayUnderTest.run([upstream]) { gateway in
                let client = try gateway.connect()
                let bodies = (0..<count).map { #"{"model":"tiny","n":\#($0)}"# }
                client.send(bodies.map { chat($0) }.joined())
                for body in bodies {
                    #expect(client.readAnswer()?.text == body)
                }
                #expect(upstream.requests.map(\.text) == bodies)
            }
        }

        @Test func `a request that comes byte by byte is answered`() throws {
            let upstream = try echo()
            try GatewayUnderTest.run([upstream]) { gateway in
                let client = try gateway.connect()
                for byte in Array(chat("{\"model\":\"tiny\"}").utf8) {
                    client.send([byte])
                    pause(.microseconds(50))
                }
                #expect(client.readAnswer()?.text == "{\"model\":\"tiny\"}")
            }
        }

        @Test func `a chunked body arrives with a length and without its trailer`() throws {
            let upstream = try echo()
            try GatewayUnderTest.run([upstream]) { gateway in
                let answer = try gateway.ask(
                    "POST /v1/chat/completions HTTP/1.1\r\nhost: a\r\n"
                        + "transfer-encoding: chunked\r\n\r\n9\r\n{\"model\":\r\n7;a=b\r\n\"tiny\"}\r\n"
                        + "0\r\nauthorization: stolen\r\nhost: evil\r\n\r\n")
                #expect(answer.text == #"{"model":"tiny"}"#)
                let request = try #require(upstream.requests.first)
                #expect(request.values("content-length") == ["16"])
                #expect(request.values("transfer-encoding") == [])
                #expect(request.values("authorization") == [])
                #expect(request.values("host") == [upstream.address.description])
            }
        }

        @Test func `a client that sends FIN with its request open has left`() throws {
            let upstream = try ScriptedUpstream { peer in
                peer.nextRequest()
                peer.waitForEnd()
            }
            try GatewayUnderTest.run([upstream]) { gateway in
                let client = try gateway.connect()
                client.send(streamingChat)
                #expect(eventually { upstream.requests.count == 1 })
                client.finish()
                #expect(eventually { upstream.state.withLock { !$0.endings.isEmpty } })
                #expect(gateway.sees("client_gone"))
                #expect(upstream.requests.count == 1)
            }
        }

        @Test func `a body that the client cuts short is never a request`() throws {
            let upstream = try echo()
            try GatewayUnderTest.run([upstream]) { gateway in
                let client = try gateway.connect()
                client.send(String(chat().dropLast(3)))
                client.finish()
                _ = client.readToEnd()
                #expect(gateway.sees("client_gone"))
                #expect(upstream.bytes.isEmpty)
            }
        }

        @Test func `a client that waits for 100-continue gets it, one that does not needs none`()
            throws
        {
            let upstream = try echo()
            try GatewayUnderTest.run([upstream]) { gateway in
                let request = chat("{\"model\":\"tiny\"}", fields: "expect: 100-continue\r\n")
                let client = try gateway.connect()
                client.send(String(request.dropLast(16)))
                #expect(client.readAnswer()?.status == 100)
                client.send(String(request.suffix(16)))
                #expect(client.readAnswer()?.status == 200)
                client.send(request)
                #expect(client.readAnswer()?.status == 200)
                #expect(upstream.requests.allSatisfy { $0.values("expect") == [] })
                let unknown = try gateway.ask(chat(fields: "expect: 200-ok\r\n"))
                #expect(unknown.status == 417)
            }
        }

        @Test func `an early refusal is not preceded by 100 Continue`() throws {
            let upstream = try echo()
            try GatewayUnderTest.run([upstream], change: { $0.limits.bodyBytesMax = 8 }) {
                gateway in
                let answer = try gateway.ask(
                    "POST /v1/chat/completions HTTP/1.1\r\nhost: a\r\nexpect: 100-continue\r\n"
                        + "content-length: 9\r\n\r\n")
                #expect(answer.status == 413)
                #expect(answer.text.contains("`limits.body_bytes_max`"))
            }
        }

        @Test func `fields of one connection and those that Connection names are not forwarded`()
            throws
        {
            let upstream = try echo()
            try GatewayUnderTest.run([upstream]) { gateway in
                let answer = try gateway.ask(
                    chat(
                        "{\"model\":\"tiny\"}",
                        fields: "connection: keep-alive, x-secret, content-length, host\r\n"
                            + "x-secret: 1\r\nkeep-alive: timeout=9\r\nproxy-connection: close\r\n"
                            + "upgrade: h2c\r\nte: trailers\r\nx-kept: yes\r\naccept-encoding: gzip\r\n"
                    ))
                #expect(answer.status == 200)
                let request = try #require(upstream.requests.first)
                for name in [
                    "connection", "x-secret", "keep-alive", "proxy-connection", "upgrade", "te",
                    "accept-encoding",
                ] { #expect(request.values(name) == [], "\(name)") }
                #expect(request.values("x-kept") == ["yes"])
                #expect(request.values("content-length") == ["16"])
                #expect(request.values("host").count == 1)
            }
        }

        @Test func `a replica's fields of one connection do not reach the client`() throws {
            let upstream = try ScriptedUpstream { peer in
                guard peer.nextRequest() != nil else { return }
                peer.send(
                    "HTTP/1.1 200 OK\r\nconnection: x-inner, keep-alive\r\nx-inner: 1\r\n"
                        + "keep-alive: timeout=5\r\nx-outer: 1\r\ncontent-length: 0\r\n\r\n")
                peer.waitForEnd()
            }
            try GatewayUnderTest.run([upstream]) { gateway in
                let answer = try gateway.ask(chat())
                #expect(answer["x-inner"] == nil)
                #expect(answer["keep-alive"] == nil)
                #expect(answer["x-outer"] == "1")
            }
        }

        @Test func `spoofed forwarding fields are replaced unless the peer is trusted`() throws {
            let fields =
                "x-forwarded-for: 6.6.6.6\r\nx-forwarded-proto: https\r\n"
                + "forwarded: for=6.6.6.6\r\nx-real-ip: 6.6.6.6\r\nx-sluice-class: standard\r\n"
                // A proxy that adds lines and not to lines.
                + "x-forwarded-for: 192.0.2.9\r\nvia: 1.1 a\r\nvia: 1.0 b, 1.1 c\r\n"
            for (trusted, expected) in [
                ([], ["127.0.0.1"]), (["127.0.0.0/8"], ["6.6.6.6, 192.0.2.9, 127.0.0.1"]),
            ] {
                let upstream = try echo()
                try GatewayUnderTest.run([upstream], change: { $0.trustedProxies = trusted }) {
                    gateway in
                    _ = try gateway.ask(chat(fields: fields))
                    let request = try #require(upstream.requests.first)
                    #expect(request.values("x-forwarded-for") == expected)
                    #expect(
                        request.values("x-forwarded-proto") == [trusted.isEmpty ? "http" : "https"])
                    let own = "for=127.0.0.1;proto=http"
                    #expect(
                        request.values("forwarded")
                            == [trusted.isEmpty ? own : "for=6.6.6.6, \(own)"])
                    #expect(
                        request.values("via")
                            == [trusted.isEmpty ? "1.1 sluice" : "1.1 a, 1.0 b, 1.1 c, 1.1 sluice"])
                    for name in ["x-real-ip", "x-sluice-class"] {
                        #expect(request.values(name) == [], "\(name)")
                    }
                }
            }
        }

        @Test func `a harmless request id is kept, any other is made anew`() throws {
            let upstream = try echo()
            try GatewayUnderTest.run([upstream]) { gateway in
                let longest = String(repeating: "a", count: 128)
                for id in ["abc-1._Z", longest] {
                    let answer = try gateway.ask(chat(fields: "x-request-id: \(id)\r\n"))
                    #expect(answer["x-request-id"] == id)
                    let sent = try #require(upstream.requests.last?.values("x-request-id"))
                    #expect(sent.count == 1)
                    #expect(sent[0].hasPrefix(id + "-") && sent[0].count == id.count + 7)
                }
                for id in ["a b", longest + "a", "a%0d%0aset-cookie:1", "", "é"] {
                    let answer = try gateway.ask(chat(fields: "x-request-id: \(id)\r\n"))
                    let made = try #require(answer["x-request-id"])
                    #expect(made != id)
                    #expect(made.count == 36)
                    let sent = try #require(upstream.requests.last?.values("x-request-id"))
                    #expect(sent.count == 1 && sent[0].hasPrefix(made + "-"))
                }
                let refused = try gateway.ask("GET /nope HTTP/1.1\r\nhost: a\r\n\r\n")
                #expect(refused["x-request-id"]?.count == 36)
            }
        }

        @Test(arguments: [
            "/metrics", "//v1/chat/completions", "/v1/chat/completions/", "/v1/%63hat/completions",
            "/v1/../metrics", "/v1/chat/completions;x", "/V1/chat/completions", "/sleep",
            "/v1/load_lora_adapter", "/..;/metrics", "/v1/chat%2fcompletions",
        ])
        func `a path outside the list never reaches a replica`(path: String) throws {
            let upstream = try echo()
            try GatewayUnderTest.run([upstream]) { gateway in
                let answer = try gateway.ask("GET \(path) HTTP/1.1\r\nhost: a\r\n\r\n")
                #expect(answer.status == 404)
                #expect(upstream.bytes.isEmpty)
            }
        }
    }
}
