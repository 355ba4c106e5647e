import SluiceBytes
import Testing

@testable import SluiceBench

@Suite struct LengthDistributionTests {
    @Test(arguments: [
        ("fixed:200", LengthDistribution.fixed(200)), ("7", .fixed(7)),
        ("uniform:50-500", .uniform(50...500)),
        ("lognormal:600,1.0", .lognormal(median: 600, sigma: 1)),
    ])
    func `reads what the help shows`(text: String, expected: LengthDistribution) {
        #expect(LengthDistribution(text) == expected)
    }

    @Test(arguments: [
        "", "0", "-1", "fixed", "fixed:", "fixed:0", "fixed:1000001", "uniform:5", "uniform:9-3",
        "uniform:0-3", "uniform:1-2-3", "lognormal:600", "lognormal:600,-1", "lognormal:nan,1",
        "lognormal:600,inf", "lognormal:0.5,1", "zipf:1", "fixed:99999999999999999999",
    ])
    func `refuses what is malformed or out of range`(text: String) {
        #expect(LengthDistribution(text) == nil)
    }

    @Test func `what it writes it reads`() {
        for text in ["fixed:200", "uniform:50-500", "lognormal:600,1.0"] {
            #expect(LengthDistribution(text)?.description == text)
        }
    }

    @Test func `samples stay inside and the median is the one asked for`() {
        var random = SplitMix64(seed: 7)
        let uniform = (0..<2_000).map { _ in LengthDistribution.uniform(3...9).sample(&random) }
        #expect(Set(uniform) == Set(3...9))
        let lognormal = (0..<20_001).map { _ in
            LengthDistribution.lognormal(median: 600, sigma: 1).sample(&random)
        }.sorted()
        #expect((570...630).contains(lognormal[10_000]))
        let wild = LengthDistribution.lognormal(median: 1_000_000, sigma: 5)
        #expect((0..<1_000).allSatisfy { _ in (1...1_000_000).contains(wild.sample(&random)) })
    }

    @Test func `the same seed draws the same lengths`() {
        var (one, two) = (SplitMix64(seed: 3), SplitMix64(seed: 3))
        let lengths = LengthDistribution.lognormal(median: 90, sigma: 0.7)
        #expect((0..<50).allSatisfy { _ in lengths.sample(&one) == lengths.sample(&two) })
    }
}
