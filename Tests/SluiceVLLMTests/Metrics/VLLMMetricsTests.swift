import SluiceBytes
import SluiceTelemetry
import SluiceVLLM
import Testing

@Suite struct VLLMMetricsTests {
    static func read(_ page: [UInt8], cutEvery size: Int = .max) -> ReplicaMetrics {
        var reader = VLLMMetrics()
        var start = 0
        while start < page.count {
            let end = start + min(size, page.count - start)
            reader.feed(page.span.extracting(start..<end))
            start = end
        }
        return reader.finish()
    }

    static func read(_ page: String) -> ReplicaMetrics { read(Array(page.utf8)) }

    static let pages = ["metrics-fresh.txt", "metrics-idle.txt", "metrics-loaded.txt"]

    @Test func `a loaded replica says everything`() throws {
        let metrics = Self.read(try VLLMFixture.bytes("metrics-loaded.txt"))
        var expected = ReplicaMetrics()
        expected.waiting = 12
        expected.waitingDeferred = 0
        expected.running = 4
        expected.kvUsage = 0.0009766817238432424
        expected.iterationTokensCount = 2_097
        expected.prefixCacheQueries = 890
        expected.prefixCacheHits = 0
        expected.promptTokens = 890
        expected.generationTokens = 5_897
        expected.preemptions = 0
        expected.isSleeping = false
        expected.kvTokensMax = 1_048_576
        expected.requestGenerationTokens = HistogramTotals(sum: 52, count: 10)
        expected.interTokenLatency = HistogramTotals(sum: 51.67194801099936, count: 5_871)
        expected.queueTime = HistogramTotals(sum: 0.0003292970006896212, count: 10)
        expected.prefillTime = HistogramTotals(sum: 4.328507476999675, count: 10)
        #expect(metrics == expected)
    }

    @Test(arguments: pages)
    func `a real page reads the same however it is cut`(name: String) throws {
        let page = try VLLMFixture.bytes(name)
        let whole = Self.read(page)
        #expect(whole.missing.isEmpty)
        #expect(whole.badSamples == 0)
        #expect(whole.badLines == 0)
        for size in [1, 2, 3, 7, 61, 1_460, 16_384] {
            #expect(Self.read(page, cutEvery: size) == whole, "cut every \(size)")
        }
    }

    @Test func `of the label sets of LoRA adapters that linger the newest counts`() {
        let page = """
            vllm:lora_requests_info{max_lora="4",running_lora_adapters="old",waiting_lora_adapters=""} 1.7e+09
            vllm:lora_requests_info{max_lora="2",running_lora_adapters="sql,chat",waiting_lora_adapters="x"} 1.7e+09
            vllm:lora_requests_info{max_lora="4",running_lora_adapters="older",waiting_lora_adapters=""} 1.6e+09
            """
        let metrics = Self.read(page)
        #expect(metrics.runningAdapters == ["sql", "chat"] && metrics.runningAdaptersMax == 2)
        for size in [1, 7, 60] { #expect(Self.read(Array(page.utf8), cutEvery: size) == metrics) }
    }

    @Test(arguments: [
        (#"running_lora_adapters="",max_lora="1"} 1.7e9"#, [String]?.some([]), 0),
        (#"running_lora_adapters="a",max_lora="x"} 1.7e9"#, ["a"], 0),
        (#"running_lora_adapters=",,a,"} 1.7e9"#, ["a"], 0),
        (#"max_lora="1"} 1.7e9"#, nil, 1),
        (#"running_lora_adapters="a"} NaN"#, nil, 1),
        (#"running_lora_adapters="a"} 0"#, nil, 1),
    ])
    func `a page says which adapters run, or nothing`(
        rest: String, running: [String]?, bad: Int
    ) {
        let metrics = Self.read("vllm:lora_requests_info{\(rest)\n")
        #expect(metrics.runningAdapters == running && metrics.badSamples == bad)
    }

    @Test func `adapters read of a page are bounded`() {
        let names = (0..<1_000).map { "adapter-\($0)" }.joined(separator: ",")
        let metrics = Self.read(
            "vllm:lora_requests_info{running_lora_adapters=\"\(names)\"} 1.7e9\n")
        #expect(metrics.runningAdapters?.count == ReplicaMetrics.adaptersMax)
    }

    @Test func `one cut at any byte changes nothing`() {
        let page = Array(
            """
            # HELP vllm:num_requests_waiting x
            vllm:num_requests_waiting{engine="0",model_name="a\\"}b"} 3.0\r
            vllm:num_requests_running{engine="0"} 4 1700000000000
            vllm:kv_cache_usage_perc{engine="0"} 5e-1
            """.utf8)
        let whole = Self.read(page)
        #expect(whole.waiting == 3 && whole.running == 4 && whole.kvUsage == 0.5)
        for cut in 0...page.count {
            var reader = VLLMMetrics()
            reader.feed(page.span.extracting(0..<cut))
            reader.feed(page.span.extracting(cut..<page.count))
            let metrics = reader.finish()
            #expect(metrics == whole, "cut at \(cut)")
        }
    }

    @Test func `a page without log stats misses every signal and none is zero`() {
        let metrics = Self.read("python_info 1.0\nhttp_requests_total{status=\"2xx\"} 3.0\n")
        #expect(metrics.isEmpty)
        #expect(metrics.waiting == nil)
        #expect(metrics.isSleeping == nil)
        for signal in Signal.allCases { #expect(metrics.missing.contains(signal)) }
        #expect(metrics.missing.count == Signal.allCases.count)
    }

    @Test func `engines are summed and the fullest cache speaks for all`() {
        let metrics = Self.read(
            """
            vllm:num_requests_waiting{engine="0"} 3
            vllm:num_requests_waiting{engine="1"} 4
            vllm:num_requests_running{engine="0"} 10
            vllm:num_requests_running{engine="1"} 20
            vllm:kv_cache_usage_perc{engine="0"} 0.25
            vllm:kv_cache_usage_perc{engine="1"} 0.75
            vllm:kv_cache_usage_perc{engine="2"} 0.5
            vllm:iteration_tokens_total_count{engine="0"} 7
            vllm:iteration_tokens_total_count{engine="1"} 8
            vllm:cache_config_info{block_size="16",engine="0",num_gpu_blocks="100"} 1
            vllm:cache_config_info{block_size="16",engine="1",num_gpu_blocks="200"} 1
            vllm:num_preemptions_total{engine="0"} 2
            vllm:num_preemptions_total{engine="1"} 3
            """)
        #expect(metrics.waiting == 7)
        #expect(metrics.running == 30)
        #expect(metrics.kvUsage == 0.75)
        #expect(metrics.iterationTokensCount == 15)
        #expect(metrics.kvTokensMax == 4_800)
        #expect(metrics.preemptions == 5)
        #expect(metrics.waitingDeferred == nil)
        #expect(metrics.missing.contains(.waitingDeferred))
    }

    @Test func `deferred requests are not queue pressure`() {
        let metrics = Self.read(
            """
            vllm:num_requests_waiting{engine="0"} 9
            vllm:num_requests_waiting_by_reason{engine="0",reason="capacity"} 4
            vllm:num_requests_waiting_by_reason{engine="0",reason="deferred"} 5
            """)
        #expect(metrics.waiting == 4)
        #expect(metrics.waitingDeferred == 5)
        let reasonsOnly = Self.read(
            """
            vllm:num_requests_waiting_by_reason{engine="0",reason="capacity"} 4
            vllm:num_requests_waiting_by_reason{engine="1",reason="capacity"} 1
            vllm:num_requests_waiting_by_reason{engine="0",reason="deferred"} 5
            """)
        #expect(reasonsOnly.waiting == 5)
        // The gauges of one page may be of two engine steps.
        let torn = Self.read(
            """
            vllm:num_requests_waiting 1
            vllm:num_requests_waiting_by_reason{reason="deferred"} 5
            """)
        #expect(torn.waiting == 0)
    }

    @Test(arguments: ["vllm:", "vllm_"])
    func `both spellings and the names of older releases are read`(prefix: String) {
        let metrics = Self.read(
            """
            \(prefix)gpu_cache_usage_perc 0.5
            \(prefix)gpu_prefix_cache_queries_total 10
            \(prefix)gpu_prefix_cache_hits_total 6
            \(prefix)time_per_output_token_seconds_sum 1.5
            \(prefix)time_per_output_token_seconds_count 30
            \(prefix)request_generation_tokens_sum 100
            \(prefix)request_generation_tokens_count 4
            \(prefix)generation_tokens_total 101
            \(prefix)prompt_tokens_total 102
            """)
        #expect(metrics.kvUsage == 0.5)
        #expect(metrics.prefixCacheQueries == 10)
        #expect(metrics.prefixCacheHits == 6)
        #expect(metrics.interTokenLatency == HistogramTotals(sum: 1.5, count: 30))
        #expect(metrics.requestGenerationTokens == HistogramTotals(sum: 100, count: 4))
        #expect(metrics.generationTokens == 101)
        #expect(metrics.promptTokens == 102)
    }

    @Test func `a metric under two names is counted once, in whatever order`() {
        let lines = [
            "vllm:prefix_cache_hits_total 1", "vllm_prefix_cache_hits_total 2",
            "vllm:gpu_prefix_cache_hits_total 4", "vllm:num_requests_running 8",
            "vllm_num_requests_running 16", "vllm:inter_token_latency_seconds_sum 1",
            "vllm:inter_token_latency_seconds_count 2",
            "vllm:time_per_output_token_seconds_sum 4",
            "vllm:time_per_output_token_seconds_count 8",
        ]
        for page in [lines, lines.reversed()] {
            let metrics = Self.read(page.joined(separator: "\n"))
            #expect(metrics.prefixCacheHits == 1)
            #expect(metrics.running == 8)
            #expect(metrics.interTokenLatency == HistogramTotals(sum: 1, count: 2))
        }
    }

    @Test func `a sum is never paired with the count of another metric`() {
        let metrics = Self.read(
            """
            vllm:inter_token_latency_seconds_sum 1
            vllm:time_per_output_token_seconds_count 8
            """)
        #expect(metrics.interTokenLatency == nil)
        #expect(metrics.missing.contains(.interTokenLatency))
    }

    @Test(arguments: ["NaN", "+Inf", "-Inf", "-1", "1e308", "9007199254740993e3", "1e999"])
    func `an unbelievable sample is counted and makes its signal absent`(value: String) {
        let metrics = Self.read(
            """
            vllm:num_requests_running{engine="0"} 5
            vllm:num_requests_running{engine="1"} \(value)
            vllm:num_requests_waiting{engine="0"} 2
            vllm:kv_cache_usage_perc{engine="0"} \(value)
            vllm:engine_sleep_state{sleep_state="awake"} \(value)
            """)
        #expect(metrics.running == nil)
        #expect(metrics.missing.contains(.running))
        #expect(metrics.kvUsage == nil)
        #expect(metrics.waiting == 2)
        #expect(metrics.badSamples + metrics.badLines >= 2)
    }

    @Test func `the largest value believed is two to the fifty-third, sums included`() {
        let atLimit = Self.read("vllm:num_requests_running 9007199254740992")
        #expect(atLimit.running.map { Int($0) } == 9_007_199_254_740_992)
        let over = Self.read(
            """
            vllm:num_requests_running{engine="0"} 9007199254740992
            vllm:num_requests_running{engine="1"} 2
            """)
        #expect(over.running == nil)
        #expect(over.badSamples == 1)
    }

    @Test func `cache use is a share, one at most`() {
        #expect(Self.read("vllm:kv_cache_usage_perc 1.0").kvUsage == 1)
        let percent = Self.read("vllm:kv_cache_usage_perc 42")
        #expect(percent.kvUsage == nil)
        #expect(percent.badSamples == 1)
    }

    @Test(arguments: [
        (#"sleep_state="weights_offloaded""#, true), (#"sleep_state="discard_all""#, true),
        (#"sleep_state="awake""#, false), ("", false),
    ])
    func `only a state other than awake says that it sleeps`(labels: String, isSleeping: Bool) {
        let metrics = Self.read("vllm:engine_sleep_state{\(labels)} 1.0")
        #expect(metrics.isSleeping == isSleeping)
    }

    @Test(arguments: [
        #"block_size="16",num_gpu_blocks="None""#, #"block_size="16""#, "",
        #"block_size="-4",num_gpu_blocks="-4""#, #"block_size="0",num_gpu_blocks="9""#,
        #"block_size="1e200",num_gpu_blocks="1e200""#, #"block_size="nan",num_gpu_blocks="2""#,
    ])
    func `a cache without a usable geometry has no size`(labels: String) {
        let metrics = Self.read("vllm:cache_config_info{\(labels)} 1.0")
        #expect(metrics.kvTokensMax == nil)
        #expect(metrics.missing.contains(.kvTokens))
    }

    @Test func `names that only resemble a wanted one are passed over`() {
        let metrics = Self.read(
            """
            vllm:num_requests_waitinG 1
            vllm-num_requests_running 1
            xllm:num_requests_running 1
            vllm:num_requests_running_ 1
            vllm:iteration_tokens_total_sum 1
            vllm:inter_token_latency_seconds_bucket{le="+Inf"} 1
            vllm:external_prefix_cache_hits_total 1
            vllm:request_time_per_output_token_seconds_sum 1
            v 1
            vllm: 1
            """)
        #expect(metrics.isEmpty)
    }

    @Test func `one reader serves page after page`() {
        var reader = VLLMMetrics()
        let page = Array("vllm:num_requests_running 5\n".utf8)
        reader.feed(page.span)
        let first = reader.finish()
        reader.feed(page.span)
        let second = reader.finish()
        #expect(first == second && first.running == 5)
        reader.feed(page.span.extracting(0..<10))
        reader.reset()
        let nothing = reader.finish()
        #expect(nothing.isEmpty)
    }

    @Test func `no page of garbage stops the reader`() throws {
        var random = SystemRandomNumberGenerator()
        let page = try VLLMFixture.bytes("metrics-loaded.txt")
        for _ in 0..<30 {
            var broken = page
            for _ in 0..<2_000 {
                broken[Int.random(in: 0..<page.count, using: &random)] =
                    UInt8.random(in: 0...255, using: &random)
            }
            let metrics = Self.read(broken)
            for value in [metrics.waiting, metrics.running, metrics.kvTokensMax] {
                #expect(value.map { Int($0) >= 0 } ?? true)
            }
        }
    }

    @Test func `labels of signals are distinct snake case words`() {
        let labels = Signal.allCases.map { "\($0.label)" }
        #expect(Set(labels).count == labels.count)
        #expect(labels.allSatisfy { $0.allSatisfy { $0 == "_" || $0.isLowercase } })
    }
}
