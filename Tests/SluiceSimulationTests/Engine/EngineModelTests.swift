import SluiceBytes
import SluiceTime
import Testing

@testable import SluiceSimulation

/// The step model, by hand-moved clock.
@Suite struct EngineModelTests {
    static let start = Instant(nanoseconds: 1_000_000_000)

    /// Runs the engine from `now` until it has nothing left to do.
    static func drain(_ engine: inout EngineModel, from now: Instant = start) -> [EngineEmission] {
        steps(&engine, from: now).flatMap(\.emissions)
    }

    /// The same, step by step.
    static func steps(_ engine: inout EngineModel, from now: Instant) -> [EngineStep] {
        var steps: [EngineStep] = []
        var now = now
        for _ in 0..<100_000 {
            steps.append(engine.step(now))
            guard let next = steps.last?.next else { return steps }
            now = next
        }
        Issue.record("the engine never became idle")
        return steps
    }

    static func milliseconds(_ span: Nanoseconds?) -> Double {
        ((span?.milliseconds ?? -1) * 1e6).rounded() / 1e6
    }

    @Test func `a lone request pays the base, its prefill, then a step per token`() {
        var engine = EngineModel()
        let id = engine.submit(
            EngineRequest(promptTokens: 100, outputTokens: 3), now: Self.start)
        let emissions = Self.drain(&engine)
        #expect(emissions.map(\.id) == [id, id, id])
        #expect(emissions.map(\.tokensSoFar) == [1, 2, 3])
        #expect(Self.milliseconds(emissions[0].timeToFirstToken) == 14)
        #expect(Self.milliseconds(emissions[1].gap) == 10.123)
        #expect(Self.milliseconds(emissions[2].gap) == 10.12303)
        let finish = emissions[2].finish
        #expect(finish?.reason == .length)
        #expect(finish?.generatedTokens == 3)
        #expect(finish?.scheduled == Self.start)
        #expect(engine.count == 0)
        #expect(engine.cacheTokens == 0)
        #expect(engine.snapshot == EngineSnapshot())
    }

    @Test func `a prompt longer than the token budget is prefilled in chunks`() {
        var engine = EngineModel()
        _ = engine.submit(EngineRequest(promptTokens: 5_000, outputTokens: 1), now: Self.start)
        let emissions = Self.drain(&engine)
        // 2048 + 2048 + 904 tokens, with 0, 2048 and 4096 of them in the cache already.
        let expected = 30 + 0.04 * 5_000 + 3e-5 * (2_048 + 4_096)
        #expect(
            Self.milliseconds(emissions[0].timeToFirstToken) == (expected * 1e6).rounded() / 1e6)
    }

    @Test func `decodes take their share of the budget before any prefill`() {
        var engine = EngineModel()
        _ = engine.submit(EngineRequest(promptTokens: 10, outputTokens: 50), now: Self.start)
        let first = engine.step(Self.start)
        let second = first.next ?? Self.start
        _ = engine.submit(EngineRequest(promptTokens: 2_048, outputTokens: 1), now: second)
        let step = engine.step(second)
        // 1 decode and 2047 prompt tokens fill the budget of 2048; the last waits for a step more.
        let span = (step.next ?? second) - second
        #expect(Self.milliseconds(span) == 10 + 0.12 + 0.04 * 2_047 + 3e-5 * 10)
        let emissions = Self.drain(&engine, from: second)
        #expect(emissions.count { $0.promptTokens == 2_048 } == 1)
        #expect(emissions[1].timeToFirstToken == nil)
    }

    @Test func `beyond the slots requests wait, and the gauges say so once per step`() {
        var parameters = EngineParameters()
        parameters.sequencesMax = 4
        var engine = EngineModel(parameters: parameters)
        for _ in 0..<16 {
            _ = engine.submit(EngineRequest(promptTokens: 20, outputTokens: 30), now: Self.start)
        }
        #expect(engine.snapshot.waiting == 0)
        let first = engine.step(Self.start)
        #expect(engine.snapshot.running == 0)
        _ = engine.step(first.next ?? Self.start)
        #expect(engine.snapshot.running == 4)
        #expect(engine.snapshot.waiting == 12)
        #expect(engine.snapshot.cacheUsage > 0)
        let emissions = Self.drain(&engine, from: (first.next ?? Self.start) + .milliseconds(1))
        #expect(emissions.count { $0.finish != nil } == 16)
    }

    @Test func `a full cache preempts the newest, which computes its prompt and output again`() {
        var parameters = EngineParameters()
        parameters.cacheTokensMax = 100
        var engine = EngineModel(parameters: parameters)
        let older = engine.submit(
            EngineRequest(promptTokens: 40, outputTokens: 40), now: Self.start)
        let newer = engine.submit(
            EngineRequest(promptTokens: 40, outputTokens: 40), now: Self.start)
        var preemptions = 0
        var emissions: [EngineEmission] = []
        var now: Instant? = Self.start
        while let instant = now {
            let step = engine.step(instant)
            preemptions += step.preemptions
            emissions += step.emissions
            #expect(engine.cacheTokens <= 100)
            now = step.next
        }
        #expect(preemptions == 1)
        let finishes = emissions.filter { $0.finish != nil }.map(\.id)
        #expect(finishes == [older, newer])
        #expect(emissions.count { $0.id == newer } == 40)
        // The prompt is counted once, and there is one first token.
        #expect(emissions.count { $0.promptTokens > 0 } == 2)
        #expect(emissions.count { $0.timeToFirstToken != nil } == 2)
    }

    @Test func `an aborted request frees its slot and its cache and says nothing more`() {
        var parameters = EngineParameters()
        parameters.sequencesMax = 1
        var engine = EngineModel(parameters: parameters)
        let first = engine.submit(
            EngineRequest(promptTokens: 10, outputTokens: 100), now: Self.start)
        let second = engine.submit(
            EngineRequest(promptTokens: 10, outputTokens: 2), now: Self.start)
        let third = engine.submit(EngineRequest(promptTokens: 10, outputTokens: 2), now: Self.start)
        _ = engine.step(Self.start)
        engine.abort(first)
        engine.abort(third)
        engine.abort(third)
        let emissions = Self.drain(&engine)
        #expect(emissions.map(\.id) == [second, second])
        #expect(engine.cacheTokens == 0)
    }

    @Test func `a known prefix is not computed again, but for the last token`() {
        var parameters = EngineParameters()
        parameters.keepsPrefixes = true
        var engine = EngineModel(parameters: parameters)
        var request = EngineRequest(promptTokens: 1_000, outputTokens: 1)
        request.prefixes = [PrefixLink(key: 7, tokens: 800), PrefixLink(key: 8, tokens: 1_000)]
        _ = engine.submit(request, now: Self.start)
        let cold = Self.drain(&engine)
        _ = engine.submit(request, now: Self.start + .seconds(1))
        let warm = Self.drain(&engine, from: Self.start + .seconds(1))
        request.prefixes[1] = PrefixLink(key: 9, tokens: 1_000)
        _ = engine.submit(request, now: Self.start + .seconds(2))
        let partly = Self.drain(&engine, from: Self.start + .seconds(2))
        #expect(cold[0].cachedTokens == 0)
        #expect(warm[0].cachedTokens == 992)
        #expect(partly[0].cachedTokens == 800)
        // Eight tokens to compute, beside 992 that lie in the cache.
        #expect(Self.milliseconds(warm[0].timeToFirstToken) == 10 + 0.04 * 8 + 3e-5 * 992)
    }

    @Test func `priority orders the queue only where the scheduler honours it`() {
        for honours in [false, true] {
            var parameters = EngineParameters()
            parameters.sequencesMax = 1
            parameters.honoursPriority = honours
            var engine = EngineModel(parameters: parameters)
            var ids: [EngineRequestID] = []
            for priority in [3, 1, 2] {
                var request = EngineRequest(promptTokens: 1, outputTokens: 1)
                request.priority = priority
                ids.append(engine.submit(request, now: Self.start))
            }
            let order = Self.drain(&engine).map(\.id)
            #expect(order == (honours ? [ids[1], ids[2], ids[0]] : ids))
        }
    }

    @Test func `speed and the slow factor scale every step`() {
        var parameters = EngineParameters()
        parameters.speed = 100
        var engine = EngineModel(parameters: parameters)
        engine.slowFactor = 3
        _ = engine.submit(EngineRequest(promptTokens: 100, outputTokens: 1), now: Self.start)
        let emissions = Self.drain(&engine)
        #expect(Self.milliseconds(emissions[0].timeToFirstToken) == 0.42)
    }

    @Test func `the same calls give the same results`() {
        func run() -> [EngineEmission] {
            var parameters = EngineParameters()
            parameters.cacheTokensMax = 2_000
            var engine = EngineModel(parameters: parameters)
            var generator = SplitMix64(seed: 3)
            for _ in 0..<100 {
                let prompt = Int(generator.next() % 500) + 1
                let output = Int(generator.next() % 200) + 1
                _ = engine.submit(
                    EngineRequest(promptTokens: prompt, outputTokens: output), now: Self.start)
            }
            return Self.drain(&engine)
        }
        let first = run()
        let second = run()
        #expect(first == second)
        #expect(first.count { $0.finish != nil } == 100)
    }

    @Test func `a frozen engine takes requests, gives nothing, and its gauges stand still`() {
        var engine = EngineModel()
        _ = engine.submit(EngineRequest(promptTokens: 10, outputTokens: 2), now: Self.start)
        let first = engine.step(Self.start)
        _ = engine.step(first.next ?? Self.start)
        let before = engine.snapshot
        engine.setFrozen(true, now: Self.start)
        let late = engine.submit(
            EngineRequest(promptTokens: 10, outputTokens: 2), now: Self.start + .seconds(1))
        let silent = engine.step(Self.start + .seconds(60))
        #expect(silent == EngineStep())
        #expect(engine.snapshot == before)
        engine.setFrozen(false, now: Self.start + .seconds(61))
        let emissions = Self.drain(&engine, from: Self.start + .seconds(61))
        #expect(emissions.count { $0.finish != nil } == 2)
        #expect(emissions.last?.id == late)
    }

    @Test func `a late caller gets the steps it missed, but none before its request came`() {
        var engine = EngineModel()
        _ = engine.submit(EngineRequest(promptTokens: 10, outputTokens: 5), now: Self.start)
        _ = engine.step(Self.start)
        let late = Self.start + .seconds(5)
        let id = engine.submit(
            EngineRequest(promptTokens: 10, outputTokens: 1), now: late - .milliseconds(1))
        let step = engine.step(late)
        #expect(step.emissions.count == 5)
        #expect(step.iterationEnds == [1, 2, 3, 4, 5])
        let rest = Self.drain(&engine, from: late)
        #expect(rest.map(\.id) == [id])
        #expect(Self.milliseconds(rest[0].timeToFirstToken) == 10.4)
    }

    @Test func `a bound on requests inside makes the engine full`() {
        var parameters = EngineParameters()
        parameters.requestsMax = 1
        var engine = EngineModel(parameters: parameters)
        #expect(!engine.isFull)
        _ = engine.submit(EngineRequest(promptTokens: 1, outputTokens: 1), now: Self.start)
        #expect(engine.isFull)
    }

    @Test func `an embedding ends with its prefill and without a token`() {
        var engine = EngineModel()
        _ = engine.submit(
            EngineRequest(promptTokens: 10, outputTokens: 0, finishReason: .stop), now: Self.start)
        let emissions = Self.drain(&engine)
        #expect(emissions.map(\.tokens) == [0])
        #expect(emissions.first?.finish?.generatedTokens == 0)
    }

    @Test func `at a fixed pace every stream keeps its own time, however many there are`() {
        var parameters = EngineParameters()
        parameters.pace = .fixed(timeToFirstToken: .milliseconds(5), gap: .milliseconds(20))
        var engine = EngineModel(parameters: parameters)
        var ids: [EngineRequestID] = []
        for index in 0..<300 {
            ids.append(
                engine.submit(
                    EngineRequest(promptTokens: 10, outputTokens: 4),
                    now: Self.start + .microseconds(Int64(index))))
        }
        engine.abort(ids[7])
        let emissions = Self.drain(&engine)
        #expect(emissions.count == 299 * 4)
        let first = emissions.compactMap(\.timeToFirstToken)
        #expect(first.count == 299)
        #expect(first.allSatisfy { $0 == .milliseconds(5) })
        let gaps = emissions.compactMap(\.gap)
        #expect(gaps.allSatisfy { $0 == .milliseconds(20) })
        #expect(engine.count == 0)
    }

    /// Four replicas with all slots full finish 36.8 requests a second.
    @Test func `with all slots full the study's capacity comes out`() {
        var engine = EngineModel()
        var generator = SplitMix64(seed: 2)
        func submit(_ now: Instant) {
            _ = engine.submit(
                EngineRequest(
                    promptTokens: Study.prompts.sample(&generator),
                    outputTokens: Study.outputs.sample(&generator)), now: now)
        }
        for _ in 0..<66 { submit(Self.start) }
        let (begin, end) = (Self.start + .seconds(20), Self.start + .seconds(100))
        var finished = 0
        var now = Self.start
        while now < end {
            let step = engine.step(now)
            for emission in step.emissions where emission.finish != nil {
                if emission.at >= begin { finished += 1 }
                submit(now)
            }
            guard let next = step.next else { break }
            now = next
        }
        let perSecond = Double(finished) / 80
        #expect((8.7...9.7).contains(perSecond), "\(perSecond) requests a second")
    }
}
