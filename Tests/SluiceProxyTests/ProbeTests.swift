import SluiceExchange
import Testing

extension GatewayTests {
    /// When a replica that is down is asked again.
    @Suite(.serialized) struct ProbeTests {
        @Test func `one long dead is asked at once when the last of the others dies, too`() throws {
            let upstreams = try (0..<2).map { _ in
                try ScriptedUpstream { peer in
                    while peer.nextRequest() != nil { peer.answer("{}") }
                }
            }
            upstreams[0].set { $0.health = 503 }
            try GatewayUnderTest.run(upstreams) { gateway in
                #expect(gateway.waitsFor("dead", 1))
                // Its third probe fails after 3 s; the fourth is due 4 s after that.
                pause(.milliseconds(3_300))
                upstreams[0].set { $0.health = 200 }
                upstreams[1].set { $0.health = 503 }
                // The next probe of that one finds out, a second later at most.
                #expect(
                    eventually(within: .milliseconds(2_500)) {
                        let page = gateway.metrics()
                        return zip(upstreams, ["ready", "dead"]).allSatisfy {
                            page?.sum(
                                "sluice_replica_state", "replica=\"\($0.address)\"",
                                "state=\"\($1)\"") == 1
                        }
                    })
            }
        }
    }
}
