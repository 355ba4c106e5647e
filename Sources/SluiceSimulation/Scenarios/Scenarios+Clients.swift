import SluiceTime

/// T13, T13b: clients that come again, and prompts that begin alike.
extension Scenarios {
    static let clients: [Scenario] = [retries, affinity]

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

    /// The study does not say how long its groups' prompts were. Here a quarter of the groups needs
    /// 75,000 tokens of a replica's 55,000 for prefixes: hashing hits about as often as in the study
    /// (0.74).
    static let affinity = Scenario(
        "T13b", "400 groups of prompts that begin alike",
        targets: [
            Target("near saturation: hit rate over that of plain hashing", .ratio, .atLeast(0.90)),
            Target("near saturation: p99 TTFT over that without affinity", .ratio, .atMost(1.15)),
            Target("saturated: goodput over that without look-ahead", .ratio, .atLeast(1.04)),
        ]
    ) { run in
        var engine = EngineParameters()
        engine.prefixCacheTokensMax = Study.cacheTokensMax / 2
        var fleet = run.poisson(1)
        fleet.replicas = Array(repeating: engine, count: Study.replicas)
        fleet.streams[0].prefixes = PrefixGroups(
            count: 400, shared: LognormalLengths(median: 750, sigma: 0, tokensMax: 750))
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
}
