import Foundation
import SluiceExchange
import SluiceProxy
import SluiceReactor
import SluiceTime
import SluiceTraffic
import Testing

extension GatewayTests {
    /// What operators see of admission, and what they order.
    @Suite(.serialized) struct AdmissionPagesTests {
        private func ask(_ gateway: GatewayUnderTest, _ head: String) throws -> RawAnswer {
            let client = try RawConnection(to: gateway.admin)
            client.send(
                "\(head) HTTP/1.1\r\nhost: a\r\nx-sluice-admin: 1\r\nconnection: close\r\n\r\n")
            return try #require(client.readAnswer(), "no answer to \(head)")
        }

        private func json(_ gateway: GatewayUnderTest, _ path: String) throws -> [String: Any] {
            let answer = try ask(gateway, "GET \(path)")
            #expect(answer.status == 200, "\(path): \(answer.text)")
            #expect(answer["content-type"] == "application/json")
            let read = try JSONSerialization.jsonObject(with: Data(answer.body))
            return try #require(read as? [String: Any])
        }

        /// One replica with one slot; its answers wait for the gate.
        private func run(
            change: @escaping (inout GatewaySettings) -> Void = { _ in },
            source: ConfigurationSource? = nil,
            _ body: (GatewayUnderTest, Gate) throws -> Void
        ) throws {
            let gate = Gate()
            let upstream = try ScriptedUpstream.holding(gate)
            try GatewayUnderTest.run(
                [upstream],
                change: {
                    $0.pools[0].replicas[0].name = "r"
                    $0.pools[0].replicaInflightMax = 1
                    change(&$0)
                }, source: source
            ) { gateway in
                defer { gate.open() }
                try body(gateway, gate)
            }
        }

        private static func withObjective(_ settings: inout GatewaySettings) {
            settings.classes = [
                ClassPolicy(name: "standard", timeToFirstToken: .seconds(20)),
                ClassPolicy(name: "batch"),
            ]
        }

        @Test func `the queue shows each class, its waits and what they are predicted from`() throws
        {
            try run(change: Self.withObjective) { gateway, gate in
                let first = try gateway.connect()
                first.send(chat())
                let second = try gateway.connect()
                second.send(chat())
                #expect(gateway.queues(1))
                let pools = try json(gateway, "/queue")["pools"] as? [[String: Any]]
                let pool = try #require(pools?.first)
                #expect(pool["length"] as? Int == 1 && pool["in_flight"] as? Int == 1)
                #expect(pool["admits_by_prediction"] as? Bool == true)
                #expect(pool["drain_per_second"] as? Double ?? 0 > 0)
                let classes = try #require(pool["classes"] as? [[String: Any]])
                #expect(classes.map { $0["class"] as? String } == ["standard", "batch"])
                #expect(classes.map { $0["length"] as? Int } == [1, 0])
                #expect(classes[0]["bound_seconds"] as? Double ?? 0 > 1)
                #expect(classes[1]["bound_seconds"] is NSNull)
                #expect(classes[0]["predicted_wait_seconds"] as? Double ?? 0 > 0)
                let tenants = classes[0]["tenants"] as? [[String: Any]]
                #expect(tenants?.first?["tenant"] as? String == "anonymous")
                gate.open()
                #expect(first.readAnswer()?.status == 200)
                #expect(second.readAnswer()?.status == 200)
                let page = try #require(gateway.metrics())
                let waits = "class=\"standard\",result=\"dispatched\""
                #expect(page.sum("sluice_queue_wait_seconds_count", waits) == 2)
                #expect(page.sum("sluice_predicted_wait_seconds_count") == 1)
                #expect(page.sum("sluice_prediction_error_seconds_count") == 1)
                #expect(page.sum("sluice_admission_mode", "mode=\"enforce\"") == 1)
                #expect(page.sum("sluice_pool_capacity_requests") == 1)
            }
        }

        @Test func `decisions name the request, the verdict and every candidate`() throws {
            try run(change: { $0.pools[0].queueLengthMax = 0 }) { gateway, gate in
                let first = try gateway.connect()
                first.send(chat())
                let isThere = eventually { gateway.metrics()?.sum("sluice_replica_inflight") == 1 }
                #expect(isThere)
                let refused = try gateway.ask(chat())
                #expect(refused.status == 429)
                let id = try #require(refused["x-request-id"])
                let rows = try json(gateway, "/decisions?pool=pool&request=\(id)")
                let found = try #require((rows["decisions"] as? [[String: Any]])?.first)
                #expect(found["verdict"] as? String == "refused")
                #expect(found["reason"] as? String == "full")
                #expect(id.hasSuffix(found["request_id_ends"] as? String ?? "-"))
                let candidates = try #require(found["candidates"] as? [[String: Any]])
                #expect(candidates.map { $0["replica"] as? String } == ["r"])
                #expect(candidates.map { $0["why_not"] as? String } == ["full"])
                #expect(candidates.map { $0["in_flight"] as? Int } == [1])
                let all = try json(gateway, "/decisions?n=10")["decisions"] as? [[String: Any]]
                #expect(all?.map { $0["verdict"] as? String } == ["refused", "dispatched"])
                #expect(all?.last?["replica"] as? String == "r")
                gate.open()
                #expect(first.readAnswer()?.status == 200)
            }
        }

        @Test func `the dry run says where a request would go and sends nothing`() throws {
            try run(change: Self.withObjective) { gateway, gate in
                gate.open()
                let path = "/route?model=tiny&prompt_tokens=100&max_tokens=5&class=batch"
                let free = try json(gateway, path)
                #expect(free["verdict"] as? String == "dispatched")
                #expect(free["replica"] as? String == "r")
                #expect(free["class"] as? String == "batch")
                #expect(free["prompt_tokens"] as? Double == 100)
                #expect(free["output_tokens"] as? Double == 5)
                #expect((free["candidates"] as? [[String: Any]])?.count == 1)
                #expect(gateway.metrics()?.sum("sluice_replica_inflight") == 0)
                #expect(gateway.metrics()?.sum("sluice_routing_decisions_total") == 0)
            }
        }

        @Test(arguments: [
            ("GET /decisions?pool=x", 404, "there are: pool"),
            ("GET /decisions?n=257", 400, "0 to 256"), ("GET /decisions?n=-1", 400, "0 to 256"),
            ("GET /route?model=huge", 404, "there are: tiny"),
            ("GET /route?class=gold", 404, "there are: standard"),
            ("GET /route?tenant=nobody", 404, "there are: anonymous"),
            ("GET /route?prompt_tokens=many", 400, "whole number"),
            ("POST /admission?mode=on", 400, "enforce, shadow, off"),
            ("POST /admission?pool=x&mode=off", 404, "there are: pool"),
        ])
        func `a question that cannot be answered says why`(
            head: String, status: Int, says: String
        ) throws {
            try run { gateway, gate in
                gate.open()
                let answer = try ask(gateway, head)
                #expect(answer.status == status)
                #expect(answer.text.contains(says), "\(answer.text)")
            }
        }

        @Test func `an order needs the field that web pages cannot send`() throws {
            try run { gateway, gate in
                gate.open()
                let client = try RawConnection(to: gateway.admin)
                client.send(
                    "POST /admission?mode=off HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n")
                #expect(client.readAnswer()?.status == 403)
                #expect(gateway.metrics()?.sum("sluice_admission_mode", "mode=\"enforce\"") == 1)
            }
        }

        @Test func `an order is in force at once and outlives a reload`() throws {
            try run(
                change: Self.withObjective,
                source: { inForce in
                    ReloadedConfiguration(
                        settings: inForce, text: "", changedKeys: [], restartKeys: [])
                }
            ) { gateway, gate in
                gate.open()
                let done = try ask(gateway, "POST /admission?mode=shadow")
                #expect(done.status == 200)
                #expect(
                    done.text
                        == "pool: admission is shadow until changed back; configured: enforce\n")
                #expect(try ask(gateway, "POST /reload").status == 200)
                let modes = try json(gateway, "/admission")["pools"] as? [[String: Any]]
                #expect(modes?.first?["mode"] as? String == "shadow")
                #expect(modes?.first?["configured"] as? String == "enforce")
                let replicas = try ask(gateway, "GET /replicas")
                #expect(replicas.text.contains("\"admission_mode\": \"shadow\""))
                let page = try #require(
                    gateway.page("/", accept: "text/html")?.text)
                #expect(page.contains("admission: shadow, by an operator's order"), "\(page)")
                #expect(
                    try ask(gateway, "POST /admission?mode=enforce").text
                        == "pool: admission is enforce\n")
            }
        }

        @Test func `switched off, requests that wait go at once`() throws {
            try run(change: { (settings: inout GatewaySettings) in
                Self.withObjective(&settings)
                settings.pools[0].replicaInflightMax = 100
                settings.pools[0].admission.slotsMax = 1
            }) { gateway, gate in
                // Slots and two ahead of them at the most; the fifth waits whatever is learned.
                let clients = try (0..<5).map { _ in try gateway.connect() }
                for client in clients { client.send(chat()) }
                let waits = eventually { gateway.metrics()?.sum("sluice_queue_length") ?? 0 > 0 }
                #expect(waits)
                #expect(try ask(gateway, "POST /admission?mode=off").status == 200)
                let goes = eventually { gateway.metrics()?.sum("sluice_replica_inflight") == 5 }
                #expect(goes)
                #expect(gateway.metrics()?.sum("sluice_queue_length") == 0)
                gate.open()
                for client in clients { #expect(client.readAnswer()?.status == 200) }
            }
        }
    }
}
