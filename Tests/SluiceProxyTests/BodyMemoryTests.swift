import SluiceExchange
import SluiceProxy
import Testing

extension GatewayTests {
    /// The bodies of all requests together have a bound (`limits.bodies_bytes_max`), and what each
    /// takes of it comes back, whatever becomes of the request.
    @Suite(.serialized) struct BodyMemoryTests {
        static let bytesMax = 262_144

        /// Room for one body of the largest size.
        private func configure(_ settings: inout GatewaySettings) {
            settings.limits.bodyBytesMax = Self.bytesMax
            settings.limits.bodiesBytesMax = Self.bytesMax
        }

        private static func body(_ count: Int) -> String {
            let start = #"{"model":"tiny","prompt":""#
            return start + String(repeating: "a", count: count - start.utf8.count - 2) + "\"}"
        }

        private static func head(_ framing: String) -> String {
            "POST /v1/completions HTTP/1.1\r\nhost: a\r\ncontent-type: application/json\r\n"
                + "\(framing)\r\n\r\n"
        }

        private static func sized(_ count: Int) -> String {
            head("content-length: \(count)") + body(count)
        }

        /// In chunks of 20,000 bytes, without the last one.
        private static func openChunks(_ count: Int) -> String {
            var (text, rest) = (head("transfer-encoding: chunked"), body(count)[...])
            while !rest.isEmpty {
                text += chunk(String(rest.prefix(20_000)))
                rest = rest.dropFirst(20_000)
            }
            return text
        }

        private static func chunked(_ count: Int) -> String { openChunks(count) + "0\r\n\r\n" }

        private func inUse(_ gateway: GatewayUnderTest) -> Double {
            gateway.metrics()?.sum("sluice_buffers_bytes") ?? -1
        }

        private func isRefused(_ answer: RawAnswer?) -> Bool {
            answer?.status == 503 && answer?["x-sluice-reason"] == "gateway_memory"
                && answer?["retry-after"] == "1" && answer?["connection"] == "close"
        }

        @Test func `a length beyond what is left is refused before its body comes`() throws {
            let gate = Gate()
            let upstream = try ScriptedUpstream.holding(gate)
            try GatewayUnderTest.run([upstream], change: configure) { gateway in
                let first = try gateway.connect()
                first.send(Self.sized(200_000))
                #expect(eventually { upstream.requests.count == 1 })
                #expect(inUse(gateway) >= 200_000)
                let second = try gateway.connect()
                second.send(Self.head("content-length: 100000"))
                #expect(isRefused(second.readAnswer()))
                #expect(second.readToEnd() == .finished)
                #expect(upstream.requests.count == 1)

                let small = try gateway.connect()
                small.send(Self.sized(16_384))
                #expect(eventually { upstream.requests.count == 2 }, "a block is not counted")
                gate.open()
                for client in [first, small] { #expect(client.readAnswer()?.status == 200) }
            }
        }

        @Test func `a chunked body is refused where it outgrows what is left`() throws {
            let gate = Gate()
            let upstream = try ScriptedUpstream.holding(gate)
            try GatewayUnderTest.run([upstream], change: configure) { gateway in
                let first = try gateway.connect()
                first.send(Self.sized(100_000))
                #expect(eventually { upstream.requests.count == 1 })
                let fits = try gateway.connect()
                fits.send(Self.chunked(60_000))
                #expect(eventually { upstream.requests.count == 2 })
                let grows = try gateway.connect()
                grows.send(Self.openChunks(200_000))
                #expect(isRefused(grows.readAnswer()))
                #expect(grows.readToEnd() == .finished)
                #expect(upstream.requests.count == 2)
                gate.open()
                for client in [first, fits] { #expect(client.readAnswer()?.status == 200) }
            }
        }

        @Test func `a chunked body counts to its last byte, and may have the last of the memory`()
            throws
        {
            let gate = Gate()
            let upstream = try ScriptedUpstream.holding(gate)
            try GatewayUnderTest.run([upstream], change: configure) { gateway in
                let first = try gateway.connect()
                first.send(Self.sized(200_000))
                let last = try gateway.connect()
                last.send(Self.chunked(60_000))
                #expect(eventually { upstream.requests.count == 2 })
                let third = try gateway.connect()
                third.send(Self.chunked(30_000))
                #expect(isRefused(third.readAnswer()))
                #expect(upstream.requests.count == 2)
                gate.open()
                for client in [first, last] { #expect(client.readAnswer()?.status == 200) }
            }
        }

        @Test func `a body that outgrows the memory of all is too large, not too early`() throws {
            let upstream = try ScriptedUpstream { _ in }
            func less(_ settings: inout GatewaySettings) {
                configure(&settings)
                settings.limits.bodyBytesMax = 400_000
            }
            try GatewayUnderTest.run([upstream], change: less) { gateway in
                for request in [Self.head("content-length: 300000"), Self.openChunks(300_000)] {
                    let client = try gateway.connect()
                    client.send(request)
                    #expect(client.readAnswer()?.status == 413)
                }
            }
        }

        @Test(arguments: [false, true])
        func `one body may have all there is`(isChunked: Bool) throws {
            let request = isChunked ? Self.chunked(Self.bytesMax) : Self.sized(Self.bytesMax)
            let upstream = try ScriptedUpstream { peer in
                while peer.nextRequest() != nil { peer.answer("{}") }
            }
            try GatewayUnderTest.run([upstream], change: configure) { gateway in
                let client = try gateway.connect()
                // In two parts: what has come at the first says nothing of what is to come.
                client.send(String(request.prefix(210_000)))
                #expect(eventually { inUse(gateway) >= 210_000 })
                client.send(String(request.dropFirst(210_000)))
                #expect(client.readAnswer()?.status == 200)
                #expect(upstream.requests.first?.body.count == Self.bytesMax)
            }
        }

        /// How a request with a large body ends, and what its client has sent of it.
        enum Ending: CaseIterable, CustomTestStringConvertible {
            case answer, chunkedAnswer, notJSON, unknownModel, badChunk, tooLarge
            case leavesInBody, resetsInBody, leavesInChunks, leavesWhileServed

            var testDescription: String { "\(self)" }

            fileprivate var request: String {
                switch self {
                case .answer: sized(bytesMax)
                case .chunkedAnswer: chunked(bytesMax)
                case .notJSON:
                    head("content-length: 200000") + String(repeating: "[", count: 200_000)
                case .unknownModel:
                    sized(200_000).replacing(#""tiny""#, with: #""none""#)
                case .badChunk: openChunks(200_000) + "no size\r\n"
                case .tooLarge: openChunks(bytesMax + 1)
                case .leavesInBody, .resetsInBody: String(sized(bytesMax).dropLast(50_000))
                case .leavesInChunks: openChunks(200_000)
                case .leavesWhileServed: sized(bytesMax).replacing("aaaa\"}", with: "hold\"}")
                }
            }

            /// Nil: the client leaves instead.
            fileprivate var status: Int? {
                switch self {
                case .answer, .chunkedAnswer: 200
                case .notJSON, .badChunk: 400
                case .unknownModel: 404
                case .tooLarge: 413
                case .leavesInBody, .resetsInBody, .leavesInChunks, .leavesWhileServed: nil
                }
            }
        }

        @Test(arguments: Ending.allCases)
        func `what a body took is there again afterwards`(ending: Ending) throws {
            let upstream = try ScriptedUpstream { peer in
                while let request = peer.nextRequest() {
                    if request.text.hasSuffix("hold\"}") { return peer.waitForEnd() }
                    peer.answer("{}")
                }
            }
            try GatewayUnderTest.run([upstream], change: configure) { gateway in
                let client = try gateway.connect()
                client.send(ending.request)
                if let status = ending.status {
                    #expect(client.readAnswer()?.status == status)
                } else {
                    let isHeld = ending == .leavesWhileServed
                    let isTaken = eventually {
                        isHeld ? upstream.requests.count == 1 : inUse(gateway) >= 200_000
                    }
                    #expect(isTaken)
                    if ending == .resetsInBody { client.reset() } else { client.close() }
                    #expect(gateway.sees("client_gone"))
                }
                let next = try gateway.connect()
                next.send(Self.sized(Self.bytesMax))
                #expect(next.readAnswer()?.status == 200)
                #expect(
                    gateway.metrics()?.sum("sluice_shed_total", "reason=\"gateway_memory\"") == 0)
                #expect(eventually { inUse(gateway) < 200_000 })
            }
        }
    }
}
