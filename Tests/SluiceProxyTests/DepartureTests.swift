import SluiceExchange
import SluiceReactor
import SluiceTime
import Testing

extension GatewayTests {
    /// A client that leaves stops its replica's work at once: vLLM aborts on disconnect.
    @Suite(.serialized) struct DepartureTests {
        /// What a replica has done when the client leaves.
        enum Moment: CaseIterable, CustomTestStringConvertible {
            case waitingForTheFirstToken, headSentNoEvent, streaming, silentStream, plainAnswerBegun

            var testDescription: String { "\(self)" }

            fileprivate func play(_ peer: UpstreamPeer) {
                switch self {
                case .waitingForTheFirstToken: break
                case .headSentNoEvent: peer.send(streamHead)
                case .streaming:
                    peer.send(streamHead)
                    while !peer.isStopping, peer.connection.ending == nil,
                        peer.send(chunk(token("a")))
                    {
                        peer.connection.readSome(within: .milliseconds(1))
                    }
                case .silentStream: peer.send(streamHead + chunk(token("a")))
                case .plainAnswerBegun:
                    peer.send("HTTP/1.1 200 OK\r\ncontent-length: 99\r\n\r\n{")
                }
                peer.waitForEnd()
            }

            fileprivate var shown: String? {
                switch self {
                case .waitingForTheFirstToken, .headSentNoEvent: nil
                case .streaming, .silentStream: "data:"
                case .plainAnswerBegun: "{"
                }
            }
        }

        @Test(arguments: Moment.allCases, [false, true])
        func `the replica's connection is closed within 50 ms`(moment: Moment, resets: Bool) throws
        {
            let upstream = try ScriptedUpstream { peer in
                guard peer.nextRequest() != nil else { return }
                moment.play(peer)
            }
            // Two headHoldMax cases in one: with 20 ms the bare head has gone out, too.
            try GatewayUnderTest.run(
                [upstream], change: { $0.timeouts.headHoldMax = .milliseconds(20) }
            ) { gateway in
                let client = try gateway.connect()
                client.send(moment == .plainAnswerBegun ? chat() : streamingChat)
                #expect(eventually { upstream.requests.count == 1 })
                if let shown = moment.shown {
                    let hasCome = client.read(until: shown)
                    #expect(hasCome)
                }
                let left = MonotonicClock.now()
                if resets { client.reset() } else { client.close() }
                #expect(eventually { upstream.state.withLock { !$0.endings.isEmpty } })
                let closed = upstream.state.withLock { $0.endings.first } ?? .never
                #expect(closed - left < .milliseconds(50))
                #expect(gateway.sees("client_gone"))
                let page = gateway.metrics()
                let aborts = page?.sum("sluice_abort_propagation_seconds_count")
                #expect(aborts == 1)
                #expect(gateway.hasLost(1, "relaying"))
            }
        }

        @Test func `a client may leave while its replica does not even accept`() throws {
            let upstream = try ScriptedUpstream(backlog: 1) { peer in peer.waitForEnd() }
            try GatewayUnderTest.run(
                [upstream], change: { $0.timeouts.connect = .seconds(20) }
            ) { gateway in
                upstream.set { $0.isDeaf = true }
                pause(.milliseconds(30))
                // The backlog holds two; a further SYN is dropped.
                let fillers = try (0..<3).map { _ in
                    try Transport.connect(to: upstream.address, userTimeout: .seconds(9))
                        .localAddress()
                }
                #expect(fillers.count == 3)
                var held: [RawConnection] = []
                for _ in 0..<3 {
                    let filler = try Transport.connect(
                        to: upstream.address, userTimeout: .seconds(9))
                    held.append(try RawConnection(filler))
                }
                let client = try gateway.connect()
                client.send(streamingChat)
                let isConnecting = eventually {
                    gateway.metrics()?.sum("sluice_requests_in_flight", "phase=\"connecting\"") == 1
                }
                #expect(isConnecting)
                client.close()
                #expect(gateway.hasLost(1, "connecting"))
                #expect(held.count == 3)
            }
        }

        @Test func `a client may leave while its request waits for a slot`() throws {
            let upstream = try ScriptedUpstream { peer in
                peer.nextRequest()
                peer.waitForEnd()
            }
            try GatewayUnderTest.run(
                [upstream], change: { $0.pools[0].replicaInflightMax = 1 }
            ) { gateway in
                let first = try gateway.connect()
                first.send(streamingChat)
                #expect(eventually { upstream.requests.count == 1 })
                let second = try gateway.connect()
                second.send(streamingChat)
                #expect(gateway.queues(1))
                second.close()
                #expect(gateway.sees("client_gone"))
                #expect(gateway.hasLost(1, "queued"))
                #expect(upstream.requests.count == 1)
                first.close()
                #expect(gateway.sees("client_gone", 2))
            }
        }
    }
}
