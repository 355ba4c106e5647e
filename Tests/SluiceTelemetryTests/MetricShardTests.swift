import SluiceBytes
import SluiceTelemetry
import SluiceTime
import Testing

@Suite struct MetricShardTests {
    static func names() -> NameTables {
        var names = NameTables()
        _ = names.models.intern("llama")
        _ = names.models.intern("qwen")
        names.classes = ["default", "batch"]
        names.pools = ["main"]
        names.tenants = ["acme"]
        names.replicas = [
            ReplicaName(pool: "main", name: "a:8000"), ReplicaName(pool: "main", name: "b:8000"),
        ]
        return names
    }

    static func snapshot(_ shards: MetricShard..., replicasInUse: Int = 2) -> MetricSnapshot {
        var snapshot = MetricSnapshot()
        var names = names()
        names.replicasInUse = replicasInUse
        snapshot.add(shards, names: names)
        return snapshot
    }

    static func stream() -> ExchangeRecord {
        var record = ExchangeRecord()
        record.started = Instant(nanoseconds: 1_000_000)
        record.received = Instant(nanoseconds: 2_000_000)
        record.modelIndex = 0
        record.method = .post
        record.route = .chatCompletions
        record.isStream = true
        return record
    }

    @Test(arguments: Outcome.allCases)
    func `every outcome is counted exactly once, with one result`(outcome: Outcome) {
        let shard = MetricShard()
        var record = Self.stream()
        shard.received(&record)
        record.ended = Instant(nanoseconds: 9_000_000)
        record.outcome = outcome
        record.reason = .full
        shard.finished(&record)
        let snapshot = Self.snapshot(shard)
        #expect(snapshot.total(.requests) == 1)
        #expect(snapshot.total(.shed) == (outcome == .shed ? 1 : 0))
        #expect(snapshot.total(.clientDisconnects) == (outcome == .clientGone ? 1 : 0))
        let durations = ExchangeResult.allCases.filter {
            let labels = ["llama", "default", "true", $0.label.description]
            return snapshot.histogram(.requestDuration, labels) != nil
        }
        #expect(durations == [outcome.result])
    }

    @Test(arguments: [(64, true), (65, false)])
    func `latencies of each replica are shown for up to 64 that are there`(
        _ replicasInUse: Int, _ isShown: Bool
    ) {
        let shard = MetricShard()
        shard.upstreamAnswered(replica: 1, status: 200, after: .milliseconds(50))
        let snapshot = Self.snapshot(shard, replicasInUse: replicasInUse)
        let latency = snapshot.histogram(.upstreamLatency, ["main", "b:8000", "head"])
        #expect((latency != nil) == isShown)
    }

    @Test func `a delivered stream is in every latency family, and its stages sum to its TTFT`() {
        let shard = MetricShard()
        var record = Self.stream()
        record.admitted = Instant(nanoseconds: 3_000_000)
        record.sent = Instant(nanoseconds: 4_000_000)
        record.firstContentArrived = Instant(nanoseconds: 54_000_000)
        record.firstContentWritten = Instant(nanoseconds: 54_100_000)
        record.lastContentWritten = Instant(nanoseconds: 154_100_000)
        record.ended = Instant(nanoseconds: 155_000_000)
        record.contentEvents = 11
        record.generationTokens = 11
        record.promptTokens = 7
        record.replicaIndex = 1
        record.tenantIndex = 0
        record.clientRetryCount = 5
        record.outcome = .ok
        shard.received(&record)
        shard.finished(&record)
        let snapshot = Self.snapshot(shard)
        #expect(snapshot.histogram(.timeToFirstToken, ["llama", "default"])?.sum == 52_100_000)
        let wait = snapshot.histogram(.firstTokenWait, ["llama", "default", "delivered"])
        #expect(wait?.sum == 52_100_000)
        var stages: UInt64 = 0
        for stage in Stage.allCases {
            let part = snapshot.histogram(.ttftStage, ["llama", stage.label.description])
            stages += part?.sum ?? 0
        }
        #expect(stages == 52_100_000)
        #expect(snapshot.histogram(.timePerOutputToken, ["llama", "usage"])?.sum == 10_000_000)
        let upstream = snapshot.histogram(.upstreamLatency, ["main", "b:8000", "first_token"])
        #expect(upstream?.sum == 50_000_000)
        #expect(snapshot.value(.generationTokens, ["llama"]) == 11)
        #expect(snapshot.value(.tenantTokens, ["acme", "prompt"]) == 7)
        #expect(snapshot.value(.clientRetries, ["llama", "3plus"]) == 1)
        #expect(snapshot.histogram(.response, ["llama", "default"]) == nil)
    }

    @Test func `tenants beyond two hundred share a label`() {
        let shard = MetricShard()
        var names = Self.names()
        names.tenants = (0..<300).map { "t\($0)" }
        for tenant: Int16 in [0, 199, 200, 299, 1_023, -1] {
            var record = Self.stream()
            record.tenantIndex = tenant
            record.promptTokens = 1
            shard.received(&record)
            shard.finished(&record)
        }
        var snapshot = MetricSnapshot()
        snapshot.add([shard], names: names)
        let outcome = Self.stream().outcome.label.description
        for (tenant, count) in [("t0", 1.0), ("t199", 1), ("other", 3)] {
            #expect(snapshot.value(.tenantRequests, [tenant, outcome]) == count)
            #expect(snapshot.value(.tenantTokens, [tenant, "prompt"]) == count)
        }
        #expect(snapshot.value(.tenantRequests, ["t200", outcome]) == nil)
    }

    @Test func `those who left before a first token are in the wait, not in the TTFT`() {
        let shard = MetricShard()
        var record = Self.stream()
        record.ended = Instant(nanoseconds: 5_000_000)
        record.outcome = .clientGone
        record.clientGoneSeen = Instant(nanoseconds: 5_000_000)
        record.upstreamClosed = Instant(nanoseconds: 5_200_000)
        shard.finished(&record)
        var expired = Self.stream()
        expired.ended = Instant(nanoseconds: 5_000_000)
        expired.outcome = .shed
        expired.reason = .expired
        shard.finished(&expired)
        let snapshot = Self.snapshot(shard)
        #expect(snapshot.histogram(.timeToFirstToken, ["llama", "default"]) == nil)
        for result in ["abandoned", "expired"] {
            let wait = snapshot.histogram(.firstTokenWait, ["llama", "default", result])
            #expect(wait?.sum == 3_000_000)
        }
        #expect(snapshot.histogram(.abortPropagation)?.sum == 200_000)
    }

    @Test func `prompts that nobody counted are in the workload's shape by estimate`() {
        let shard = MetricShard()
        var refused = Self.stream()
        refused.promptTokensEstimated = 300
        refused.outcome = .shed
        refused.ended = Instant(nanoseconds: 5_000_000)
        shard.finished(&refused)
        var served = refused
        served.outcome = .ok
        served.promptTokens = 280
        shard.finished(&served)
        let snapshot = Self.snapshot(shard)
        #expect(snapshot.histogram(.requestPromptTokens, ["llama", "estimate"])?.sum == 300)
        #expect(snapshot.histogram(.requestPromptTokens, ["llama", "usage"])?.sum == 280)
        // What is billed is counted, never guessed.
        #expect(snapshot.value(.promptTokens, ["llama"]) == 280)
    }

    @Test func `what is served without streaming has a response time`() {
        let shard = MetricShard()
        var record = Self.stream()
        record.isStream = false
        record.outcome = .ok
        record.ended = Instant(nanoseconds: 12_000_000)
        shard.finished(&record)
        let refused = record
        var second = refused
        second.outcome = .shed
        shard.finished(&second)
        let response = Self.snapshot(shard).histogram(.response, ["llama", "default"])
        #expect(response?.counts.reduce(0, +) == 1)
        #expect(response?.sum == 10_000_000)
    }

    @Test func `gaps and events are counted by model, unknown models as other`() {
        let shard = MetricShard()
        shard.observeGap(model: 1, .milliseconds(12))
        shard.observeGap(model: 1, Nanoseconds(-7))
        shard.observeGap(model: 9_999, .milliseconds(12))
        shard.contentEvent(model: 9_999)
        let snapshot = Self.snapshot(shard)
        #expect(snapshot.histogram(.interTokenLatency, ["qwen"])?.counts[0] == 1)
        #expect(snapshot.histogram(.interTokenLatency, ["qwen"])?.counts[1] == 1)
        #expect(snapshot.histogram(.interTokenLatency, ["other"])?.sum == 12_000_000)
        #expect(snapshot.value(.contentEvents, ["other"]) == 1)
    }

    @Test func `a shard finds the same buckets as the scale it shows`() {
        let scales = BucketScales()
        let shard = MetricShard(scales: scales)
        var expected = HistogramValue(scales.token)
        var edges = [Int64.max, 1 << 62, 1, 0]
        for index in 0..<scales.token.count {
            let bound = Int64((scales.token.bound(index) * 1e9).rounded())
            edges += [bound - 1, bound, bound + 1]
        }
        for edge in edges {
            shard.observeGap(model: 0, Nanoseconds(edge))
            expected.observe(Nanoseconds(edge))
        }
        let shown = Self.snapshot(shard).histogram(.interTokenLatency, ["llama"])
        #expect(shown?.counts == expected.counts)
        #expect(shown?.sum == expected.sum)
    }

    @Test func `shards are merged`() {
        let a = MetricShard()
        let b = MetricShard()
        a.connection(.downstream, .ok)
        b.connection(.downstream, .ok)
        b.connection(.upstream, .refused)
        b.loopTurn(worker: 1, .microseconds(80))
        let snapshot = Self.snapshot(a, b)
        #expect(snapshot.value(.connectionsTotal, ["downstream", "ok"]) == 2)
        #expect(snapshot.value(.connectionsTotal, ["upstream", "refused"]) == 1)
        #expect(snapshot.histogram(.eventLoopLag, ["1"])?.sum == 80_000)
    }

    @Test func `a replica long gone is not shown, and its index starts again at zero`() {
        let shard = MetricShard()
        shard.upstreamAnswered(replica: 0, status: 200, after: .milliseconds(5))
        shard.upstreamAnswered(replica: 1, status: 503, after: .milliseconds(5))
        shard.staleKeepalive(replica: 0)
        shard.connectError(replica: -1, .reset)
        var names = Self.names()
        names.replicas[0] = nil
        var gone = MetricSnapshot()
        gone.add([shard], names: names)
        #expect(gone.total(.upstreamRequests) == 1)
        #expect(gone.total(.staleKeepalive) == 0)
        shard.forget(replica: 0)
        let reused = Self.snapshot(shard)
        #expect(reused.value(.upstreamRequests, ["main", "a:8000", "200"]) == nil)
        #expect(reused.value(.upstreamRequests, ["main", "b:8000", "503"]) == 1)
    }

    @Test
    func `a peer cannot create series without bound, and nothing received is unaccounted for`() {
        let shard = MetricShard()
        var finished = 0.0
        for code in UInt16(0)..<1_000 {
            for method in RequestMethod.allCases {
                var record = Self.stream()
                record.modelIndex = code % 70
                record.method = method
                record.status = code
                shard.received(&record)
                record.outcome = code % 2 == 0 ? .ok : .shed
                record.phase = code % 3 == 0 ? .relaying : .queued
                record.ended = Instant(nanoseconds: 9_000_000)
                if code % 10 != 0 {
                    shard.finished(&record)
                    finished += 1
                }
            }
        }
        for replica in Int32(0)..<100 { shard.staleKeepalive(replica: replica) }
        #expect(shard.seriesCount > 4_096 && shard.seriesCount <= 7_168)
        #expect(shard.lost > 0)
        let snapshot = Self.snapshot(shard)
        #expect(snapshot.total(.requestsReceived) == 10_000)
        #expect(snapshot.total(.requests) == finished)
        #expect(snapshot.total(.requestsInFlight) == 10_000 - finished)
        #expect(snapshot.value(.metricsLost) == Double(shard.lost))
    }
}
