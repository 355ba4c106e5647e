import SluiceTime
import Testing

@testable import SluiceSimulation

/// Figures read off hand-made records.
@Suite struct RunResultTests {
    /// A record that came so many milliseconds into the counted part.
    static func record(
        at milliseconds: Int64, firstToken: Int64? = nil, gap: Int64 = 20, outputs: Int = 11,
        prompt: Int = 100, outcome: RequestOutcome = .served
    ) -> RequestRecord {
        let arrived = Fleet.start + Study.warmUp + .milliseconds(milliseconds)
        var record = RequestRecord(
            stream: 0, classIndex: 0, tenant: 0, promptTokens: prompt, outputTokens: outputs,
            gateway: 0, arrived: arrived)
        record.outcome = outcome
        if let firstToken {
            record.firstOutput = arrived + .milliseconds(firstToken)
            record.generated = outputs
            record.ended = record.firstOutput + .milliseconds(gap * Int64(outputs - 1))
        }
        return record
    }

    static func result(_ records: [RequestRecord], seconds: Int64 = 4) -> RunResult {
        var fleet = FleetConfiguration(streams: [])
        fleet.measured = .seconds(seconds)
        return RunResult(
            configuration: fleet, records: records, ledgerErrorMax: 0, openAtEnd: 0,
            simulated: .zero, steps: 0)
    }

    @Test func `good is what is within both objectives, edges included`() {
        let objective = ClassObjective()
        #expect(Self.record(at: 0, firstToken: 2_000).isGood(objective))
        #expect(!Self.record(at: 0, firstToken: 2_001).isGood(objective))
        #expect(Self.record(at: 0, firstToken: 10, gap: 60).isGood(objective))
        #expect(!Self.record(at: 0, firstToken: 10, gap: 61).isGood(objective))
        #expect(Self.record(at: 0, firstToken: 10, gap: 999, outputs: 1).isGood(objective))
        #expect(!Self.record(at: 0, firstToken: 10, outcome: .cut).isGood(objective))
        let none = ClassObjective(firstToken: nil, tokenGap: nil)
        #expect(Self.record(at: 0, firstToken: 9_000, gap: 900).isGood(none))
    }

    @Test func `only what came in the counted part counts, and work is tokens by their cost`() {
        let result = Self.result([
            Self.record(at: -1, firstToken: 10), Self.record(at: 0, firstToken: 10),
            Self.record(at: 1_500, firstToken: 9_999), Self.record(at: 3_999, firstToken: 10),
            Self.record(at: 4_000, firstToken: 10),
        ])
        #expect(result.came().count == 3)
        let work = 100 * 0.04 + 11 * 0.31
        #expect(abs(result.goodWork() - 2 * work / 4) < 1e-9)
        #expect(abs(result.goodWork(from: .seconds(3)) - work) < 1e-9)
        #expect(result.goodPerSecond == 0.5)
    }

    @Test func `admitted is what was not refused; what was cut can be left out`() {
        let result = Self.result([
            Self.record(at: 0, firstToken: 10), Self.record(at: 1, outcome: .refused),
            Self.record(at: 2, outcome: .expired), Self.record(at: 3, outcome: .abandoned),
            Self.record(at: 4, firstToken: 10, outcome: .cut),
        ])
        #expect(abs(result.goodShareOfAdmitted() - 1.0 / 3) < 1e-9)
        #expect(result.goodShareOfAdmitted(cut: false) == 0.5)
        #expect(result.goodShareOfOffered() == 0.2)
        #expect(result.count(.refused) == 1)
    }

    @Test func `seconds are by arrival, and one without requests is good`() {
        let result = Self.result([
            Self.record(at: 100, firstToken: 10), Self.record(at: 2_100, firstToken: 10),
            Self.record(at: 2_900, firstToken: 5_000),
        ])
        #expect(result.goodShareBySecond(least: 0).map(\.share) == [1, 1, 0.5, 1])
    }

    @Test func `a second of few requests is joined with the next, the last with the one before`() {
        let result = Self.result(
            [(100, 10), (1_100, 10), (1_200, 5_000), (1_300, 10), (3_100, 5_000)].map {
                Self.record(at: $0, firstToken: $1)
            })
        let joined = result.goodShareBySecond(least: 2)
        #expect(joined.map(\.end) == [.seconds(4)])
        #expect(joined.map(\.share) == [0.6])
        let alone = result.goodShareBySecond(from: .seconds(1), least: 3)
        #expect(alone.map(\.end) == [.seconds(4)])
        #expect(alone.map(\.share) == [0.5])
        #expect(result.goodShareBySecond(least: 1).map(\.end) == [1, 2, 4].map { .seconds($0) })
    }

    @Test func `long over short compares the shares served`() {
        let long = 3_000
        let result = Self.result([
            Self.record(at: 0, firstToken: 10), Self.record(at: 1, firstToken: 10),
            Self.record(at: 2, firstToken: 10, prompt: long),
            Self.record(at: 3, prompt: long, outcome: .refused),
        ])
        #expect(result.longOverShort == 0.5)
    }

    @Test func `percentiles are by nearest rank, and of nothing there is none`() {
        let hundred = Percentiles((1...100).reversed().map(Double.init))
        #expect(hundred.value(at: 0.99) == 99)
        #expect(hundred.value(at: 0.5) == 50)
        #expect(hundred.value(at: 1) == 100)
        #expect(hundred.value(at: 0) == 1)
        #expect(Percentiles([]).value(at: 0.5).isNaN)
    }

    @Test func `Jain's index is 1 for equals and 1/n for a single winner`() {
        #expect(Fairness.jain([2, 2, 2]) == 1)
        #expect(abs(Fairness.jain([1, 0, 0, 0]) - 0.25) < 1e-9)
        #expect(Fairness.jain([0, 0]) == 1)
    }

    @Test func `max-min shares sate the small and split the rest by weight`() {
        let shares = Fairness.maxMinShares(
            demand: [1.28, 0.18, 0.18, 0.18, 0.18], weights: [1, 1, 1, 1, 1], capacity: 1)
        #expect(abs(shares[0] - 0.28) < 1e-9)
        #expect(shares[1...].allSatisfy { abs($0 - 0.18) < 1e-9 })
        let weighted = Fairness.maxMinShares(demand: [1, 1], weights: [4, 1], capacity: 1)
        #expect(abs(weighted[0] - 0.8) < 1e-9)
        let idle = Fairness.maxMinShares(demand: [0.1, 0.2], weights: [1, 1], capacity: 1)
        #expect(idle == [0.1, 0.2])
    }
}
