import Foundation
import SluiceExchange
import SluiceReactor
import SluiceTime
import Testing

extension GatewayTests {
    /// How long an answer that has begun may stand still, and how long it may last.
    @Suite(.serialized) struct AnswerLimitTests {
        private static let limit = Nanoseconds.milliseconds(150)
        /// Where the limit must not pass, on a machine that may be shared.
        private static let generous = Nanoseconds.milliseconds(300)
        /// More than the 100 ms that are allowed, as the machine may be shared.
        private static let slack = Nanoseconds.milliseconds(400)
        private static let plainHead = "HTTP/1.1 200 OK\r\ncontent-length: 8\r\n\r\n"

        /// How long it took from the request to the end of its answer, whole or not.
        private func ask(_ gateway: GatewayUnderTest, _ request: String) throws
            -> (answer: RawAnswer, time: Nanoseconds)
        {
            let client = try gateway.connect()
            let start = MonotonicClock.now()
            client.send(request)
            let answer = try #require(client.readAnswer())
            return (answer, MonotonicClock.now() - start)
        }

        /// Sends `begin`, and `piece` every so often for as long as anybody takes it.
        private func dripping(
            _ piece: String, every pause: Nanoseconds = .milliseconds(20), after begin: String
        ) throws -> ScriptedUpstream {
            try ScriptedUpstream { peer in
                guard peer.nextRequest() != nil else { return }
                peer.send(begin)
                while !peer.isStopping, peer.connection.ending == nil, peer.send(piece) {
                    peer.connection.readSome(within: pause)
                }
                peer.waitForEnd()
            }
        }

        private func expectCut(
            _ gateway: GatewayUnderTest, _ answer: RawAnswer, after time: Nanoseconds,
            _ stage: String
        ) {
            #expect(answer.status == 200)
            #expect(!answer.isWhole)
            #expect(time >= Self.limit - .milliseconds(5))
            #expect(time < Self.limit + Self.slack)
            #expect(gateway.sees("stream_timeout"))
            let counted = gateway.metrics()?.sum(
                "sluice_upstream_timeouts_total", "stage=\"\(stage)\"")
            #expect(counted == 1)
        }

        // MARK: The idle limit

        @Test(arguments: ["x", "\n"])
        func `bytes within an event do not put off the idle limit`(byte: String) throws {
            let begun = streamHead + chunk(token("a"))
            let start = byte == "\n" ? "" : chunk(#"data: {"choices":[{"delta":{"content":""#)
            let upstream = try dripping(chunk(byte), after: begun + start)
            try GatewayUnderTest.run([upstream], change: { $0.timeouts.streamIdle = Self.limit }) {
                gateway in
                let (answer, time) = try ask(gateway, streamingChat)
                #expect(answer.text == token("a"))
                expectCut(gateway, answer, after: time, "idle")
            }
        }

        @Test(arguments: [token("b"), token("b").replacing("\n", with: "\r\n"), ": ping\n\n"])
        func `every event puts off the idle limit, in however many parts it comes`(
            event: String
        ) throws {
            let cut = event.index(event.startIndex, offsetBy: 4)
            let upstream = try ScriptedUpstream { peer in
                guard peer.nextRequest() != nil else { return }
                peer.send(streamHead + chunk(token("a")))
                for _ in 0..<6 {
                    peer.rest(Self.generous / 6)
                    peer.send(chunk(String(event[..<cut])))
                    peer.rest(.milliseconds(10))
                    peer.send(chunk(String(event[cut...])))
                }
                peer.send(chunk(done) + "0\r\n\r\n")
            }
            try GatewayUnderTest.run(
                [upstream], change: { $0.timeouts.streamIdle = Self.generous }
            ) { gateway in
                let (answer, time) = try ask(gateway, streamingChat)
                #expect(answer.isWhole)
                #expect(time > Self.generous)
                #expect(gateway.sees("ok"))
            }
        }

        @Test func `every byte of an answer without events puts off the idle limit`() throws {
            let upstream = try dripping("x", every: Self.generous / 6, after: Self.plainHead)
            try GatewayUnderTest.run(
                [upstream], change: { $0.timeouts.streamIdle = Self.generous }
            ) { gateway in
                let (answer, time) = try ask(gateway, chat())
                #expect(answer.text == "xxxxxxxx")
                #expect(time > Self.generous)
                #expect(gateway.sees("ok"))
            }
        }

        // MARK: The total limit

        @Test(arguments: [token("a"), ": ping\n\n"])
        func `a stream that goes on and on is cut after the total limit`(event: String) throws {
            let upstream = try dripping(chunk(event), after: streamHead + chunk(token("a")))
            try GatewayUnderTest.run([upstream], change: { $0.timeouts.streamTotal = Self.limit }) {
                gateway in
                let (answer, time) = try ask(gateway, streamingChat)
                #expect(answer.text.hasPrefix(token("a") + event))
                expectCut(gateway, answer, after: time, "total")
                #expect(eventually { upstream.state.withLock { !$0.endings.isEmpty } })
                let inflight = gateway.metrics()?.sum("sluice_replica_inflight")
                #expect(inflight == 0)
            }
        }

        @Test func `an answer without events is cut after the total limit, too`() throws {
            let begun = Self.plainHead.replacing("8", with: "800")
            let upstream = try dripping("x", after: begun)
            try GatewayUnderTest.run([upstream], change: { $0.timeouts.streamTotal = Self.limit }) {
                gateway in
                let (answer, time) = try ask(gateway, chat())
                expectCut(gateway, answer, after: time, "total")
            }
        }

        @Test func `the wait for the first content is no part of the total`() throws {
            let upstream = try ScriptedUpstream { peer in
                guard peer.nextRequest() != nil else { return }
                peer.send(streamHead)
                peer.rest(Self.limit * 2)
                peer.send(chunk(token("a")) + chunk(done) + "0\r\n\r\n")
            }
            try GatewayUnderTest.run([upstream], change: { $0.timeouts.streamTotal = Self.limit }) {
                gateway in
                let (answer, _) = try ask(gateway, streamingChat)
                #expect(answer.text == token("a") + done)
                #expect(gateway.sees("ok"))
            }
        }

        @Test func `the total ends an answer whose client hardly reads, and the log says so`()
            throws
        {
            let path = NSTemporaryDirectory() + "sluice-e2e-\(UUID().uuidString).log"
            defer { try? FileManager.default.removeItem(atPath: path) }
            let event = chunk(token(String(repeating: "x", count: 4_000)))
            let upstream = try dripping(event, every: .zero, after: streamHead)
            try GatewayUnderTest.run(
                [upstream],
                change: {
                    $0.timeouts.streamTotal = Self.limit
                    $0.accessLog = .file(path)
                }
            ) { gateway in
                let client = try gateway.connect()
                client.send(streamingChat)
                #expect(gateway.sees("stream_timeout"))
                #expect(eventually { upstream.state.withLock { !$0.endings.isEmpty } })
                #expect(client.readToEnd() != nil)
                let isWhole = RawAnswer(client.all, isHead: false, isOver: true)?.isWhole
                #expect(isWhole == false)
            }
            let line = try String(contentsOfFile: path, encoding: .utf8)
            #expect(line.contains("\"timeout_total\""))
        }
    }
}
