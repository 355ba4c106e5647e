import SluiceTime
import Testing

@testable import SluiceProxy

@Suite struct LookupTroublesTests {
    private let start = Instant(nanoseconds: 1_000_000_000_000)

    @Test func `a failure is said at once, then once a minute with its count, and its end is said`()
    {
        var troubles = LookupTroubles()
        var said: [Int: String] = [:]
        // Every five seconds for two minutes and a half.
        for second in stride(from: 0, through: 150, by: 5) {
            said[second] = troubles.failed(
                "vllm:8000", "no server", now: start + .seconds(Int64(second)))
        }
        #expect(
            said == [
                0: "cannot look up vllm:8000: no server; the addresses known last stay in use",
                60: "still cannot look up vllm:8000: no server; 12 more failures in 60 s",
                120: "still cannot look up vllm:8000: no server; 12 more failures in 60 s",
            ])
        let over = troubles.succeeded("vllm:8000", now: start + .seconds(155))
        #expect(over == "vllm:8000 is found again, after 31 failed look-ups in 155 s")
        let well = troubles.succeeded("vllm:8000", now: start + .seconds(160))
        #expect(well == nil)
    }

    @Test func `a name that fails anew is news, and so is another name`() {
        var troubles = LookupTroubles()
        var said = [troubles.failed("a:1", "no server", now: start)]
        said.append(troubles.failed("b:1", "no server", now: start))
        _ = troubles.succeeded("a:1", now: start)
        said.append(troubles.failed("a:1", "no server", now: start + .seconds(1)))
        #expect(said.allSatisfy { $0?.hasPrefix("cannot look up") == true })
    }

    @Test func `names that are looked up no more are forgotten`() {
        var troubles = LookupTroubles()
        _ = troubles.failed("a:1", "no server", now: start)
        troubles.keep(only: ["b:1"])
        let over = troubles.succeeded("a:1", now: start)
        #expect(over == nil)
    }
}
