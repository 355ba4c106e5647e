import Foundation
import SluiceBytes
import SluiceExchange
import SluiceProxy
import SluiceReactor
import SluiceTime
import TLSTestSupport
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
                        changedKeys: adopted == inForce ? [] : ["pools"],
                        restartKeys: adopted.timeouts == new.timeouts ? [] : ["timeouts"])
                }
            }
        }

        /// Asks on a thread of its own for as long as the test says.
        private final class Client {
            private var thread: WorkerThread?

            init(_ body: @escaping @Sendable () -> Void) throws {
                thread = try WorkerThread(name: "test-client", body)
            }
            func join() { thread.take()?.join() }
        }

        /// Streams `slow` requests, half of it behind the gate; answers others at once.
        private static func upstream(_ gate: Gate, tls: TLSServerContext? = nil) throws
            -> ScriptedUpstream
        {
            try ScriptedUpstream(tls: tls) { peer in
                while let request = peer.nextRequest() {
                    guard request.text.contains("slow") else {
                        peer.answer("{}")
                        continue
                    }
                    peer.send(streamHead + chunk(token("a")))
                    peer.wait(for: gate)
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

        /// What `POST /reload` answers.
        private func post(_ gateway: GatewayUnderTest) throws -> RawAnswer {
            let client = try RawConnection(to: gateway.admin)
            client.send(
                "POST /reload HTTP/1.1\r\nhost: a\r\nx-sluice-admin: 1\r\n"
                    + "content-length: 0\r\n\r\n")
            return try #require(client.readAnswer())
        }

        private func reloads(_ gateway: GatewayUnderTest, _ result: String) -> Double {
            gateway.metrics()?.sum("sluice_config_reloads_total", "result=\"\(result)\"") ?? -1
        }

        @Test func `a reload moves requests to the new replicas and loses none`() throws {
            let gate = Gate()
            let (old, new) = (try Self.upstream(gate), try Self.upstream(gate))
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
                #expect(eventually { reloads(gateway, "ok") == 1 })
                try Self.askUntil(new, gateway)
                func drains() -> Double? {
                    gateway.metrics()?.sum(
                        "sluice_replica_state", "replica=\"\(old.address)\"", "state=\"draining\"")
                }
                #expect(drains() == 1)
                #expect(old.requests.count == 1)
                gate.open()
                #expect(stream.readAnswer()?.text == token("a") + token("b") + done)
                #expect(eventually { drains() == 0 })
                #expect(reloads(gateway, "ok") == 1)
                #expect(gateway.metrics()?.sum("sluice_config_last_reload_successful") == 1)
                #expect(gateway.metrics()?.sum("sluice_queue_limit") == 7)
                #expect(gateway.page("/config")?.text == "replicas: 1")
            }
        }

        @Test(arguments: [false, true])
        func `fifty reloads of the same files touch neither streams nor connections`(
            isTLS: Bool
        ) throws {
            let gate = Gate()
            let files = try TLSFixture.shared.get()
            let upstream = try Self.upstream(gate, tls: isTLS ? files.server("server") : nil)
            let file = File()
            var settings = GatewayUnderTest.settings([upstream])
            if isTLS { settings.pools[0].replicas[0].caFile = files.path("ca.pem") }
            file.write(settings)
            try GatewayUnderTest.run([upstream], change: { $0 = settings }, source: file.source) {
                gateway in
                let stream = try gateway.connect()
                stream.send(Self.slow)
                #expect(stream.read(until: token("a")))
                let client = try gateway.connect()
                for count in 1...50 {
                    gateway.reload()
                    client.send(chat())
                    #expect(client.readAnswer()?.status == 200)
                    #expect(eventually { reloads(gateway, "ok") == Double(count) })
                }
                gate.open()
                #expect(stream.readAnswer()?.text == token("a") + token("b") + done)
                #expect(upstream.connections.count == 2)
                #expect(gateway.sees("ok", 51))
            }
        }

        @Test func `replicas come and go under load, and every answer is whole`() throws {
            let upstreams = try (0..<3).map { _ in try Self.upstream(Gate()) }
            let file = File()
            try GatewayUnderTest.run(upstreams, source: file.source) { gateway in
                let isOver = Guarded(false)
                let bad = Guarded<[Int]>([])
                let served = Guarded(0)
                let clients = try (0..<4).map { _ in
                    try Client {
                        while !isOver.withLock({ $0 }) {
                            let status = (try? gateway.ask(chat()))?.status ?? 0
                            if status != 200 { bad.withLock { $0.append(status) } }
                            served.withLock { $0 += 1 }
                        }
                    }
                }
                for turn in 0..<30 {
                    var list = upstreams
                    list.remove(at: turn % 3)
                    if turn % 2 == 1 { list.removeLast() }
                    file.write(GatewayUnderTest.settings(list))
                    let before = served.withLock { $0 }
                    gateway.reload()
                    #expect(eventually { reloads(gateway, "ok") == Double(turn + 1) })
                    #expect(eventually { served.withLock { $0 } > before + 8 })
                }
                isOver.withLock { $0 = true }
                for client in clients { client.join() }
                #expect(bad.withLock { $0 } == [])
                #expect(upstreams.allSatisfy { !$0.requests.isEmpty })
            }
        }

        @Test func `a replica by name is looked up as soon as it is in the list`() throws {
            let (old, new) = (try Self.upstream(Gate()), try Self.upstream(Gate()))
            let file = File()
            let address = new.address
            try GatewayUnderTest.run(
                [old], source: file.source,
                lookup: { host, port in
                    host == "new.test"
                        ? .success([address])
                        : .failure(ResolveError(host: host, reason: "no such name"))
                }
            ) { gateway in
                defer { new.stop() }
                var settings = GatewayUnderTest.settings([old])
                settings.pools[0].replicas.append(.init(url: "http://new.test:\(address.port)"))
                file.write(settings)
                gateway.reload()
                try Self.askUntil(new, gateway)
            }
        }

        @Test func `a new weight divides the requests that come after it`() throws {
            let gate = Gate()
            let upstreams = [try Self.upstream(gate), try Self.upstream(gate)]
            let file = File()
            var settings = GatewayUnderTest.settings(upstreams)
            settings.pools[0].replicas[0].weight = 3
            file.write(settings)
            try GatewayUnderTest.run(upstreams, source: file.source) { gateway in
                gateway.reload()
                #expect(eventually { reloads(gateway, "ok") == 1 })
                let streams = try (0..<8).map { _ in
                    let stream = try gateway.connect()
                    stream.send(Self.slow)
                    #expect(stream.read(until: token("a")))
                    return stream
                }
                #expect(upstreams.map(\.requests.count) == [6, 2])
                gate.open()
                for stream in streams { #expect(stream.readAnswer()?.isWhole == true) }
            }
        }

        @Test func `new connections get the new certificate, those there are go on`() throws {
            let files = try TLSFixture.shared.get()
            let upstream = try Self.upstream(Gate())
            let path = NSTemporaryDirectory() + "sluice-tls-\(UUID().uuidString)"
            func install(_ certificate: String, _ key: String) throws {
                for (name, kind) in [(certificate, "pem"), (key, "key")] {
                    let bytes = try Data(contentsOf: URL(fileURLWithPath: files.path(name)))
                    try bytes.write(to: URL(fileURLWithPath: "\(path).\(kind)"))
                }
            }
            defer {
                for kind in ["pem", "key"] {
                    try? FileManager.default.removeItem(atPath: "\(path).\(kind)")
                }
            }
            try install("server.pem", "server.key")
            let file = File()
            var settings = GatewayUnderTest.settings([upstream])
            settings.tls = .init(certificateFile: "\(path).pem", keyFile: "\(path).key")
            file.write(settings)
            try GatewayUnderTest.run([upstream], change: { $0 = settings }, source: file.source) {
                gateway in
                let early = try gateway.connect(tls: files.client())
                func isServed() throws -> Bool {
                    early.send(chat())
                    return early.readAnswer()?.status == 200
                }
                func isAccepted() throws -> Bool {
                    let context = try files.client()
                    return (try? gateway.connect(tls: context)) != nil
                }
                #expect(try isServed())
                #expect(try isAccepted())
                // One for other names: clients notice.
                try install("other.pem", "other.key")
                #expect(try post(gateway).status == 200)
                #expect(try !isAccepted())
                #expect(try isServed())
                // One that cannot be used: the one before stays.
                try install("cut.pem", "server.key")
                let refused = try post(gateway)
                #expect(refused.status == 409 && refused.text.contains("\(path).pem"))
                #expect(try isServed())
                // Files of other names are taken over, too.
                settings.tls = .init(
                    certificateFile: files.path("server.pem"), keyFile: files.path("server.key"))
                file.write(settings)
                #expect(try post(gateway).status == 200)
                #expect(try isAccepted())
                #expect(try isServed())
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
                let early = try post(gateway)
                #expect(early.status == 409 && early.text.contains("not written yet"))
                var settings = GatewayUnderTest.settings([upstream])
                settings.timeouts.head = .seconds(77)
                file.write(settings)
                let done = try post(gateway)
                #expect(done.status == 200)
                #expect(
                    done.text
                        == "configuration reloaded: no key changes; changed, and in force only "
                        + "after a restart: timeouts\n")
                settings.pools[0].queueLengthMax = 7
                file.write(settings)
                let more = try post(gateway)
                #expect(more.text.hasPrefix("configuration reloaded: pools; changed"))
                let bare = try RawConnection(to: gateway.admin)
                bare.send("POST /reload HTTP/1.1\r\nhost: a\r\ncontent-length: 0\r\n\r\n")
                #expect(bare.readAnswer()?.status == 403)
                #expect(reloads(gateway, "ok") == 2)
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
                #expect(gateway.metrics()?.sum("sluice_config_last_reload_successful") == 1)
                let answer = try gateway.ask(chat())
                #expect(answer.status == 200)
            }
        }
    }
}
