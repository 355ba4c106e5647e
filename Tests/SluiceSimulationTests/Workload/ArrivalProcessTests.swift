import SluiceTime
import Testing

@testable import SluiceSimulation

/// When requests come.
@Suite struct ArrivalProcessTests {
    /// Arrivals up to `seconds`.
    static func draw(_ process: ArrivalProcess, seconds: Double, seed: UInt64 = 1) -> [Double] {
        var clock = ArrivalClock(process, seed: seed)
        var all: [Double] = []
        while let next = clock.next(), next.seconds < seconds { all.append(next.seconds) }
        return all
    }

    /// Arrivals in each second.
    static func bySecond(_ arrivals: [Double], _ seconds: Int) -> [Double] {
        var counts = Array(repeating: 0.0, count: seconds)
        for at in arrivals { counts[Int(at)] += 1 }
        return counts
    }

    static func count(_ arrivals: [Double], _ from: Double, _ to: Double) -> Int {
        arrivals.count { $0 >= from && $0 < to }
    }

    @Test func `Poisson arrivals have the rate, and counts vary as much as their mean`() {
        let arrivals = Self.draw(.poisson(perSecond: 40), seconds: 1_000)
        #expect((39_200...40_800).contains(arrivals.count))
        let counts = Self.bySecond(arrivals, 1_000)
        let mean = counts.reduce(0, +) / 1_000
        let variance = counts.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / 1_000
        #expect((0.85...1.15).contains(variance / mean), "\(variance / mean)")
    }

    @Test func `a rate changes at its step, and none comes while it is 0`() {
        let steps = [
            RateStep(from: .seconds(10), perSecond: 20), RateStep(from: .seconds(60), perSecond: 0),
            RateStep(from: .seconds(100), perSecond: 100),
        ]
        let arrivals = Self.draw(.poisson(steps), seconds: 150)
        #expect(Self.count(arrivals, 0, 10) == 0)
        #expect((880...1_120).contains(Self.count(arrivals, 10, 60)))
        #expect(Self.count(arrivals, 60, 100) == 0)
        #expect((4_750...5_250).contains(Self.count(arrivals, 100, 150)))
        #expect(Self.draw(.poisson(perSecond: 0), seconds: 10).isEmpty)
    }

    @Test func `bursts keep the mean rate and crowd the seconds`() {
        let arrivals = Self.draw(.bursts(perSecond: 30, Study.bursts), seconds: 4_000)
        #expect((28.0...32.0).contains(Double(arrivals.count) / 4_000))
        let counts = Self.bySecond(arrivals, 4_000)
        // A third of the time at 60 a second, two thirds at 15; hardly a second at the mean.
        let busy = Double(counts.count { $0 > 45 }) / 4_000
        let calm = Double(counts.count { $0 < 25 }) / 4_000
        #expect((0.24...0.38).contains(busy), "\(busy)")
        #expect((0.52...0.72).contains(calm), "\(calm)")
    }

    @Test func `a recording is played as it was written, then ends`() {
        let offsets = [0.5, 0.5, 2].map { Nanoseconds.seconds(clamping: $0) }
        #expect(Self.draw(.recorded(offsets), seconds: 100) == [0.5, 0.5, 2])
    }

    @Test func `the same seed gives the same arrivals, another seed others`() {
        let process = ArrivalProcess.bursts(perSecond: 10, Study.bursts)
        let first = Self.draw(process, seconds: 50, seed: 7)
        #expect(first == Self.draw(process, seconds: 50, seed: 7))
        #expect(first != Self.draw(process, seconds: 50, seed: 8))
    }

    @Test func `requests of a group share their prefix, and groups are all alike often`() {
        var stream = RequestStream(.poisson(perSecond: 1))
        stream.prefixes = PrefixGroups(
            count: 4, shared: LognormalLengths(median: 300, sigma: 0, tokensMax: 300))
        var source = RequestSource(stream, seed: 3)
        var seen: [UInt64: Int] = [:]
        for _ in 0..<4_000 {
            let drawn = source.next()
            #expect(drawn.prefix?.tokens == 300)
            #expect(drawn.promptTokens > 300)
            seen[drawn.prefix?.key ?? 0, default: 0] += 1
        }
        #expect(seen.count == 4)
        #expect(seen.values.allSatisfy { (850...1_150).contains($0) })
    }
}
