import SluiceExchange
import SluiceProxy
import SluiceReactor
import SluiceTraffic
import Testing

extension GatewayTests {
    /// Whose request it is and how urgent: docs/configuration.md, *Who is who*.
    @Suite(.serialized) struct CallerTests {
        private static func upstream() throws -> ScriptedUpstream {
            try ScriptedUpstream { peer in
                while peer.nextRequest() != nil { peer.answer("{}") }
            }
        }

        /// Three classes, `standard` the default; tenants `search` and `batch`, by the keys
        /// `search-key` and `batch-key`.
        private static func configure(_ settings: inout GatewaySettings) {
            settings.classes = ["critical", "standard", "batch"].map { ClassPolicy(name: $0) }
            var search = TenantSettings(name: "search")
            search.keyHashes = [searchHash]
            search.defaultClass = "critical"
            var batch = TenantSettings(name: "batch")
            batch.keyHashes = [batchHash]
            batch.classMax = "batch"
            settings.tenants = [search, batch]
        }

        // As `printf %s search-key | sha256sum` prints it.
        static let searchHash =
            "e323adf890c2014a6b37e641d5abd0b9a7903a3933e7872744a0811194381fc4"
        private static let batchHash =
            "9d8db2a67d146638c07fbb5652ad998062e2e2fa857eef026c40c444b07e3872"

        /// Runs against one upstream with the configuration above.
        private func run(
            change: (inout GatewaySettings) -> Void = { _ in },
            source: ConfigurationSource? = nil,
            _ body: (GatewayUnderTest, ScriptedUpstream) throws -> Void
        ) throws {
            let upstream = try Self.upstream()
            try GatewayUnderTest.run(
                [upstream],
                change: {
                    Self.configure(&$0)
                    change(&$0)
                }, source: source
            ) { try body($0, upstream) }
        }

        /// Class and tenant of one request, as the gateway explains them.
        private func explained(
            _ gateway: GatewayUnderTest, _ fields: String, on client: RawConnection? = nil
        ) throws -> [String?] {
            let client = try client ?? gateway.connect()
            client.send(chat(fields: fields + "x-sluice-explain: 1\r\n"))
            let answer = try #require(client.readAnswer())
            #expect(answer.status == 200)
            return [answer["x-sluice-class"], answer["x-sluice-tenant"]]
        }

        @Test(arguments: [
            "", "abc", "0", "0.9", "-5", "+5", "1e3", "5 000", "0x10", "1.5.0", ".5", "1,5",
            "1000000000", "18446744073709551617",
        ])
        func `a limit of the caller's own that is none is a 400, and says what it takes`(
            value: String
        ) throws {
            try run { gateway, upstream in
                let client = try gateway.connect()
                client.send(
                    chat(fields: "x-request-timeout-ms: \(value)\r\nx-request-id: mine\r\n"))
                let answer = try #require(client.readAnswer())
                #expect(answer.status == 400)
                #expect(answer["x-sluice-reason"] == "bad_request")
                #expect(answer["x-request-id"] == "mine")
                #expect(answer.text.contains(#""param":"x-request-timeout-ms""#))
                #expect(answer.text.contains("`\(value)`"))
                #expect(upstream.requests.isEmpty)
            }
        }

        @Test func `a limit is a number of milliseconds, and others' words for one say nothing`()
            throws
        {
            try run { gateway, _ in
                let good = [
                    "x-request-timeout-ms: 999999999", "x-request-timeout-ms:  30000.5 ",
                    "x-stainless-read-timeout: NOT_GIVEN", "x-stainless-read-timeout: 0",
                    "x-stainless-read-timeout: 600.00000000000001",
                    "x-stainless-read-timeout: 1.5.0",
                    "x-envoy-expected-rq-timeout-ms: soon",
                ]
                for field in good {
                    let answer = try gateway.ask(chat(fields: field + "\r\n"))
                    #expect(answer.status == 200, "\(field)")
                }
            }
        }

        @Test
        func `the class is the header's, else the tenant's, else the default, within a ceiling`()
            throws
        {
            try run { gateway, _ in
                let cases: [(fields: String, priorityClass: String, tenant: String)] = [
                    ("", "standard", "anonymous"),
                    ("x-sluice-class: critical\r\n", "critical", "anonymous"),
                    ("X-Sluice-Class:batch\r\n", "batch", "anonymous"),
                    ("authorization: Bearer search-key\r\n", "critical", "search"),
                    ("authorization: bEARER  search-key\r\n", "critical", "search"),
                    (
                        "x-sluice-class: batch\r\nauthorization: Bearer search-key\r\n", "batch",
                        "search"
                    ),
                    ("authorization: Bearer batch-key\r\n", "batch", "batch"),
                    (
                        "x-sluice-class: critical\r\nauthorization: Bearer batch-key\r\n", "batch",
                        "batch"
                    ),
                    ("authorization: Bearer search-keys\r\n", "standard", "anonymous"),
                    ("authorization: Bearer\r\n", "standard", "anonymous"),
                    ("authorization: Bearer \r\n", "standard", "anonymous"),
                    ("authorization: Basic search-key\r\n", "standard", "anonymous"),
                    ("authorization: \r\n", "standard", "anonymous"),
                ]
                for one in cases {
                    let found = try explained(gateway, one.fields)
                    #expect(found == [one.priorityClass, one.tenant], "\(one.fields)")
                }
            }
        }

        @Test func `those without a key can be kept from the urgent classes`() throws {
            try run(change: { settings in
                var others = TenantSettings(name: TenantSettings.anonymous)
                others.classMax = "standard"
                settings.tenants.append(others)
            }) { gateway, _ in
                let found = try explained(gateway, "x-sluice-class: critical\r\n")
                #expect(found == ["standard", "anonymous"])
            }
        }

        @Test func `requests of one connection may be of several tenants`() throws {
            try run { gateway, _ in
                let client = try gateway.connect()
                let long = String(repeating: "k", count: 600)
                for (key, tenant) in [
                    ("search-key", "search"), ("search-key", "search"), ("batch-key", "batch"),
                    (long, "anonymous"), ("batch-key", "batch"), ("search-kez", "anonymous"),
                    ("search-key", "search"),
                ] {
                    let found = try explained(
                        gateway, "authorization: Bearer \(key)\r\n", on: client)
                    #expect(found[1] == tenant)
                }
                let found = try explained(gateway, "", on: client)
                #expect(found[1] == "anonymous", "the key of an earlier request does not stay")
            }
        }

        @Test func `a head that comes again is judged as the first time, whatever came between`()
            throws
        {
            try run { gateway, _ in
                let client = try gateway.connect()
                let heads: [(fields: String, found: [String?])] = [
                    ("", ["standard", "anonymous"]),
                    ("x-sluice-class: critical\r\n", ["critical", "anonymous"]),
                    ("authorization: Bearer search-key\r\n", ["critical", "search"]),
                ]
                for (first, second) in [(0, 1), (1, 2), (2, 0)] {
                    for index in [first, first, second, first] {
                        let found = try explained(gateway, heads[index].fields, on: client)
                        #expect(found == heads[index].found)
                    }
                    // One that is let in by all but its body's coding is let in by no memory of it.
                    for _ in 0..<2 {
                        let other = try gateway.connect()
                        other.send(chat(fields: "content-encoding: gzip\r\n"))
                        #expect(other.readAnswer()?.status == 415)
                    }
                }
            }
        }

        @Test func `an unknown class is refused by name, before the body, and counted`() throws {
            try run { gateway, upstream in
                let client = try gateway.connect()
                client.send(
                    "POST /v1/chat/completions HTTP/1.1\r\nhost: a\r\nx-sluice-class: urgent\r\n"
                        + "content-length: 100000\r\n\r\nGET /health HTTP/1.1\r\nhost: a\r\n\r\n")
                let answer = try #require(client.readAnswer())
                #expect(answer.status == 400)
                #expect(answer["x-sluice-reason"] == "unknown_class")
                #expect(answer["connection"] == "close")
                #expect(
                    answer.text.contains(
                        "`urgent` is no class of this gateway. Known classes: critical, standard, batch."
                    ))
                #expect(client.readAnswer() == nil, "what was not read is no request")
                #expect(upstream.requests.isEmpty)
                #expect(gateway.sees("client_error"))
                let page = try #require(gateway.metrics())
                #expect(page.sum("sluice_requests_total", "class=\"standard\"") == 1)
            }
        }

        @Test func `a request refused without a body keeps its connection`() throws {
            try run { gateway, _ in
                let client = try gateway.connect()
                for field in ["x-sluice-class: urgent", "content-encoding: gzip"] {
                    client.send("GET /v1/responses/resp_1 HTTP/1.1\r\nhost: a\r\n\(field)\r\n\r\n")
                    let answer = try #require(client.readAnswer())
                    #expect([400, 415].contains(answer.status))
                }
                client.send(chat())
                #expect(client.readAnswer()?.status == 200)
            }
        }

        @Test func `only trusted peers say class and tenant for others`() throws {
            let fields =
                "x-gateway-inference-objective: batch\r\nx-gateway-inference-fairness-id: search\r\n"
            try run { gateway, upstream in
                let found = try explained(gateway, fields)
                #expect(found == ["standard", "anonymous"])
                #expect(upstream.requests.first?.head.contains("x-gateway") == false)
            }
            try run(change: { $0.trustedProxies = ["127.0.0.0/8"] }) { gateway, upstream in
                var found = try explained(gateway, fields)
                #expect(found == ["batch", "search"])
                found = try explained(gateway, "x-sluice-class: standard\r\n" + fields)
                #expect(found == ["standard", "search"])
                found = try explained(gateway, fields + "authorization: Bearer batch-key\r\n")
                #expect(found == ["batch", "search"])
                let unknown = fields.replacing("batch", with: "x").replacing("search", with: "y")
                found = try explained(gateway, unknown)
                #expect(found == ["standard", "anonymous"])
                #expect(upstream.requests.first?.head.contains("x-gateway") == false)
            }
        }

        @Test func `none of it reaches a replica, but the key does`() throws {
            try run { gateway, upstream in
                _ = try explained(
                    gateway, "x-sluice-class: batch\r\nauthorization: Bearer search-key\r\n")
                let head = try #require(upstream.requests.first?.head)
                #expect(!head.lowercased().contains("x-sluice"), "\(head)")
                #expect(upstream.requests.first?.values("authorization") == ["Bearer search-key"])
            }
        }

        @Test func `metrics tell classes and tenants apart`() throws {
            let upstream = try ScriptedUpstream { peer in
                while peer.nextRequest() != nil {
                    peer.answer(#"{"usage":{"prompt_tokens":7,"completion_tokens":3}}"#)
                }
            }
            try GatewayUnderTest.run(
                [upstream],
                change: {
                    Self.configure(&$0)
                    $0.pools[0].usage = .observe
                }
            ) { gateway in
                for key in ["search-key", "search-key", "batch-key", "other"] {
                    _ = try gateway.ask(chat(fields: "authorization: Bearer \(key)\r\n"))
                }
                _ = try gateway.ask("GET /health HTTP/1.1\r\nhost: a\r\n\r\n")
                #expect(gateway.sees("ok", 5))
                let page = try #require(gateway.metrics())
                for (name, count) in [("critical", 2.0), ("batch", 1), ("standard", 2)] {
                    #expect(page.sum("sluice_requests_total", "class=\"\(name)\"") == count)
                }
                for (name, count) in [("search", 2.0), ("batch", 1), ("anonymous", 1)] {
                    let requests = page.sum(
                        "sluice_tenant_requests_total", "tenant=\"\(name)\"", "outcome=\"ok\"")
                    #expect(requests == count)
                    let prompt = page.sum(
                        "sluice_tenant_tokens_total", "tenant=\"\(name)\"", "kind=\"prompt\"")
                    #expect(prompt == 7 * count)
                }
            }
        }

        @Test func `without tenants no key is told apart`() throws {
            try run(change: { $0.tenants = [] }) { gateway, _ in
                let found = try explained(gateway, "authorization: Bearer search-key\r\n")
                #expect(found == ["standard", nil])
                #expect(gateway.metrics()?.text.contains("sluice_tenant_requests_total{") == false)
            }
        }

        @Test func `keys, ceilings and statuses of refusals change live`() throws {
            let file = ReloadTests.File()
            var settings: GatewaySettings?
            try run(change: { settings = $0 }, source: file.source) { gateway, _ in
                let client = try gateway.connect()
                let key = "authorization: Bearer search-key\r\n"
                #expect(try explained(gateway, key, on: client) == ["critical", "search"])
                var new = try #require(settings)
                // The key is the other tenant's now, which comes first.
                new.tenants[0].keyHashes = []
                new.tenants[1].keyHashes.append(Self.searchHash)
                new.tenants.swapAt(0, 1)
                new.tenants.insert(TenantSettings(name: "first"), at: 0)
                file.write(new)
                gateway.reload()
                let isTaken = eventually {
                    (try? explained(gateway, key, on: client)) == ["batch", "batch"]
                }
                #expect(isTaken)
                let page = try #require(gateway.metrics())
                #expect(page.sum("sluice_tenant_requests_total", "tenant=\"first\"") == 0)
                #expect(page.sum("sluice_tenant_requests_total", "tenant=\"search\"") >= 1)
            }
        }
    }
}
