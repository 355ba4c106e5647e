import Foundation
import SluiceExchange
import SluiceReactor
import SluiceTelemetry
import SluiceTime
import Testing

extension GatewayTests {
    @Suite(.serialized) struct LifeCycleTests {
        /// Streams an event, and the end when the test says so.
        private func streaming(_ end: Gate) throws -> ScriptedUpstream {
            try ScriptedUpstream { peer in
                guard peer.nextRequest() != nil else { return }
                peer.send(streamHead + chunk(token("a")))
                peer.wait(for: end)
                peer.send(chunk(done) + "0\r\n\r\n")
                peer.waitForEnd()
            }
        }

        @Test func `draining fails readiness, serves on for the delay, ends streams, and leaves`()
            throws
        {
            let end = Gate()
            let upstream = try streaming(end)
            try GatewayUnderTest.run(
                [upstream], change: { $0.timeouts.drainDelay = .seconds(1) }
            ) { gateway in
                #expect(gateway.page("/readyz")?.status == 200)
                let early = try gateway.connect()
                early.send(streamingChat)
                #expect(early.read(until: token("a")))
                let idle = try gateway.connect()
                idle.send("GET /health HTTP/1.1\r\nhost: a\r\n\r\n")
                #expect(idle.readAnswer()?.status == 200)

                gateway.drain()
                #expect(eventually { gateway.page("/readyz")?.status == 503 })
                #expect(gateway.page("/livez")?.status == 200)
                // The worker hears of it a moment later.
                #expect(
                    eventually {
                        let health = try? gateway.ask("GET /health HTTP/1.1\r\nhost: a\r\n\r\n")
                        return health?.status == 503 && health?["connection"] == "close"
                    })
                let late = try gateway.connect()
                late.send(streamingChat)
                #expect(late.read(until: token("a")))

                end.open()
                let answer = early.readAnswer()
                #expect(answer?.isWhole == true)
                #expect(answer?.text == token("a") + done)
                #expect(late.readAnswer()?.isWhole == true)
                #expect(late.readToEnd() == .finished)
                #expect(idle.readToEnd() == .finished)
                #expect(eventually { gateway.hasEnded })
                let refused = try? gateway.connect()
                refused?.send(chat())
                let afterwards = refused?.readAnswer()
                #expect(afterwards == nil)
            }
        }

        @Test func `a connection that was promised to stay is served once more, told to close`()
            throws
        {
            let drains = Gate()
            let upstream = try ScriptedUpstream { peer in
                while peer.nextRequest() != nil {
                    peer.send(streamHead + chunk(token("a")))
                    peer.wait(for: drains)
                    peer.rest(.milliseconds(100))
                    peer.send(chunk(done) + "0\r\n\r\n")
                }
            }
            try GatewayUnderTest.run([upstream]) { gateway in
                let streaming = try gateway.connect()
                streaming.send(streamingChat)
                #expect(streaming.read(until: token("a")))
                let idle = try gateway.connect()
                idle.send("GET /health HTTP/1.1\r\nhost: a\r\n\r\n")
                #expect(idle.readAnswer()?["connection"] == nil)
                let new = try gateway.connect()

                gateway.drain()
                #expect(eventually { gateway.page("/readyz")?.status == 503 })
                for client in [idle, new] { client.send(streamingChat) }
                drains.open()
                let first = streaming.readAnswer()
                #expect(first?.isWhole == true)
                #expect(first?["connection"] == nil)
                streaming.send(streamingChat)
                for client in [streaming, idle, new] {
                    let answer = client.readAnswer()
                    #expect(answer?.isWhole == true)
                    #expect(answer?["connection"] == "close")
                    #expect(client.readToEnd() == .finished)
                }
                #expect(eventually(within: .seconds(15)) { gateway.hasEnded })
            }
        }

        @Test func `what is left at the drain limit is cut and counted`() throws {
            let upstream = try ScriptedUpstream { peer in
                guard peer.nextRequest() != nil else { return }
                peer.send(streamHead + chunk(token("a")))
                peer.waitForEnd()
            }
            try GatewayUnderTest.run(
                [upstream], change: { $0.timeouts.drainMax = .milliseconds(200) }
            ) { gateway in
                let client = try gateway.connect()
                client.send(streamingChat)
                #expect(client.read(until: token("a")))
                let start = MonotonicClock.now()
                gateway.drain()
                #expect(client.readAnswer()?.isWhole == false)
                #expect(eventually { gateway.hasEnded })
                let taken = MonotonicClock.now() - start
                #expect(taken >= .milliseconds(195))
                #expect(taken < .seconds(1))
            }
        }

        @Test func `a second signal ends at once`() throws {
            let upstream = try ScriptedUpstream { peer in
                peer.nextRequest()
                peer.waitForEnd()
            }
            try GatewayUnderTest.run([upstream]) { gateway in
                let client = try gateway.connect()
                client.send(streamingChat)
                #expect(eventually { upstream.requests.count == 1 })
                gateway.signal(SIGTERM)
                pause(.milliseconds(30))
                #expect(!gateway.hasEnded)
                gateway.signal(SIGINT)
                #expect(eventually(within: .seconds(1)) { gateway.hasEnded })
                #expect(gateway.cutShortBy == SIGINT)
                #expect(client.readAnswer()?.isWhole != true)
            }
        }

        @Test func `the signal after a drain that was asked for goes on with it`() throws {
            let end = Gate()
            let upstream = try ScriptedUpstream { peer in
                peer.nextRequest()
                peer.send(streamHead + chunk(token("a")))
                peer.wait(for: end)
                peer.send(chunk(done) + "0\r\n\r\n")
            }
            try GatewayUnderTest.run([upstream]) { gateway in
                let client = try gateway.connect()
                client.send(streamingChat)
                #expect(client.read(until: token("a")))
                let operatorClient = try RawConnection(to: gateway.admin)
                operatorClient.send(
                    "POST /drain HTTP/1.1\r\nhost: a\r\nx-sluice-admin: 1\r\ncontent-length: 0\r\n\r\n"
                )
                #expect(operatorClient.readAnswer()?.status == 202)
                gateway.signal(SIGTERM)
                gateway.signal(SIGHUP)
                end.open()
                #expect(client.readAnswer()?.isWhole == true)
                #expect(eventually { gateway.hasEnded })
                #expect(gateway.cutShortBy == nil)
            }
        }

        @Test func `no descriptor is left of many gateways`() throws {
            /// Number and object of each descriptor: a number alone is soon another's.
            func open() -> Set<String> {
                let files = FileManager.default, directory = "/proc/self/fd"
                let numbers = (try? files.contentsOfDirectory(atPath: directory)) ?? []
                return Set(
                    numbers.compactMap { number in
                        (try? files.destinationOfSymbolicLink(atPath: "\(directory)/\(number)"))
                            .map { "\(number) \($0)" }
                    })
            }
            let before = open()
            for _ in 0..<4 {
                let end = Gate()
                let upstream = try streaming(end)
                try GatewayUnderTest.run([upstream], change: { $0.workers = 2 }) { gateway in
                    let clients = try (0..<8).map { _ in try gateway.connect() }
                    for client in clients { client.send(streamingChat) }
                    for client in clients.dropLast(2) {
                        let hasEvent = client.read(until: token("a"))
                        #expect(hasEvent)
                        client.close()
                    }
                    end.open()
                }
            }
            // Other tests of the process hold some too; each of theirs is gone sooner or later.
            var left = open().subtracting(before)
            _ = eventually(within: .seconds(20)) {
                left.formIntersection(open())
                return left.isEmpty
            }
            #expect(left == [])
        }
    }

    @Suite(.serialized) struct CountingTests {
        @Test func `received less finished is what is in flight, at every scrape`() throws {
            let upstream = try ScriptedUpstream { peer in
                while peer.nextRequest() != nil {
                    switch peer.requestCount % 4 {
                    case 0: peer.answer("{}")
                    case 1: peer.send(streamHead + chunk(token("a")) + chunk(done) + "0\r\n\r\n")
                    case 2: peer.answer("no", status: 400)
                    default:
                        peer.send(streamHead + chunk(token("a")))
                        peer.rest(.milliseconds(20))
                        return
                    }
                }
            }
            try GatewayUnderTest.run([upstream], change: { $0.workers = 2 }) { gateway in
                for round in 0..<40 {
                    let clients = try (0..<8).map { _ in try gateway.connect() }
                    for (index, client) in clients.enumerated() {
                        client.send(index == 7 ? "GET /nope HTTP/1.1\r\nhost: a\r\n\r\n" : chat())
                    }
                    let page = try #require(gateway.metrics())
                    let received = page.sum("sluice_requests_received_total")
                    let finished = page.sum("sluice_requests_total")
                    let inFlight = page.sum("sluice_requests_in_flight")
                    #expect(received - finished == inFlight, "round \(round)")
                    if round % 2 == 0 { for client in clients { _ = client.readAnswer() } }
                }
            }
        }

        @Test func `the stages of a stream add up to its time to first token`() throws {
            let upstream = try ScriptedUpstream { peer in
                while peer.nextRequest() != nil {
                    peer.rest(.milliseconds(20))
                    peer.send(streamHead + chunk(token("a")) + chunk(done) + "0\r\n\r\n")
                }
            }
            try GatewayUnderTest.run([upstream]) { gateway in
                for _ in 0..<3 { _ = try gateway.ask(streamingChat) }
                #expect(gateway.sees("ok", 3))
                let page = try #require(gateway.metrics())
                let whole = page.sum("sluice_time_to_first_token_seconds_sum")
                let parts = page.sum("sluice_ttft_stage_seconds_sum")
                #expect(whole >= 0.06)
                #expect(abs(whole - parts) < 0.000_01)
                #expect(page.sum("sluice_time_to_first_token_seconds_count") == 3)
            }
        }

        @Test func `a log that nobody reads does not hold up the end`() throws {
            let path = NSTemporaryDirectory() + "sluice-e2e-\(UUID().uuidString).pipe"
            let made = unsafe mkfifo(path, 0o600)
            try #require(made == 0)
            defer { try? FileManager.default.removeItem(atPath: path) }
            // Keeps the pipe open for writing, and full.
            let descriptor = unsafe open(path, O_RDWR | O_NONBLOCK)
            try #require(descriptor >= 0)
            defer { close(descriptor) }
            let filler = [UInt8](repeating: 0x0A, count: 4_096)
            while unsafe write(descriptor, filler, filler.count) > 0 {}
            let upstream = try ScriptedUpstream { peer in
                while peer.nextRequest() != nil { peer.answer("{}") }
            }
            try GatewayUnderTest.run([upstream], change: { $0.accessLog = .file(path) }) {
                gateway in
                let status = try gateway.ask(chat()).status
                #expect(status == 200)
                let start = MonotonicClock.now()
                gateway.drain()
                #expect(eventually { gateway.hasEnded })
                #expect(MonotonicClock.now() - start < .seconds(3))
            }
            // The thread that was left waiting writes its line once somebody reads.
            var bytes = [UInt8](repeating: 0, count: 65_536)
            let isWritten = eventually {
                let count = unsafe read(descriptor, &bytes, bytes.count)
                return bytes.prefix(max(0, count)).contains(UInt8(ascii: "{"))
            }
            #expect(isWritten)
        }

        @Test func `the arrival trace has the shape of each request and nothing else`() throws {
            let path = NSTemporaryDirectory() + "sluice-e2e-\(UUID().uuidString).csv"
            defer { try? FileManager.default.removeItem(atPath: path) }
            let upstream = try ScriptedUpstream { peer in
                while peer.nextRequest() != nil { peer.answer("{}") }
            }
            try GatewayUnderTest.run([upstream], change: { $0.arrivalTrace = path }) { gateway in
                for _ in 0..<3 {
                    _ = try gateway.ask(
                        chat(
                            #"{"model":"tiny","max_tokens":9,"prompt":"a very long secret"}"#,
                            fields: "x-request-id: hidden\r\nauthorization: Bearer hidden\r\n"))
                }
                // No replica would have seen it.
                _ = try gateway.ask("GET /nowhere HTTP/1.1\r\nhost: a\r\n\r\n")
            }
            let text = try String(contentsOfFile: path, encoding: .utf8)
            let lines = text.split(separator: "\n")
            #expect(lines.count == 5)
            #expect(lines[0] == "# sluice arrival trace 1")
            for line in lines.dropFirst(2) {
                let fields = line.split(separator: ",", omittingEmptySubsequences: false)
                #expect(fields.count == 9)
                #expect(fields.dropFirst().prefix(2) == ["chat_completions", "standard"])
                #expect(fields[5...7] == ["9", "0", "ok"])
                #expect((Int(fields[4]) ?? 0) > 0)
            }
            for secret in ["secret", "hidden", "127.0.0.1", "tiny"] {
                #expect(!text.contains(secret))
            }
        }

        @Test func `each exchange writes one line to the access log`() throws {
            let path = NSTemporaryDirectory() + "sluice-e2e-\(UUID().uuidString).log"
            defer { try? FileManager.default.removeItem(atPath: path) }
            let upstream = try ScriptedUpstream { peer in
                while peer.nextRequest() != nil { peer.answer("{}") }
            }
            try GatewayUnderTest.run([upstream], change: { $0.accessLog = .file(path) }) {
                gateway in
                for number in 0..<5 {
                    _ = try gateway.ask(
                        chat(
                            #"{"model":"tiny","prompt":"secret"}"#,
                            fields: "x-request-id: r\(number)\r\n")
                    )
                }
                _ = try gateway.ask("GET /a%0d%0ab\"c HTTP/1.1\r\nhost: a\r\n\r\n")
            }
            let log = try String(contentsOfFile: path, encoding: .utf8)
            let lines = log.split(separator: "\n")
            #expect(lines.count == 6)
            #expect(!log.contains("secret"))
            for (number, line) in lines.enumerated() {
                let object = try JSONSerialization.jsonObject(with: Data(line.utf8))
                let fields = try #require(object as? [String: Any])
                if number < 5 {
                    #expect(fields["request_id"] as? String == "r\(number)")
                    #expect(fields["outcome"] as? String == "ok")
                    #expect(fields["status"] as? Int == 200)
                } else {
                    #expect(fields["outcome"] as? String == "client_error")
                }
            }
        }

        @Test func `two workers share the listener and serve everyone`() throws {
            let upstream = try ScriptedUpstream { peer in
                while peer.nextRequest() != nil { peer.answer("{}") }
            }
            try GatewayUnderTest.run([upstream], change: { $0.workers = 2 }) { gateway in
                for _ in 0..<40 {
                    let answer = try gateway.ask(chat())
                    #expect(answer.status == 200)
                }
                #expect(gateway.sees("ok", 40))
            }
        }

        @Test func `all replicas down is a 503 at once, and the first return is served`() throws {
            let upstream = try ScriptedUpstream { peer in
                while peer.nextRequest() != nil { peer.answer("{}") }
            }
            upstream.set { $0.health = 503 }
            try GatewayUnderTest.run([upstream]) { gateway in
                let start = MonotonicClock.now()
                let refused = try gateway.ask(chat())
                #expect(MonotonicClock.now() - start < .milliseconds(100))
                #expect(refused.status == 503)
                #expect(refused["x-sluice-reason"] == "no_replica")
                #expect(refused["retry-after"] != nil)
                #expect(gateway.sees("shed"))
                upstream.set { $0.health = 200 }
                let isBack = eventually(within: .seconds(2)) {
                    (try? gateway.ask(chat()))?.status == 200
                }
                #expect(isBack)
            }
        }
    }
}
