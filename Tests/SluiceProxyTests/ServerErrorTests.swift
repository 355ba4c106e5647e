import SluiceTime
import Testing

extension GatewayTests {
    /// A 5xx is the replica's fault only where the others do better.
    @Suite(.serialized) struct ServerErrorTests {
        private func upstream(_ status: Int) throws -> ScriptedUpstream {
            try ScriptedUpstream { peer in
                while peer.nextRequest() != nil { peer.answer("{}", status: status) }
            }
        }

        @Test func `a replica that alone answers 500 gets no more requests`() throws {
            let (sick, well) = (try upstream(500), try upstream(200))
            try GatewayUnderTest.run([sick, well]) { gateway in
                let isEjected = eventually {
                    _ = try? gateway.ask(chat())
                    return gateway.metrics()?.sum(
                        "sluice_replica_state", "replica=\"\(sick.address)\"", "state=\"ejected\"")
                        == 1
                }
                #expect(isEjected)
                let served = sick.requests.count
                for _ in 0..<20 {
                    let answer = try gateway.ask(chat())
                    #expect(answer.status == 200)
                }
                #expect(sick.requests.count == served)
            }
        }

        @Test func `requests that are a 500 at every replica take none out`() throws {
            let upstreams = [try upstream(500), try upstream(500)]
            try GatewayUnderTest.run(upstreams) { gateway in
                for _ in 0..<60 {
                    let answer = try gateway.ask(chat())
                    #expect(answer.status == 500)
                }
                // One of them may still have been on its way up.
                let areReady = eventually {
                    gateway.metrics()?.sum("sluice_replica_state", "state=\"ready\"") == 2
                }
                #expect(areReady)
                #expect(gateway.metrics()?.sum("sluice_replica_transitions_total", "ejected") == 0)
            }
        }
    }
}
