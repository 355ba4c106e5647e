import SluiceTime

/// T5, T6, T7, T12c: load and fleet change under way.
extension Scenarios {
    static let change: [Scenario] = [loadStep, loss, turnsSlow, joining]

    /// When the change happens, since the start of the counted part.
    private static let changeAt = Nanoseconds.seconds(20)

    static let loadStep = Scenario(
        "T5", "load steps from 0.7 to 2.5",
        targets: [
            Target(
                "worst second after the step: in SLO, of admitted", .percent, .atLeast(0.95),
                judgedBy: .each),
            Target("token goodput of C from second 5", .percent, .atLeast(0.97)),
        ]
    ) { run in
        let rate = run.capacity.requestsPerSecond
        var fleet = run.poisson(0)
        fleet.streams[0].arrivals = .poisson([
            RateStep(from: .zero, perSecond: 0.7 * rate),
            RateStep(from: fleet.warmUp + changeAt, perSecond: 2.5 * rate),
        ])
        let result = run.run(fleet)
        let shares = result.goodShareBySecond(from: changeAt).map(\.share)
        return [shares.min() ?? .nan, run.goodput(result, from: changeAt + .seconds(5))]
    }

    static let loss = Scenario(
        "T6", "one of four replicas is lost at 0.9",
        targets: [
            Target("requests not begun that were not served", .count, .atMost(0), judgedBy: .each),
            Target("streams cut that had not begun there", .count, .atMost(0), judgedBy: .each),
            Target("first 15 s: in SLO, of admitted and not cut", .percent, .atLeast(0.995)),
            Target("token goodput of what remains, from second 5", .percent, .atLeast(0.95)),
        ]
    ) { run in
        var fleet = run.poisson(0.9)
        let lost = 2
        fleet.faults = [Fault(at: fleet.warmUp + changeAt, .lost(replica: lost))]
        let result = run.run(fleet)
        let unserved = result.records.count { record in
            record.outcome == .lost || record.wasMoved && record.outcome != .served
        }
        let strangers = result.records.count { record in
            record.outcome == .cut && (record.replica != lost || !record.firstOutput.isSet)
        }
        let first = result.goodShareOfAdmitted(
            from: changeAt, to: changeAt + .seconds(15), cut: false)
        let remaining = Double(Study.replicas - 1) / Double(Study.replicas)
        return [
            Double(unserved), Double(strangers), first,
            run.goodput(result, from: changeAt + .seconds(5)) / remaining,
        ]
    }

    static let turnsSlow = Scenario(
        "T7", "one replica turns 3x slower at 0.8",
        targets: [
            Target(
                "seconds until every second has 95 % in SLO", .seconds, .atMost(10),
                judgedBy: .each)
        ]
    ) { run in
        var fleet = run.poisson(0.8)
        fleet.faults = [Fault(at: fleet.warmUp + changeAt, .slow(replica: 1, factor: 3))]
        let lastBad = run.run(fleet).goodShareBySecond(from: changeAt).last { $0.share < 0.95 }
        return [lastBad.map { ($0.end - changeAt).seconds } ?? 0]
    }

    static let joining = Scenario(
        "T12c", "a replica joins; uneven gateways; rolling restart; embeddings only",
        targets: [
            Target(
                "a replica joins at 1.5x, long prompts: p99 TTFT", .seconds, .atMost(0.75 * 2)),
            Target(
                "70/20/10 % of arrivals: greatest difference of shares refused", .percent,
                .atMost(0.10)),
        ] + overloadTargets("rolling restart", objective: Study.firstTokenObjective) + [
            Target("embeddings at 2x: token goodput", .percent, .atLeast(0.95))
        ]
    ) { run in
        var join = run.poisson(1)
        join.streams[0].prompts = LognormalLengths(median: 2_000, sigma: 1, tokensMax: 8_000)
        let three = Double(Study.replicas - 1) / Double(Study.replicas)
        let long = Capacity.best(join)
        join.streams[0].arrivals = .poisson(perSecond: 1.5 * three * long.requestsPerSecond)
        join.faults = [Fault(at: join.warmUp + changeAt, .joins(replica: 3))]

        var uneven = run.poisson(1.5)
        // The greatest of three differences of small counts is never zero: 650 requests in 120 s.
        uneven.measured = .seconds(600)
        uneven.gatewayShares = [0.7, 0.2, 0.1]
        let unevenResult = run.run(uneven)
        let refused = (0..<3).map { gateway in
            let all = unevenResult.came().filter { $0.gateway == gateway }
            let shed = all.count { $0.outcome == .refused || $0.outcome == .expired }
            return Double(shed) / Double(max(1, all.count))
        }

        var rolling = run.poisson(1.2)
        rolling.gatewayShares = [1, 1, 1]
        rolling.faults = (0..<3).map {
            Fault(at: rolling.warmUp + changeAt * Int64($0 + 1), .restart(gateway: $0))
        }

        var embeddings = run.poisson(1)
        embeddings.streams[0].answers = .embedding
        let prefills = Capacity.best(embeddings)
        embeddings.streams[0].arrivals = .poisson(perSecond: 2 * prefills.requestsPerSecond)
        return [
            run.run(join).firstTokenTimes().value(at: 0.99),
            (refused.max() ?? 1) - (refused.min() ?? 0),
        ] + overloadFigures(run, run.run(rolling))
            + [run.goodput(run.run(embeddings), of: prefills)]
    }
}
