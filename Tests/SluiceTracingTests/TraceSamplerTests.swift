import SluiceBytes
import SluiceTracing
import Testing

@Suite struct TraceSamplerTests {
    private func share(_ ratio: Double) -> Double {
        var random = SplitMix64(seed: 0)
        let sampler = TraceSampler(ratio: ratio)
        let taken = (0..<20_000).count { _ in sampler.takes(TraceID(random: &random)) }
        return Double(taken) / 20_000
    }

    @Test func `all, none, and shares between`() {
        #expect(share(1) == 1)
        #expect(share(0) == 0)
        for ratio in [0.01, 0.25, 0.5, 0.9] { #expect(abs(share(ratio) - ratio) < 0.015) }
    }

    @Test func `what is no share is clamped`() {
        #expect(share(2) == 1)
        #expect(share(-1) == 0)
        #expect(share(.nan) == 0)
        #expect(share(.infinity) == 1)
    }

    @Test func `it is the trace that decides, by its last seven bytes`() throws {
        let sampler = TraceSampler(ratio: 0.5)
        let least = try #require(TraceID(high: 1, low: 0xFF7F_FFFF_FFFF_FFFF))
        let most = try #require(TraceID(high: 0, low: 0x0080_0000_0000_0000))
        #expect(!sampler.takes(least))
        #expect(sampler.takes(most))
        // Who takes fewer takes none that others leave.
        let few = TraceSampler(ratio: 0.1)
        var random = SplitMix64(seed: 0)
        for _ in 0..<1_000 {
            let trace = TraceID(random: &random)
            if few.takes(trace) { #expect(sampler.takes(trace)) }
        }
    }

    @Test func `no id is all zeros`() {
        struct Zeros: RandomNumberGenerator { mutating func next() -> UInt64 { 0 } }
        var zeros = Zeros()
        #expect(TraceID(random: &zeros).low == 1)
        #expect(SpanID(random: &zeros).bits == 1)
        #expect(TraceID(high: 0, low: 0) == nil)
        #expect(SpanID(0) == nil)
    }
}
