import SluiceInsight
import SluiceTime
import Testing

@testable import SluiceSimulation

/// A diagnosis watches a simulated fleet: silent while it is well, and soon to name what is done to it.
@Suite struct DiagnosedFleetTests {
    /// Four replicas of four slots, half to three quarters of what they can do.
    private static func fleet(seconds: Int64, perSecond: Double) -> FleetConfiguration {
        var stream = RequestStream(.poisson(perSecond: perSecond))
        stream.client.patience = .seconds(30)
        var fleet = FleetConfiguration(streams: [stream])
        var engine = EngineParameters()
        engine.sequencesMax = 4
        fleet.replicas = Array(repeating: engine, count: 4)
        fleet.warmUp = .seconds(2)
        fleet.measured = .seconds(seconds)
        return fleet
    }

    private static func run(_ fleet: FleetConfiguration) -> (WatchedPolicy?, RunResult) {
        var watched: WatchedPolicy?
        let result = Fleet(fleet) { context in
            let policy = WatchedPolicy(context)
            watched = policy
            return policy
        }.run()
        return (watched, result)
    }

    /// Requests a second that such a fleet can serve.
    private static let capacity = 5.5

    @Test(arguments: [0.3, 0.6])
    func `nothing is named in a healthy hour`(_ load: Double) throws {
        let (policy, result) = Self.run(
            Self.fleet(seconds: 3_600, perSecond: load * Self.capacity))
        #expect(result.records.count > 1_000)
        let named = try #require(policy).named.map {
            "\($0.at.seconds): \($0.finding.sentence): \($0.finding.evidence.map(\.text))"
        }
        #expect(named.isEmpty)
    }

    /// What is named within half a minute of `at`, by cause and subject.
    private static func named(
        _ fleet: FleetConfiguration, after at: Nanoseconds
    ) throws -> [String] {
        let policy = try #require(run(fleet).0)
        let early = policy.named.filter { $0.at < at }
        #expect(early.isEmpty)
        return policy.named.filter { $0.at >= at && $0.at <= at + .seconds(30) }
            .map { "\($0.finding.cause.rawValue) \($0.finding.replica ?? "pool")" }
    }

    @Test func `a replica three times slower is named`() throws {
        var fleet = Self.fleet(seconds: 150, perSecond: 0.6 * Self.capacity)
        fleet.faults = [Fault(at: .seconds(100), .slow(replica: 1, factor: 3))]
        #expect(try Self.named(fleet, after: .seconds(100)).contains("slow_replica r1"))
    }

    @Test func `a lost replica is named`() throws {
        var fleet = Self.fleet(seconds: 150, perSecond: 0.5 * Self.capacity)
        fleet.faults = [Fault(at: .seconds(100), .lost(replica: 2))]
        #expect(try Self.named(fleet, after: .seconds(100)).contains("replica_unreachable r2"))
    }

    @Test func `too much load is named`() throws {
        var fleet = Self.fleet(seconds: 150, perSecond: 0.5 * Self.capacity)
        fleet.streams[0].arrivals = .poisson([
            RateStep(from: .zero, perSecond: 0.5 * Self.capacity),
            RateStep(from: .seconds(100), perSecond: 3 * Self.capacity),
        ])
        #expect(try Self.named(fleet, after: .seconds(100)).contains("slot_bound pool"))
    }
}
