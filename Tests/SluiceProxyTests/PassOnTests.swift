import SluiceExchange
import SluiceTime
import Testing

extension GatewayTests {
    /// Events that go on as they came, beside all that must not.
    @Suite(.serialized) struct PassOnTests {
        private static func last(_ text: String) -> String {
            token(text).replacing("null}]}", with: "\"stop\"}]}")
        }

        /// What a replica writes at a time, and the events in it.
        private static let pieces: [(bytes: String, events: String, contents: Int)] = {
            let half = chunk(token("half"))
            let cut = half.index(half.startIndex, offsetBy: 40)
            let size = String(token("x").utf8.count, radix: 16)
            return [
                (chunk(token("a")), token("a"), 1),
                (chunk(token("b")), token("b"), 1),
                (chunk(token("é \\n\\\" \\u00e9")), token("é \\n\\\" \\u00e9"), 1),
                // Two at once; one in two parts; one whole with a part of the next.
                (chunk(token("c")) + chunk(token("d")), token("c") + token("d"), 2),
                (String(half[..<cut]), "", 0),
                (String(half[cut...]), token("half"), 1),
                (chunk(token("e")) + String(half[..<cut]), token("e"), 1),
                (String(half[cut...]), token("half"), 1),
                // Framing that is allowed and unusual: an extension, zeros, capitals.
                ("\(size);x=1\r\n\(token("x"))\r\n", token("x"), 1),
                ("00\(size.uppercased())\r\n\(token("x"))\r\n", token("x"), 1),
                (chunk(token("f") + token("g")), token("f") + token("g"), 2),
                (chunk(token("h")), token("h"), 1),
                // Not content, an event of another line end, an empty text, the last one.
                (chunk(": ping\n\n"), ": ping\n\n", 0),
                (chunk(token("i").replacing("\n\n", with: "\r\n\r\n")), "", 0),
                (chunk(token("")), token(""), 0),
                (chunk(Self.last("j")), Self.last("j"), 1),
                (chunk(done) + "0\r\n\r\n", done, 0),
            ]
        }()

        @Test func `whatever its chunks, a stream arrives unchanged and its events are counted`()
            throws
        {
            let crlf = token("i").replacing("\n\n", with: "\r\n\r\n")
            let pieces = Self.pieces
            let upstream = try ScriptedUpstream { peer in
                while peer.nextRequest() != nil {
                    peer.send(streamHead)
                    for piece in pieces {
                        peer.send(piece.bytes)
                        peer.rest(.milliseconds(10))
                    }
                }
            }
            try GatewayUnderTest.run([upstream]) { gateway in
                let client = try gateway.connect()
                for round in 1...2 {
                    client.send(streamingChat)
                    let answer = try #require(client.readAnswer())
                    let events = pieces.map { $0.bytes.contains(crlf) ? crlf : $0.events }.joined()
                    #expect(answer.isWhole)
                    #expect(answer.text == events)
                    let contents = pieces.reduce(1) { $0 + $1.contents }
                    #expect(
                        gateway.metrics()?.sum("sluice_content_events_total")
                            == Double(round * contents))
                }
                #expect(gateway.sees("ok", 2))
            }
        }

        @Test func `a known event is not framed anew, and none is taken for one`() throws {
            let size = String(token("x").utf8.count, radix: 16)
            // Zeros show who wrote the size line.
            let zeros = "0\(size)\r\n\(token("y"))\r\n"
            let role = token("z").replacing("\"content\"", with: "\"content \"")
            let upstream = try ScriptedUpstream { peer in
                guard peer.nextRequest() != nil else { return }
                peer.send(streamHead)
                for piece in [
                    chunk(token("x")), zeros,
                    "0\(String(role.utf8.count, radix: 16))\r\n\(role)\r\n",
                ] {
                    peer.send(piece)
                    peer.rest(.milliseconds(20))
                }
                peer.send(chunk(done) + "0\r\n\r\n")
                peer.waitForEnd()
            }
            try GatewayUnderTest.run([upstream]) { gateway in
                let client = try gateway.connect()
                client.send(streamingChat)
                #expect(client.readAnswer()?.text == token("x") + token("y") + role + done)
                #expect(client.all.holds(zeros))
                #expect(client.all.holds("\r\n" + chunk(role)))
                #expect(gateway.metrics()?.sum("sluice_content_events_total") == 2)
            }
        }

        @Test func `a client that leaves between two known events ends the replica's work`() throws
        {
            let upstream = try ScriptedUpstream { peer in
                guard peer.nextRequest() != nil else { return }
                peer.send(streamHead)
                while !peer.isStopping, peer.connection.send(chunk(token("a"))) {
                    peer.rest(.milliseconds(2))
                }
                peer.waitForEnd()
            }
            try GatewayUnderTest.run([upstream]) { gateway in
                do {
                    let client = try gateway.connect()
                    client.send(streamingChat)
                    #expect(client.read { $0.count > 2_000 })
                }
                #expect(gateway.hasLost(1, "relaying"))
                #expect(eventually { upstream.state.withLock { !$0.endings.isEmpty } })
            }
        }
    }
}
