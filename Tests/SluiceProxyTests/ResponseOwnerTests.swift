import Foundation
import SluiceBytes
import SluiceExchange
import SluiceProxy
import SluiceReactor
import SluiceTime
import Testing

extension GatewayTests {
    /// `/v1/responses/{id}`, and what continues a response, goes to the replica that
    /// made it.
    @Suite(.serialized) struct ResponseOwnerTests {
        @Test(arguments: ["", #","stream":true"#])
        func `what is asked of a response goes to the replica that made it`(rest: String) throws {
            let replicas = try (0..<3).map { try replica($0) }
            try GatewayUnderTest.run(replicas) { gateway in
                var ids: [String] = []
                while ids.count < 30 {
                    let answer = try gateway.ask(post(rest))
                    #expect(answer.status == 200)
                    ids.append(try #require(madeID(answer.text)))
                }
                #expect(Set(ids.map { $0.prefix(6) }).count == 3, "all three have made some")
                for id in ids {
                    for request in [
                        get(id), get("\(id)?stream=true&starting_after=2"),
                        cancel(id),
                    ] {
                        let answer = try gateway.ask(request)
                        #expect(answer.status == 200)
                        #expect(answer.text == id.prefix(6))
                    }
                }
                let page = gateway.metrics()
                #expect(page?.sum("sluice_routing_decisions_total", "reason=\"owner\"") == 90)
            }
        }

        @Test(arguments: ["", #","stream":true"#])
        func `a response is continued by the replica that made it`(rest: String) throws {
            let replicas = try (0..<3).map { try replica($0) }
            try GatewayUnderTest.run(replicas) { gateway in
                var ids: [String] = []
                // Who is asked is chance: until each has made some, which a hundred tries are enough for.
                func makers() -> Int { Set(ids.map { $0.prefix(6) }).count }
                while ids.count < 12 || makers() < 3 && ids.count < 100 {
                    ids.append(try #require(madeID(try gateway.ask(post(rest)).text)))
                }
                #expect(makers() == 3)
                for id in ids {
                    var previous = id
                    for _ in 0..<3 {
                        let answer = try gateway.ask(
                            post(#"\#(rest),"previous_response_id":"\#(previous)""#))
                        previous = try #require(madeID(answer.text))
                        #expect(previous.prefix(6) == id.prefix(6))
                    }
                }
                let page = gateway.metrics()
                let continued = Double(3 * ids.count)
                #expect(
                    page?.sum("sluice_routing_decisions_total", "reason=\"owner\"") == continued)
            }
        }

        @Test func `a response that nobody here has made is continued by any, null by any`() throws
        {
            let replicas = try (0..<2).map { try replica($0) }
            try GatewayUnderTest.run(replicas) { gateway in
                for id in [#""resp_unknown""#, "null", #""""#] {
                    let answer = try gateway.ask(post(#","previous_response_id":\#(id)"#))
                    #expect(answer.status == 200)
                }
                let page = gateway.metrics()
                #expect(page?.sum("sluice_routing_decisions_total", "reason=\"owner\"") == 0)
                let answer = try gateway.ask(post(#","previous_response_id":7"#))
                #expect(answer.status == 400)
                #expect(answer.text.contains("previous_response_id"))
            }
        }

        @Test func `a response that nobody here has made is a 404, and no replica is asked`() throws
        {
            let one = try replica(0)
            try GatewayUnderTest.run([one]) { gateway in
                let made = try gateway.ask(post(#","store":false"#))
                let id = try #require(madeID(made.text))
                for request in [get(id), get("resp_unknown"), cancel(id)] {
                    let answer = try gateway.ask(request)
                    #expect(answer.status == 404)
                    #expect(answer.text.contains("No model server known"))
                }
                #expect(one.requests.count == 1)
            }
        }

        @Test func `a response is read, cancelled, and nothing else`() throws {
            let one = try replica(0)
            try GatewayUnderTest.run([one]) { gateway in
                let made = try gateway.ask(post())
                let id = try #require(madeID(made.text))
                for line in ["DELETE /v1/responses/\(id)", "POST /v1/responses/\(id)"] {
                    let answer = try gateway.ask(
                        "\(line) HTTP/1.1\r\nhost: a\r\ncontent-length: 0\r\n\r\n")
                    #expect(answer.status == 405)
                    #expect(answer["allow"] == "GET, HEAD")
                }
                let answer = try gateway.ask(get("\(id)/cancel"))
                #expect(answer["allow"] == "POST")
                #expect(one.requests.count == 1)
            }
        }

        @Test func `where the replica cannot be reached no other is asked`() throws {
            let replicas = try (0..<2).map { try replica($0, closes: true) }
            try GatewayUnderTest.run(replicas) { gateway in
                let made = try gateway.ask(post())
                let id = try #require(madeID(made.text))
                let (owner, other) = id.hasPrefix("resp_0") ? (0, 1) : (1, 0)
                replicas[owner].goDown()
                for request in [get(id), post(#","previous_response_id":"\#(id)""#)] {
                    let answer = try gateway.ask(request)
                    #expect(answer.status == 503)
                    #expect(answer["retry-after"] == "5")
                    #expect(answer.text.contains("cannot be reached"))
                }
                #expect(replicas[other].requests.isEmpty)
            }
        }

        @Test func `when the replica has been removed the answer says so`() throws {
            let replicas = try (0..<2).map { try replica($0) }
            let addresses = Addresses(replicas[0].address)
            try GatewayUnderTest.run(
                replicas,
                change: { settings in
                    settings.pools[0].replicas = []
                    settings.pools[0].replicaDNS = "http://replicas.test:8000"
                    settings.pools[0].dnsInterval = .milliseconds(20)
                }, lookup: { _, _ in .success([addresses.value.withLock { $0 }]) }
            ) { gateway in
                let made = try gateway.ask(post())
                let id = try #require(madeID(made.text))
                #expect(try gateway.ask(get(id)).status == 200)
                addresses.value.withLock { $0 = replicas[1].address }
                let isGone = eventually {
                    guard let answer = try? gateway.ask(get(id)) else { return false }
                    return answer.status == 404 && answer.text.contains("is gone")
                }
                #expect(isGone)
                #expect(replicas[1].requests.isEmpty)
            }
        }

        // MARK: Parts

        private final class Addresses: Sendable {
            let value: Guarded<SocketAddress>
            init(_ address: SocketAddress) { value = Guarded(address) }
        }

        /// Makes responses called `resp_<number>-<count>`; says `resp_<number>` of those, 404 of others.
        ///
        /// - Parameter closes: the connection ends with each answer.
        private func replica(_ number: Int, closes: Bool = false) throws -> ScriptedUpstream {
            try ScriptedUpstream { peer in
                while let request = peer.nextRequest() {
                    guard request.line.hasPrefix("POST /v1/responses ") else {
                        let isMine = request.line.contains("/resp_\(number)-")
                        peer.answer("resp_\(number)", status: isMine ? 200 : 404)
                        continue
                    }
                    let id = "resp_\(number)-\(peer.requestCount)"
                    let response = #"{"id":"\#(id)","object":"response","output":[]}"#
                    guard request.text.contains("stream") else {
                        peer.answer(response)
                        if closes { return }
                        continue
                    }
                    func event(_ type: String) -> String {
                        chunk(
                            "event: \(type)\ndata: {\"response\":\(response),\"type\":\"\(type)\"}\n\n"
                        )
                    }
                    peer.send(
                        streamHead + event("response.created") + event("response.completed")
                            + "0\r\n\r\n")
                }
            }
        }

        private func madeID(_ text: String) -> String? {
            guard let start = text.range(of: "\"id\":\"")?.upperBound else { return nil }
            return String(text[start...].prefix { $0 != "\"" })
        }

        private func post(_ rest: String = "") -> String {
            let body = #"{"model":"tiny","input":"hi"\#(rest)}"#
            return
                "POST /v1/responses HTTP/1.1\r\nhost: a\r\ncontent-type: application/json\r\n"
                + "content-length: \(body.utf8.count)\r\n\r\n\(body)"
        }

        private func get(_ path: String) -> String {
            "GET /v1/responses/\(path) HTTP/1.1\r\nhost: a\r\n\r\n"
        }

        private func cancel(_ id: String) -> String {
            "POST /v1/responses/\(id)/cancel HTTP/1.1\r\nhost: a\r\ncontent-length: 0\r\n\r\n"
        }
    }
}
