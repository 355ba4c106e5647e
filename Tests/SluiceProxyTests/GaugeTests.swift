import SluiceExchange
import SluiceTime
import Testing

extension GatewayTests {
    /// Gauges of what is under way now: right while it is, zero when it is over; and what else only
    /// a real exchange can show on the page.
    @Suite(.serialized) struct GaugeTests {
        /// Answers each request with a stream whose content takes a while.
        private func stream() throws -> ScriptedUpstream {
            try ScriptedUpstream { peer in
                while peer.nextRequest() != nil {
                    peer.send(streamHead)
                    peer.rest(.milliseconds(100))
                    peer.send(chunk(token("a")) + chunk(done) + "0\r\n\r\n")
                }
            }
        }

        private static func oldest(_ gateway: GatewayUnderTest) -> Double {
            gateway.metrics()?.sum("sluice_oldest_unanswered_seconds") ?? -1
        }

        @Test func `the oldest request without content ages until content comes`() throws {
            let (content, end) = (Gate(), Gate())
            let upstream = try ScriptedUpstream { peer in
                guard peer.nextRequest() != nil else { return }
                peer.send(streamHead)
                peer.wait(for: content)
                peer.send(chunk(token("a")))
                peer.wait(for: end)
                peer.send(chunk(done) + "0\r\n\r\n")
                peer.waitForEnd()
            }
            try GatewayUnderTest.run([upstream]) { gateway in
                #expect(Self.oldest(gateway) == 0)
                let first = try gateway.connect()
                first.send(streamingChat)
                #expect(eventually { Self.oldest(gateway) > 0.1 })
                let second = try gateway.connect()
                second.send(streamingChat)
                #expect(eventually { Self.oldest(gateway) > 0.3 })
                content.open()
                #expect(eventually { Self.oldest(gateway) == 0 })
                #expect(gateway.metrics()?.sum("sluice_requests_in_flight") ?? 0 > 0)
                end.open()
                #expect(first.readAnswer()?.isWhole == true)
                #expect(second.readAnswer()?.isWhole == true)
                #expect(Self.oldest(gateway) == 0)
            }
        }

        @Test func `a client that leaves takes its age along`() throws {
            let upstream = try ScriptedUpstream { peer in
                _ = peer.nextRequest()
                peer.waitForEnd()
            }
            try GatewayUnderTest.run([upstream]) { gateway in
                do {
                    let client = try gateway.connect()
                    client.send(chat())
                    #expect(eventually { Self.oldest(gateway) > 0.05 })
                }
                #expect(gateway.sees("client_gone"))
                #expect(Self.oldest(gateway) == 0)
            }
        }

        @Test func `connections to a replica are active while they serve and idle after it`() throws
        {
            let gate = Gate()
            let upstream = try ScriptedUpstream { peer in
                while peer.nextRequest() != nil {
                    peer.wait(for: gate)
                    peer.answer("{}")
                }
            }
            func connections(_ gateway: GatewayUnderTest, _ state: String) -> Double? {
                gateway.metrics()?.sum("sluice_upstream_connections", "state=\"\(state)\"")
            }
            try GatewayUnderTest.run([upstream]) { gateway in
                #expect(connections(gateway, "active") == 0)
                let client = try gateway.connect()
                client.send(chat())
                #expect(eventually { connections(gateway, "active") == 1 })
                #expect(connections(gateway, "idle") == 0)
                #expect(gateway.metrics()?.sum("sluice_connections", "\"upstream\"") == 1)
                gate.open()
                #expect(client.readAnswer()?.status == 200)
                #expect(eventually { connections(gateway, "idle") == 1 })
                #expect(connections(gateway, "active") == 0)
                // Idle connections are closed before the replica does it, after four seconds.
                #expect(eventually(within: .seconds(8)) { connections(gateway, "idle") == 0 })
                let page = gateway.metrics()
                #expect(page?.sum("sluice_connections", "\"upstream\"") == 0)
                let begun = page?.sum("sluice_connections_total", "\"upstream\"", "result=\"ok\"")
                #expect(begun == 1)
            }
        }

        @Test func `the window of a replica is its bound, and nothing where it is unreachable`()
            throws
        {
            let upstream = try stream()
            try GatewayUnderTest.run(
                [upstream],
                change: {
                    $0.pools[0].replicaInflightMax = 7
                    $0.pools[0].replicas.append(.init(url: "http://127.0.0.1:1"))
                }
            ) { gateway in
                func window(_ replica: String) -> Double? {
                    gateway.metrics()?.sum("sluice_replica_window", "replica=\"\(replica)\"")
                }
                #expect(eventually { window("\(upstream.address)") == 7 })
                #expect(window("127.0.0.1:1") == 0)
            }
        }

        @Test func `objectives are bounds of the histogram of first tokens`() throws {
            let upstream = try ScriptedUpstream { peer in
                guard peer.nextRequest() != nil else { return }
                peer.send(streamHead + chunk(token("a")) + chunk(done) + "0\r\n\r\n")
                peer.waitForEnd()
            }
            try GatewayUnderTest.run(
                [upstream],
                change: { $0.timeToFirstTokenObjectives = [.milliseconds(1_700)] }
            ) { gateway in
                let answer = try gateway.ask(streamingChat)
                #expect(answer.isWhole)
                #expect(gateway.sees("ok"))
                let under = gateway.metrics()?.sum(
                    "sluice_time_to_first_token_seconds_bucket", "le=\"1.7\"")
                #expect(under == 1)
            }
        }

        @Test func `buffers in use are counted, and their bound with them`() throws {
            let upstream = try stream()
            try GatewayUnderTest.run([upstream]) { gateway in
                let client = try gateway.connect()
                client.send(streamingChat)
                #expect(eventually { upstream.requests.count == 1 })
                let page = try #require(gateway.metrics())
                let held = page.sum("sluice_buffers_bytes")
                #expect(held >= 16_384)
                #expect(held <= page.sum("sluice_buffers_max_bytes"))
                #expect(client.readAnswer()?.isWhole == true)
            }
        }

        @Test func `a trace context comes back as exemplar, a malformed one does not`() throws {
            let upstream = try stream()
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
            let upstream = try stream()
            try GatewayUnderTest.run([upstream]) { gateway in
                let answer = try gateway.ask(streamingChat)
                #expect(answer.isWhole)
                #expect(gateway.sees("ok"))
                #expect(gateway.metrics()?.sum("sluice_downstream_rtt_seconds_count") == 1)
                #expect((gateway.metrics()?.sum("sluice_downstream_rtt_seconds_sum") ?? 0) > 0)
            }
        }
    }
}
