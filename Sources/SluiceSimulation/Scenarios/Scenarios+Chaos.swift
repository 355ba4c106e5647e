import SluiceBytes
import SluiceTime

/// Everything at once, for an hour.
extension Scenarios {
    static let chaos = [hour]

    /// Between two faults, on average, in seconds.
    private static let faultEvery = 40.0
    private static let span = Nanoseconds.seconds(3_600)

    /// Whatever happens, every account is zero in the end: that is the row on conservation, which
    /// compares ledgers ten times a second and what is open when all is over.
    static let hour = Scenario(
        "chaos", "an hour of faults, retries, clients that leave, restarts, classes and tenants",
        targets: [
            Target("requests without an end", .count, .atMost(0), judgedBy: .each),
            Target("Retry-After outside 1…60 s", .count, .atMost(0), judgedBy: .each),
            Target("critical in SLO, of admitted", .percent, .atLeast(0.95)),
        ]
    ) { run in
        let shares = [0.3, 0.3, 0.2, 0.2]
        var fleet = FleetConfiguration(
            streams: shares.enumerated().map { index, share in
                var stream = run.stream(1.3 * share)
                stream.classIndex = index % 3
                stream.tenant = index % 2
                stream.client.retries = [.naive, .exponential, .retryAfter, .never][index]
                stream.client.triesMax = 3
                // Some leave while they wait, some between dispatch and first token.
                stream.client.patience = .milliseconds([30_000, 900, 5_000, 12_000][index])
                stream.answers = index == 3 ? .whole : .stream
                return stream
            })
        fleet.objectives = [
            ClassObjective(), ClassObjective(firstToken: .seconds(5), shareMin: 0.05),
            ClassObjective(firstToken: .seconds(20), shareMin: 0.05, shareMax: 0.8),
        ]
        fleet.tenantWeights = [1, 2]
        fleet.gatewayShares = [0.5, 0.3, 0.2]
        fleet.measured = span
        fleet.faults = faults(seed: run.seed)
        let result = run.run(fleet)
        let open = result.records.count { $0.outcome == .waiting || $0.outcome == .inFlight }
        let outside = result.records.count { record in
            record.retryAfter.map { $0 < .seconds(1) || $0 > .seconds(60) } ?? false
        }
        // Streams that were let in, of replicas that did not die under them.
        let critical = result.goodShareOfAdmitted(cut: false) { $0.stream == 0 }
        return [Double(open), Double(outside), critical]
    }

    /// Replicas go and come back, turn slow and recover; gateways restart.
    private static func faults(seed: UInt64) -> [Fault] {
        var generator = SplitMix64(seed: seed &+ 0xC4A05)
        var faults: [Fault] = []
        var at = 10.0
        var isUp = Array(repeating: true, count: Study.replicas)
        while at < Study.warmUp.seconds + span.seconds {
            let replica = Int(generator.next() % UInt64(Study.replicas))
            let kind: Fault.Kind
            switch generator.next() % 4 {
            case 0 where isUp[replica] && isUp.count { $0 } > 2:
                // Never one of the last two: what is left has to carry something.
                kind = .lost(replica: replica)
                isUp[replica] = false
            case 1:
                kind = .slow(replica: replica, factor: 1 + 3 * generator.nextUnit())
            case 2:
                kind = .restart(gateway: Int(generator.next() % 3))
            default:
                let down = isUp.firstIndex(of: false)
                kind = down.map { .joins(replica: $0) } ?? .slow(replica: replica, factor: 1)
                if let down { isUp[down] = true }
            }
            faults.append(Fault(at: .seconds(clamping: at), kind))
            at += 2 * faultEvery * generator.nextUnit()
        }
        return faults
    }
}
