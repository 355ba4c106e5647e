import SluiceTime

/// T11, T12, T12b: tenants and classes.
extension Scenarios {
    static let sharing: [Scenario] = [heavyTenant, classes, saturatedBatch]

    /// One tenant asks for 64 % of the load, four for 9 % each.
    private static let demand = [0.64, 0.09, 0.09, 0.09, 0.09]

    static let heavyTenant = Scenario(
        "T11", "a tenant with 64 % of the demand, four with 9 %",
        targets: [
            Target("1.5x: Jain of service over max-min share", .ratio, .atLeast(0.95)),
            Target("2x: Jain of service over max-min share", .ratio, .atLeast(0.95)),
            Target("3x: Jain of service over max-min share", .ratio, .atLeast(0.95)),
            Target("2x: light tenants served", .percent, .atLeast(0.85)),
            Target("2x: goodput of that without tenants", .ratio, .atLeast(0.99)),
            Target("weights 4:1 at 2x: weighted Jain", .ratio, .atLeast(0.98)),
        ]
    ) { run in
        func tenants(_ load: Double, _ demand: [Double], weights: [Double]) -> RunResult {
            let streams = demand.enumerated().map { tenant, share in
                var stream = run.stream(load * share)
                stream.tenant = tenant
                return stream
            }
            var fleet = FleetConfiguration(streams: streams)
            fleet.tenantWeights = weights
            return run.run(fleet)
        }
        func jain(_ result: RunResult, _ demand: [Double], weights: [Double]) -> Double {
            let served = servedWork(result, tenants: demand.count)
            let total = served.reduce(0, +)
            let fair = Fairness.maxMinShares(demand: demand, weights: weights, capacity: total)
            return Fairness.jain(zip(served, fair).map { $0 / max($1, 1e-9) })
        }
        let even = Array(repeating: 1.0, count: demand.count)
        let loads = [1.5, 2, 3]
        let results = loads.map { tenants($0, demand, weights: even) }
        let jains = zip(loads, results).map { load, result in
            let asked = demand.map { $0 * load * run.capacity.workPerSecond }
            return jain(result, asked, weights: even)
        }
        let light = results[1].came().filter { $0.tenant > 0 }
        let lightServed = Double(light.count { $0.outcome == .served }) / Double(light.count)
        // The very same requests, all of one tenant.
        var alone = results[1].configuration
        for index in alone.streams.indices { alone.streams[index].tenant = 0 }
        alone.tenantWeights = [1]
        let cost = results[1].goodWork() / run.run(alone).goodWork()
        let weighted = tenants(2, [0.5, 0.5], weights: [4, 1])
        let asked = [run.capacity.workPerSecond, run.capacity.workPerSecond]
        return jains + [lightServed, cost, jain(weighted, asked, weights: [4, 1])]
    }

    /// Work of the requests served, per second, by tenant.
    private static func servedWork(_ result: RunResult, tenants: Int) -> [Double] {
        var work = Array(repeating: 0.0, count: tenants)
        for record in result.came() where record.outcome == .served {
            work[record.tenant] += record.work
        }
        return work.map { $0 / result.configuration.measured.seconds }
    }

    /// critical, standard, batch, with section 5.5's defaults.
    private static let objectives = [
        ClassObjective(firstToken: .seconds(2)),
        ClassObjective(firstToken: .seconds(5), shareMin: 0.05),
        ClassObjective(firstToken: .seconds(20), shareMin: 0.05, shareMax: 0.8),
    ]

    static let classes = Scenario(
        "T12", "classes of 50/30/20 % with objectives of 2/5/20 s",
        targets: [
            Target("1.2x: critical in SLO, of all that came", .percent, .atLeast(0.99)),
            Target("2x, where it alone offers C: critical in SLO", .percent, .atLeast(0.85)),
            Target("late, worst class and load", .percent, .atMost(0.005)),
        ]
    ) { run in
        let results = [1.2, 2].map { load in
            let streams = [0.5, 0.3, 0.2].enumerated().map { index, share in
                var stream = run.stream(load * share)
                stream.classIndex = index
                return stream
            }
            var fleet = FleetConfiguration(streams: streams)
            fleet.objectives = objectives
            return run.run(fleet)
        }
        let critical = results.map { $0.goodShareOfOffered { $0.classIndex == 0 } }
        let late = results.flatMap { result in
            (0..<3).map { index in 1 - result.goodShareOfAdmitted { $0.classIndex == index } }
        }
        return critical + [late.max() ?? .nan]
    }

    static let saturatedBatch = Scenario(
        "T12b", "batch saturates for 10 min, then critical comes at 0.3",
        targets: [
            Target("critical in SLO from second 2", .percent, .atLeast(0.99)),
            Target("token goodput of C, both classes", .percent, .atLeast(0.97)),
        ]
    ) { run in
        var batch = run.stream(2)
        batch.classIndex = 2
        var critical = run.stream(0)
        let rate = 0.3 * run.capacity.requestsPerSecond
        var fleet = FleetConfiguration(streams: [batch])
        fleet.warmUp = .seconds(600)
        critical.arrivals = .poisson([RateStep(from: fleet.warmUp, perSecond: rate)])
        fleet.streams.append(critical)
        fleet.objectives = objectives
        let result = run.run(fleet)
        return [
            result.goodShareOfOffered(from: .seconds(2)) { $0.classIndex == 0 },
            run.goodput(result),
        ]
    }
}
