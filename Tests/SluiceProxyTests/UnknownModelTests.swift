import SluiceExchange
import SluiceReactor
import SluiceTime
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

        /// Refused, as it may be a model of one that is not there; what is known is served.
        private func expectRefusal(
            _ gateway: GatewayUnderTest, _ living: ScriptedUpstream,
            _ location: SourceLocation = #_sourceLocation
        ) throws {
            let sent = living.requests.count
            let answer = try gateway.ask(unknown)
            #expect(answer.status == 503, sourceLocation: location)
            #expect(answer.text.contains("no_replica"), sourceLocation: location)
            #expect(answer["retry-after"] != nil, sourceLocation: location)
            #expect(living.requests.count == sent, "it knows no better", sourceLocation: location)
            let known = try gateway.ask(chat("{\"model\":\"tiny\",\"messages\":[]}"))
            #expect(known.status == 200, sourceLocation: location)
        }

        /// Until the gateway has read a model list.
        private func hasRead(_ gateway: GatewayUnderTest) -> Bool {
            eventually {
                let list = try? gateway.ask("GET /v1/models HTTP/1.1\r\nhost: a\r\n\r\n")
                return list?.text.contains("told") == true
            }
        }

        /// One that lists the model `told`.
        private func teller() throws -> ScriptedUpstream {
            let made = try replica()
            made.set { $0.models = #"{"object":"list","data":[{"id":"told","object":"model"}]}"# }
            return made
        }

        @Test func `where one has never answered, it may be that one's`() throws {
            let (living, dead) = (try teller(), try replica())
            dead.goDown()
            try GatewayUnderTest.run([living, dead]) { gateway in
                #expect(hasRead(gateway) && gateway.waitsFor("dead", 1))
                try expectRefusal(gateway, living)
            }
        }

        @Test func `where one has been ill since the start, it may be that one's`() throws {
            for status in [503, 500, 502] {
                let (living, ill) = (try teller(), try replica())
                ill.set { $0.health = status }
                try GatewayUnderTest.run([living, ill]) { gateway in
                    #expect(hasRead(gateway))
                    try expectRefusal(gateway, living)
                    ill.set { $0.health = 200 }
                    #expect(isAnswered(404, gateway), "well, it has told its models")
                }
            }
        }

        @Test func `where the name of one has no address, it may be that one's`() throws {
            let living = try teller()
            try GatewayUnderTest.run(
                [living],
                change: {
                    $0.pools[0].replicas.append(ReplicaSettings(url: "http://gone.test:80"))
                },
                lookup: { host, port in
                    host == "gone.test"
                        ? .success([]) : SocketAddress.resolve(host: host, port: port)
                }
            ) { gateway in
                #expect(hasRead(gateway))
                try expectRefusal(gateway, living)
            }
        }

        @Test func `one that has told stays known when it dies`() throws {
            let (living, dying) = (try teller(), try replica())
            try GatewayUnderTest.run([living, dying]) { gateway in
                #expect(isAnswered(404, gateway))
                dying.goDown()
                #expect(gateway.waitsFor("dead", 1))
                let status = try gateway.ask(unknown).status
                #expect(status == 404)
            }
        }

        @Test func `where one answers and keeps its list to itself, it knows best`() throws {
            let (living, secretive, dead) = (try teller(), try replica(), try replica())
            secretive.set { $0.modelsStatus = 401 }
            dead.goDown()
            try GatewayUnderTest.run([living, secretive, dead]) { gateway in
                #expect(hasRead(gateway) && gateway.waitsFor("dead", 1))
                let status = try gateway.ask(unknown).status
                #expect(status == 200)
            }
        }

        @Test func `where nobody is there, a request waits as long as any`() throws {
            let dead = try replica()
            dead.goDown()
            try GatewayUnderTest.run(
                [dead], change: { $0.pools[0].admission.noReplicaWait = .milliseconds(300) }
            ) { gateway in
                #expect(gateway.waitsFor("dead", 1))
                let began = MonotonicClock.now()
                let answer = try gateway.ask(unknown)
                #expect(answer.status == 503, "\(answer.text)")
                #expect(MonotonicClock.now() - began >= .milliseconds(250))
            }
        }
    }
}
