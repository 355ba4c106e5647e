import SluiceBytes
import SluiceExchange
import SluiceReactor
import SluiceTime
import TLSTestSupport
import Testing

private func fixture() throws -> TLSFixture { try TLSFixture.shared.get() }

extension GatewayTests {
    /// The whole gateway with TLS to clients, to replicas, or to both.
    @Suite(.serialized) struct TLSGatewayTests {
        /// Runs with TLS on the data listener and for the replica where `upstream` has it.
        private func run(
            _ upstream: ScriptedUpstream, downstream: Bool = true, authority: String = "ca.pem",
            _ body: (GatewayUnderTest) throws -> Void
        ) throws {
            let files = try fixture()
            try GatewayUnderTest.run(
                [upstream],
                change: { settings in
                    if downstream {
                        settings.tls = .init(
                            certificateFile: files.path("server.pem"),
                            keyFile: files.path("server.key"))
                    }
                    if upstream.url.hasPrefix("https:") {
                        settings.pools[0].replicas[0].caFile = files.path(authority)
                    }
                }, body)
        }

        @Test func `a stream passes event by event with TLS on both sides`() throws {
            let seen = Guarded(0)
            let upstream = try ScriptedUpstream(tls: fixture().server("server")) { peer in
                guard peer.nextRequest() != nil else { return }
                peer.send(streamHead)
                for (index, word) in ["a", "b", "c"].enumerated() {
                    peer.send(chunk(token(word)))
                    // The next one goes only when the client has got this one.
                    _ = eventually { seen.withLock { $0 } > index || peer.isStopping }
                }
                peer.send(chunk(done) + "0\r\n\r\n")
                peer.waitForEnd()
            }
            try run(upstream) { gateway in
                let client = try gateway.connect(tls: fixture().client())
                client.send(streamingChat)
                for word in ["a", "b", "c"] {
                    let hasCome = client.read(until: token(word), within: .seconds(2))
                    #expect(hasCome, "event \(word)")
                    seen.withLock { $0 += 1 }
                }
                let answer = try #require(client.readAnswer())
                #expect(answer.isWhole)
                #expect(answer.text == token("a") + token("b") + token("c") + done)
                #expect(gateway.sees("ok"))
                for side in ["downstream", "upstream"] {
                    let shaken = gateway.metrics()?.sum(
                        "sluice_tls_handshakes_total", "side=\"\(side)\"", "result=\"ok\"")
                    #expect(shaken ?? 0 >= 1, "\(side)")
                }
            }
        }

        @Test func `a TLS connection to a replica is kept and used again`() throws {
            let upstream = try ScriptedUpstream(tls: fixture().server("server")) { peer in
                while peer.nextRequest() != nil { peer.answer("{}") }
            }
            try run(upstream, downstream: false) { gateway in
                for _ in 0..<3 {
                    let answer = try gateway.ask(chat())
                    #expect(answer.status == 200)
                    // Past the time below which no look is taken at an idle connection.
                    pause(.milliseconds(80))
                }
                #expect(upstream.connections.count == 1)
            }
        }

        @Test func `a megabyte comes through whole, both ways`() throws {
            let text = String(repeating: "0123456789abcdef", count: 65_536)
            let upstream = try ScriptedUpstream(tls: fixture().server("server")) { peer in
                while let request = peer.nextRequest() { peer.answer(request.text) }
            }
            try run(upstream) { gateway in
                let client = try gateway.connect(tls: fixture().client())
                let body = #"{"model":"tiny","messages":[],"user":""# + text + "\"}"
                client.send(chat(body))
                let answer = try #require(client.readAnswer())
                #expect(answer.status == 200)
                #expect(answer.text == body)
            }
        }

        @Test(arguments: [false, true])
        func `a client that leaves ends the replica's work within 50 ms`(resets: Bool) throws {
            let upstream = try ScriptedUpstream(tls: fixture().server("server")) { peer in
                guard peer.nextRequest() != nil else { return }
                peer.send(streamHead + chunk(token("a")))
                peer.waitForEnd()
            }
            try run(upstream) { gateway in
                let client = try gateway.connect(tls: fixture().client())
                client.send(streamingChat)
                let hasCome = client.read(until: "data:")
                #expect(hasCome)
                let left = MonotonicClock.now()
                if resets { client.reset() } else { client.close() }
                #expect(eventually { upstream.state.withLock { !$0.endings.isEmpty } })
                let closed = upstream.state.withLock { $0.endings.first } ?? .never
                #expect(closed - left < .milliseconds(50))
                #expect(gateway.sees("client_gone"))
            }
        }

        @Test func `an answer with connection close ends with close_notify on both sides`() throws {
            let ending = Guarded<RawConnection.Ending?>(nil)
            let upstream = try ScriptedUpstream(tls: fixture().server("server")) { peer in
                guard peer.nextRequest() != nil else { return }
                peer.send("HTTP/1.1 200 X\r\nconnection: close\r\ncontent-length: 2\r\n\r\n{}")
                peer.waitForEnd()
                let how = peer.connection.ending
                ending.withLock { $0 = how }
            }
            try run(upstream) { gateway in
                let client = try gateway.connect(tls: fixture().client())
                client.send(chat(fields: "connection: close\r\n"))
                let answer = try #require(client.readAnswer())
                #expect(answer.status == 200)
                let end = client.readToEnd()
                #expect(end == .finished)
                #expect(eventually { ending.withLock { $0 } != nil })
                #expect(ending.withLock { $0 } == .finished)
            }
        }

        @Test func `an idle connection to a replica is closed with close_notify`() throws {
            let ending = Guarded<RawConnection.Ending?>(nil)
            let upstream = try ScriptedUpstream(tls: fixture().server("server")) { peer in
                guard peer.nextRequest() != nil else { return }
                peer.answer("{}")
                peer.waitForEnd()
                let how = peer.connection.ending
                ending.withLock { $0 = how }
            }
            try run(upstream, downstream: false) { gateway in
                let answer = try gateway.ask(chat())
                #expect(answer.status == 200)
                gateway.drain()
                #expect(eventually { ending.withLock { $0 } != nil })
                #expect(ending.withLock { $0 } == .finished)
                #expect(eventually { gateway.hasEnded })
            }
        }

        @Test(arguments: ["GET / HTTP/1.1\r\nhost: a\r\n\r\n", chat()])
        func `plain HTTP to the TLS port is told so, in the clear`(request: String) throws {
            let upstream = try ScriptedUpstream { peer in peer.waitForEnd() }
            try run(upstream) { gateway in
                let client = try gateway.connect()
                client.send(request)
                let answer = try #require(client.readAnswer())
                #expect(answer.status == 400)
                #expect(answer["connection"] == "close")
                #expect(answer["x-sluice-reason"] == "bad_request")
                #expect(answer.text.contains("use https:// instead of http://"))
                let end = client.readToEnd()
                #expect(end == .finished)
                #expect(upstream.requests.isEmpty)
            }
        }

        @Test func `noise on the TLS port gets no answer and leaves nothing`() throws {
            let upstream = try ScriptedUpstream { peer in peer.waitForEnd() }
            try run(upstream) { gateway in
                let client = try gateway.connect()
                client.send(Array(repeating: 0x80, count: 64))
                let end = client.readToEnd()
                #expect(end != nil)
                #expect(!client.all.starts(with: Array("HTTP".utf8)))
            }
        }

        @Test func `http1.1 is agreed on by ALPN and TLS 1.1 is refused`() throws {
            let upstream = try ScriptedUpstream { peer in peer.waitForEnd() }
            try run(upstream) { gateway in
                let files = try fixture()
                let client = [
                    "s_client", "-connect", gateway.data.description, "-CAfile",
                    files.path("ca.pem"), "-servername", "replica.test",
                ]
                let agreed = try files.run(client + ["-alpn", "h2,http/1.1"])
                #expect(agreed.output.contains("ALPN protocol: http/1.1"))
                #expect(agreed.output.contains("Verify return code: 0 (ok)"))
                let old = try files.run(
                    client + ["-tls1_1", "-cipher", "DEFAULT@SECLEVEL=0"])
                #expect(old.status != 0)
                #expect(old.output.contains("alert protocol version"))
            }
        }

        @Test(arguments: [
            ("server", "stranger.pem", "signed by an unknown CA"),
            ("other", "ca.pem", "made out for other names"),
            ("expired", "ca.pem", "expired"),
        ])
        func `a replica whose certificate is not good gets no request, and the reason is told`(
            certificate: String, authority: String, reason: String
        ) throws {
            let upstream = try ScriptedUpstream(tls: fixture().server(certificate)) { peer in
                while peer.nextRequest() != nil { peer.answer("{}") }
            }
            try run(upstream, downstream: false, authority: authority) { gateway in
                let answer = try gateway.ask(chat())
                #expect([502, 503].contains(answer.status))
                let isTold = eventually {
                    gateway.page("/replicas")?.text.contains(reason) ?? false
                }
                #expect(isTold, "\(gateway.page("/replicas")?.text ?? "no page")")
                #expect(upstream.requests.isEmpty)
            }
        }
    }
}
