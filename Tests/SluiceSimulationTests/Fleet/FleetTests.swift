import SluiceTime
import Testing

@testable import SluiceSimulation

/// What happens around a policy: clients, scrapes, faults, the books.
@Suite struct FleetTests {
    /// A short run of the study's fleet at so many requests a second.
    static func fleet(_ perSecond: Double, seconds: Int64 = 20) -> FleetConfiguration {
        var fleet = FleetConfiguration(streams: [RequestStream(.poisson(perSecond: perSecond))])
        fleet.warmUp = .seconds(2)
        fleet.measured = .seconds(seconds)
        return fleet
    }

    static func run(_ fleet: FleetConfiguration, _ kind: PolicyKind) -> RunResult {
        Fleet(fleet) { kind.make($0) }.run()
    }

    /// Everything at once: overload, three gateways, a loss, a slow replica, one that joins, a
    /// restart, impatient clients that come again.
    static func chaos(seed: UInt64) -> FleetConfiguration {
        var fleet = fleet(60, seconds: 12)
        fleet.gatewayShares = [3, 2, 1]
        fleet.seed = seed
        fleet.streams[0].client.patience = .seconds(3)
        fleet.streams[0].client.retries = .retryAfter
        fleet.streams[0].client.triesMax = 3
        var embeddings = RequestStream(.bursts(perSecond: 5, Study.bursts))
        embeddings.answers = .embedding
        var whole = RequestStream(.poisson(perSecond: 5))
        whole.answers = .whole
        fleet.streams += [embeddings, whole]
        fleet.faults = [
            Fault(at: .seconds(4), .slow(replica: 0, factor: 3)),
            Fault(at: .seconds(6), .lost(replica: 1)), Fault(at: .seconds(9), .joins(replica: 3)),
            Fault(at: .seconds(10), .restart(gateway: 0)),
            Fault(at: .seconds(12), .joins(replica: 1)),
        ]
        return fleet
    }

    @Test(arguments: PolicyKind.allCases)
    func `the same seed gives the same records, another seed others`(_ kind: PolicyKind) {
        var fleet = Self.fleet(50, seconds: 2)
        let first = Self.run(fleet, kind)
        #expect(first.records == Self.run(fleet, kind).records)
        fleet.seed = 2
        #expect(first.records != Self.run(fleet, kind).records)
    }

    @Test(arguments: PolicyKind.allCases)
    func `in any chaos every request ends once and every account agrees`(_ kind: PolicyKind) {
        let result = Self.run(Self.chaos(seed: 1), kind)
        #expect(result.ledgerErrorMax == 0)
        #expect(result.openAtEnd == 0)
        #expect(result.records.count > 1_000)
        #expect(result.records.allSatisfy { $0.outcome != .waiting && $0.outcome != .inFlight })
        let served = result.records.filter { $0.outcome == .served }
        #expect(served.count > 200)
        #expect(
            served.allSatisfy { record in
                record.dispatched >= record.arrived && record.firstOutput > record.dispatched
                    && record.ended >= record.firstOutput
                    && record.generated == record.outputTokens
            })
    }

    @Test func `two policies meet the same requests`() {
        let fleet = Self.fleet(50, seconds: 5)
        func asked(_ kind: PolicyKind) -> [[Int]] {
            Self.run(fleet, kind).records.map {
                [Int($0.arrived.nanoseconds), $0.promptTokens, $0.outputTokens]
            }
        }
        #expect(asked(.roundRobin) == asked(.staticLimit))
    }

    @Test func `a closed loop keeps every client busy`() {
        var fleet = Self.fleet(0)
        fleet.streams[0].arrivals = .closed(clients: 8)
        let result = Self.run(fleet, .leastInFlight)
        let middle = fleet.measuredFrom + .seconds(5)
        let inFlight = result.records.count { $0.arrived <= middle && $0.ended > middle }
        #expect(inFlight == 8)
    }

    @Test func `a client gives up when its patience is over, and its slot is free again`() {
        var fleet = Self.fleet(200, seconds: 10)
        fleet.streams[0].client.patience = .seconds(2)
        let result = Self.run(fleet, .roundRobin)
        let gone = result.records.filter { $0.outcome == .abandoned }
        #expect(gone.count > 100)
        #expect(gone.allSatisfy { $0.ended - $0.arrived == .seconds(2) })
        let latest = result.records.compactMap(\.timeToFirstToken).max() ?? .zero
        #expect(latest <= .seconds(2))
    }

    @Test func `refused clients come again as often and as late as their style says`() {
        for (style, least, most) in [
            (RetryStyle.naive, 0.1, 0.1), (.retryAfter, 1, 1), (.exponential, 0.375, 1),
        ] {
            var fleet = Self.fleet(150, seconds: 5)
            fleet.streams[0].client.retries = style
            fleet.streams[0].client.triesMax = 3
            let records = Self.run(fleet, .staticLimit).records
            let attempts = Set(records.map(\.attempt))
            #expect(attempts == [1, 2, 3])
            // The same request before, refused so long ago.
            for record in records where record.attempt == 2 {
                let before = records.last {
                    $0.attempt == 1 && $0.outcome == .refused
                        && $0.promptTokens == record.promptTokens
                        && $0.outputTokens == record.outputTokens
                        && $0.ended < record.arrived
                }
                let waited = (record.arrived - (before?.ended ?? .unset)).seconds
                #expect(waited >= least - 1e-9 && waited <= most + 1e-9, "\(style) \(waited)")
            }
        }
        let never = Self.run(Self.fleet(150, seconds: 5), .staticLimit)
        #expect(never.records.allSatisfy { $0.attempt == 1 })
    }

    @Test func `of a lost replica what had begun is cut, and what had not is served elsewhere`() {
        var fleet = Self.fleet(55)
        fleet.faults = [Fault(at: .seconds(10), .lost(replica: 2))]
        let result = Self.run(fleet, .roundRobin)
        let cut = result.records.filter { $0.outcome == .cut }
        #expect(cut.count > 10)
        #expect(cut.allSatisfy { $0.replica == 2 && $0.firstOutput.isSet })
        let moved = result.records.filter(\.wasMoved)
        #expect(!moved.isEmpty)
        #expect(moved.allSatisfy { $0.outcome == .served && $0.replica != 2 })
        let later = Fleet.start + .seconds(10)
        #expect(result.records.allSatisfy { $0.dispatched <= later || $0.replica != 2 })
    }

    @Test func `a replica that joins gets nothing before, and requests after`() {
        var fleet = Self.fleet(30)
        fleet.faults = [Fault(at: .seconds(10), .joins(replica: 0))]
        for kind in [PolicyKind.sluice, .leastInFlight, .deadlineQueue] {
            let there = Self.run(fleet, kind).records.filter { $0.replica == 0 }
            #expect(!there.isEmpty)
            #expect(there.allSatisfy { $0.dispatched >= Fleet.start + .seconds(10) })
        }
    }

    @Test func `gateways get their shares of the arrivals`() {
        var fleet = Self.fleet(100)
        fleet.gatewayShares = [7, 2, 1]
        let result = Self.run(fleet, .leastInFlight)
        let counts = (0..<3).map { place in result.records.count { $0.gateway == place } }
        let shares = counts.map { Double($0) / Double(result.records.count) }
        #expect(abs(shares[0] - 0.7) < 0.03)
        #expect(abs(shares[1] - 0.2) < 0.03)
    }

    @Test func `a restarted gateway gets what comes; the one before it ends what it has`() {
        var fleet = Self.fleet(40)
        fleet.faults = [Fault(at: .seconds(10), .restart(gateway: 0))]
        let result = Self.run(fleet, .deadlineQueue)
        let at = Fleet.start + .seconds(10)
        #expect(result.records.allSatisfy { ($0.gateway == 0) == ($0.arrived < at) })
        #expect(result.records.contains { $0.gateway == 0 && $0.ended > at })
    }
}
