import SluiceExchange
import SluiceTime
import Testing

extension GatewayTests {
    /// DESIGN section 8: health is forward progress, and a request without a head is owed some.
    @Suite(.serialized) struct StalledReplicaTests {
        /// Takes requests and sends not one byte.
        private func silent() throws -> ScriptedUpstream {
            try ScriptedUpstream { peer in
                guard peer.nextRequest() != nil else { return }
                peer.waitForEnd()
            }
        }

        /// Answers, but not so fast that all requests of a test fit it one after the other.
        private func serving() throws -> ScriptedUpstream {
            try ScriptedUpstream { peer in
                while peer.nextRequest() != nil {
                    peer.rest(.milliseconds(100))
                    peer.answer("{}")
                }
            }
        }

        private func page(steps: Int) -> String {
            """
            vllm:num_requests_waiting 0
            vllm:num_requests_running 0
            vllm:iteration_tokens_total_count \(steps)

            """
        }

        private func quick(_ settings: inout GatewaySettings) {
            settings.pools[0].scrapeInterval = .milliseconds(200)
            settings.pools[0].scrapeTimeout = .milliseconds(500)
            settings.pools[0].wedgedAfter = .seconds(3)
        }

        private func isIn(
            _ state: String, _ upstream: ScriptedUpstream, _ gateway: GatewayUnderTest
        ) -> Bool {
            gateway.metrics()?.sum(
                "sluice_replica_state", "replica=\"\(upstream.address)\"", "state=\"\(state)\"")
                == 1
        }

        /// Requests on connections of their own until `hung` holds `count`.
        private func fill(
            _ hung: ScriptedUpstream, _ count: Int, _ gateway: GatewayUnderTest
        ) throws -> [RawConnection] {
            var clients: [RawConnection] = []
            while hung.requests.count < count, clients.count < 100 {
                let client = try gateway.connect()
                client.send(chat())
                clients.append(client)
                pause(.milliseconds(20))
            }
            return clients
        }

        @Test func `a replica that takes requests and sends no head is wedged, the others serve`()
            throws
        {
            let (hung, well) = (try silent(), try serving())
            hung.set { $0.metrics = page(steps: 7) }
            try GatewayUnderTest.run([hung, well], change: quick) { gateway in
                let clients = try fill(hung, 2, gateway)
                #expect(eventually { isIn("busy", hung, gateway) })
                let held = hung.requests.count
                for _ in 0..<10 { #expect(try gateway.ask(chat()).status == 200) }
                #expect(eventually { isIn("wedged", hung, gateway) })
                for _ in 0..<10 { #expect(try gateway.ask(chat()).status == 200) }
                #expect(hung.requests.count == held, "a stalled replica got another request")
                #expect(!isIn("busy", well, gateway) && !isIn("wedged", well, gateway))
                // The engine makes a step: the replica is tried again.
                hung.set { $0.metrics = page(steps: 8) }
                #expect(eventually { isIn("warming", hung, gateway) })
                for client in clients { client.close() }
            }
        }

        @Test func `one whose pages do not answer either is wedged with a single request`() throws {
            let (hung, well) = (try silent(), try serving())
            try GatewayUnderTest.run([hung, well], change: quick) { gateway in
                #expect(eventually { isIn("ready", hung, gateway) })
                hung.set { $0.ignoresProbes = true }
                let clients = try fill(hung, 1, gateway)
                #expect(eventually { isIn("wedged", hung, gateway) })
                for _ in 0..<10 { #expect(try gateway.ask(chat()).status == 200) }
                #expect(hung.requests.count == 1)
                for client in clients { client.close() }
            }
        }

        @Test func `a replica that is only slow stays ready while its engine moves`() throws {
            let slow = try ScriptedUpstream { peer in
                while peer.nextRequest() != nil {
                    peer.rest(.seconds(4))
                    peer.answer("{}")
                }
            }
            slow.set { $0.metrics = page(steps: 0) }
            try GatewayUnderTest.run([slow], change: quick) { gateway in
                #expect(eventually { isIn("ready", slow, gateway) })
                let clients = try (0..<3).map { _ in try gateway.connect() }
                for client in clients { client.send(chat()) }
                #expect(eventually { slow.requests.count == 3 })
                var steps = 0
                let wasReady = !eventually(within: .seconds(3)) {
                    steps += 1
                    slow.set { $0.metrics = page(steps: steps) }
                    pause(.milliseconds(50))
                    return !isIn("ready", slow, gateway)
                }
                #expect(wasReady)
                for client in clients { #expect(client.readAnswer()?.status == 200) }
            }
        }
    }
}
