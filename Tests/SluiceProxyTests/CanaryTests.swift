import SluiceExchange
import SluiceProxy
import SluiceTime
import SluiceTraffic
import Testing

extension GatewayTests {
    /// One model in two pools.
    @Suite(.serialized) struct CanaryTests {
        private func run(
            weights: (Double?, Double?),
            _ body: (GatewayUnderTest, [ScriptedUpstream]) throws -> Void
        ) throws {
            let upstreams = try (0..<2).map { _ in
                try ScriptedUpstream { peer in
                    while peer.nextRequest() != nil { peer.answer("{}") }
                }
            }
            try GatewayUnderTest.run(
                upstreams,
                change: { settings in
                    var canary = settings.pools[0]
                    canary.name = "canary"
                    canary.weight = weights.1
                    canary.replicas = [ReplicaSettings(url: upstreams[1].url)]
                    settings.pools[0].replicas.removeLast()
                    settings.pools[0].weight = weights.0
                    settings.pools.append(canary)
                }
            ) { gateway in
                try body(gateway, upstreams)
            }
        }

        private func session(_ name: String) -> String { chat(fields: "x-session-id: \(name)\r\n") }

        @Test func `requests are shared by weight, and a session stays`() throws {
            try run(weights: (80, 20)) { gateway, upstreams in
                for _ in 0..<200 {
                    let answer = try gateway.ask(chat())
                    #expect(answer.status == 200)
                }
                let parts = upstreams.map { $0.requests.count }
                #expect(parts[0] + parts[1] == 200 && (15...70).contains(parts[1]))
                for name in ["a", "b", "c", "d", "e", "f", "g", "h", "i", "j", "k", "l"] {
                    let before = upstreams.map { $0.requests.count }
                    for _ in 0..<4 { _ = try gateway.ask(session(name)) }
                    let after = upstreams.map { $0.requests.count }
                    let counts = zip(after, before).map { $0 - $1 }
                    #expect(counts.sorted() == [0, 4])
                }
                let page = try #require(gateway.metrics())
                let sent = page.sum("sluice_upstream_requests_total", "pool=\"canary\"")
                #expect(Int(sent) == upstreams[1].requests.count)
            }
        }

        @Test func `while a pool has no replica the other serves its part`() throws {
            try run(weights: (0, 1)) { gateway, upstreams in
                _ = try gateway.ask(chat())
                #expect(upstreams.map { $0.requests.count } == [0, 1])
                upstreams[1].set { $0.health = 503 }
                let isMoved = eventually {
                    guard (try? gateway.ask(session("s")))?.status == 200 else { return false }
                    return !upstreams[0].requests.isEmpty
                }
                #expect(isMoved)
                upstreams[1].set { $0.health = 200 }
                let isBack = eventually {
                    let before = upstreams[1].requests.count
                    _ = try? gateway.ask(session("s"))
                    return upstreams[1].requests.count > before
                }
                #expect(isBack)
            }
        }

        @Test func `the dry run goes where requests go`() throws {
            try run(weights: (1, 0)) { gateway, upstreams in
                func pool(_ query: String) -> String? {
                    let text = gateway.page("/route?model=tiny\(query)")?.text ?? ""
                    return ["pool", "canary"].first { text.contains("\"pool\": \"\($0)\"") }
                }
                #expect(pool("") == "pool" && pool("&pool=canary") == "canary")
                upstreams[0].set { $0.health = 503 }
                #expect(eventually { pool("") == "canary" })
            }
        }

        @Test func `without weights the first pool that names a model keeps it`() throws {
            try run(weights: (1, nil)) { gateway, upstreams in
                for _ in 0..<20 { _ = try gateway.ask(chat()) }
                #expect(upstreams.map { $0.requests.count } == [20, 0])
                let elsewhere = try #require(gateway.page("/route?model=tiny&pool=canary"))
                #expect(elsewhere.status == 404 && elsewhere.text.contains("that is: pool"))
            }
        }
    }
}
