import SluiceBytes
import SluiceTime
import SluiceTracing
import Testing

@Suite struct ExportBackoffTests {
    private var random = SplitMix64(seed: 0)

    @Test func `the wait doubles up to its bound, half of it left to chance`() {
        var backoff = ExportBackoff()
        var random = random
        for expected in [1, 2, 4, 8, 16, 30, 30, 30] {
            let wait = backoff.failed(retryAfter: nil, random: &random).wait
            let most = Nanoseconds.seconds(Int64(expected))
            #expect(wait >= most / 2 && wait <= most, "\(expected)")
        }
    }

    @Test func `a batch is sent five times, and the next one waits as long`() {
        var backoff = ExportBackoff()
        var random = random
        let first = (0..<5).map { _ in backoff.failed(retryAfter: nil, random: &random) }
        #expect(first.map(\.isGivenUp) == [false, false, false, false, true])
        let next = backoff.failed(retryAfter: nil, random: &random)
        #expect(!next.isGivenUp)
        #expect(next.wait >= .seconds(15))
    }

    @Test func `what is delivered, or refused for good, ends the waiting`() {
        var random = random
        for end in [{ (b: inout ExportBackoff) in b.delivered() }, { $0.refused() }] {
            var backoff = ExportBackoff()
            for _ in 0..<4 { _ = backoff.failed(retryAfter: nil, random: &random) }
            end(&backoff)
            let next = backoff.failed(retryAfter: nil, random: &random)
            #expect(next.wait <= .seconds(1) && !next.isGivenUp)
        }
    }

    @Test func `the collector may ask for more time, up to a bound, and never for less`() {
        var random = random
        var backoff = ExportBackoff()
        #expect(backoff.failed(retryAfter: .seconds(7), random: &random).wait == .seconds(7))
        #expect(
            backoff.failed(retryAfter: .seconds(3_600), random: &random).wait == .seconds(60))
        #expect(backoff.failed(retryAfter: .zero, random: &random).wait >= .seconds(2))
    }

    @Test(arguments: 100...599)
    func `four statuses ask for the same again`(status: Int) {
        #expect(ExportBackoff.isRetryable(status: status) == [429, 502, 503, 504].contains(status))
    }
}
