import SluiceTime

/// T1c: small replicas of which the gateway is told nothing: what its users start with.
extension Scenarios {
    static let unknown: [Scenario] = [unknownSlots, coldStart]

    /// One objective and nothing else: slots are found by scrapes and by delay alone.
    static let unknownSlots = Scenario(
        "T1c", "4, 8 and 16 slots that nobody told, SLO 500 ms, 2x",
        targets: ["4 slots", "8 slots", "16 slots"].flatMap { what in
            [
                Target("\(what): token goodput of C", .percent, .atLeast(0.95)),
                Target("\(what): p99 TTFT of served", .seconds, .atMost(0.75 * 0.5)),
                Target("\(what): both objectives, of admitted", .percent, .atLeast(0.995)),
            ]
        }
    ) { run in
        [4, 8, 16].flatMap { slots in
            var engine = EngineParameters()
            engine.sequencesMax = slots
            var fleet = run.poisson(1)
            fleet.replicas = Array(repeating: engine, count: Study.replicas)
            fleet.objectives = [ClassObjective(firstToken: .milliseconds(500))]
            fleet.tellsSlots = false
            fleet.measured = .seconds(600)
            let capacity = Capacity.measure(fleet, measured: .seconds(3_000))
            fleet.streams[0].arrivals = .poisson(perSecond: 2 * capacity.requestsPerSecond)
            let result = run.run(fleet)
            return [
                run.goodput(result, of: capacity), result.firstTokenTimes().value(at: 0.99),
                result.goodShareOfAdmitted(),
            ]
        }
    }

    /// The first twenty seconds of a gateway that is told an objective and nothing else, with more
    /// load than there is capacity from its first second. One such run has a few hundred requests:
    /// the figures are of ten.
    static let coldStart = Scenario(
        "T1d", "the first 20 s of a gateway told nothing: 4 slots per replica, SLO 500 ms",
        targets: coldLoads.flatMap { what, _, _, _ in
            [
                Target("\(what): token goodput of C from second 5", .percent, .atLeast(0.92)),
                Target("\(what): both objectives, of admitted", .percent, .atLeast(0.96)),
                Target("\(what): p99 TTFT of served from second 5", .seconds, .atMost(0.5)),
            ]
        }
    ) { run in
        var engine = EngineParameters()
        engine.sequencesMax = 4
        var fleet = run.poisson(1)
        fleet.replicas = Array(repeating: engine, count: Study.replicas)
        fleet.objectives = [ClassObjective(firstToken: .milliseconds(500))]
        fleet.tellsSlots = false
        let capacity = Capacity.measure(fleet, measured: .seconds(3_000))
        fleet.warmUp = .zero
        fleet.measured = .seconds(20)
        return coldLoads.flatMap { _, load, interval, gateways in
            fleet.gatewayShares = Array(repeating: 1, count: gateways)
            fleet.streams[0].arrivals = .poisson(perSecond: load * capacity.requestsPerSecond)
            fleet.scrapeInterval = interval
            var goodput = 0.0
            var good = 0.0
            var late = 0.0
            for part in 0..<coldRuns {
                let result = run.run(fleet, part: part)
                goodput += run.goodput(result, from: .seconds(5), of: capacity)
                good += result.goodShareOfAdmitted()
                late += result.firstTokenTimes(from: .seconds(5)).value(at: 0.99)
            }
            let parts = Double(coldRuns)
            return [goodput / parts, good / parts, late / parts]
        }
    }

    private static let coldRuns: UInt64 = 10
    private static let coldLoads: [(String, Double, Nanoseconds?, gateways: Int)] = [
        ("2x", 2, .seconds(1), 1), ("3x", 3, .seconds(1), 1), ("10x", 10, .seconds(1), 1),
        ("3x, no metrics", 3, nil, 1), ("2x, three gateways", 2, .seconds(1), 3),
    ]
}
