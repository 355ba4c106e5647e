import Foundation
import SluiceExchange
import SluiceProxy
import SluiceTime
import Testing

extension GatewayTests {
    /// Clients beyond `limits.connections_max` wait in the kernel until others have gone, and who is in
    /// does not stay for ever.
    @Suite(.serialized) struct ConnectionLimitTests {
        private let health = "GET /health HTTP/1.1\r\nhost: a\r\n\r\n"

        private func open(_ gateway: GatewayUnderTest) -> Double? {
            gateway.metrics()?.sum("sluice_connections", "side=\"downstream\"")
        }

        @Test
        func `at the limit nobody is accepted, those who are in are served, and the next gets in`()
            throws
        {
            let upstream = try ScriptedUpstream { peer in
                while peer.nextRequest() != nil { peer.answer("{}") }
            }
            try GatewayUnderTest.run([upstream], change: { $0.limits.connectionsMax = 3 }) {
                gateway in
                var inside = try (0..<3).map { _ in try gateway.connect() }
                for client in inside {
                    client.send(health)
                    #expect(client.readAnswer()?.status == 200)
                }
                let waiting = try (0..<2).map { _ in try gateway.connect() }
                for client in waiting { client.send(chat()) }
                // Longer than the pause after which it looks again.
                for client in waiting {
                    let answer = client.readAnswer(within: .milliseconds(150))
                    #expect(answer == nil)
                }
                #expect(open(gateway) == 3)
                #expect(upstream.requests == [])
                for client in inside {
                    client.send(chat())
                    #expect(client.readAnswer()?.status == 200)
                }

                for client in waiting {
                    inside.removeFirst().close()
                    #expect(client.readAnswer()?.status == 200)
                }
                #expect(open(gateway) == 3)
                let paused = gateway.metrics()?.sum("sluice_accept_paused_seconds_total") ?? 0
                #expect(paused >= 0.1)

                for client in inside + waiting { client.close() }
                #expect(eventually { open(gateway) == 0 })
                #expect(try gateway.ask(chat()).status == 200, "nothing is left paused")
            }
        }

        @Test(arguments: [3, 0])
        func `the last of so many answers, whatever it says, closes its connection`(most: Int)
            throws
        {
            let upstream = try ScriptedUpstream { peer in
                while peer.nextRequest() != nil { peer.answer("{}") }
            }
            let wrong =
                "POST /v1/chat/completions HTTP/1.1\r\nhost: a\r\ncontent-length: 1\r\n\r\nx"
            let change: (inout GatewaySettings) -> Void = {
                $0.limits.requestsPerConnectionMax = most
                $0.workers = 1
            }
            try GatewayUnderTest.run([upstream], change: change) { gateway in
                for _ in 0..<2 {
                    let client = try gateway.connect()
                    for (number, request) in [chat(), wrong, chat()].enumerated() {
                        client.send(request)
                        let answer = client.readAnswer()
                        #expect(answer?.status == (number == 1 ? 400 : 200))
                        let closes =
                            answer?["connection"] == "close"
                        #expect(closes == (most > 0 && number + 1 == most))
                    }
                    let ending = client.readToEnd(
                        within: most > 0 ? .seconds(5) : .milliseconds(100))
                    #expect((ending != nil) == (most > 0))
                    client.close()
                }
            }
        }

        @Test
        func
            `what is pipelined behind the last answer of a connection is not served, and reaches nobody`()
            throws
        {
            let upstream = try ScriptedUpstream { peer in
                while peer.nextRequest() != nil { peer.answer("{}") }
            }
            try GatewayUnderTest.run([upstream], change: Self.two) { gateway in
                let client = try gateway.connect()
                client.send(String(repeating: chat(), count: 5))
                let first = client.readAnswer()
                #expect(first?.status == 200)
                #expect(first?["connection"] != "close")
                let last = client.readAnswer()
                #expect(last?.status == 200)
                #expect(last?["connection"] == "close")
                #expect(client.readAnswer(within: .milliseconds(500)) == nil)
                #expect(client.readToEnd() != nil)
                #expect(upstream.requests.count == 2)
                client.close()
                #expect(try gateway.ask(chat()).status == 200)
            }
        }

        @Test func `the last answer to a HEAD has no body and closes its connection`() throws {
            try GatewayUnderTest.run([], change: Self.two) { gateway in
                let client = try gateway.connect()
                client.send(String(repeating: "HEAD /health HTTP/1.1\r\nhost: a\r\n\r\n", count: 3))
                let first = client.readAnswer(isHead: true)
                #expect(first != nil)
                #expect(first?["connection"] != "close")
                let last = client.readAnswer(isHead: true)
                #expect(last?["connection"] == "close")
                #expect(client.readToEnd() == .finished)
                #expect(client.received.isEmpty, "neither a body nor a third answer")
                client.close()
            }
        }

        @Test func `a connection of HTTP 1.0 that asks to stay ends with the last of its answers`()
            throws
        {
            let upstream = try ScriptedUpstream { peer in
                while peer.nextRequest() != nil { peer.answer("{}") }
            }
            let old = chat(fields: "connection: keep-alive\r\n")
                .replacingOccurrences(of: "HTTP/1.1", with: "HTTP/1.0")
            try GatewayUnderTest.run([upstream], change: Self.two) { gateway in
                let client = try gateway.connect()
                var answers = 0
                for _ in 0..<3 where client.send(old) {
                    guard let answer = client.readAnswer(within: .seconds(1)) else { break }
                    #expect(answer.status == 200)
                    answers += 1
                }
                #expect(answers == 2)
                #expect(client.readToEnd() != nil)
                client.close()
            }
        }

        private static let two: @Sendable (inout GatewaySettings) -> Void = {
            $0.limits.requestsPerConnectionMax = 2
            $0.workers = 1
        }
    }
}
