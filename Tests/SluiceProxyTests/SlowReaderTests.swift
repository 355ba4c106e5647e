import SluiceExchange
import SluiceReactor
import SluiceTime
import Synchronization
import Testing

extension GatewayTests {
    @Suite(.serialized) struct SlowReaderTests {
        /// Writes events until nothing more is taken for a while; how many bytes went.
        private static func flood(_ peer: UpstreamPeer, _ sent: Counter) {
            let piece = Array(chunk(token(String(repeating: "x", count: 4_000))).utf8)
            peer.send(streamHead)
            while !peer.isStopping, sent.value.load(ordering: .relaxed) < 256 << 20,
                peer.connection.send(piece, within: .milliseconds(300))
            {
                sent.value.add(piece.count, ordering: .relaxed)
            }
            peer.waitForEnd()
        }

        private final class Counter: Sendable { let value = Atomic<Int>(0) }

        @Test
        func `a client that does not read stops its replica and is cut after the stall limit`()
            throws
        {
            let counter = Counter()
            let upstream = try ScriptedUpstream { peer in
                guard peer.nextRequest() != nil else { return }
                Self.flood(peer, counter)
            }
            try GatewayUnderTest.run(
                [upstream], change: { $0.timeouts.writeStall = .milliseconds(600) }
            ) { gateway in
                let client = try gateway.connect()
                client.send(streamingChat)
                #expect(gateway.sees("client_stalled"))
                // Two senders' kernel buffers, 4 MiB each, and what the gateway holds: 5.2 MiB were seen.
                let sent = counter.value.load(ordering: .relaxed)
                #expect(sent < 9 << 20)
                #expect(eventually { upstream.state.withLock { !$0.endings.isEmpty } })
                #expect(client.readToEnd() != nil)
            }
        }

        @Test func `a client that reads after a pause gets every byte`() throws {
            let events = (0..<2_000).map { token("\($0) " + String(repeating: "y", count: 4_000)) }
            let upstream = try ScriptedUpstream { peer in
                guard peer.nextRequest() != nil else { return }
                peer.send(streamHead)
                for event in events { peer.send(chunk(event)) }
                peer.send(chunk(done) + "0\r\n\r\n")
            }
            try GatewayUnderTest.run([upstream]) { gateway in
                let client = try gateway.connect()
                client.send(streamingChat)
                pause(.milliseconds(200))
                let isThere = client.read(within: .seconds(10)) { bytes in
                    bytes.count > 8_000_000 && Array(bytes.suffix(16)).holds("0\r\n\r\n")
                }
                #expect(isThere)
                let answer = client.readAnswer()
                #expect(answer?.isWhole == true)
                let isEqual = answer?.body == Array((events.joined() + done).utf8)
                #expect(isEqual)
                #expect(gateway.sees("ok"))
                let blocked = gateway.metrics()?.sum("sluice_downstream_blocked_seconds_count")
                #expect(blocked == 1)
            }
        }

        @Test func `a large request body arrives whole at a replica that reads late`() throws {
            let body =
                #"{"model":"tiny","prompt":""# + String(repeating: "z", count: 8 << 20) + "\"}"
            let upstream = try ScriptedUpstream { peer in
                pause(.milliseconds(100))
                while let request = peer.nextRequest() { peer.answer("\(request.body.count)") }
            }
            try GatewayUnderTest.run([upstream]) { gateway in
                let client = try gateway.connect()
                client.send(chat(body))
                #expect(client.readAnswer(within: .seconds(10))?.text == "\(body.utf8.count)")
                let isGivenBack = eventually {
                    gateway.metrics()?.sum("sluice_buffers_bytes") == 0
                }
                #expect(isGivenBack)
            }
        }
    }
}
