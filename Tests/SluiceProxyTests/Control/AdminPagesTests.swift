import Foundation
import SluiceExchange
import SluiceReactor
import Testing

extension GatewayTests {
    /// What a person with a browser or curl meets on the admin listener.
    @Suite(.serialized) struct AdminPagesTests {
        private func ask(_ gateway: GatewayUnderTest, _ head: String) throws -> RawAnswer {
            let client = try RawConnection(to: gateway.admin)
            client.send("\(head)\r\nhost: a\r\nconnection: close\r\n\r\n")
            return try #require(client.readAnswer(), "no answer to \(head)")
        }

        private func run(
            name: String = "r", _ body: (GatewayUnderTest) throws -> Void
        ) throws {
            let upstream = try ScriptedUpstream { peer in peer.waitForEnd() }
            try GatewayUnderTest.run(
                [upstream], change: { $0.pools[0].replicas[0].name = name }, body)
        }

        @Test func `the root lists pages and actions, and is a page where HTML is asked for`()
            throws
        {
            try run(name: "<r&d>") { gateway in
                let list = try ask(gateway, "GET / HTTP/1.1")
                #expect(list.status == 200)
                for path in ["/livez", "/readyz", "/metrics", "/replicas", "/config", "/drain"] {
                    #expect(list.text.contains(" \(path) "), "\(list.text)")
                }
                let page = try ask(gateway, "GET / HTTP/1.1\r\naccept: text/html,*/*;q=0.8")
                #expect(page["content-type"]?.hasPrefix("text/html") == true)
                #expect(page["content-security-policy"]?.hasPrefix("default-src 'none'") == true)
                let link = "<a href=\"/replicas/%3Cr%26d%3E/metrics\">&lt;r&amp;d&gt;</a>"
                #expect(page.text.contains("<td>\(link)</td>"), "\(page.text)")
                #expect(!page.text.contains("<r&d>"))
                #expect(!page.text.contains("href=\"/replicas/NAME"), "\(page.text)")
                #expect(page.text.contains("http://\(gateway.admin)/drain"))
            }
        }

        @Test func `a pool whose name has no address says which name`() throws {
            try GatewayUnderTest.run(
                [],
                change: { $0.pools[0].replicaDNS = "http://replicas.test:8000" },
                lookup: { host, _ in .failure(ResolveError(host: host, reason: "no such name")) }
            ) { gateway in
                let ready = try ask(gateway, "GET /readyz HTTP/1.1")
                #expect(
                    ready.text.contains(
                        "pool pool: no replica: no address is known of http://replicas.test:8000"),
                    "\(ready.text)")
                let page = try ask(gateway, "GET / HTTP/1.1\r\naccept: text/html")
                #expect(page.text.contains("no replica</p>"))
            }
        }

        @Test func `replicas and configuration are JSON with a line for each value`() throws {
            try run { gateway in
                let replicas = try ask(gateway, "GET /replicas HTTP/1.1")
                #expect(replicas.text.contains("\n        \"name\": \"r\",\n"), "\(replicas.text)")
                let read = try JSONSerialization.jsonObject(with: Data(replicas.body))
                let pools = (read as? [String: Any])?["pools"] as? [[String: Any]]
                #expect((pools?.first?["replicas"] as? [[String: Any]])?.count == 1)
                let settings = try ask(gateway, "GET /config HTTP/1.1")
                #expect(settings["content-type"] == "application/json")
            }
        }

        @Test(arguments: [
            ("GET /drain HTTP/1.1", "POST"), ("GET /replicas/r/cordon HTTP/1.1", "POST"),
            ("PUT /replicas HTTP/1.1", "GET, HEAD, POST"),
        ])
        func `another method than a page has is told which it has`(head: String, allow: String)
            throws
        {
            try run { gateway in
                let answer = try ask(gateway, head)
                #expect(answer.status == 405)
                #expect(answer["allow"] == allow)
            }
        }

        @Test func `what is not there lists what is`() throws {
            try run { gateway in
                let page = try ask(gateway, "GET /healthz HTTP/1.1")
                #expect(page.status == 404)
                #expect(page.text.contains("/readyz"))
                let action = try ask(
                    gateway, "POST /replicas/r HTTP/1.1\r\nx-sluice-admin: 1\r\ncontent-length: 0")
                #expect(action.status == 404)
                #expect(action.text.contains("/replicas/NAME/cordon"))
            }
        }

        @Test func `a name may come percent-encoded, as libraries write brackets`() throws {
            try run(name: "[::1]:8000") { gateway in
                let order =
                    "POST /replicas/%5B::1%5d:8000/cordon HTTP/1.1\r\nx-sluice-admin: 1\r\n"
                    + "content-length: 0"
                let answer = try ask(gateway, order)
                #expect(answer.status == 200)
                #expect(answer.text == "[::1]:8000: cordoned\n")
                #expect(gateway.page("/replicas")?.text.contains("\"cordoned\"") == true)
                // Half an escape is itself.
                let odd = try ask(
                    gateway, order.replacingOccurrences(of: "%5B::1%5d:8000", with: "%5"))
                #expect(odd.text.contains("'%5'"))
            }
        }
    }
}
