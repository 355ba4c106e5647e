import SluiceTime
import Testing

@testable import SluiceSimulation

/// Targets, their judgement, and pieces of T0 short enough for a debug build.
@Suite struct ScenarioTests {
    @Test func `a bound holds at its edge, and never for what is not a number`() {
        #expect(Bound.atLeast(1).holds(1))
        #expect(!Bound.atLeast(1).holds(0.999))
        #expect(Bound.atMost(1).holds(1))
        #expect(!Bound.atMost(1).holds(1.001))
        #expect(Bound.near(10, share: 0.2).holds(8) && Bound.near(10, share: 0.2).holds(12))
        #expect(!Bound.near(10, share: 0.2).holds(7.9))
        for bound in [Bound.atLeast(0), .atMost(9), .near(1, share: 1)] {
            #expect(!bound.holds(.nan))
        }
    }

    @Test func `a median may hide a seed, a target of each may not; the accounts are a target too`()
    {
        let scenario = Scenario(
            "X", "two figures",
            targets: [
                Target("median", .ratio, .atLeast(1)),
                Target("each", .ratio, .atLeast(1), judgedBy: .each),
            ]
        ) { run in [Double(run.seed), Double(run.seed)] }
        let capacity = Capacity(requestsPerSecond: 1, workPerSecond: 1)
        let samples = [0, 3].map {
            scenario.sample(seed: $0, policy: .roundRobin, capacity: capacity)
        }
        let rows = scenario.rows(samples)
        #expect(rows.map(\.verdict) == [.met, .missed, .met])
        #expect(rows[0].median == 1.5)
        #expect(rows[0].least == 0 && rows[0].most == 3)
        let broken = ScenarioSample(figures: [2, 2], conservationError: 1, simulated: .zero)
        #expect(scenario.rows([broken]).last?.verdict == .missed)
    }

    @Test
    func `a target known to be missed is short above its floor, missed below, met where it is`() {
        let scenario = Scenario(
            "X", "one figure", targets: [Target("known", .ratio, .atLeast(3))]
        ) { run in [Double(run.seed)] }
        let known = Shortfall(
            scenario: "X", target: "known", reason: "because", floor: .atLeast(2))
        func verdict(_ seeds: [UInt64], _ shortfalls: [Shortfall]) -> RowVerdict? {
            let capacity = Capacity(requestsPerSecond: 1, workPerSecond: 1)
            let samples = seeds.map {
                scenario.sample(seed: $0, policy: .roundRobin, capacity: capacity)
            }
            return scenario.rows(samples, shortfalls: shortfalls).first?.verdict
        }
        #expect(verdict([1, 2, 9], [known]) == .short(known))
        #expect(verdict([2], []) == .missed)
        #expect(verdict([1], [known]) == .missed)
        #expect(verdict([3], [known]) == .met)
    }

    @Test func `the middle of figures; one that is not a number leaves none`() {
        #expect(ScenarioRow.median([3, 1, 2]) == 2)
        #expect(ScenarioRow.median([4, 1, 2, 3]) == 2.5)
        #expect(ScenarioRow.median([]).isNaN && ScenarioRow.median([1, .nan, 2]).isNaN)
    }

    @Test func `what is known to be missed names a target that is there, and asks for less`() {
        for shortfall in Scenarios.shortfalls {
            let scenario = Scenarios.named(shortfall.scenario)
            let target = scenario?.targets.first { $0.name == shortfall.target }
            #expect(target != nil, "\(shortfall.target)")
            switch (shortfall.floor, target?.bound) {
            case (.atLeast(let floor), .atLeast(let bound)): #expect(floor < bound)
            case (.atMost(let floor), .atMost(let bound)): #expect(floor > bound)
            default: Issue.record("\(shortfall.target): a floor is a bound of the same kind")
            }
        }
    }

    @Test func `names are found whatever their case, and none is used twice`() {
        #expect(Scenarios.named("t12C")?.name == "T12c")
        #expect(Scenarios.named("T99") == nil)
        #expect(Set(Scenarios.all.map(\.name)).count == Scenarios.all.count)
        #expect(Scenarios.all.first?.name == "T0")
        #expect(Scenarios.all.count == 23)
    }

    /// A short run of the study's fleet at a multiple of its capacity.
    static func study(_ load: Double) -> FleetConfiguration {
        FleetTests.fleet(load * Study.capacity)
    }

    @Test func `T0 in short: with one replica 2x slower round robin loses a quarter`() {
        var fleet = Self.study(0.85 * 3.5 / 4)
        fleet.warmUp = .seconds(25)
        fleet.faults = [Fault(at: .zero, .slow(replica: 3, factor: 2))]
        let lost = 1 - FleetTests.run(fleet, .roundRobin).goodShareOfOffered()
        #expect((0.2...0.3).contains(lost), "\(lost)")
    }

    @Test func `T0 in short: old gauges alone herd, own requests in flight do not`() {
        var fleet = Self.study(0.9)
        fleet.warmUp = .seconds(10)
        fleet.scrapeInterval = .seconds(5)
        let scraped = FleetTests.run(fleet, .leastScraped).firstTokenTimes().value(at: 0.99)
        let own = FleetTests.run(fleet, .leastInFlight).firstTokenTimes().value(at: 0.99)
        #expect((9...14).contains(scraped), "\(scraped)")
        #expect((0.3...0.5).contains(own), "\(own)")
    }

    @Test func `long prompts want fewer clients than there are slots`() {
        var fleet = FleetTests.fleet(0)
        fleet.replicas = [EngineParameters()]
        fleet.streams[0].prompts = LognormalLengths(median: 4_000, sigma: 0, tokensMax: 4_000)
        fleet.streams[0].outputs = LognormalLengths(median: 100, sigma: 0, tokensMax: 100)
        let full = Capacity.measure(fleet, measured: .seconds(20))
        let half = Capacity.measure(fleet, clientsPerReplica: 8, measured: .seconds(20))
        #expect(half.workPerSecond > full.workPerSecond)
    }
}
