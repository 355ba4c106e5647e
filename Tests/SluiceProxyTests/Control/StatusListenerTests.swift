import SluiceExchange
import SluiceProxy
import SluiceReactor
import Testing

extension GatewayTests {
    /// The listener for kubelet and Prometheus: it shows how things are and changes nothing.
    @Suite(.serialized) struct StatusListenerTests {
        private func run(_ body: (GatewayUnderTest, SocketAddress) throws -> Void) throws {
            let upstream = try ScriptedUpstream { peer in
                while peer.nextRequest() != nil { peer.answer("{}") }
            }
            try GatewayUnderTest.run(
                [upstream],
                change: {
                    $0.status = "127.0.0.1:0"
                    $0.pools[0].replicas[0].name = "r"
                }
            ) { try body($0, try #require($0.addresses.status)) }
        }

        private func answer(_ line: String, _ status: SocketAddress) -> RawAnswer? {
            guard let client = try? RawConnection(to: status) else { return nil }
            client.send(
                "\(line) HTTP/1.1\r\nhost: a\r\nx-sluice-admin: 1\r\ncontent-length: 0\r\n"
                    + "connection: close\r\n\r\n")
            return client.readAnswer(isHead: line.hasPrefix("HEAD"))
        }

        private func ask(_ line: String, _ status: SocketAddress) throws -> RawAnswer {
            try #require(answer(line, status), "no answer to \(line)")
        }

        @Test func `liveness, readiness and metrics are answered, with GET and HEAD`() throws {
            try run { gateway, status in
                _ = try gateway.ask(chat())
                #expect(gateway.sees("ok"))
                for page in ["/livez", "/readyz", "/metrics", "/"] {
                    for method in ["GET", "HEAD"] {
                        let answer = try ask("\(method) \(page)", status)
                        #expect(answer.status == 200, "\(method) \(page)")
                    }
                }
                let live = try ask("GET /livez", status)
                #expect(live.text == "ok\n")
                let metrics = MetricsText(text: try ask("GET /metrics", status).text)
                #expect(metrics.sum("sluice_requests_total", "outcome=\"ok\"") == 1)
            }
        }

        @Test func `readiness fails once the gateway drains, liveness does not`() throws {
            let gate = Gate()
            let upstream = try ScriptedUpstream.holding(gate)
            try GatewayUnderTest.run([upstream], change: { $0.status = "127.0.0.1:0" }) { gateway in
                let status = try #require(gateway.addresses.status)
                let client = try gateway.connect()
                client.send(chat())
                #expect(eventually { upstream.requests.count == 1 })
                gateway.drain()
                #expect(eventually { answer("GET /readyz", status)?.status == 503 })
                let live = try ask("GET /livez", status)
                #expect(live.status == 200)
                gate.open()
                #expect(client.readAnswer()?.status == 200)
                client.close()
                #expect(eventually { gateway.hasEnded })
            }
        }

        @Test func `what the admin listener has beyond that is not here`() throws {
            try run { gateway, status in
                for page in [
                    "/replicas", "/config", "/slo", "/diagnosis", "/queue", "/decisions",
                    "/admission", "/route", "/dashboard", "/drain", "/replicas/r/metrics",
                    "/replicas/r/cordon",
                ] {
                    let answer = try ask("GET \(page)", status)
                    #expect(answer.status == 404, "\(page)")
                    #expect(
                        !answer.text.contains("/config"), "only pages of this listener: \(page)")
                }
            }
        }

        @Test func `nothing is posted here`() throws {
            try run { gateway, status in
                for line in [
                    "POST /drain", "POST /reload", "POST /admission", "POST /replicas/r/cordon",
                    "POST /livez", "PUT /metrics", "DELETE /",
                ] {
                    let answer = try ask(line, status)
                    #expect(answer.status == 405 && answer["allow"] == "GET, HEAD", "\(line)")
                }
                #expect(gateway.states("cordoned") == 0)
                #expect(gateway.page("/readyz")?.status == 200)
            }
        }

        @Test func `the ready line names it behind the others`() throws {
            try run { gateway, status in
                let line = "sluice ready http://\(gateway.data) admin=http://\(gateway.admin)"
                #expect(
                    gateway.addresses.readyLine(isTLS: false) == "\(line) status=http://\(status)")
                let data = try RawConnection(to: gateway.data)
                data.send("GET /livez HTTP/1.1\r\nhost: a\r\n\r\n")
                #expect(data.readAnswer()?.status == 404, "the data listener is another")
            }
        }
    }
}
