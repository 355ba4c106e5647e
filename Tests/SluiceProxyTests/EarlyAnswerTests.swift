import Foundation
import SluiceExchange
import SluiceReactor
import SluiceTime
import Testing

extension GatewayTests {
    /// Replicas that answer before they have read a request that does not fit into the kernel's buffers.
    @Suite(.serialized) struct EarlyAnswerTests {
        /// More than the buffers of both ends take: up to 6 MiB and 4 MiB.
        private static let large = chat(
            #"{"model":"tiny","stream":true,"prompt":""#
                + String(repeating: "z", count: 12 << 20) + "\"}")

        private static let refusal = "{\"error\":\"Unauthorized\"}"
        private static let refusalHead =
            "HTTP/1.1 401 Unauthorized\r\ncontent-type: application/json\r\n"
            + "content-length: \(refusal.utf8.count)\r\n\r\n"

        /// Does `answer` once, with no more than the request's beginning read; serves what comes later.
        private func upstream(
            _ answer: @escaping @Sendable (UpstreamPeer) -> Void
        ) throws -> ScriptedUpstream {
            try ScriptedUpstream { peer in
                if peer.index == 0 { return answer(peer) }
                while peer.nextRequest() != nil { peer.answer("served") }
            }
        }

        @Test func `a stream that begins before its request was read is served to its end`() throws
        {
            let isSeen = Gate()
            let upstream = try upstream { peer in
                peer.send(streamHead + chunk(token("a")))
                peer.wait(for: isSeen)
                guard peer.nextRequest() != nil else { return }
                peer.send(chunk(token("b")) + chunk(done) + "0\r\n\r\n")
                peer.waitForEnd()
            }
            try GatewayUnderTest.run([upstream]) { gateway in
                let client = try gateway.connect()
                client.send(Self.large)
                #expect(client.read(until: token("a")))
                isSeen.open()
                let answer = client.readAnswer()
                #expect(answer?.isWhole == true)
                #expect(answer?.text == token("a") + token("b") + done)
                let isSame = upstream.requests.first.map { Self.large.hasSuffix($0.text) }
                #expect(isSame == true)
                #expect(gateway.sees("ok"))
                // The request is let go with its last byte.
                let isReleased = eventually {
                    gateway.metrics()?.sum("sluice_buffers_bytes") == 0
                }
                #expect(isReleased)
            }
        }

        @Test(arguments: [false, true])
        func `a refusal of a body that nobody reads reaches the client whole`(inPieces: Bool) throws
        {
            let isSeen = Gate()
            let upstream = try upstream { peer in
                peer.send(Self.refusalHead + (inPieces ? "" : Self.refusal))
                if inPieces {
                    pause(.milliseconds(20))
                    peer.send(Self.refusal)
                }
                // Closing with bytes unread is a reset.
                peer.wait(for: isSeen)
            }
            try GatewayUnderTest.run([upstream]) { gateway in
                let client = try gateway.connect()
                client.send(Self.large)
                let answer = client.readAnswer()
                isSeen.open()
                #expect(answer?.status == 401 && answer?.isWhole == true)
                #expect(answer?.text == Self.refusal)
                #expect(try gateway.ask(chat()).text == "served")
                // The connection on which half a request went is no one's.
                #expect(upstream.connections.count == 2)
            }
        }

        @Test(arguments: [false, true])
        func `an answer that ends with its replica before the request was read is cut`(
            hasBody: Bool
        ) throws {
            let upstream = try upstream { peer in
                peer.send(Self.refusalHead + (hasBody ? "{\"error\"" : ""))
                pause(.milliseconds(100))
                peer.connection.reset()
            }
            try GatewayUnderTest.run([upstream]) { gateway in
                let client = try gateway.connect()
                client.send(Self.large)
                let answer = client.readAnswer()
                #expect(answer?.isWhole != true && client.ending != nil)
                #expect(gateway.sees("truncated"))
                #expect(try gateway.ask(chat()).text == "served")
            }
        }
    }
}
