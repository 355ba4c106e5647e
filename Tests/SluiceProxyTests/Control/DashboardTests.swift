import Foundation
import SluiceTelemetry
import Testing

@testable import SluiceProxy

extension GatewayTests {
    /// The live page: its files and its events.
    @Suite(.serialized) struct DashboardTests {
        private func run(_ body: (GatewayUnderTest) throws -> Void) throws {
            let upstream = try ScriptedUpstream { peer in peer.waitForEnd() }
            try GatewayUnderTest.run([upstream], body)
        }

        private func watch(_ gateway: GatewayUnderTest, after id: String? = nil) throws
            -> RawConnection
        {
            let client = try RawConnection(to: gateway.admin)
            let field = id.map { "last-event-id: \($0)\r\n" } ?? ""
            client.send("GET /dashboard/events HTTP/1.1\r\nhost: a\r\n\(field)\r\n")
            return client
        }

        /// The id and the data of the next event.
        private func event(_ client: RawConnection) throws -> (id: String, data: [String: Any]) {
            try #require(client.read(until: "\ndata: ") && client.read(until: "}}\n\n"))
            let text = String(decoding: client.received, as: UTF8.self)
            let start = try #require(text.range(of: "id: "))
            let end = try #require(text.range(of: "}}\n\n"))
            let lines = text[start.upperBound..<end.upperBound].split(separator: "\n")
            _ = client.take(text.utf8.distance(from: text.startIndex, to: end.upperBound))
            let data = try JSONSerialization.jsonObject(with: Data(lines[1].dropFirst(6).utf8))
            return (String(lines[0]), try #require(data as? [String: Any]))
        }

        @Test(arguments: [
            ("", "text/html", "/dashboard/dashboard.js"), ("/dashboard.css", "text/css", "--paper"),
            ("/dashboard.js", "text/javascript", "EventSource"),
        ])
        func `its files are in the binary, and load nothing from elsewhere`(
            path: String, type: String, holds: String
        ) throws {
            try run { gateway in
                let page = try #require(gateway.page("/dashboard" + path))
                #expect(page.status == 200)
                #expect(page["content-type"]?.hasPrefix(type) == true)
                #expect(page.text.contains(holds))
                #expect(!page.text.contains("//cdn") && !page.text.contains("https://"))
                let policy = page["content-security-policy"] ?? ""
                #expect(policy.hasPrefix("default-src 'none'; script-src 'self'"), "\(policy)")
            }
        }

        @Test func `an event a second says what is new`() throws {
            try run { gateway in
                let client = try watch(gateway)
                let first = try event(client)
                let second = try event(client)
                #expect(first.id != second.id)
                let points = try #require(second.data["points"] as? [[Any]])
                #expect(points.count == 1)
                #expect(points.first?.count == DashboardState.columns.count)
                let state = try #require(second.data["state"] as? [String: Any])
                #expect((state["replicas"] as? [Any])?.count == 1)
                #expect(state["columns"] as? [String] == DashboardState.columns)
                #expect(state["ready"] as? Bool == true)
            }
        }

        @Test func `who comes back gets what it missed; one that knew another run, everything`()
            throws
        {
            try run { gateway in
                let client = try watch(gateway)
                _ = try event(client)
                let seen = try event(client)
                let last = try event(client)
                let next = Int(try #require(last.data["first"] as? Int))
                let again = try event(watch(gateway, after: seen.id))
                #expect(again.data["first"] as? Int == next)
                for id in ["1-5", "nonsense", "\(seen.data["run"] ?? 0)--4"] {
                    let other = try event(watch(gateway, after: id))
                    #expect(other.data["first"] as? Int == 0, "\(id)")
                }
                let beyond = try event(watch(gateway, after: "\(seen.data["run"] ?? 0)-999999"))
                #expect((beyond.data["points"] as? [Any])?.isEmpty == true)
            }
        }

        @Test func `who resets the connection at once takes no place`() throws {
            try run { gateway in
                for _ in 0...DashboardFeed.watchersMax { try watch(gateway).reset() }
                #expect(
                    eventually {
                        guard let client = try? watch(gateway) else { return false }
                        return client.read(until: "text/event-stream", within: .milliseconds(200))
                    })
            }
        }

        @Test func `no more watch than there is room for, and who leaves makes room`() throws {
            try run { gateway in
                var watching: [RawConnection] = []
                for _ in 0..<DashboardFeed.watchersMax {
                    let client = try watch(gateway)
                    #expect(client.read(until: "text/event-stream"))
                    watching.append(client)
                }
                let refused = try #require(gateway.page("/dashboard/events"))
                #expect(refused.status == 503)
                watching[0].close()
                #expect(
                    eventually {
                        guard let client = try? watch(gateway) else { return false }
                        return client.read(until: "text/event-stream", within: .milliseconds(200))
                    })
            }
        }
    }
}
