import SluiceExchange
import SluiceProxy
import SluiceTime
import SluiceTraffic
import Testing

extension GatewayTests {
    /// Requests of one session or cache key, through the whole gateway.
    @Suite(.serialized) struct AffinityTests {
        /// Sends `count` requests one after the other; which upstreams served them.
        private func served(
            _ request: (Int) -> String, objective: Nanoseconds? = .seconds(2)
        ) throws -> [Int] {
            let upstreams = try (0..<3).map { _ in
                try ScriptedUpstream { peer in
                    while peer.nextRequest() != nil { peer.answer("{}") }
                }
            }
            try GatewayUnderTest.run(
                upstreams,
                change: {
                    $0.classes = [ClassPolicy(name: "standard", timeToFirstToken: objective)]
                }
            ) { gateway in
                for index in 0..<40 {
                    let answer = try gateway.ask(request(index))
                    #expect(answer.status == 200)
                }
            }
            return upstreams.map { $0.requests.count }
        }

        /// A request with a prompt that is worth being sent where it was before.
        private func prompt(_ members: String = "", fields: String = "") -> String {
            let text = String(repeating: "words of a long prompt ", count: 120)
            return chat(
                #"{"model":"tiny","messages":[{"role":"user","content":"\#(text)"}]\#(members)}"#,
                fields: fields)
        }

        @Test func `requests of a session go to one replica`() throws {
            let counts = try served { _ in prompt(fields: "X-Session-Id: s-42\r\n") }
            #expect(counts.sorted() == [0, 0, 40])
        }

        @Test func `a prompt cache key goes before the session`() throws {
            let counts = try served { index in
                prompt(",\"prompt_cache_key\":\"k\"", fields: "x-session-id: s-\(index)\r\n")
            }
            #expect(counts.sorted() == [0, 0, 40])
        }

        @Test func `sessions spread over the replicas`() throws {
            let counts = try served { index in prompt(fields: "x-session-id: s-\(index)\r\n") }
            #expect(counts.allSatisfy { $0 > 0 })
        }

        @Test func `without an objective the least loaded replica is chosen, whatever the session`()
            throws
        {
            let counts = try served(
                { _ in prompt(fields: "x-session-id: s-42\r\n") }, objective: nil)
            #expect(counts.allSatisfy { $0 > 0 })
        }
    }
}
