import SluiceExchange
import SluiceProxy
import SluiceReactor
import SluiceTime
import Testing

extension GatewayTests {
    /// Load that replicas tell with their answers.
    @Suite(.serialized) struct LoadReportTests {
        private func replica() throws -> ScriptedUpstream {
            try ScriptedUpstream { peer in
                while peer.nextRequest() != nil {
                    peer.send(
                        "HTTP/1.1 200 OK\r\nendpoint-load-metrics: TEXT "
                            + "named_metrics.kv_cache_usage_perc=0.5, "
                            + "named_metrics.num_requests_waiting=7.0\r\n"
                            + "content-length: 2\r\n\r\n{}")
                }
            }
        }

        @Test func `a replica is asked once a second at most, and what it says is taken in`() throws
        {
            let upstream = try replica()
            upstream.set {
                $0.metrics =
                    "vllm:num_requests_waiting 1\nvllm:num_requests_running 2\n"
                    + "vllm:kv_cache_usage_perc 0.1\n"
            }
            try GatewayUnderTest.run(
                [upstream],
                change: {
                    $0.pools[0].orca = true
                    $0.pools[0].scrapeInterval = .seconds(300)
                }
            ) { gateway in
                let isScraped = eventually {
                    gateway.metrics()?.sum("sluice_replica_queue_depth") == 1
                }
                #expect(isScraped)
                let start = MonotonicClock.now()
                for _ in 0..<20 {
                    let answer = try gateway.ask(
                        chat(fields: "endpoint-load-metrics-format: json\r\n"))
                    #expect(answer.status == 200 && answer["endpoint-load-metrics"] == nil)
                }
                let seconds = (MonotonicClock.now() - start).seconds
                let asked = upstream.requests.map { $0.values("endpoint-load-metrics-format") }
                #expect(asked.first == ["TEXT"])
                #expect(asked.filter { $0 == ["TEXT"] }.count <= 1 + Int(seconds))
                #expect(asked.allSatisfy { $0 == ["TEXT"] || $0 == [] })
                let isTaken = eventually {
                    let page = gateway.metrics()
                    return page?.sum("sluice_replica_kv_usage_ratio") == 0.5
                        && page?.sum("sluice_replica_queue_depth") == 7
                }
                #expect(isTaken)
            }
        }

        @Test func `streams and other routes do not ask, nor does a pool without the key`() throws {
            let upstream = try replica()
            try GatewayUnderTest.run([upstream], change: { $0.pools[0].orca = true }) { gateway in
                _ = try gateway.ask(chat(#"{"model":"tiny","stream":true,"messages":[]}"#))
                _ = try gateway.ask(
                    "POST /tokenize HTTP/1.1\r\nhost: a\r\ncontent-length: 16\r\n\r\n"
                        + #"{"model":"tiny"}"#)
            }
            let other = try replica()
            try GatewayUnderTest.run([other]) { gateway in
                let answer = try gateway.ask(
                    chat(fields: "endpoint-load-metrics-format: text\r\n"))
                #expect(answer["endpoint-load-metrics"] == nil)
            }
            let requests = upstream.requests + other.requests
            #expect(requests.count == 3)
            for request in requests {
                #expect(request.values("endpoint-load-metrics-format") == [])
            }
        }
    }
}
