import SluiceExchange
import SluiceReactor
import SluiceTime
import Testing

extension GatewayTests {
    /// Every wait ends: what the client is told, and how long after the limit.
    @Suite(.serialized) struct DeadlineTests {
        private static let limit = Nanoseconds.milliseconds(150)
        /// Within the limit and 100 ms; more where the machine is shared.
        private static let slack = Nanoseconds.milliseconds(400)

        /// How long `body` took.
        private func time(_ body: () throws -> Void) rethrows -> Nanoseconds {
            let start = MonotonicClock.now()
            try body()
            return MonotonicClock.now() - start
        }

        private func isInTime(_ time: Nanoseconds) -> Bool {
            time >= Self.limit - .milliseconds(5) && time < Self.limit + Self.slack
        }

        private func expectShed(_ answer: RawAnswer?, _ reason: String) {
            #expect(answer?.status == 429)
            #expect(answer?["x-sluice-reason"] == reason)
        }

        private func silent(after text: String = "") throws -> ScriptedUpstream {
            try ScriptedUpstream { peer in
                guard peer.nextRequest() != nil else { return }
                if !text.isEmpty { peer.send(text) }
                peer.waitForEnd()
            }
        }

        @Test func `half a head ends with 408, silence and an idle connection with a close`() throws
        {
            let upstream = try silent()
            try GatewayUnderTest.run(
                [upstream],
                change: {
                    $0.timeouts.head = Self.limit
                    $0.timeouts.keepAliveIdle = Self.limit
                }
            ) { gateway in
                let slow = try gateway.connect()
                slow.send("POST /v1/chat/completions HTTP/1.1\r\nhost:")
                let taken = time { #expect(slow.readAnswer()?.status == 408) }
                #expect(isInTime(taken))
                #expect(slow.readToEnd() == .finished)
                let silent = try gateway.connect()
                let silence = time { #expect(silent.readToEnd() == .finished) }
                #expect(isInTime(silence))
                #expect(silent.all.isEmpty)
                let idle = try gateway.connect()
                idle.send("GET /v1/models HTTP/1.1\r\nhost: a\r\n\r\n")
                #expect(idle.readAnswer()?.status == 200)
                let idling = time { #expect(idle.readToEnd() == .finished) }
                #expect(isInTime(idling))
                #expect(gateway.sees("client_error"))
            }
        }

        @Test func `a head that drips does not outlast its limit`() throws {
            let upstream = try silent()
            try GatewayUnderTest.run([upstream], change: { $0.timeouts.head = Self.limit }) {
                gateway in
                let client = try gateway.connect()
                let taken = time {
                    for byte in Array("GET /v1/models HTTP/1.1\r\nhost: aaaaaaaaaaaaaaaaaaaa".utf8)
                    {
                        guard client.send([byte]) else { break }
                        if client.readSome(within: .milliseconds(10)) { break }
                    }
                }
                #expect(isInTime(taken))
                #expect(client.readAnswer()?.status == 408)
            }
        }

        @Test func `half a body, then silence, ends with 408 and holds no slot`() throws {
            let upstream = try silent()
            try GatewayUnderTest.run([upstream], change: { $0.timeouts.bodyIdle = Self.limit }) {
                gateway in
                let client = try gateway.connect()
                client.send(String(chat().dropLast(5)))
                let taken = time { #expect(client.readAnswer()?.status == 408) }
                #expect(isInTime(taken))
                #expect(client.readToEnd() == .finished)
                #expect(upstream.bytes.isEmpty)
            }
        }

        @Test(arguments: ["", streamHead])
        func `no content in time is a 504 that must not be retried`(sent: String) throws {
            let upstream = try silent(after: sent)
            try GatewayUnderTest.run([upstream], change: { $0.timeouts.firstContent = Self.limit })
            {
                gateway in
                let client = try gateway.connect()
                client.send(streamingChat)
                let taken = time {
                    let answer = client.readAnswer()
                    #expect(answer?.status == 504)
                    #expect(answer?["x-should-retry"] == "false")
                }
                #expect(isInTime(taken))
                #expect(upstream.requests.count == 1)
                #expect(gateway.sees("upstream_failed"))
            }
        }

        @Test(arguments: [
            "x-request-timeout-ms: 150", "x-stainless-read-timeout: 0.15",
            "x-stainless-read-timeout: 0.1500000000000000055",
        ])
        func `a caller's own limit is kept, to the millisecond`(field: String) throws {
            let upstream = try silent()
            try GatewayUnderTest.run([upstream]) { gateway in
                let client = try gateway.connect()
                client.send(chat(fields: "\(field)\r\n"))
                let taken = time {
                    let answer = client.readAnswer()
                    #expect(answer?.status == 504)
                    #expect(answer?["x-sluice-reason"] == "deadline")
                }
                #expect(isInTime(taken))
            }
        }

        @Test func `comments do not put off the limit on the first content`() throws {
            let upstream = try ScriptedUpstream { peer in
                guard peer.nextRequest() != nil else { return }
                peer.send(streamHead)
                while !peer.isStopping, peer.connection.ending == nil,
                    peer.send(chunk(": ping\n\n"))
                {
                    peer.connection.readSome(within: .milliseconds(20))
                }
            }
            try GatewayUnderTest.run([upstream], change: { $0.timeouts.firstContent = Self.limit })
            {
                gateway in
                let client = try gateway.connect()
                client.send(streamingChat)
                let taken = time { #expect(client.readAnswer()?.status == 504) }
                #expect(isInTime(taken))
            }
        }

        @Test func `a stream that falls silent is cut after the idle limit`() throws {
            let upstream = try silent(after: streamHead + chunk(token("a")))
            try GatewayUnderTest.run([upstream], change: { $0.timeouts.streamIdle = Self.limit }) {
                gateway in
                let client = try gateway.connect()
                client.send(streamingChat)
                let taken = time {
                    let answer = client.readAnswer()
                    #expect(answer?.text == token("a"))
                    #expect(answer?.isWhole == false)
                }
                #expect(isInTime(taken))
                #expect(client.ending != nil)
                #expect(gateway.sees("stream_timeout"))
            }
        }

        @Test func `a plain answer that falls silent is cut, too`() throws {
            let upstream = try silent(after: "HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nabc")
            try GatewayUnderTest.run(
                [upstream],
                change: { $0.timeouts.streamIdle = Self.limit }
            ) { gateway in
                let client = try gateway.connect()
                client.send(chat())
                let taken = time { #expect(client.readAnswer()?.isWhole == false) }
                #expect(isInTime(taken))
                #expect(gateway.sees("stream_timeout"))
            }
        }

        @Test func `a head is held until the first event, or for the hold limit`() throws {
            let upstream = try ScriptedUpstream { peer in
                while peer.nextRequest() != nil {
                    peer.send(streamHead)
                    peer.rest(.milliseconds(peer.requestCount == 1 ? 60 : 400))
                    peer.send(chunk(token("a")) + chunk(done) + "0\r\n\r\n")
                }
            }
            try GatewayUnderTest.run([upstream], change: { $0.timeouts.headHoldMax = Self.limit }) {
                gateway in
                let first = try gateway.connect()
                first.send(streamingChat)
                #expect(eventually { upstream.requests.count == 1 })
                let cameEarly = first.readSome(within: .milliseconds(40))
                #expect(!cameEarly)
                #expect(first.readAnswer()?.text == token("a") + done)

                let second = try gateway.connect()
                second.send(streamingChat)
                let taken = time {
                    let hasHead = second.read(until: "\r\n\r\n")
                    #expect(hasHead)
                }
                #expect(isInTime(taken))
                #expect(!second.received.holds("data:"))
                #expect(second.readAnswer()?.text == token("a") + done)
                #expect(gateway.sees("ok", 2))
            }
        }

        @Test func `a head is not held at all where the limit is zero`() throws {
            let upstream = try silent(after: streamHead)
            try GatewayUnderTest.run([upstream], change: { $0.timeouts.headHoldMax = .zero }) {
                gateway in
                let client = try gateway.connect()
                client.send(streamingChat)
                let hasHead = client.read(until: "\r\n\r\n", within: .seconds(1))
                #expect(hasHead)
            }
        }

        @Test func `a replica that cannot be reached in time is a 504`() throws {
            let upstream = try ScriptedUpstream(backlog: 1) { peer in peer.waitForEnd() }
            try GatewayUnderTest.run([upstream], change: { $0.timeouts.connect = Self.limit }) {
                gateway in
                upstream.set { $0.isDeaf = true }
                pause(.milliseconds(30))
                var held: [RawConnection] = []
                for _ in 0..<3 {
                    let filler = try Transport.connect(
                        to: upstream.address, userTimeout: .seconds(9))
                    held.append(try RawConnection(filler))
                }
                let client = try gateway.connect()
                client.send(chat())
                let taken = time {
                    let answer = client.readAnswer()
                    #expect(answer?.status == 504 || answer?.status == 503)
                }
                #expect(taken >= Self.limit - .milliseconds(5))
                #expect(taken < Self.limit * 4 + Self.slack)
                #expect(held.count == 3)
            }
        }

        @Test func `a request waits in the queue no longer than it may`() throws {
            let upstream = try silent()
            try GatewayUnderTest.run(
                [upstream],
                change: {
                    $0.pools[0].replicaInflightMax = 1
                    $0.pools[0].queueLengthMax = 1
                    $0.pools[0].queueWaitMax = Self.limit
                }
            ) { gateway in
                let holder = try gateway.connect()
                holder.send(streamingChat)
                #expect(eventually { upstream.requests.count == 1 })
                let waiting = try gateway.connect()
                waiting.send(streamingChat)
                #expect(gateway.queues(1))
                let refused = try gateway.ask(streamingChat)
                expectShed(refused, "full")
                expectShed(waiting.readAnswer(), "expired")
                #expect(gateway.sees("shed", 2))
                holder.close()
            }
        }
    }
}
