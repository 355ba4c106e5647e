import Testing

@testable import SluiceSimulation

/// What an operator has measured becomes the law of a step.
@Suite struct EngineFitTests {
    private let context = 700.0

    private func tokensPerSecond(_ engine: EngineParameters, _ sequences: Double) -> Double {
        sequences / EngineFit.step(engine, sequences: sequences, context) * 1_000
    }

    @Test func `two points are met exactly`() throws {
        var engine = EngineParameters()
        try EngineFit("1:80,64:2500").apply(to: &engine, contextTokens: context)
        #expect(abs(tokensPerSecond(engine, 1) - 80) < 0.01)
        #expect(abs(tokensPerSecond(engine, 64) - 2_500) < 0.01)
        #expect(engine.decodeMilliseconds >= 0)
    }

    @Test func `points of a known law give the law back`() throws {
        var known = EngineParameters()
        known.stepBaseMilliseconds = 7
        known.decodeMilliseconds = 0.3
        let points = [1.0, 16, 64, 128].map {
            StepPoint(sequences: $0, tokensPerSecond: tokensPerSecond(known, $0))
        }
        var fit = EngineFit()
        fit.points = points
        var engine = EngineParameters()
        try fit.apply(to: &engine, contextTokens: context)
        #expect(abs(engine.stepBaseMilliseconds - 7) < 1e-6)
        #expect(abs(engine.decodeMilliseconds - 0.3) < 1e-6)
    }

    @Test func `one point scales the default law`() throws {
        var engine = EngineParameters()
        try EngineFit("32:4000").apply(to: &engine, contextTokens: context)
        #expect(abs(tokensPerSecond(engine, 32) - 4_000) < 0.01)
        let ratio = engine.decodeMilliseconds / engine.stepBaseMilliseconds
        #expect(abs(ratio - Study.decodeMilliseconds / Study.stepBaseMilliseconds) < 1e-9)
    }

    @Test func `a prefill rate is that of full steps`() throws {
        var engine = EngineParameters()
        try EngineFit("prefill:20000").apply(to: &engine, contextTokens: context)
        let step = engine.stepBaseMilliseconds + engine.prefillTokenMilliseconds * 2_048
        #expect(abs(2_048 / step * 1_000 - 20_000) < 0.01)
        // One so quick that the base alone is slower still costs something.
        try EngineFit("prefill:1e9").apply(to: &engine, contextTokens: context)
        #expect(engine.prefillTokenMilliseconds > 0)
    }

    @Test func `points that no step law gives are refused with the law they give`() {
        var engine = EngineParameters()
        for text in ["1:100,64:6500", "1:100,64:50000"] {
            let error = #expect(throws: PlanTextError.self) {
                try EngineFit(text).apply(to: &engine, contextTokens: context)
            }
            #expect(error?.description.contains("ms · sequences") == true)
        }
        #expect(engine == EngineParameters())
    }

    @Test(arguments: ["", "1", "1:", "0:10", "1:0", "1:-5", "prefill", "prefill:x", "1:2:3", "a:1"])
    func `what is no point is refused`(text: String) {
        #expect(throws: PlanTextError.self) { try EngineFit(text) }
    }

    // MARK: A page

    /// 10 s of 8 sequences at 20 ms a step, and 100 requests of 256 … 512 prompt tokens.
    private static let page = """
        # TYPE vllm:inter_token_latency_seconds histogram
        vllm:inter_token_latency_seconds_sum{engine="0"} 80
        vllm:inter_token_latency_seconds_count{engine="0"} 4000
        vllm:generation_tokens_total{engine="0"} 4000
        vllm:iteration_tokens_total_count{engine="0"} 500
        vllm:request_prefill_time_seconds_sum{engine="0"} 4
        vllm:request_prefill_time_seconds_count{engine="0"} 100
        vllm:prompt_tokens_total{engine="0"} 40000
        vllm:cache_config_info{block_size="16",num_gpu_blocks="5000"} 1
        vllm:request_prompt_tokens_bucket{le="128.0"} 0
        vllm:request_prompt_tokens_bucket{le="512.0"} 100
        vllm:request_prompt_tokens_bucket{le="+Inf"} 100
        vllm:request_generation_tokens_bucket{le="64.0"} 3
        vllm:request_generation_tokens_bucket{le="+Inf"} 3

        """

    @Test func `a metrics page gives a point, cache and lengths`() throws {
        let fit = try MetricsPageFit(page: Array(Self.page.utf8))
        #expect(fit.engine.points == [StepPoint(sequences: 8, tokensPerSecond: 400)])
        #expect(fit.engine.promptTokensPerSecond.map { abs($0 - 20_000) < 1 } == true)
        #expect(fit.cacheTokens == 80_000)
        #expect(fit.prompts?.median == 320)
        #expect(fit.prompts?.tokensMax == 512)
        // Three answers say nothing about their lengths.
        #expect(fit.outputs == nil)
    }

    @Test(arguments: [
        "", "no page\n", "vllm:inter_token_latency_seconds_sum 1\n",
        "vllm:generation_tokens_total NaN\nvllm:iteration_tokens_total_count 1e999\n",
    ])
    func `a page of a replica that has not worked is refused`(page: String) {
        let error = #expect(throws: PlanTextError.self) {
            try MetricsPageFit(page: Array(page.utf8))
        }
        #expect(error?.description.contains("vllm:inter_token_latency_seconds") == true)
    }
}
