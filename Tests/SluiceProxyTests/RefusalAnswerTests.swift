import SluiceExchange
import SluiceProxy
import SluiceReactor
import SluiceTime
import Testing

extension GatewayTests {
    /// What reaches a client that admission refuses, and one that asks why.
    @Suite(.serialized) struct RefusalAnswerTests {
        /// One slot, no room to wait: the second request of two at once is refused.
        private static func configure(_ settings: inout GatewaySettings) {
            settings.pools[0].replicaInflightMax = 1
            settings.pools[0].queueLengthMax = 0
        }

        /// Holds every request until the gate opens.
        private func run(
            change: @escaping (inout GatewaySettings) -> Void = { _ in },
            source: ConfigurationSource? = nil,
            _ body: (GatewayUnderTest, ScriptedUpstream) throws -> Void
        ) throws {
            let gate = Gate()
            let upstream = try ScriptedUpstream.holding(gate)
            try GatewayUnderTest.run(
                [upstream],
                change: {
                    Self.configure(&$0)
                    change(&$0)
                }, source: source
            ) { gateway in
                let first = try gateway.connect()
                first.send(chat())
                let isServed = eventually { upstream.requests.count == 1 }
                #expect(isServed)
                try body(gateway, upstream)
                gate.open()
                #expect(first.readAnswer()?.status == 200)
            }
        }

        @Test func `a refusal says when to come back, in seconds and exactly`() throws {
            try run { gateway, _ in
                let answer = try gateway.ask(chat())
                #expect(answer.status == 429 && answer["x-sluice-reason"] == "full")
                let seconds = try #require(answer["retry-after"].flatMap { Int($0) })
                let milliseconds = try #require(answer["retry-after-ms"].flatMap { Int($0) })
                #expect((1...60).contains(seconds))
                #expect((milliseconds + 999) / 1_000 == seconds)
                #expect(answer["x-should-retry"] == nil)
                #expect(answer["connection"] == nil, "the body was read: the connection goes on")
                #expect(answer.text.contains("\"type\":\"rate_limit_error\""))
            }
        }

        @Test func `a pool may answer 503 instead, from one request to the next`() throws {
            let file = ReloadTests.File()
            var settings: GatewaySettings?
            try run(change: { settings = $0 }, source: file.source) { gateway, _ in
                #expect(try gateway.ask(chat()).status == 429)
                var new = try #require(settings)
                new.pools[0].admission.overloadStatus = 503
                file.write(new)
                gateway.reload()
                let isTaken = eventually { (try? gateway.ask(chat()))?.status == 503 }
                #expect(isTaken)
                let answer = try gateway.ask(chat())
                #expect(answer["x-sluice-reason"] == "full")
                #expect(answer.text.contains("\"type\":\"overloaded_error\""))
            }
        }

        @Test func `an objective refuses what cannot meet it, and changes live`() throws {
            let upstream = try ScriptedUpstream { peer in
                while peer.nextRequest() != nil { peer.answer("{}") }
            }
            let file = ReloadTests.File()
            var settings: GatewaySettings?
            // Some 2,500 tokens: 50 ms even for a fast engine, as is believed at start.
            let text = String(repeating: "word ", count: 2_000)
            let long = chat(#"{"model":"tiny","messages":[{"role":"user","content":"\#(text)"}]}"#)
            try GatewayUnderTest.run(
                [upstream],
                change: {
                    $0.classes[0].timeToFirstToken = .milliseconds(20)
                    $0.classes[0].longPrompt = .refuse
                    settings = $0
                }, source: file.source
            ) { gateway in
                let refused = try gateway.ask(long)
                #expect(refused.status == 429 && refused["x-sluice-reason"] == "infeasible")
                #expect(refused["x-should-retry"] == "false" && refused["retry-after"] == nil)
                #expect(try gateway.ask(chat()).status == 200)
                let page = try #require(gateway.metrics())
                let shed = page.sum(
                    "sluice_shed_total", "class=\"standard\"", "reason=\"infeasible\"")
                #expect(shed == 1)
                var new = try #require(settings)
                new.classes[0].timeToFirstToken = .seconds(60)
                file.write(new)
                gateway.reload()
                let isTaken = eventually { (try? gateway.ask(long))?.status == 200 }
                #expect(isTaken)
            }
        }

        @Test func `a client that asks is told what became of its request`() throws {
            try run { gateway, upstream in
                let refused = try gateway.ask(chat(fields: "x-sluice-explain: 1\r\n"))
                #expect(refused.status == 429)
                #expect(refused["x-sluice-class"] == "standard")
                #expect(refused["x-sluice-queue-ms"].flatMap { Double($0) } ?? -1 >= 0)
                #expect(refused["x-sluice-replica"] == nil && refused["x-sluice-tenant"] == nil)
            }
            let upstream = try ScriptedUpstream { peer in
                while let request = peer.nextRequest() {
                    #expect(request.values("x-sluice-explain") == [])
                    peer.send(streamHead + chunk(token("a")) + chunk(done) + "0\r\n\r\n")
                }
            }
            try GatewayUnderTest.run([upstream]) { gateway in
                let body = #"{"model":"tiny","stream":true,"messages":[]}"#
                let told = try gateway.ask(chat(body, fields: "x-sluice-explain: 1\r\n"))
                #expect(told["x-sluice-replica"] == upstream.address.description)
                let queue = try #require(told["x-sluice-queue-ms"])
                #expect(queue.split(separator: ".").last?.count == 3, "\(queue)")
                #expect((Double(queue) ?? -1) < 5_000)
                for fields in ["", "x-sluice-explain: 0\r\n", "x-sluice-explain: 11\r\n"] {
                    let silent = try gateway.ask(chat(body, fields: fields))
                    let names = silent.fields.map(\.name).filter { $0.hasPrefix("x-sluice") }
                    #expect(names == [])
                }
            }
        }

        @Test func `a replica cannot say it in our name`() throws {
            let upstream = try ScriptedUpstream { peer in
                while peer.nextRequest() != nil {
                    peer.send(
                        "HTTP/1.1 200 OK\r\nx-sluice-class: x\r\nx-sluice-replica: y\r\n"
                            + "x-sluice-explain: 1\r\ncontent-length: 0\r\n\r\n")
                }
            }
            try GatewayUnderTest.run([upstream]) { gateway in
                let answer = try gateway.ask(chat())
                #expect(answer.status == 200)
                #expect(answer.fields.allSatisfy { !$0.name.hasPrefix("x-sluice") })
            }
        }
    }
}
