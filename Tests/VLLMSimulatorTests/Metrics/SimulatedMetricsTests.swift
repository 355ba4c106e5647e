import SluiceBytes
import SluiceTime
import SluiceSimulation
import Testing

@testable import VLLMSimulator

/// The page `/metrics` against the captures, and what may be counted when.
@Suite struct SimulatedMetricsTests {
    static let start = Instant(nanoseconds: 1_000_000_000)

    /// Parameters of the server the captures come from.
    static var captured: EngineParameters {
        var parameters = EngineParameters()
        parameters.sequencesMax = 4
        parameters.modelLengthMax = 2_048
        parameters.blockTokens = 128
        parameters.cacheTokensMax = 128 * 8_192
        parameters.keepsPrefixes = true
        return parameters
    }

    static func fresh() -> SimulatedMetrics {
        SimulatedMetrics(model: "tiny", parameters: captured, startSeconds: 1.795227036e9)
    }

    static func page(_ metrics: SimulatedMetrics) -> String {
        var buffer = ByteBuffer()
        metrics.append(to: &buffer)
        return buffer.text()
    }

    /// Lines without their values; comment lines stay whole.
    static func shape(_ page: String) -> [String] {
        page.split(separator: "\n").map { line in
            guard !line.hasPrefix("#"), let space = line.lastIndex(of: " ") else {
                return String(line)
            }
            return String(line[..<space])
        }
    }

    static func value(_ series: String, in page: String) -> String? {
        page.split(separator: "\n").first { $0.hasPrefix(series + " ") }?
            .split(separator: " ").last.map(String.init)
    }

    static func recordModels(_ metrics: inout SimulatedMetrics) {
        metrics.recordHTTP(
            path: "/v1/models", method: "GET", status: 200, requestBytes: 0, responseBytes: 459,
            duration: .milliseconds(2), wallSeconds: 1.795227074e9)
    }

    @Test func `a fresh server's page has the capture's lines, in its order, but for the values`()
        throws
    {
        var metrics = Self.fresh()
        Self.recordModels(&metrics)
        let ours = Self.shape(Self.page(metrics))
        let theirs = Self.shape(try Fixture.text("metrics-fresh.txt"))
        #expect(ours.count == theirs.count)
        for (mine, real) in zip(ours, theirs) { #expect(mine == real) }
    }

    @Test func `a used server's page has the lines of the used capture`() throws {
        var metrics = Self.fresh()
        Self.recordModels(&metrics)
        let requests = [
            ("/openapi.json", "GET", 200), ("/v1/chat/completions", "POST", 200),
            ("/v1/chat/completions", "POST", 404), ("/nope", "GET", 404),
            ("/v1/chat/completions", "GET", 405), ("/v1/completions", "POST", 200),
            ("/metrics", "GET", 200), ("/health", "GET", 200), ("/load", "GET", 200),
        ]
        for (path, method, status) in requests {
            metrics.recordHTTP(
                path: path, method: method, status: status, requestBytes: 10, responseBytes: 10,
                duration: .milliseconds(200), wallSeconds: 1.795227075e9)
        }
        let page = Self.page(metrics)
        let ours = Self.shape(page)
        let theirs = Self.shape(try Fixture.text("metrics-loaded.txt"))
        #expect(ours.count == theirs.count)
        for (mine, real) in zip(ours, theirs) { #expect(mine == real) }
        let unknown = #"http_requests_total{handler="none",method="GET",status="4xx"}"#
        #expect(Self.value(unknown, in: page) == "2.0")
    }

    @Test func `values of a fresh server equal the capture's where nothing has happened`() throws {
        var metrics = Self.fresh()
        Self.recordModels(&metrics)
        func kept(_ page: String) -> [String] {
            page.split(separator: "\n").map(String.init).filter {
                $0.hasPrefix("vllm:") && !$0.contains("_created")
            }
        }
        let ours = kept(Self.page(metrics))
        let theirs = kept(try Fixture.text("metrics-fresh.txt"))
        #expect(ours == theirs)
    }

    @Test(arguments: [
        (0.0, "0.0"), (1, "1.0"), (34.43, "34.43"), (999_999, "999999.0"), (1_000_000, "1e+06"),
        (1_040_240_640, "1.04024064e+09"), (1.7952270366446416e9, "1.7952270366446416e+09"),
        (4_546_424_832, "4.546424832e+09"), (0.0009766817238432424, "0.0009766817238432424"),
        (1e-5, "1e-05"), (.infinity, "+Inf"), (.nan, "NaN"),
    ])
    func `numbers are written as the Python client writes them`(number: Double, text: String) {
        #expect(MetricText.number(number) == text)
    }

    @Test func `label values are escaped`() {
        let metrics = SimulatedMetrics(
            model: "a\"b\\c\nd", parameters: Self.captured, startSeconds: 0)
        #expect(Self.page(metrics).contains(#"model_name="a\"b\\c\nd""#))
    }

    /// All steps of the engine until it is idle.
    static func steps(_ engine: inout EngineModel, from now: Instant) -> [EngineStep] {
        var steps = [engine.step(now)]
        while let next = steps.last?.next, steps.count < 1_000 { steps.append(engine.step(next)) }
        return steps
    }

    @Test func `token buckets follow the model length`() {
        #expect(SimulatedHistogram.tokenBounds(upTo: 16_384).last == 10_000)
        #expect(SimulatedHistogram.tokenBounds(upTo: 2_048).last == 2_000)
    }

    @Test func `a finished request leaves one sample everywhere, and its tokens are counted`() {
        var engine = EngineModel(parameters: Self.captured)
        var metrics = Self.fresh()
        _ = engine.submit(EngineRequest(promptTokens: 19, outputTokens: 12), now: Self.start)
        metrics.observe(EngineStep())
        for emission in Self.steps(&engine, from: Self.start) {
            metrics.observe(emission)
        }
        let page = Self.page(metrics)
        let labels = #"{engine="0",model_name="tiny"}"#
        #expect(Self.value("vllm:prompt_tokens_total" + labels, in: page) == "19.0")
        #expect(Self.value("vllm:generation_tokens_total" + labels, in: page) == "12.0")
        #expect(Self.value("vllm:iteration_tokens_total_sum" + labels, in: page) == "31.0")
        #expect(Self.value("vllm:iteration_tokens_total_count" + labels, in: page) == "12.0")
        #expect(Self.value("vllm:inter_token_latency_seconds_count" + labels, in: page) == "11.0")
        for name in [
            "time_to_first_token_seconds", "e2e_request_latency_seconds",
            "request_queue_time_seconds", "request_prefill_time_seconds",
            "request_decode_time_seconds", "request_inference_time_seconds",
            "request_time_per_output_token_seconds", "request_prompt_tokens",
            "request_generation_tokens", "request_params_max_tokens", "request_params_n",
        ] {
            #expect(Self.value("vllm:\(name)_count" + labels, in: page) == "1.0", "\(name)")
        }
        #expect(metrics.finishedCount(.length) == 1)
    }

    @Test func `an abandoned request leaves no sample, and one that still runs no queue time`() {
        var engine = EngineModel(parameters: Self.captured)
        var metrics = Self.fresh()
        var ids: [EngineRequestID] = []
        for _ in 0..<6 {
            ids.append(
                engine.submit(EngineRequest(promptTokens: 19, outputTokens: 50), now: Self.start))
        }
        let first = engine.step(Self.start)
        let second = engine.step(first.next ?? Self.start)
        metrics.observe(first)
        metrics.observe(second)
        #expect(second.emissions.count == 4)
        #expect(metrics.queueTimeCount == 0)
        // One that had begun, and one that waited.
        engine.abort(ids[0])
        engine.abort(ids[5])
        for step in Self.steps(&engine, from: second.next ?? Self.start) {
            metrics.observe(step)
        }
        let page = Self.page(metrics)
        let labels = #"{engine="0",model_name="tiny"}"#
        #expect(metrics.queueTimeCount == 4)
        #expect(metrics.finishedCount(.length) == 4)
        #expect(metrics.finishedCount(.abort) == 0)
        #expect(Self.value("vllm:e2e_request_latency_seconds_count" + labels, in: page) == "4.0")
        // Its first token had come out before; vLLM has counted it then.
        #expect(Self.value("vllm:time_to_first_token_seconds_count" + labels, in: page) == "5.0")
    }
}
