import SluiceTime
import Testing

@testable import SluiceTraffic

@Suite("Recent counts")
struct RecentCountsTests {
    private func at(_ milliseconds: Int64) -> Instant {
        Instant(nanoseconds: 1_000_000_000) + .milliseconds(milliseconds)
    }

    @Test("what is older than the span is forgotten, bucket by bucket")
    func forgets() {
        var counts = RecentCounts(span: .seconds(3), buckets: 30, kinds: 2)
        for step in 0..<30 { counts.record(step % 2, now: at(Int64(step) * 100)) }
        #expect(counts.total(now: at(2_900)) == 30)
        #expect(counts.count(0, now: at(2_900)) == 15)
        #expect(counts.total(now: at(3_000)) == 29)
        #expect(counts.total(now: at(4_400)) == 15)
        #expect(counts.total(now: at(60_000)) == 0)
        counts.record(1, now: at(60_000))
        #expect(counts.count(0..<2, now: at(60_100)) == 1)
    }

    @Test("what is taken back is as if it had never been counted, and nothing is taken back twice")
    func takesBack() {
        var counts = RecentCounts(span: .seconds(3), buckets: 30, kinds: 1)
        counts.record(0, now: at(0))
        counts.record(0, now: at(500))
        counts.remove(0, then: at(0))
        counts.remove(0, then: at(0))
        #expect(counts.total(now: at(500)) == 1)
        counts.remove(0, then: at(-10_000))
        #expect(counts.total(now: at(500)) == 1)
    }
}
