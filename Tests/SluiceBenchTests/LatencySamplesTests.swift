import SluiceTime
import Testing

@testable import SluiceBench

@Suite struct LatencySamplesTests {
    @Test func `percentiles are the nearest ranks of all spans up to the bound`() {
        var samples = LatencySamples(keptMax: 100)
        for n in (1...100).reversed() { samples.add(.milliseconds(Int64(n))) }
        #expect(
            samples.percentiles([0, 0.5, 0.9, 0.99, 1])
                == [1, 50, 90, 99, 100].map { Nanoseconds.milliseconds($0) })
        #expect(samples.isExact)
        #expect(samples.max == .milliseconds(100))
        #expect(samples.mean == .microseconds(50_500))
    }

    @Test func `without spans there are no figures`() {
        let samples = LatencySamples()
        #expect(samples.percentiles([0.5]) == [nil])
        #expect(samples.mean == nil)
    }

    @Test func `beyond the bound it keeps a fair sample and says so`() {
        var samples = LatencySamples(keptMax: 1_000)
        for n in 1...100_000 { samples.add(.microseconds(Int64(n))) }
        #expect(!samples.isExact)
        #expect(samples.count == 100_000)
        #expect(samples.max == .microseconds(100_000))
        let median = samples.percentiles([0.5])[0] ?? .zero
        #expect(median > .microseconds(44_000) && median < .microseconds(56_000))
    }
}
