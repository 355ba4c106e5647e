import SluiceBytes
import Testing

@testable import SluiceSimulation

/// Lengths of prompts and answers.
@Suite struct LognormalLengthsTests {
    @Test func `drawn lengths are lognormal with median 150, and bounded`() {
        var generator = SplitMix64(seed: 9)
        let lengths = Study.outputs
        let samples = (0..<4_001).map { _ in lengths.sample(&generator) }.sorted()
        #expect((140...160).contains(samples[2_000]))
        #expect(samples.first ?? 0 >= 1)
        #expect(samples.last == 1_500)
        // One standard deviation up: 150·e^0.9 = 369.
        #expect((340...400).contains(samples[3_366]))
    }

    @Test func `prompts have the mean of the law, and a tenth exceed its ninetieth percentile`() {
        var generator = SplitMix64(seed: 4)
        let samples = (0..<40_000).map { _ in Study.prompts.sample(&generator) }
        let mean = Double(samples.reduce(0, +)) / Double(samples.count)
        // 600·e^½ = 989, less what the cut at 8,000 takes away.
        #expect((940...990).contains(mean), "\(mean)")
        let long = samples.count { Double($0) > Study.prompts.ninetiethPercentile }
        #expect((3_800...4_200).contains(long), "\(long)")
    }

    @Test func `without spread every length is the median`() {
        var generator = SplitMix64(seed: 1)
        let fixed = LognormalLengths(median: 750, sigma: 0, tokensMax: 750)
        #expect((0..<10).allSatisfy { _ in fixed.sample(&generator) == 750 })
    }
}
