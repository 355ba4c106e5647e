import SluiceTime

/// All scenarios: those behind docs/admission.md, *The targets*.
package enum Scenarios {
    package static let all: [Scenario] =
        [model] + routing + overload + unknown + change + sharing + clients + chaos

    /// The scenario of that name, whatever the case of its letters.
    package static func named(_ name: String) -> Scenario? {
        all.first { $0.name.lowercased() == name.lowercased() }
    }

    /// The port of the model itself: policies of the study, and the figures they had there.
    static let model = Scenario(
        "T0", "the model itself: baseline policies reproduce the study",
        targets: [
            Target("capacity, closed loop", .perSecond, .near(Study.capacity, share: 0.05)),
            Target(
                "least scraped at 0.9, scrape 0.2 s: p99 TTFT", .seconds, .near(0.67, share: 0.2)),
            Target(
                "least scraped at 0.9, scrape 1 s: p99 TTFT", .seconds, .near(2.0, share: 0.2)),
            Target(
                "least scraped at 0.9, scrape 5 s: p99 TTFT", .seconds, .near(11.7, share: 0.2)),
            Target(
                "the same with own in flight, scrape 5 s: p99 TTFT", .seconds,
                .near(0.42, share: 0.2)),
            Target("FIFO + deadline drop at 3x: goodput", .percent, .near(0.45, share: 0.2)),
            Target(
                "round robin, one replica 2x slower: not in SLO", .percent,
                .near(0.25, share: 0.2)),
            Target(
                "round robin, one replica 2x slower: p99 TTFT", .seconds, .near(30, share: 0.2)),
        ]
    ) { run in
        // Loads are of the capacity that the study measured, not of ours: this is about its figures.
        func poisson(_ load: Double) -> FleetConfiguration {
            let arrivals = ArrivalProcess.poisson(perSecond: load * Study.capacity)
            return FleetConfiguration(streams: [RequestStream(arrivals)])
        }
        var closed = poisson(1)
        closed.seed = run.seed
        let capacity = Capacity.measure(closed, measured: Study.measured)
        func leastScraped(_ interval: Nanoseconds, _ kind: PolicyKind) -> Double {
            var fleet = poisson(0.9)
            fleet.scrapeInterval = interval
            return run.run(fleet, kind).firstTokenTimes().value(at: 0.99)
        }
        let queue = run.run(poisson(3), .deadlineQueue)
        // Three and a half replicas remain, loaded to 0.85 of that.
        var slow = poisson(0.85 * 3.5 / 4)
        slow.faults = [Fault(at: .zero, .slow(replica: 3, factor: 2))]
        let turns = run.run(slow, .roundRobin)
        return [
            capacity.requestsPerSecond,
            leastScraped(.milliseconds(200), .leastScraped),
            leastScraped(.seconds(1), .leastScraped),
            leastScraped(.seconds(5), .leastScraped),
            leastScraped(.seconds(5), .leastInFlight),
            run.goodput(queue),
            1 - turns.goodShareOfOffered(),
            turns.firstTokenTimes().value(at: 0.99),
        ]
    }
}
