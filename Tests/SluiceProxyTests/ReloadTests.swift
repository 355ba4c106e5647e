import Foundation
import SluiceBytes
import SluiceExchange
import SluiceProxy
import SluiceReactor
import SluiceTime
import Testing

extension GatewayTests {
    @Suite(.serialized) struct ReloadTests {
        /// A configuration file as a test writes it.
        final class File: Sendable {
            let settings = Guarded<Result<GatewaySettings, ReloadFailure>>(
                .failure(ReloadFailure("not written yet")))

            func write(_ settings: GatewaySettings) {
                self.settings.withLock { $0 = .success(settings) }
            }
            func spoil() { settings.withLock { $0 = .failure(ReloadFailure("line 3: nonsense")) } }

            var source: ConfigurationSource {
                { [self] inForce throws(ReloadFailure) in
                    let new = try settings.withLock { $0 }.get()
                    let adopted = inForce.adopting(new)
                    return ReloadedConfiguration(
                        settings: adopted, text: "replicas: \(adopted.pools[0].replicas.count)",
                        restartKeys: adopted.timeouts == new.timeouts ? [] : ["timeouts"])
                }
            }
        }

        /// Closed, until a test lets streams go on.
        final class Gate: Sendable {
            private let isOpen = Guarded(false)
            func open() { isOpen.withLock { $0 = true } }
            var isClosed: Bool { isOpen.withLock { !$0 } }
        }

        /// Streams `slow` requests, half of it behind the gate; answers others at once.
        private static func upstream(_ gate: Gate) throws -> ScriptedUpstream {
            try ScriptedUpstream { peer in
                while let request = peer.nextRequest() {
                    guard request.text.contains("slow") else {
                        peer.answer("{}")
                        continue
                    }
                    peer.send(streamHead + chunk(token("a")))
                    while gate.isClosed, !peer.isStopping { pause(.milliseconds(2)) }
                    peer.send(chunk(token("b")) + chunk(done) + "0\r\n\r\n")
                }
            }
        }

        private static let slow = chat(#"{"model":"tiny","stream":true,"messages":["slow"]}"#)

        /// Asks until the upstream has had a request; every answer must be a 200.
        private static func askUntil(_ upstream: ScriptedUpstream, _ gateway: GatewayUnderTest)
            throws
        {
            let before = upstream.requests.count
            let isReached = eventually {
                let answer = try? gateway.ask(chat())
                #expect(answer?.status == 200)
                return upstream.requests.count > before
            }
            #expect(isReached, "no request came to \(upstream.url)")
        }

        private func reloads(_ gateway: GatewayUnderTest, _ result: String) -> Double {
            gateway.metrics()?.sum("sluice_config_reloads_total", "result=\"\(result)\"") ?? -1
        }

        @Test func `a reload moves requests to the new replicas and loses none`() throws {
            let gate = Gate()
            let (old, new) = (
                try Self.upstream(gate), try Self.upstream(gate)
            )
            let file = File()
            try GatewayUnderTest.run([old], source: file.source) { gateway in
                defer { new.stop() }
                let stream = try gateway.connect()
                stream.send(Self.slow)
                #expect(stream.read(until: token("a")))
                var settings = GatewayUnderTest.settings([new])
                settings.pools[0].queueLengthMax = 7
                file.write(settings)
                gateway.reload()
                try Self.askUntil(new, gateway)
                #expect(old.requests.count >= 1)
                gate.open()
                #expect(stream.readAnswer()?.text == token("a") + token("b") + done)
                #expect(reloads(gateway, "ok") == 1)
                #expect(gateway.metrics()?.sum("sluice_config_last_reload_successful") == 1)
                #expect(gateway.metrics()?.sum("sluice_queue_limit") == 7)
                #expect(gateway.page("/config")?.text == "replicas: 1")
            }
        }

        @Test func `an error keeps the old configuration and is shown until it is mended`() throws {
            let upstream = try Self.upstream(Gate())
            let file = File()
            try GatewayUnderTest.run([upstream], source: file.source) { gateway in
                let begun = gateway.metrics()?
                    .sum("sluice_config_last_reload_success_timestamp_seconds")
                #expect((begun ?? 0) > 1_700_000_000)
                file.spoil()
                gateway.reload()
                #expect(eventually { reloads(gateway, "failed") == 1 })
                #expect(gateway.metrics()?.sum("sluice_config_last_reload_successful") == 0)
                let still = try gateway.ask(chat())
                #expect(still.status == 200)
                // A key file that is not there is found before anything changes.
                var settings = GatewayUnderTest.settings([])
                settings.pools[0].replicas = [ReplicaSettings(url: "http://127.0.0.1:1")]
                settings.pools[0].replicas[0].apiKeyFile = "/nowhere/key"
                file.write(settings)
                gateway.reload()
                #expect(eventually { reloads(gateway, "failed") == 2 })
                let again = try gateway.ask(chat())
                #expect(again.status == 200)
                file.write(GatewayUnderTest.settings([upstream]))
                gateway.reload()
                #expect(eventually { reloads(gateway, "ok") == 1 })
                #expect(gateway.metrics()?.sum("sluice_config_last_reload_successful") == 1)
            }
        }

        @Test func `the admin page reloads, and names keys that need a restart`() throws {
            let upstream = try Self.upstream(Gate())
            let file = File()
            try GatewayUnderTest.run([upstream], source: file.source) { gateway in
                func post() throws -> RawAnswer {
                    let client = try RawConnection(to: gateway.admin)
                    client.send(
                        "POST /reload HTTP/1.1\r\nhost: a\r\nx-sluice-admin: 1\r\n"
                            + "content-length: 0\r\n\r\n")
                    return try #require(client.readAnswer())
                }
                let early = try post()
                #expect(early.status == 409 && early.text.contains("not written yet"))
                var settings = GatewayUnderTest.settings([upstream])
                settings.timeouts.head = .seconds(77)
                file.write(settings)
                let done = try post()
                #expect(done.status == 200)
                #expect(done.text.contains("after a restart: timeouts"))
            }
        }

        @Test func `a replica whose key changed keeps its connections' clients and its models`()
            throws
        {
            let upstream = try Self.upstream(Gate())
            let path = NSTemporaryDirectory() + "sluice-key-\(UUID().uuidString)"
            try "old\n".write(toFile: path, atomically: true, encoding: .utf8)
            defer { try? FileManager.default.removeItem(atPath: path) }
            let file = File()
            var settings = GatewayUnderTest.settings([upstream])
            settings.pools[0].models = []
            settings.pools[0].replicas[0].apiKeyFile = path
            file.write(settings)
            try GatewayUnderTest.run([upstream], change: { $0 = settings }, source: file.source) {
                gateway in
                let first = try gateway.ask(chat())
                #expect(first.status == 200)
                try "new\n".write(toFile: path, atomically: true, encoding: .utf8)
                gateway.reload()
                let isNew = eventually {
                    // Never a moment in which the model is not known.
                    let answer = try? gateway.ask(chat())
                    #expect(answer?.status == 200)
                    return upstream.requests.last?.values("authorization") == ["Bearer new"]
                }
                #expect(isNew)
            }
        }

        @Test func `without a file there is nothing to reload`() throws {
            let upstream = try Self.upstream(Gate())
            try GatewayUnderTest.run([upstream]) { gateway in
                gateway.reload()
                #expect(eventually { reloads(gateway, "failed") == 1 })
                let answer = try gateway.ask(chat())
                #expect(answer.status == 200)
            }
        }
    }
}
