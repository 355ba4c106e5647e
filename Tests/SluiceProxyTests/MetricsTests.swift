import SluiceExchange
import SluiceTime
import Testing

extension GatewayTests {
    @Suite(.serialized) struct MetricsTests {
        /// Answers each request with a stream whose content waits until the test says so.
        private func slowStream() throws -> ScriptedUpstream {
            try ScriptedUpstream { peer in
                while let request = peer.nextRequest() {
                    peer.send(streamHead)
                    peer.rest(request.text.contains("slow") ? .milliseconds(400) : .zero)
                    peer.send(chunk(token("a")) + chunk(done) + "0\r\n\r\n")
                }
            }
        }

        private func body(_ word: String) -> String {
            chat("{\"model\":\"tiny\",\"stream\":true,\"messages\":[],\"user\":\"\(word)\"}")
        }

        @Test func `a replica's connections are counted as active, then idle, then not at all`()
            throws
        {
            let upstream = try slowStream()
            try GatewayUnderTest.run([upstream]) { gateway in
                func count(_ state: String) -> Double? {
                    gateway.metrics()?.sum("sluice_upstream_connections", "state=\"\(state)\"")
                }
                #expect(count("active") == 0 && count("idle") == 0)
                let client = try gateway.connect()
                client.send(body("slow"))
                #expect(eventually { count("active") == 1 && count("idle") == 0 })
                #expect(gateway.metrics()?.sum("sluice_connections", "upstream") == 1)
                #expect(client.readAnswer()?.isWhole == true)
                #expect(eventually { count("active") == 0 && count("idle") == 1 })
                upstream.stop()
                #expect(eventually { count("active") == 0 && count("idle") == 0 })
                #expect(gateway.metrics()?.sum("sluice_connections", "upstream") == 0)
                let begun = gateway.metrics()?
                    .sum("sluice_connections_total", "side=\"upstream\"", "result=\"ok\"")
                #expect(begun == 1)
            }
        }

        @Test func `buffers in use are counted, and their bound with them`() throws {
            let upstream = try slowStream()
            try GatewayUnderTest.run([upstream]) { gateway in
                let client = try gateway.connect()
                client.send(body("slow"))
                #expect(eventually { upstream.requests.count == 1 })
                let page = try #require(gateway.metrics())
                let held = page.sum("sluice_buffers_bytes")
                #expect(held >= 16_384)
                #expect(held <= page.sum("sluice_buffers_max_bytes"))
                #expect(client.readAnswer()?.isWhole == true)
            }
        }

        @Test func `a trace context comes back as exemplar, a malformed one does not`() throws {
            let upstream = try slowStream()
            let good = "4bf92f3577b34da6a3ce929d0e0e4736"
            let malformed = [
                "00-\(good)-00f067aa0ba902b7", "00-\(good)-00f067aa0ba902b7-01-x",
                "ff-\(good)-00f067aa0ba902b7-01", "00-\(good.uppercased())-00f067aa0ba902b7-01",
                "00-" + String(repeating: "0", count: 32) + "-00f067aa0ba902b7-01", "00-é-x-y", "-",
            ]
            try GatewayUnderTest.run([upstream]) { gateway in
                func ask(_ parent: String) throws {
                    let body = #"{"model":"tiny","stream":true,"messages":[]}"#
                    let answer = try gateway.ask(chat(body, fields: "traceparent: \(parent)\r\n"))
                    #expect(answer.status == 200)
                }
                for parent in malformed { try ask(parent) }
                #expect(gateway.sees("ok", Double(malformed.count)))
                #expect(gateway.openMetrics()?.contains("trace_id") == false)
                try ask("00-\(good)-00f067aa0ba902b7-01")
                #expect(gateway.sees("ok", Double(malformed.count + 1)))
                let page = try #require(gateway.openMetrics())
                #expect(page.contains("# {trace_id=\"\(good)\"}"))
                #expect(page.hasSuffix("# EOF\n"))
                // What came goes on to the replica.
                #expect(
                    upstream.requests.last?.values("traceparent") == [
                        "00-\(good)-00f067aa0ba902b7-01"
                    ])
            }
        }

        @Test func `each stream with content has its share of the network measured`() throws {
            let upstream = try slowStream()
            try GatewayUnderTest.run([upstream]) { gateway in
                let answer = try gateway.ask(body("quick"))
                #expect(answer.isWhole)
                #expect(gateway.sees("ok"))
                #expect(gateway.metrics()?.sum("sluice_downstream_rtt_seconds_count") == 1)
                #expect((gateway.metrics()?.sum("sluice_downstream_rtt_seconds_sum") ?? 0) > 0)
            }
        }

        @Test func `objectives are bounds of the time to first token`() throws {
            let upstream = try slowStream()
            try GatewayUnderTest.run(
                [upstream], change: { $0.timeToFirstTokenObjectives = [.milliseconds(1_234)] }
            ) { gateway in
                let answer = try gateway.ask(body("quick"))
                #expect(answer.isWhole)
                #expect(gateway.sees("ok"))
                let page = try #require(gateway.metrics())
                #expect(page.sum("sluice_time_to_first_token_seconds_bucket", "le=\"1.234\"") == 1)
            }
        }

        @Test func `figures about a pool carry its name`() throws {
            let upstream = try slowStream()
            upstream.goDown()
            try GatewayUnderTest.run(
                [upstream],
                change: { $0.pools[0].replicas.append(.init(url: "http://127.0.0.1:1")) }
            ) { gateway in
                let page = try #require(gateway.metrics())
                #expect(page.sum("sluice_retry_budget_remaining", "pool=\"pool\"") > 0)
                #expect(page.sum("sluice_scrapes_total", "pool=\"pool\"", "result=\"connect\"") > 0)
                #expect(page.sum("sluice_replica_window") == 0)
            }
        }
    }
}
