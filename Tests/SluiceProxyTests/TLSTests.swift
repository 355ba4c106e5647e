import EndpointTestSupport
import Foundation
import SluiceExchange
import SluiceReactor
import SluiceTime
import Testing

extension GatewayTests {
    /// TLS towards clients and towards replicas, through a whole gateway.
    @Suite(.serialized) struct TLSTests {
        private let fixture: TLSFixture
        init() throws { fixture = try TLSFixture.shared.get() }

        private func serve(_ settings: inout GatewaySettings) {
            settings.tls = .init(
                certificateFile: fixture.path("server.pem"), keyFile: fixture.path("server.key"))
        }

        private func believe(_ authority: String, _ settings: inout GatewaySettings) {
            settings.pools[0].replicas[0].caFile = fixture.path("\(authority).pem")
        }

        private func connect(_ gateway: GatewayUnderTest) throws -> RawConnection {
            try RawConnection(to: gateway.data, tls: try fixture.client(), host: "127.0.0.1")
        }

        private static let script: ScriptedUpstream.Script = { peer in
            while let request = peer.nextRequest() {
                if request.text.contains("stream") {
                    peer.send(streamHead)
                    for word in ["a", "b", "c"] {
                        peer.send(chunk(token(word)))
                        peer.rest(.milliseconds(5))
                    }
                    peer.send(chunk(done) + "0\r\n\r\n")
                } else {
                    peer.answer("{}")
                }
            }
        }

        // MARK: Clients

        @Test func `clients are served over TLS, again and again on one connection`() throws {
            let upstream = try ScriptedUpstream(Self.script)
            try GatewayUnderTest.run([upstream], change: serve) { gateway in
                let client = try connect(gateway)
                for _ in 0..<3 {
                    client.send(chat())
                    #expect(client.readAnswer()?.status == 200)
                }
                #expect(upstream.requests[0].values("x-forwarded-proto") == ["https"])
                #expect(
                    gateway.metrics()?.sum(
                        "sluice_tls_handshakes_total", "side=\"downstream\"", "result=\"ok\"") == 1)
                let expiry = gateway.metrics()?.sum(
                    "sluice_tls_certificate_expiry_timestamp_seconds", "name=\"data\"")
                #expect((expiry ?? 0) > Date().timeIntervalSince1970)
            }
        }

        @Test func `http 1.1 is agreed on by ALPN, and TLS 1.1 is refused`() throws {
            let upstream = try ScriptedUpstream(Self.script)
            try GatewayUnderTest.run([upstream], change: serve) { gateway in
                let arguments = [
                    "s_client", "-connect", "\(gateway.data)", "-CAfile", fixture.path("ca.pem"),
                ]
                let agreed = try fixture.run(arguments + ["-alpn", "h2,http/1.1"])
                #expect(agreed.status == 0)
                #expect(agreed.output.contains("ALPN protocol: http/1.1"))
                let old = try fixture.run(
                    arguments + ["-tls1_1", "-cipher", "ALL:@SECLEVEL=0"])
                #expect(old.status != 0)
                #expect(
                    gateway.metrics()?.sum(
                        "sluice_tls_handshakes_total", "side=\"downstream\"", "result=\"failed\"")
                        == 1)
            }
        }

        @Test func `plain HTTP to the TLS port is told so in plain HTTP`() throws {
            let upstream = try ScriptedUpstream(Self.script)
            try GatewayUnderTest.run([upstream], change: serve) { gateway in
                for body in [0, 100_000] {
                    let client = try gateway.connect()
                    let text = String(repeating: "x", count: body)
                    client.send(
                        "POST /v1/completions HTTP/1.1\r\nhost: a\r\ncontent-length: \(body)\r\n\r\n"
                            + text)
                    let answer = try #require(client.readAnswer())
                    #expect(answer.status == 400)
                    #expect(answer.text.contains("https://"))
                    #expect(answer["connection"] == "close")
                    #expect(client.readToEnd() == .finished)
                }
                #expect(upstream.requests.isEmpty)
                let after = try connect(gateway)
                after.send(chat())
                #expect(after.readAnswer()?.status == 200)
            }
        }

        @Test func `what is neither TLS nor HTTP is closed without a word`() throws {
            let upstream = try ScriptedUpstream(Self.script)
            try GatewayUnderTest.run([upstream], change: serve) { gateway in
                let client = try gateway.connect()
                client.send([UInt8](repeating: 0x7F, count: 64))
                #expect(client.readToEnd() != nil)
                #expect(!client.all.holds("HTTP"))
            }
        }

        // MARK: Replicas

        @Test func `a verified replica is asked over TLS, on one connection, closed properly`()
            throws
        {
            let upstream = try ScriptedUpstream(tls: try fixture.server("server"), Self.script)
            try GatewayUnderTest.run([upstream], change: { believe("ca", &$0) }) { gateway in
                for _ in 0..<5 {
                    let answer = try gateway.ask(chat())
                    #expect(answer.status == 200)
                    // Time for session tickets to come on the idle connection.
                    pause(.milliseconds(70))
                }
                #expect(upstream.connections.count == 1)
                #expect(
                    gateway.metrics()?.sum(
                        "sluice_tls_handshakes_total", "side=\"upstream\"", "result=\"ok\"") == 1)
                gateway.drain()
                #expect(eventually { gateway.hasEnded })
                #expect(eventually { upstream.endings.count == 1 })
                #expect(upstream.properEnds == 1, "close_notify before FIN")
            }
        }

        @Test func `streams pass over TLS on both sides`() throws {
            let upstream = try ScriptedUpstream(tls: try fixture.server("server"), Self.script)
            try GatewayUnderTest.run(
                [upstream],
                change: { settings in
                    serve(&settings)
                    believe("ca", &settings)
                }
            ) { gateway in
                let client = try connect(gateway)
                for _ in 0..<3 {
                    client.send(streamingChat)
                    let answer = try #require(client.readAnswer())
                    #expect(answer.isWhole)
                    #expect(answer.text == token("a") + token("b") + token("c") + done)
                }
            }
        }

        @Test(arguments: [
            ("server", "stranger", "unknown CA"), ("other", "ca", "made out for other names"),
            ("expired", "ca", "other names"),
        ])
        func `a replica that cannot be verified gets nothing, and the reason is shown`(
            certificate: String, authority: String, reason: String
        ) throws {
            let upstream = try ScriptedUpstream(tls: try fixture.server(certificate), Self.script)
            try GatewayUnderTest.run([upstream], change: { believe(authority, &$0) }) { gateway in
                let answer = try gateway.ask(chat())
                #expect(answer.status == 502 || answer.status == 503)
                let page = try #require(gateway.page("/replicas")?.text)
                #expect(page.contains("certificate of 127.0.0.1"), "\(page)")
                if certificate != "expired" { #expect(page.contains(reason), "\(page)") }
                #expect(!page.contains("\"state\":\"ready\""))
                #expect(upstream.requests.isEmpty)
                #expect(
                    gateway.metrics()?.sum(
                        "sluice_tls_handshakes_total", "side=\"upstream\"", "result=\"ok\"") == 0)
            }
        }

        @Test func `a client that leaves a stream stops the replica within 50 ms, over TLS too`()
            throws
        {
            let upstream = try ScriptedUpstream(tls: try fixture.server("server")) { peer in
                guard peer.nextRequest() != nil else { return }
                peer.send(streamHead + chunk(token("a")))
                peer.waitForEnd()
            }
            try GatewayUnderTest.run(
                [upstream],
                change: { settings in
                    serve(&settings)
                    believe("ca", &settings)
                }
            ) { gateway in
                for (round, isProper) in [true, false].enumerated() {
                    let client = try connect(gateway)
                    client.send(streamingChat)
                    #expect(client.read(until: token("a")))
                    let left = MonotonicClock.now()
                    if isProper { client.closeProperly() } else { client.close() }
                    #expect(eventually { upstream.endings.count == round + 1 })
                    let seen = try #require(upstream.endings.last)
                    #expect(seen - left < .milliseconds(50))
                }
                #expect(gateway.sees("client_gone", 2))
            }
        }

        // MARK: Reload

        @Test func `a reload takes over a renewed certificate`() throws {
            let upstream = try ScriptedUpstream(Self.script)
            let (certificate, key) = (fixture.path("live.pem"), fixture.path("live.key"))
            func install(_ name: String) throws {
                for (from, to) in [("\(name).pem", certificate), ("\(name).key", key)] {
                    let text = try String(contentsOfFile: fixture.path(from), encoding: .utf8)
                    try text.write(toFile: to, atomically: true, encoding: .utf8)
                }
            }
            try install("server")
            var settings = GatewayUnderTest.settings([upstream])
            settings.tls = .init(certificateFile: certificate, keyFile: key)
            let file = ReloadTests.File()
            file.write(settings)
            try GatewayUnderTest.run([upstream], change: { $0 = settings }, source: file.source) {
                gateway in
                let before = try connect(gateway)
                try install("other")
                gateway.reload()
                #expect(
                    eventually {
                        gateway.metrics()?.sum("sluice_config_reloads_total", "result=\"ok\"") == 1
                    })
                let after = try RawConnection(
                    to: gateway.data, tls: try fixture.client(), host: "other.test")
                for client in [before, after] {
                    client.send(chat())
                    #expect(client.readAnswer()?.status == 200)
                }
            }
        }
    }
}
