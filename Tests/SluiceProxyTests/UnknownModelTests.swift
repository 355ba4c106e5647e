import SluiceExchange
import SluiceReactor
import Testing

extension GatewayTests {
    /// What becomes of a model that no replica has told.
    @Suite(.serialized) struct UnknownModelTests {
        private let unknown = chat("{\"model\":\"nobody's\",\"messages\":[]}")

        private func replica() throws -> ScriptedUpstream {
            try ScriptedUpstream { peer in
                while peer.nextRequest() != nil { peer.answer("{}") }
            }
        }

        /// Until the answer to `request` has that status.
        private func isAnswered(_ status: Int, _ gateway: GatewayUnderTest) -> Bool {
            eventually { (try? gateway.ask(unknown))?.status == status }
        }

        @Test func `where every replica has told, it does not exist`() throws {
            let replicas = [try replica(), try replica()]
            try GatewayUnderTest.run(replicas) { gateway in
                #expect(isAnswered(404, gateway))
                let text = try gateway.ask(unknown).text
                #expect(text.contains("unknown_model") && text.contains("`tiny`"))
            }
        }

        @Test func `where one has never answered, it may be that one's`() throws {
            let (living, dead) = (try replica(), try replica())
            dead.goDown()
            try GatewayUnderTest.run([living, dead]) { gateway in
                #expect(isAnswered(503, gateway))
                let answer = try gateway.ask(unknown)
                #expect(answer.status == 503 && answer.text.contains("no_replica"))
                #expect(answer["retry-after"] != nil)
                // What is known is served.
                let known = try gateway.ask(chat("{\"model\":\"tiny\",\"messages\":[]}"))
                #expect(known.status == 200)
                let sent = living.requests.count
                _ = try gateway.ask(unknown)
                #expect(living.requests.count == sent, "its neighbour is not asked")
            }
        }

        @Test func `one that has told stays known when it dies`() throws {
            let (living, dying) = (try replica(), try replica())
            try GatewayUnderTest.run([living, dying]) { gateway in
                #expect(isAnswered(404, gateway))
                dying.goDown()
                #expect(gateway.waitsFor("dead", 1))
                let status = try gateway.ask(unknown).status
                #expect(status == 404)
            }
        }

        @Test func `where one answers and keeps its list to itself, it knows best`() throws {
            let (secretive, dead) = (try replica(), try replica())
            secretive.set { $0.modelsStatus = 401 }
            dead.goDown()
            try GatewayUnderTest.run([secretive, dead]) { gateway in
                #expect(isAnswered(200, gateway))
                #expect(secretive.requests.last?.text.contains("nobody's") == true)
            }
        }
    }
}
