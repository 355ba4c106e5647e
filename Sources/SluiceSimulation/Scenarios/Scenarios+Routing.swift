import SluiceTime

/// T1, T2, T13b: where requests go.
extension Scenarios {
    static let routing: [Scenario] = [staleness, slowReplica]

    /// Old gauges must not matter.
    static let staleness = Scenario(
        "T1", "load 0.9, scrape every 5 s against every 0.2 s",
        targets: [
            Target("p99 TTFT at 5 s over that at 0.2 s", .ratio, .atMost(1.6)),
            Target("p99 TTFT, scrape 0.2 s", .seconds, .atMost(0.75 * 2)),
            Target("in SLO, scrape 0.2 s", .percent, .atLeast(1)),
            Target("in SLO, scrape 5 s", .percent, .atLeast(1)),
        ]
    ) { run in
        let results = [Nanoseconds.milliseconds(200), .seconds(5)].map { interval in
            var fleet = run.poisson(0.9)
            fleet.scrapeInterval = interval
            return run.run(fleet)
        }
        let tails = results.map { $0.firstTokenTimes().value(at: 0.99) }
        return [tails[1] / tails[0], tails[0]] + results.map { $0.goodShareOfOffered() }
    }

    /// A replica of half the speed gets half the load without being told.
    static let slowReplica = Scenario(
        "T2", "one replica 2x slower, 0.85 of what remains",
        targets: [
            Target("in SLO", .percent, .atLeast(0.999)),
            Target("p99 TTFT", .seconds, .atMost(0.25 * 2)),
            Target("in SLO, three gateways", .percent, .atLeast(0.999)),
        ]
    ) { run in
        var fleet = run.poisson(0.85 * 3.5 / 4)
        fleet.faults = [Fault(at: .zero, .slow(replica: 3, factor: 2))]
        let one = run.run(fleet)
        fleet.gatewayShares = [1, 1, 1]
        let three = run.run(fleet)
        return [
            one.goodShareOfOffered(), one.firstTokenTimes().value(at: 0.99),
            three.goodShareOfOffered(),
        ]
    }
}
