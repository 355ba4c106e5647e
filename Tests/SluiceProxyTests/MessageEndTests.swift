import Foundation
import SluiceExchange
import SluiceProxy
import Testing

extension GatewayTests {
    /// Where one request or answer ends and the next begins: what lies behind the end of one is never
    /// a part of it, and what lies within is never another. Rows are those of the threat table.
    @Suite(.serialized) struct MessageEndTests {
        /// Keeps responses, so that a GET can be forwarded; answers anything else with its body.
        private func echo() throws -> ScriptedUpstream {
            try ScriptedUpstream { peer in
                while let request = peer.nextRequest() {
                    let made = #"{"id":"resp_1","object":"response","output":[]}"#
                    peer.answer(
                        request.line.hasPrefix("POST /v1/responses ") ? made : request.text)
                }
            }
        }

        private static let smuggled = BadRequest.smuggled

        private static func get(_ path: String, _ body: String, isChunked: Bool) -> String {
            "GET \(path) HTTP/1.1\r\nhost: a\r\n"
                + (isChunked
                    ? "transfer-encoding: chunked\r\n\r\n" + chunk(body) + "0\r\n\r\n"
                    : "content-length: \(body.utf8.count)\r\n\r\n" + body)
        }

        @Test(arguments: [false, true])
        func `a request in the body of a GET is its body (row 25)`(isChunked: Bool) throws {
            let upstream = try echo()
            try GatewayUnderTest.run([upstream]) { gateway in
                let client = try gateway.connect()
                for path in ["/v1/models", "/health"] {
                    client.send(Self.get(path, Self.smuggled, isChunked: isChunked))
                    #expect(client.readAnswer()?.status == 200, "\(path)")
                }
                #expect(upstream.bytes.isEmpty, "what we answer ourselves is forwarded to nobody")

                let body = #"{"model":"tiny","input":"hi"}"#
                client.send(
                    "POST /v1/responses HTTP/1.1\r\nhost: a\r\ncontent-type: application/json\r\n"
                        + "content-length: \(body.utf8.count)\r\n\r\n\(body)")
                #expect(client.readAnswer()?.status == 200)
                client.send(
                    Self.get("/v1/responses/resp_1", Self.smuggled, isChunked: isChunked) + chat())
                #expect(client.readAnswer()?.text == Self.smuggled)
                #expect(client.readAnswer()?.text == #"{"model":"tiny","messages":[]}"#)
                let forwarded = upstream.requests.dropFirst().first
                #expect(forwarded?.values("content-length") == ["\(Self.smuggled.utf8.count)"])
                #expect(forwarded?.values("transfer-encoding") == [])
                #expect(upstream.requests.count == 3)
                #expect(client.received.isEmpty)
            }
        }

        @Test(arguments: ["rubbish\r\n\r\n", "{}\r\n\r\n", "\u{0}", "POST\r\n\r\n"])
        func `bytes after a body are refused, once it has been answered (row 26)`(rubbish: String)
            throws
        {
            let chunked =
                "POST /v1/chat/completions HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n"
                + chunk(#"{"model":"tiny"}"#) + "0\r\n\r\n"
            let upstream = try echo()
            try GatewayUnderTest.run([upstream]) { gateway in
                for request in [chat(), chunked] {
                    let client = try gateway.connect()
                    client.send(request + rubbish + Self.smuggled)
                    #expect(client.readAnswer()?.status == 200)
                    let refused = client.readAnswer()
                    #expect(refused?.status == 400 && refused?["connection"] == "close")
                    #expect(client.readToEnd() == .finished)
                    #expect(client.received.isEmpty)
                }
                #expect(upstream.requests.count == 2)
                #expect(!upstream.bytes.holds("smuggled"))
            }
        }

        @Test(arguments: [
            chat(fields: "connection: close\r\n"),
            chat().replacing("HTTP/1.1", with: "HTTP/1.0"),
            "GET /v1/models HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n",
        ])
        func `a request behind one that ends its connection is not served (row 27)`(last: String)
            throws
        {
            let upstream = try echo()
            try GatewayUnderTest.run([upstream]) { gateway in
                let client = try gateway.connect()
                client.send(last + Self.smuggled)
                let answer = client.readAnswer()
                #expect(answer?.status == 200 && answer?["connection"] == "close")
                client.send(Self.smuggled)
                #expect(client.readToEnd() == .finished)
                #expect(client.received.isEmpty)
                #expect(gateway.sees("ok"))
                #expect(!upstream.bytes.holds("smuggled"))
                #expect(gateway.metrics()?.sum("sluice_requests_received_total") == 1)
            }
        }

        /// A replica's answer, a refusal and a page of our own.
        @Test(arguments: [
            (chat(), 200), (chat(#"{"model":"unknown"}"#), 404),
            ("GET /v1/models HTTP/1.1\r\nhost: gw\r\n\r\n", 200),
        ])
        func `a connection of HTTP 1.0 that asks to stay is told that it does, in every answer`(
            request: String, status: Int
        ) throws {
            let old = request.replacing("HTTP/1.1", with: "HTTP/1.0")
                .replacing("host: gw\r\n", with: "host: gw\r\nconnection: keep-alive\r\n")
            let upstream = try echo()
            try GatewayUnderTest.run([upstream]) { gateway in
                let client = try gateway.connect()
                for _ in 0..<2 {
                    client.send(old)
                    let answer = client.readAnswer()
                    #expect(answer?.status == status && answer?["connection"] == "keep-alive")
                }
                client.send(request)
                let answer = client.readAnswer()
                #expect(answer?.status == status && answer?["connection"] == nil)
            }
        }

        /// How far a chunked body has come when its client ends.
        private static let cutBodies = [
            "", "1", "1e", "1e\r", "1e\r\n", "1e\r\n{\"model\":",
            #"1e\#r\#n{"model":"tiny","messages":[]}"#,
            chunk(#"{"model":"tiny","messages":[]}"#),
            chunk(#"{"model":"tiny","messages":[]}"#) + "0\r\n",
            chunk(#"{"model":"tiny","messages":[]}"#) + "0\r\nx: a\r\n",
        ]

        @Test(arguments: [false, true])
        func `a chunked body that its client does not end is never a request (rows 39, 40)`(
            resets: Bool
        ) throws {
            let path = NSTemporaryDirectory() + "sluice-e2e-\(UUID().uuidString).log"
            defer { try? FileManager.default.removeItem(atPath: path) }
            let upstream = try echo()
            try GatewayUnderTest.run([upstream], change: { $0.accessLog = .file(path) }) {
                gateway in
                func holds(_ isHeld: Bool) -> Bool {
                    eventually {
                        guard let page = gateway.metrics() else { return false }
                        return (page.sum("sluice_buffers_bytes") > 0) == isHeld
                    }
                }
                for (index, body) in Self.cutBodies.enumerated() {
                    #expect(holds(false))
                    let client = try gateway.connect()
                    client.send(
                        "POST /v1/chat/completions HTTP/1.1\r\nhost: a\r\n"
                            + "transfer-encoding: chunked\r\n\r\n\(body)")
                    // A reset takes along what has not been read.
                    #expect(holds(true))
                    if resets {
                        client.reset()
                    } else {
                        client.finish()
                        #expect(client.readToEnd() == .finished)
                        #expect(client.received.isEmpty)
                    }
                    #expect(gateway.sees("client_gone", Double(index + 1)), "\(body)")
                }
                #expect(upstream.bytes.isEmpty)
            }
            let lines = try String(contentsOfFile: path, encoding: .utf8).split(separator: "\n")
            let reason = resets ? "\"client_reset\"" : "\"client_closed\""
            #expect(lines.count == Self.cutBodies.count)
            #expect(lines.allSatisfy { $0.contains(reason) })
        }

        @Test func `a HEAD is answered with the fields of a GET and no body (row 73)`() throws {
            let upstream = try echo()
            try GatewayUnderTest.run([upstream]) { gateway in
                let client = try gateway.connect()
                for path in ["/v1/models", "/health"] {
                    let rest = "\(path) HTTP/1.1\r\nhost: a\r\n\r\n"
                    client.send("HEAD \(rest)")
                    let head = try #require(client.readAnswer(isHead: true))
                    #expect(client.received.isEmpty, "\(path)")
                    client.send("GET \(rest)")
                    let whole = try #require(client.readAnswer())
                    #expect(head.status == 200 && whole.status == 200, "\(path)")
                    #expect(head["content-length"] == "\(whole.body.count)", "\(path)")
                    #expect(head["content-type"] == whole["content-type"], "\(path)")
                }
                #expect(client.received.isEmpty)
            }
        }

        /// An answer that has no body, and a replica that sends one all the same.
        enum Bodiless: CaseIterable, CustomTestStringConvertible {
            case head, chunkedHead, noContent, notModified, bareNoContent

            var testDescription: String { "\(self)" }

            fileprivate var request: String {
                switch self {
                case .head, .chunkedHead: "HEAD /is_sleeping HTTP/1.1\r\nhost: a\r\n\r\n"
                case .noContent, .notModified, .bareNoContent: chat()
                }
            }

            fileprivate var answer: String {
                let length = "content-length: \(Self.body.utf8.count)\r\n\r\n"
                return switch self {
                case .head: "HTTP/1.1 200 OK\r\n" + length
                case .chunkedHead: "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n"
                case .noContent: "HTTP/1.1 204 No Content\r\n" + length
                case .notModified: "HTTP/1.1 304 Not Modified\r\n" + length
                case .bareNoContent: "HTTP/1.1 204 No Content\r\n\r\n"
                }
            }

            /// Itself an answer, so that it would do for the next request.
            fileprivate static let body = "HTTP/1.1 200 OK\r\ncontent-length: 6\r\n\r\npoison"
        }

        @Test(arguments: Bodiless.allCases, [false, true])
        func `a body where there can be none reaches no client (row 73)`(
            row: Bodiless, comesLate: Bool
        ) throws {
            let upstream = try ScriptedUpstream { peer in
                while peer.nextRequest() != nil {
                    guard peer.requestCount == 1 else {
                        peer.answer("second")
                        continue
                    }
                    peer.send(row.answer + (comesLate ? "" : Bodiless.body))
                    guard comesLate else { continue }
                    pause(.milliseconds(20))
                    peer.send(Bodiless.body)
                }
            }
            try GatewayUnderTest.run([upstream], change: { $0.allowsAdminRoutes = true }) {
                gateway in
                let client = try gateway.connect()
                client.send(row.request)
                let first = try #require(client.readAnswer(isHead: true))
                #expect((first.status == 200) == row.request.hasPrefix("HEAD"))
                if comesLate {
                    let isClosed = eventually(within: .seconds(3)) {
                        upstream.state.withLock { !$0.endings.isEmpty }
                    }
                    #expect(isClosed)
                }
                client.send(chat())
                #expect(client.readAnswer()?.text == "second")
                #expect(client.received.isEmpty && !client.all.holds("poison"))
                #expect(upstream.connections.count == 2)
            }
        }

        @Test(arguments: [false, true])
        func `a body of the largest size is served, and one of a byte more is not (row 88)`(
            isChunked: Bool
        ) throws {
            let bytesMax = 50_000
            func request(_ count: Int) -> String {
                let (start, end) = (#"{"model":"tiny","prompt":""#, "\"}")
                let body =
                    start + String(repeating: "a", count: count - (start + end).utf8.count) + end
                let framing =
                    isChunked ? "transfer-encoding: chunked" : "content-length: \(body.utf8.count)"
                return "POST /v1/completions HTTP/1.1\r\nhost: a\r\n\(framing)\r\n\r\n"
                    + (isChunked ? chunk(body) + "0\r\n\r\n" : body)
            }
            let upstream = try echo()
            try GatewayUnderTest.run([upstream], change: { $0.limits.bodyBytesMax = bytesMax }) {
                gateway in
                let served = try gateway.ask(request(bytesMax))
                #expect(served.status == 200 && served.body.count == bytesMax)
                let refused = try gateway.ask(request(bytesMax + 1))
                #expect(refused.status == 413 && refused["connection"] == "close")
                #expect(upstream.requests.map(\.body.count) == [bytesMax])
            }
        }
    }
}
