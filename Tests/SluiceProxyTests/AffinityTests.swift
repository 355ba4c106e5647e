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

        @Test func `a conversation without a name stays where its beginning is`() throws {
            let text = String(repeating: "words of a long prompt ", count: 120)
            let first = #"{"role":"user","content":"\#(text)"}"#
            let counts = try served { index in
                let turns = (0..<index % 10).map { #",{"role":"user","content":"turn \#($0)"}"# }
                return chat(
                    #"{"stream":\#(index.isMultiple(of: 2)),"model":"tiny","messages":["#
                        + first + turns.joined() + "]}")
            }
            #expect(counts.sorted() == [0, 0, 40])
        }

        @Test func `conversations that begin otherwise spread over the replicas`() throws {
            let counts = try served { index in
                let text = "\(index) " + String(repeating: "words of a prompt ", count: 120)
                return chat(
                    #"{"model":"tiny","messages":[{"role":"user","content":"\#(text)"}]}"#)
            }
            #expect(counts.allSatisfy { $0 > 0 })
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
