import SluiceExchange
import SluiceProxy
import SluiceTime
import SluiceTraffic
import Testing

extension GatewayTests {
    /// LoRA adapters as models of their own.
    @Suite(.serialized) struct AdapterTests {
        private func replica(_ adapters: [String], running: String = "") throws -> ScriptedUpstream
        {
            let upstream = try ScriptedUpstream { peer in
                while peer.nextRequest() != nil { peer.answer("{}") }
            }
            let entries = adapters.map { #",{"id":"\#($0)","object":"model","parent":"tiny"}"# }
            upstream.set {
                $0.models =
                    #"{"object":"list","data":[{"id":"tiny","object":"model","parent":null}"#
                    + entries.joined() + "]}"
                $0.metrics =
                    "vllm:num_requests_waiting 0\nvllm:num_requests_running 0\n"
                    + "vllm:lora_requests_info{max_lora=\"4\",running_lora_adapters=\"\(running)\","
                    + "waiting_lora_adapters=\"\"} 1.7e9\n"
            }
            return upstream
        }

        private func counts(
            _ upstreams: [ScriptedUpstream], _ gateway: GatewayUnderTest, _ model: String
        ) throws -> [Int] {
            let before = upstreams.map { $0.requests.count }
            for _ in 0..<20 {
                let answer = try gateway.ask(chat(#"{"model":"\#(model)","messages":[]}"#))
                #expect(answer.status == 200)
            }
            return zip(upstreams, before).map { $0.requests.count - $1 }
        }

        @Test
        func `requests go to a replica that lists the adapter, and first to one that runs it`()
            throws
        {
            let upstreams = [
                try replica([]), try replica(["sql"]),
                try replica(["sql", "chat"], running: "chat,sql"),
            ]
            try GatewayUnderTest.run(upstreams) { gateway in
                let isKnown = eventually {
                    guard let page = try? gateway.ask("GET /v1/models HTTP/1.1\r\nhost: a\r\n\r\n")
                    else { return false }
                    return page.text.contains("chat") && page.text.contains("sql")
                        && gateway.metrics()?.sum("sluice_scrapes_total", "result=\"ok\"") ?? 0 >= 3
                }
                #expect(isKnown)
                #expect(try counts(upstreams, gateway, "chat") == [0, 0, 20])
                #expect(try counts(upstreams, gateway, "sql") == [0, 0, 20])
                #expect(try counts(upstreams, gateway, "tiny").allSatisfy { $0 > 0 })
                let page = try #require(gateway.metrics())
                let base = page.sum("sluice_requests_total", "model_name=\"tiny\"")
                #expect(base == 60, "an adapter counts under its base model")
            }
        }
    }
}
