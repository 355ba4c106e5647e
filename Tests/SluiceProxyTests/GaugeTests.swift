import SluiceExchange
import SluiceTime
import Testing

extension GatewayTests {
    /// Gauges of what is under way now: right while it is, zero when it is over.
    @Suite(.serialized) struct GaugeTests {
        private static func oldest(_ gateway: GatewayUnderTest) -> Double {
            gateway.metrics()?.sum("sluice_oldest_unanswered_seconds") ?? -1
        }

        @Test func `the oldest request without content ages until content comes`() throws {
            let upstream = try ScriptedUpstream { peer in
                guard peer.nextRequest() != nil else { return }
                peer.send(streamHead)
                peer.rest(.milliseconds(400))
                peer.send(chunk(token("a")))
                peer.rest(.milliseconds(300))
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
                // The elder one counts; its content leaves the younger, then nobody.
                #expect(eventually { Self.oldest(gateway) > 0.3 })
                #expect(eventually { Self.oldest(gateway) == 0 })
                #expect(gateway.metrics()?.sum("sluice_requests_in_flight") ?? 0 > 0)
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
            let upstream = try ScriptedUpstream { peer in
                while peer.nextRequest() != nil {
                    peer.rest(.milliseconds(200))
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
                #expect(client.readAnswer()?.status == 200)
                #expect(eventually { connections(gateway, "idle") == 1 })
                #expect(connections(gateway, "active") == 0)
                // Idle connections are closed before the replica does it, after four seconds.
                #expect(eventually(within: .seconds(8)) { connections(gateway, "idle") == 0 })
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
    }
}
