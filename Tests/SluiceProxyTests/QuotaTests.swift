import SluiceExchange
import SluiceProxy
import SluiceTime
import SluiceTraffic
import Testing

extension GatewayTests {
    /// Tenants with a quota, through the whole gateway.
    @Suite(.serialized) struct QuotaTests {
        private func run(
            _ change: @escaping (inout TenantSettings) -> Void,
            answer: String = "{}", source: ConfigurationSource? = nil,
            configure: @escaping (inout GatewaySettings) -> Void = { _ in },
            _ body: (GatewayUnderTest, ScriptedUpstream) throws -> Void
        ) throws {
            let upstream = try ScriptedUpstream { peer in
                while peer.nextRequest() != nil { peer.answer(answer) }
            }
            try GatewayUnderTest.run(
                [upstream],
                change: { settings in
                    // As `printf %s search-key | sha256sum` prints it.
                    var search = TenantSettings(name: "search")
                    search.keyHashes = [CallerTests.searchHash]
                    change(&search)
                    settings.tenants = [search]
                    configure(&settings)
                }, source: source
            ) { gateway in try body(gateway, upstream) }
        }

        private let key = "authorization: Bearer search-key\r\n"

        @Test func `beyond its requests a tenant is refused, others are not`() throws {
            try run({ $0.quota.requestsPerMinute = 2 }) { gateway, upstream in
                let client = try gateway.connect()
                for _ in 0..<2 {
                    client.send(chat(fields: key))
                    #expect(client.readAnswer()?.status == 200)
                }
                client.send(chat(fields: key))
                let refused = try #require(client.readAnswer())
                #expect(refused.status == 429 && refused["x-sluice-reason"] == "quota")
                let seconds = try #require(refused["retry-after"].flatMap { Int($0) })
                #expect((20...60).contains(seconds), "half a minute's part until the next")
                #expect(refused["x-should-retry"] == nil && refused["connection"] == nil)
                #expect(refused.text.contains("\"code\":\"quota\""))
                #expect(try gateway.ask(chat()).status == 200)
                #expect(upstream.requests.count == 3)
                let page = try #require(gateway.metrics())
                let count = page.sum(
                    "sluice_tenant_requests_total", "tenant=\"search\"",
                    "outcome=\"client_error\"")
                #expect(count == 1)
                #expect(page.sum("sluice_shed_total") == 0)
            }
        }

        @Test func `tokens are counted by what the replica says`() throws {
            let usage = #"{"usage":{"prompt_tokens":40,"completion_tokens":60,"total_tokens":100}}"#
            try run(
                { $0.quota.tokensPerMinute = 150 }, answer: usage,
                configure: { $0.pools[0].usage = .observe }
            ) { gateway, _ in
                for _ in 0..<2 {
                    #expect(try gateway.ask(chat(fields: key)).status == 200)
                }
                #expect(gateway.sees("ok", 2))
                let refused = try gateway.ask(
                    chat(
                        #"{"model":"tiny","messages":[{"content":"some words more"}]}"#,
                        fields: key))
                #expect(refused.status == 429 && refused["x-sluice-reason"] == "quota")
            }
        }

        @Test func `what admission refuses is not counted`() throws {
            try run({ $0.quota.requestsPerMinute = 1 }) { gateway, upstream in
                upstream.set { $0.health = 503 }
                let isDown = eventually {
                    (try? gateway.ask(chat()))?["x-sluice-reason"] == "no_replica"
                }
                #expect(isDown)
                for _ in 0..<3 {
                    let answer = try gateway.ask(chat(fields: key))
                    #expect(answer["x-sluice-reason"] == "no_replica")
                }
            }
        }

        @Test func `a large body is not read for it`() throws {
            try run({ $0.quota.requestsPerMinute = 1 }) { gateway, _ in
                #expect(try gateway.ask(chat(fields: key)).status == 200)
                let client = try gateway.connect()
                client.send(
                    "POST /v1/chat/completions HTTP/1.1\r\nhost: a\r\n\(key)"
                        + "content-length: 50000\r\n\r\n{")
                let refused = try #require(client.readAnswer())
                #expect(refused["x-sluice-reason"] == "quota" && refused["connection"] == nil)
            }
        }

        @Test func `a quota changes live`() throws {
            let file = ReloadTests.File()
            var settings: GatewaySettings?
            try run(
                { $0.quota.requestsPerMinute = 1 }, source: file.source,
                configure: { settings = $0 }
            ) { gateway, _ in
                #expect(try gateway.ask(chat(fields: key)).status == 200)
                #expect(try gateway.ask(chat(fields: key)).status == 429)
                var new = try #require(settings)
                new.tenants[0].quota.requestsPerMinute = nil
                file.write(new)
                gateway.reload()
                let isTaken = eventually { (try? gateway.ask(chat(fields: key)))?.status == 200 }
                #expect(isTaken)
            }
        }
    }
}
