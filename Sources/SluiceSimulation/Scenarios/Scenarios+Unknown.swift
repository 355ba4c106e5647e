import SluiceTime

/// T1c: small replicas of which the gateway is told nothing: what its users start with.
extension Scenarios {
    static let unknown: [Scenario] = [unknownSlots]

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
}
