import Foundation
import SluiceExchange
import SluiceInsight
import SluiceProxy
import SluiceTime
import SluiceTraffic
import Testing

extension GatewayTests {
    /// What was promised, as it is counted and shown: from requests on sockets to `/metrics`, `/slo`.
    @Suite(.serialized) struct ObjectivesPageTests {
        private static func promise(_ settings: inout GatewaySettings) {
            settings.classes = [ClassPolicy(name: "standard"), ClassPolicy(name: "batch")]
            var first = Objective(name: "first")
            first.indicator = .ttft
            first.target = 0.95
            first.threshold = .seconds(2)
            first.models = ["tiny"]
            settings.objectives = [Objective(name: "up"), first]
        }

        private func rows(_ gateway: GatewayUnderTest) throws -> [[String: Any]] {
            let answer = try #require(gateway.page("/slo"))
            #expect(answer.status == 200 && answer["content-type"] == "application/json")
            let read = try JSONSerialization.jsonObject(with: Data(answer.body))
            let page = try #require(read as? [String: Any])
            #expect(page["firing"] as? Int == 0)
            return try #require(page["objectives"] as? [[String: Any]])
        }

        @Test func `requests are judged by their objectives, and series are there from the start`()
            throws
        {
            let upstream = try ScriptedUpstream { peer in
                while peer.nextRequest() != nil {
                    peer.send(streamHead + chunk(token("a")) + chunk(done) + "0\r\n\r\n")
                }
            }
            try GatewayUnderTest.run([upstream], change: Self.promise) { gateway in
                let before = try #require(gateway.metrics())
                for result in ["good", "bad"] {
                    #expect(
                        before.text.contains(
                            "sluice_slo_events_total{slo=\"first\",model_name=\"tiny\",class=\"batch\",sli=\"ttft\",result=\"\(result)\"} 0\n"
                        ))
                }
                for fields in ["", "x-sluice-class: batch\r\n", "x-sluice-class: batch\r\n"] {
                    let body = #"{"model":"tiny","stream":true,"messages":[]}"#
                    #expect(try gateway.ask(chat(body, fields: fields)).status == 200)
                }
                #expect(gateway.sees("ok", 3))
                let page = try #require(gateway.metrics())
                for slo in ["up", "first"] {
                    let name = "slo=\"\(slo)\""
                    #expect(page.sum("sluice_slo_events_total", name, "result=\"good\"") == 3)
                    #expect(page.sum("sluice_slo_events_total", name, "class=\"batch\"") == 2)
                    #expect(page.sum("sluice_slo_events_total", name, "result=\"bad\"") == 0)
                }
                #expect(page.sum("sluice_slo_objective", "slo=\"first\"") == 0.95)
                #expect(page.sum("sluice_goodput_requests_total", "tiny") == 3)
                #expect(page.sum("sluice_goodput_tokens_total", "tiny") == 3)
                #expect(page.text.contains("le=\"2.0\""), "the threshold is a bound")
            }
        }

        @Test func `the page has every objective, its classes, and says how young it is`() throws {
            let upstream = try ScriptedUpstream { peer in
                while peer.nextRequest() != nil {
                    peer.send("HTTP/1.1 500 Broken\r\ncontent-length: 0\r\n\r\n")
                }
            }
            try GatewayUnderTest.run([upstream], change: Self.promise) { gateway in
                #expect(try gateway.ask(chat()).status == 500)
                let isCounted = eventually {
                    let rows = (try? self.rows(gateway))?.first?["rows"] as? [[String: Any]]
                    return rows?.first?["bad_since_start"] as? Int == 1
                }
                #expect(isCounted)
                let objectives = try rows(gateway)
                #expect(objectives.map { $0["slo"] as? String } == ["up", "first"])
                #expect(objectives[1]["threshold_seconds"] as? Int == 2)
                #expect(objectives[1]["models"] as? [String] == ["tiny"])
                let classes = try #require(objectives[0]["rows"] as? [[String: Any]])
                #expect(classes.map { $0["class"] as? String } == ["all", "standard", "batch"])
                let windows = try #require(classes[1]["windows"] as? [[String: Any]])
                #expect(windows.count == 6)
                for window in windows {
                    #expect(window["is_partial"] as? Bool == true)
                    #expect(window["bad"] as? Int == 1)
                    #expect(window["burn_rate"] as? Int == 1_000)
                }
                let alerts = try #require(classes[1]["alerts"] as? [[String: Any]])
                #expect(alerts.map { $0["alert"] as? String } == ["fast", "slow", "low"])
                #expect(alerts.allSatisfy { $0["why_not"] as? String == "few_events" })
                let page = try #require(gateway.metrics())
                let burn = page.sum("sluice_slo_local_burn_rate", "slo=\"up\"", "window=\"1h\"")
                #expect(abs(burn - 1_000) < 1)
                #expect(!page.text.contains("sluice_slo_local_burn_rate{slo=\"first\""))
            }
        }
    }
}
