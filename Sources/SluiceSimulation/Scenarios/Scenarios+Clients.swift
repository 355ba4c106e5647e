import SluiceTime

/// T13, T13b, T14: clients that come again, prompts that begin alike, answers that are no streams.
extension Scenarios {
    static let clients: [Scenario] = [retries, affinity, wholeAnswers]

    static let retries = Scenario(
        "T13", "refused clients try three times, 1.5x",
        targets: [
            Target("naive: token goodput of C", .percent, .atLeast(0.97)),
            Target("exponential: token goodput of C", .percent, .atLeast(0.97)),
            Target("Retry-After: token goodput of C", .percent, .atLeast(0.97)),
        ]
    ) { run in
        [RetryStyle.naive, .exponential, .retryAfter].map { style in
            var fleet = run.poisson(1.5)
            fleet.streams[0].client.retries = style
            fleet.streams[0].client.triesMax = 3
            return run.goodput(run.run(fleet))
        }
    }

    /// The study names the groups and says "near saturation"; the rest is of our own, in these steps.
    ///
    /// - Prompts are as long as everywhere, 989 tokens on average, so that slots run out first and not
    ///   the KV cache; half of that is shared. With all of the usual prompt after the shared part, as
    ///   it was here before, prompts were 1,740 tokens, KV ran out, and a home full by KV sent its
    ///   requests elsewhere: a test of ``cacheBound``, not of affinity.
    /// - Prefixes lie in the same KV cache as what runs, as in vLLM: what is not in use keeps what was
    ///   left there, oldest out first, answers and all. A cache beside it of a size of our own said
    ///   what hit rates were to be.
    /// - 0.95 of C is where routing without affinity has the study's p99, 0.58 s (0.5 … 0.8 by seed).
    ///
    /// Of the study's figures the gain by look-ahead comes out (5.7 %, here 6), hit rates somewhat lower
    /// (0.70 and 0.74, here 0.60 and 0.66). With 300 and 700 shared tokens the gain is 3 and 10 %.
    /// Runs are longer than 120 s, in which a p99 hangs on one burst.
    static let affinity = Scenario(
        "T13b", "400 groups of prompts that begin alike",
        targets: [
            Target("near saturation: hit rate over that of plain hashing", .ratio, .atLeast(0.90)),
            Target("near saturation: p99 TTFT over that without affinity", .ratio, .atMost(1.15)),
            Target("saturated: goodput over that without look-ahead", .ratio, .atLeast(1.04)),
        ]
    ) { run in
        var engine = EngineParameters()
        engine.keepsPrefixes = true
        var fleet = run.poisson(1)
        fleet.replicas = Array(repeating: engine, count: Study.replicas)
        fleet.measured = .seconds(360)
        fleet.streams[0].prompts = LognormalLengths(
            median: Study.prompts.median / 2, sigma: Study.prompts.sigma,
            tokensMax: Study.prompts.tokensMax)
        fleet.streams[0].prefixes = PrefixGroups(
            count: 400, shared: LognormalLengths(median: 495, sigma: 0, tokensMax: 495))
        let capacity = Capacity.measure(fleet)
        func at(_ load: Double) -> FleetConfiguration {
            var fleet = fleet
            fleet.streams[0].arrivals = .poisson(perSecond: load * capacity.requestsPerSecond)
            return fleet
        }
        let near = run.run(at(0.95))
        let hashed = run.run(at(0.95), .prefixHash)
        var blind = at(0.95)
        blind.tellsPrefixes = false
        var straight = at(1.5)
        straight.looksAhead = false
        return [
            hitRate(near) / hitRate(hashed),
            near.firstTokenTimes().value(at: 0.99)
                / run.run(blind).firstTokenTimes().value(at: 0.99),
            run.run(at(1.5)).goodWork() / run.run(straight).goodWork(),
        ]
    }

    /// Cached tokens over those that could have been, of what was served.
    private static func hitRate(_ result: RunResult) -> Double {
        var (hit, all) = (0, 0)
        for record in result.came() where record.outcome == .served {
            hit += record.cachedTokens
            all += record.prefix?.tokens ?? 0
        }
        return Double(hit) / Double(max(1, all))
    }

    /// Nothing shows when an engine begins to answer; answers of one token, as classification by a
    /// language model has them, are over in a step.
    static let wholeAnswers = Scenario(
        "T14", "no streams, 1.5x: answers of the usual length, and of one token",
        targets: [
            Target("token goodput of C", .percent, .atLeast(0.97)),
            Target("both objectives, of admitted", .percent, .atLeast(0.995)),
            Target("one token: token goodput of C", .percent, .atLeast(0.97)),
            Target("one token: both objectives, of admitted", .percent, .atLeast(0.995)),
        ]
    ) { run in
        func figures(_ fleet: FleetConfiguration) -> [Double] {
            var fleet = fleet
            fleet.streams[0].answers = .whole
            let capacity = Capacity.measure(fleet, measured: .seconds(600))
            fleet.streams[0].arrivals = .poisson(perSecond: 1.5 * capacity.requestsPerSecond)
            let result = run.run(fleet)
            return [run.goodput(result, of: capacity), result.goodShareOfAdmitted()]
        }
        let usual = run.poisson(1)
        var short = usual
        short.replicas = [short.replicas[0]]
        short.streams[0].prompts = LognormalLengths(median: 20, sigma: 0.5, tokensMax: 100)
        short.streams[0].outputs = LognormalLengths(median: 1, sigma: 0, tokensMax: 1)
        return figures(usual) + figures(short)
    }
}
