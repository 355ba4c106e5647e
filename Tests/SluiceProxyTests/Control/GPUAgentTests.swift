import Foundation
import SluiceExchange
import SluiceProxy
import SluiceTime
import Testing

extension GatewayTests {
    /// A replica whose GPUs are looked at, at exporters of its host.
    @Suite(.serialized) struct GPUAgentTests {
        private static func exporter(_ clock: Int) throws -> ScriptedUpstream {
            let exporter = try ScriptedUpstream { peer in while peer.nextRequest() != nil {} }
            exporter.state.withLock {
                $0.metrics = """
                    DCGM_FI_DEV_SM_CLOCK{gpu="0",UUID="GPU-a"} \(clock)
                    DCGM_FI_DEV_SM_CLOCK{gpu="1",UUID="GPU-b"} 300
                    DCGM_FI_DEV_XID_ERRORS{gpu="0",UUID="GPU-a"} 0

                    """
            }
            return exporter
        }

        /// What `/replicas` says of the GPUs of the only replica.
        private static func gpus(_ gateway: GatewayUnderTest) -> [String: Any]? {
            guard let text = gateway.page("/replicas")?.text,
                let page = try? JSONSerialization.jsonObject(with: Data(text.utf8))
                    as? [String: Any],
                let pool = (page["pools"] as? [[String: Any]])?.first,
                let replica = (pool["replicas"] as? [[String: Any]])?.first
            else { return nil }
            return replica["gpus"] as? [String: Any]
        }

        private static func clock(_ gateway: GatewayUnderTest) -> Double? {
            gpus(gateway)?["slowest_clock_hertz"] as? Double
        }

        @Test func `another exporter, or none, is asked from the reload on`() throws {
            let upstream = try ScriptedUpstream { peer in
                while peer.nextRequest() != nil { peer.answer("{}") }
            }
            let exporters = (try Self.exporter(1_980), try Self.exporter(1_005))
            defer {
                exporters.0.stop()
                exporters.1.stop()
            }
            var settings = GatewayUnderTest.settings([upstream])
            settings.pools[0].replicas[0].gpuMetricsURL = exporters.0.url + "/metrics"
            settings.pools[0].replicas[0].gpus = ["0"]
            let file = ReloadTests.File()
            file.write(settings)
            try GatewayUnderTest.run(
                [upstream], change: { $0 = settings }, source: file.source
            ) { gateway in
                #expect(eventually { Self.clock(gateway) == 1.98e9 })
                #expect(Self.gpus(gateway)?["count"] as? Int == 1)
                settings.pools[0].replicas[0].gpuMetricsURL = exporters.1.url + "/metrics"
                file.write(settings)
                gateway.reload()
                #expect(eventually { Self.clock(gateway) == 1.005e9 })
                settings.pools[0].replicas[0].gpuMetricsURL = nil
                settings.pools[0].replicas[0].gpus = []
                file.write(settings)
                gateway.reload()
                #expect(eventually { Self.gpus(gateway) == nil })
                let answer = try gateway.ask(chat())
                #expect(answer.status == 200)
            }
        }

        @Test func `an exporter that says nothing of GPUs is told, and holds up nobody`() throws {
            let upstream = try ScriptedUpstream { peer in
                while peer.nextRequest() != nil { peer.answer("{}") }
            }
            upstream.state.withLock { $0.metrics = "vllm:num_requests_running 0\n" }
            try GatewayUnderTest.run(
                [upstream],
                change: {
                    $0.pools[0].replicas[0].gpuMetricsURL = upstream.url + "/metrics"
                }
            ) { gateway in
                #expect(
                    eventually {
                        Self.gpus(gateway)?["last_scrape"] as? String
                            == "no DCGM_FI_DEV_… of its GPUs"
                    })
                let answer = try gateway.ask(chat())
                #expect(answer.status == 200)
            }
        }
    }
}
