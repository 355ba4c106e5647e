import SluiceExchange
import SluiceProxy
import SluiceTime
import Testing

extension GatewayTests {
    /// Requests that are refused before their body has come, and what becomes of its bytes.
    @Suite(.serialized) struct HeadRefusalTests {
        /// One slot, taken; no room to wait.
        private func run(
            _ body: (GatewayUnderTest, ScriptedUpstream) throws -> Void
        ) throws {
            let gate = Gate()
            let upstream = try ScriptedUpstream.holding(gate)
            try GatewayUnderTest.run(
                [upstream],
                change: {
                    $0.pools[0].replicaInflightMax = 1
                    $0.pools[0].queueLengthMax = 0
                }
            ) { gateway in
                let first = try gateway.connect()
                first.send(chat())
                let isServed = eventually { upstream.requests.count == 1 }
                #expect(isServed)
                try body(gateway, upstream)
                #expect(upstream.requests.count == 1)
                gate.open()
                #expect(first.readAnswer()?.status == 200)
            }
        }

        private func head(_ length: Int, fields: String = "") -> String {
            "POST /v1/chat/completions HTTP/1.1\r\nhost: gw\r\ncontent-type: application/json\r\n"
                + "\(fields)content-length: \(length)\r\n\r\n"
        }

        /// Bytes that would be requests, were they read as such.
        private func requests(_ length: Int) -> [UInt8] {
            let one = Array("GET /health HTTP/1.1\r\nhost: a\r\n\r\n".utf8)
            return (0..<length).map { one[$0 % one.count] }
        }

        @Test func `the answer comes without the body, and the connection serves the next request`()
            throws
        {
            try run { gateway, _ in
                let client = try gateway.connect()
                let body = requests(200_000)
                client.send(Array(head(200_000).utf8) + body.prefix(10))
                let answer = try #require(client.readAnswer())
                #expect(answer.status == 429 && answer["x-sluice-reason"] == "full")
                #expect(answer["retry-after"] != nil && answer["retry-after-ms"] != nil)
                #expect(answer["x-request-id"] != nil && answer["connection"] == nil)
                #expect(answer.text.contains("\"type\":\"rate_limit_error\""))
                client.send(Array(body.dropFirst(10)))
                client.send("GET /v1/models HTTP/1.1\r\nhost: a\r\n\r\n")
                let next = try #require(client.readAnswer())
                #expect(next.text.contains("\"object\":\"list\""), "the body is no request")
                #expect(client.received.isEmpty)
                #expect(gateway.metrics()?.sum("sluice_shed_total", "reason=\"full\"") == 1)
            }
        }

        @Test func `the connection ends with the answer where too much would still come`() throws {
            try run { gateway, _ in
                let client = try gateway.connect()
                client.send(head(10_000_000) + "{")
                let answer = try #require(client.readAnswer())
                #expect(answer.status == 429 && answer["connection"] == "close")
                client.send(requests(100_000))
                #expect(client.readToEnd() == .finished, "lingering: no reset overtakes the answer")
                #expect(client.received.isEmpty)
            }
        }

        @Test func `who waits for 100-continue gets the refusal in its place, and the end`() throws
        {
            try run { gateway, _ in
                for length in [20, 100_000, 10_000_000] {
                    let client = try gateway.connect()
                    client.send(head(length, fields: "expect: 100-continue\r\n"))
                    let answer = try #require(client.readAnswer())
                    #expect(answer.status == 429 && answer["connection"] == "close")
                    #expect(client.readToEnd() == .finished)
                }
            }
        }

        @Test func `a rest of a body that never comes is not waited for long`() throws {
            try run { gateway, _ in
                let client = try gateway.connect()
                client.send(head(20_000) + "{")
                #expect(client.readAnswer()?.status == 429)
                #expect(client.readToEnd() == .finished)
            }
        }

        @Test func `a client that leaves in the middle of its body leaves nothing behind`() throws {
            try run { gateway, _ in
                let client = try gateway.connect()
                client.send(Array(head(200_000).utf8) + requests(50_000))
                #expect(client.readAnswer()?.status == 429)
                client.reset()
                #expect(gateway.sees("shed"))
            }
        }

        @Test func `without a replica a body is not read either`() throws {
            let upstream = try ScriptedUpstream { peer in peer.waitForEnd() }
            upstream.set { $0.health = 503 }
            try GatewayUnderTest.run([upstream]) { gateway in
                let isRefused = eventually {
                    guard let client = try? gateway.connect() else { return false }
                    client.send(head(100_000))
                    let answer = client.readAnswer(within: .milliseconds(200))
                    return answer?.status == 503 && answer?["x-sluice-reason"] == "no_replica"
                }
                #expect(isRefused)
            }
        }

        @Test func `where there is room a large body is read and served`() throws {
            let upstream = try ScriptedUpstream { peer in
                while peer.nextRequest() != nil { peer.answer("{}") }
            }
            let text = String(repeating: "word ", count: 40_000)
            let body = #"{"model":"tiny","messages":[{"role":"user","content":"\#(text)"}]}"#
            try GatewayUnderTest.run([upstream]) { gateway in
                let answer = try gateway.ask(chat(body))
                #expect(answer.status == 200)
                #expect(upstream.requests.first?.text == body)
            }
        }
    }
}
