import SluiceTelemetry
import SluiceTime
import Testing

@Suite struct ExemplarTests {
    static let trace = "4bf92f3577b34da6a3ce929d0e0e4736"

    /// A stream whose first token took 30 ms, finished at 2.5 s after 1970.
    static func finish(_ shard: MetricShard, trace: String, at unixNanoseconds: Int64 = 0) {
        var record = MetricShardTests.stream()
        record.traceID = InlineText(trace)
        record.startedUnixNanoseconds = unixNanoseconds + 2_000_000_000
        record.firstContentWritten = Instant(nanoseconds: 32_000_000)
        record.outcome = .ok
        record.ended = Instant(nanoseconds: 501_000_000)
        shard.received(&record)
        shard.finished(&record)
    }

    static func page(_ shard: MetricShard, _ format: ExpositionFormat) -> String {
        ExpositionTests.page(MetricShardTests.snapshot(shard), format)
    }

    @Test func `a latency with a trace carries it in its bucket, in OpenMetrics only`() {
        let shard = MetricShard()
        Self.finish(shard, trace: Self.trace)
        let open = Self.page(shard, .openMetrics)
        let labels = #"model_name="llama",class="default""#
        #expect(
            open.contains(
                "sluice_time_to_first_token_seconds_bucket{\(labels),le=\"0.04\"} 1 "
                    + "# {trace_id=\"\(Self.trace)\"} 0.03 2.5\n"))
        #expect(
            open.contains("sluice_time_to_first_token_seconds_bucket{\(labels),le=\"0.06\"} 1\n"))
        #expect(
            open.contains("sluice_request_duration_seconds_bucket")
                && open.contains("# {trace_id=\"\(Self.trace)\"} 0.499 2.5\n"))
        #expect(!Self.page(shard, .prometheusText004).contains("trace_id"))
    }

    @Test func `who never got a first token is found by the wait, and a slow stream by its pace`() {
        let shard = MetricShard()
        var record = MetricShardTests.stream()
        record.traceID = InlineText(Self.trace)
        record.outcome = .clientGone
        record.ended = Instant(nanoseconds: 302_000_000)
        shard.finished(&record)
        let slow = String(repeating: "b", count: 32)
        record = MetricShardTests.stream()
        record.traceID = InlineText(slow)
        record.outcome = .ok
        record.firstContentWritten = Instant(nanoseconds: 12_000_000)
        record.lastContentWritten = Instant(nanoseconds: 912_000_000)
        record.generationTokens = 10
        record.ended = Instant(nanoseconds: 913_000_000)
        shard.finished(&record)
        let page = Self.page(shard, .openMetrics)
        func lines(_ trace: String) -> [Substring] {
            page.split(separator: "\n").filter { $0.contains("# {trace_id=\"\(trace)\"}") }
        }
        #expect(
            lines(Self.trace).contains {
                $0.contains("first_token_wait_seconds_bucket") && $0.contains("\"abandoned\"")
                    && $0.contains("le=\"0.5\"} 1 ") && $0.contains("} 0.3 ")
            })
        #expect(
            lines(slow).contains {
                $0.contains("time_per_output_token_seconds_bucket") && $0.contains("} 0.1 ")
            })
    }

    @Test func `without a trace there is no exemplar`() {
        let shard = MetricShard()
        Self.finish(shard, trace: "")
        #expect(!Self.page(shard, .openMetrics).contains("trace_id"))
    }

    @Test func `the newest of a bucket is kept, whichever shard saw it`() {
        let (a, b) = (MetricShard(), MetricShard())
        let older = String(repeating: "a", count: 32)
        Self.finish(a, trace: Self.trace, at: 1_000_000_000)
        Self.finish(b, trace: older)
        let page = ExpositionTests.page(MetricShardTests.snapshot(a, b), .openMetrics)
        #expect(page.contains(Self.trace))
        #expect(!page.contains(older))
        let reversed = ExpositionTests.page(MetricShardTests.snapshot(b, a), .openMetrics)
        #expect(reversed.contains(Self.trace) && !reversed.contains(older))
    }

    @Test func `clients cannot make a shard keep traces without bound`() {
        let shard = MetricShard()
        for model in UInt16(0)..<65 {
            for code in 0..<40 {
                var record = MetricShardTests.stream()
                record.modelIndex = model
                record.classIndex = UInt8(code % 16)
                record.traceID = InlineText(Self.trace)
                record.firstContentWritten = Instant(nanoseconds: 2_000_000 << Int64(code % 30))
                record.ended = Instant(nanoseconds: 3_000_000 << Int64(code % 30))
                record.outcome = .ok
                shard.received(&record)
                shard.finished(&record)
            }
        }
        #expect(shard.exemplarCount > 0 && shard.exemplarCount <= 1_024)
    }
}
