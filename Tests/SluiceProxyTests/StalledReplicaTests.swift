import SluiceBytes
import SluiceExchange
import SluiceTime
import Testing

extension GatewayTests {
    /// Health is forward progress, and a request without a head is owed some.
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
            func staying(_ settings: inout GatewaySettings) {
                quick(&settings)
                settings.pools[0].retries = false
            }
            try GatewayUnderTest.run([hung, well], change: staying) { gateway in
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

        @Test func `what the API server answers by itself hides no hung engine`() throws {
            let hung = try ScriptedUpstream { peer in
                while let request = peer.nextRequest() {
                    guard request.text.contains(#""stream":true"#) else {
                        peer.answer("{}")
                        continue
                    }
                    peer.send(streamHead)
                    peer.waitForEnd()
                }
            }
            hung.set { $0.metrics = page(steps: 7) }
            try GatewayUnderTest.run([hung], change: quick) { gateway in
                let clients = try (0..<2).map { _ in try gateway.connect() }
                for client in clients { client.send(streamingChat) }
                let body = #"{"model":"tiny","prompt":"a"}"#
                #expect(
                    eventually {
                        let client = try? gateway.connect()
                        client?.send(
                            "POST /tokenize HTTP/1.1\r\nhost: gw\r\n"
                                + "content-type: application/json\r\n"
                                + "content-length: \(body.utf8.count)\r\n\r\n\(body)")
                        _ = client?.readAnswer(within: .milliseconds(200))
                        return isIn("busy", hung, gateway)
                    })
                for client in clients { client.close() }
            }
        }

        @Test
        func `what a wedged replica has not begun is answered by another, on the same request`()
            throws
        {
            // A head is the API server's, which sends it before the engine has begun.
            let hung = try ScriptedUpstream { peer in
                guard let request = peer.nextRequest() else { return }
                if request.text.contains(#""stream":true"#) { peer.send(streamHead) }
                peer.waitForEnd()
            }
            let well = try serving()
            hung.set { $0.metrics = page(steps: 7) }
            try GatewayUnderTest.run([hung, well], change: quick) { gateway in
                var clients = try fill(hung, 2, gateway)
                while hung.requests.count < 3, clients.count < 100 {
                    let client = try gateway.connect()
                    client.send(streamingChat)
                    clients.append(client)
                    pause(.milliseconds(20))
                }
                let held = hung.requests.count
                for client in clients { #expect(client.readAnswer()?.status == 200) }
                #expect(eventually { hung.state.withLock { $0.endings.count } == held })
                let moved = gateway.metrics()?.sum(
                    "sluice_retries_total", "reason=\"wedged\"", "result=\"ok\"")
                #expect(moved == Double(held))
                #expect(well.requests.count == clients.count)
            }
        }

        @Test func `what has nowhere else to go stays at a wedged replica and is answered late`()
            throws
        {
            let goesOn = Guarded(false)
            let alone = try ScriptedUpstream { peer in
                while peer.nextRequest() != nil {
                    while !peer.isStopping, !goesOn.withLock({ $0 }) { pause(.milliseconds(5)) }
                    peer.answer("late")
                }
            }
            alone.set { $0.metrics = page(steps: 7) }
            try GatewayUnderTest.run([alone], change: quick) { gateway in
                let clients = try fill(alone, 2, gateway)
                #expect(eventually { isIn("wedged", alone, gateway) })
                // Longer than until the workers look again, twice.
                pause(.milliseconds(1_300))
                goesOn.withLock { $0 = true }
                for client in clients { #expect(client.readAnswer()?.text == "late") }
                #expect(alone.requests.count == clients.count)
            }
        }

        @Test func `a response that the replica keeps is not made a second time elsewhere`() throws
        {
            let (hung, well) = (try silent(), try serving())
            hung.set { $0.metrics = page(steps: 7) }
            try GatewayUnderTest.run([hung, well], change: quick) { gateway in
                let body = #"{"model":"tiny","input":"a"}"#
                var clients: [RawConnection] = []
                while hung.requests.count < 2, clients.count < 100 {
                    let client = try gateway.connect()
                    client.send(
                        "POST /v1/responses HTTP/1.1\r\nhost: gw\r\ncontent-type: application/json\r\n"
                            + "content-length: \(body.utf8.count)\r\n\r\n\(body)")
                    clients.append(client)
                    pause(.milliseconds(20))
                }
                #expect(eventually { isIn("wedged", hung, gateway) })
                pause(.milliseconds(1_300))
                #expect(well.requests.count == clients.count - 2)
                #expect(gateway.metrics()?.sum("sluice_retries_total") == 0)
                for client in clients { client.close() }
            }
        }

        @Test func `what an ejected replica may have got is asked of no other`() throws {
            let failing = #"{"model":"tiny","messages":[],"user":"fail"}"#
            let isIll = Guarded(false)
            func replica(fails: Bool) throws -> ScriptedUpstream {
                try ScriptedUpstream { peer in
                    while let request = peer.nextRequest() {
                        if !isIll.withLock({ $0 }) {
                            peer.rest(.milliseconds(20))
                            peer.answer("{}")
                        } else if !fails {
                            // As busy as the others.
                            peer.rest(.seconds(2))
                            peer.answer("{}")
                        } else if request.text.contains("fail") {
                            peer.send("no HTTP\r\n\r\n")
                        }
                    }
                }
            }
            let ill = try (0..<4).map { _ in try replica(fails: true) }
            let all = try ill + (0..<5).map { _ in try replica(fails: false) }
            func patient(_ settings: inout GatewaySettings) {
                quick(&settings)
                settings.pools[0].wedgedAfter = .seconds(60)
            }
            try GatewayUnderTest.run(all, change: patient) { gateway in
                let clients = try (0..<150).map { _ in try gateway.connect() }
                // Where answers come soon acknowledgements wait for them (tcp(7), TCP_QUICKACK).
                for _ in 0..<5 {
                    for client in clients { client.send(chat()) }
                    for client in clients { #expect(client.readAnswer()?.status == 200) }
                }
                isIll.withLock { $0 = true }
                for (index, client) in clients.enumerated() {
                    client.send(index.isMultiple(of: 3) ? chat(failing) : chat())
                    pause(.milliseconds(1))
                }
                #expect(eventually { ill.contains { isIn("ejected", $0, gateway) } })
                // The workers look twice.
                pause(.milliseconds(800))
                let asked = all.flatMap { $0.requests.flatMap { $0.values("x-request-id") } }
                // What follows is of the attempt.
                let requests = asked.map { $0.dropLast(7) }
                #expect(Set(requests).count == requests.count)
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
                for client in clients { #expect(client.readAnswer()?.status == 200) }
                #expect(hung.requests.count == 1)
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
