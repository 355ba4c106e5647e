import SluiceBytes
import SluiceTelemetry
import SluiceTime
import Testing

@Suite struct ExpositionTests {
    static func page(_ snapshot: MetricSnapshot, _ format: ExpositionFormat) -> String {
        String(decoding: Exposition.render(snapshot, format: format), as: UTF8.self)
    }

    /// A snapshot with at least one sample of every family.
    static func full() -> MetricSnapshot {
        var snapshot = MetricSnapshot()
        for metric in Metric.allCases {
            let labels = metric.row.labels.map { "\($0)-value" }
            if metric == .metricsSeries || metric == .metricsSeriesMax { continue }
            if metric.row.type == .histogram {
                var histogram = HistogramValue(BucketScales().token)
                histogram.observe(.milliseconds(30))
                snapshot.add(metric, labels, histogram)
            } else {
                snapshot.add(metric, labels, 1.5)
            }
        }
        return snapshot
    }

    @Test func `a counter in both formats`() {
        var snapshot = MetricSnapshot()
        snapshot.add(.promptTokens, ["llama"], count: 5)
        let text = Self.page(snapshot, .prometheusText004)
        #expect(
            text.hasPrefix("# HELP sluice_prompt_tokens_total Prompt tokens reported in usage.\n"))
        #expect(text.contains("# TYPE sluice_prompt_tokens_total counter\n"))
        #expect(text.contains("\nsluice_prompt_tokens_total{model_name=\"llama\"} 5\n"))
        let open = Self.page(snapshot, .openMetrics)
        #expect(
            open.contains(
                "# TYPE sluice_prompt_tokens counter\n# UNIT sluice_prompt_tokens tokens\n"))
        #expect(open.contains("\nsluice_prompt_tokens_total{model_name=\"llama\"} 5\n"))
        #expect(open.hasSuffix("\n# EOF\n"))
        #expect(!text.contains("# EOF"))
    }

    @Test func `buckets are cumulative and end in the count`() {
        var snapshot = MetricSnapshot()
        var histogram = HistogramValue(BucketScale([1, 2, 5]))
        for value in [1, 2, 2, 9] as [UInt64] { histogram.observe(value) }
        snapshot.add(.requestBodyBytes, histogram)
        let text = Self.page(snapshot, .prometheusText004)
        #expect(
            text.contains(
                """
                sluice_request_body_bytes_bucket{le="1.0"} 1
                sluice_request_body_bytes_bucket{le="2.0"} 3
                sluice_request_body_bytes_bucket{le="5.0"} 3
                sluice_request_body_bytes_bucket{le="+Inf"} 4
                sluice_request_body_bytes_sum 14
                sluice_request_body_bytes_count 4

                """))
    }

    @Test func `label values are escaped`() {
        var snapshot = MetricSnapshot()
        snapshot.add(.promptTokens, ["a\"b\\c\nd é"], count: 1)
        let text = Self.page(snapshot, .prometheusText004)
        #expect(text.contains("{model_name=\"a\\\"b\\\\c\\nd é\"} 1\n"))
    }

    @Test func `numbers that are none are spelled as Prometheus does`() {
        var snapshot = MetricSnapshot()
        snapshot.add(.buffersBytes, .nan)
        snapshot.add(.buffersMaxBytes, .infinity)
        let text = Self.page(snapshot, .prometheusText004)
        #expect(text.contains("sluice_buffers_bytes NaN\n"))
        #expect(text.contains("sluice_buffers_max_bytes +Inf\n"))
    }

    @Test func `one-hot states, and samples given twice are added`() {
        var snapshot = MetricSnapshot()
        snapshot.addOneHot(
            .replicaState, ["main", "a"], current: "ready", of: ["ready", "busy", "dead"])
        snapshot.add(.queueLength, ["main", "default"], 2)
        snapshot.add(.queueLength, ["main", "default"], 3)
        #expect(snapshot.value(.replicaState, ["main", "a", "ready"]) == 1)
        #expect(snapshot.value(.replicaState, ["main", "a", "dead"]) == 0)
        #expect(snapshot.value(.queueLength, ["main", "default"]) == 5)
    }

    @Test(arguments: [ExpositionFormat.prometheusText004, .openMetrics])
    func `every line of a full page is a comment or a sample of the catalog`(
        format: ExpositionFormat
    ) {
        let page = Self.page(Self.full(), format)
        var parser = PrometheusTextParser()
        var names: Set<String> = []
        var count = 0
        parser.feed(Array(page.utf8).span, wants: { _, _ in true }) { sample in
            names.insert(sample.line.text(in: sample.name))
            count += 1
        }
        let bad = parser.badLines
        #expect(bad == 0)
        for metric in Metric.allCases {
            let row = metric.row
            #expect(names.contains(row.type == .histogram ? row.name + "_bucket" : row.name))
        }
        #expect(page.contains("sluice_metrics_series \(count)\n"))
    }

    @Test func `series beyond the limit are left out and counted`() {
        var snapshot = MetricSnapshot(seriesMax: 10)
        for i in 0..<15 { snapshot.add(.promptTokens, ["m\(i)"], count: 1) }
        #expect(snapshot.total(.promptTokens) == 10)
        #expect(snapshot.seriesDropped == 5)
        let text = Self.page(snapshot, .prometheusText004)
        #expect(text.contains("sluice_metrics_observations_lost_total 5\n"))
        #expect(text.contains("sluice_metrics_series_max 10\n"))
    }

    @Test(arguments: [
        ("", ExpositionFormat.prometheusText004), ("*/*", .prometheusText004),
        ("text/plain;version=0.0.4;q=0.5,*/*;q=0.1", .prometheusText004),
        ("Application/OpenMetrics-Text;version=1.0.0,text/plain;q=0.5", .openMetrics),
        ("application/openmetrics-text; version=1.0.0; q=0.5, text/plain", .prometheusText004),
        ("application/openmetrics-text;q=0", .prometheusText004),
        (
            "application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=delimited,application/openmetrics-text;version=1.0.0;q=0.8,*/*;q=0.2",
            .protobuf
        ),
        (
            "application/openmetrics-text;q=0.6,application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=delimited;q=0.5",
            .openMetrics
        ),
        // Another message, or another way to put several behind each other.
        ("application/vnd.google.protobuf;proto=a.B;encoding=delimited", .prometheusText004),
        (
            "application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=text",
            .prometheusText004
        ),
        (String(repeating: ",;=q", count: 10_000), .prometheusText004),
    ])
    func `a scraper gets the format it likes best`(accept: String, format: ExpositionFormat) {
        #expect(ExpositionFormat(accept: accept) == format)
    }
}
