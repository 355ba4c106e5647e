import SluiceTelemetry
import SluiceTime
import Testing

@Suite struct UserTotalsTests {
    private static let scales = BucketScales(firstTokenObjectives: [.milliseconds(200)])

    private static func histogram(_ milliseconds: Int64...) -> HistogramValue {
        var value = HistogramValue(scales.firstToken)
        for one in milliseconds { value.observe(.milliseconds(one)) }
        return value
    }

    @Test func `an exchange counts once, whatever its labels, and a wait for nothing is a wait`() {
        let shards = [MetricShard(scales: Self.scales), MetricShard(scales: Self.scales)]
        for (shard, model) in zip(shards, [UInt16(0), 1]) {
            var record = MetricShardTests.stream()
            record.modelIndex = model
            shard.received(&record)
            record.firstContentWritten = record.received + .milliseconds(90)
            record.lastContentWritten = record.firstContentWritten
            record.outcome = .ok
            record.status = 200
            record.ended = record.received + .milliseconds(100)
            shard.finished(&record)
        }
        var left = MetricShardTests.stream()
        shards[0].received(&left)
        left.outcome = .clientGone
        left.status = 499
        left.ended = left.received + .seconds(3)
        shards[0].finished(&left)
        var refused = MetricShardTests.stream()
        shards[1].received(&refused)
        refused.outcome = .shed
        refused.reason = .overload
        refused.status = 429
        refused.ended = refused.received
        shards[1].finished(&refused)
        let totals = UserTotals(shards, Self.scales)
        #expect(totals[.served] == 2)
        #expect(totals[.abandoned] == 1)
        #expect(totals[.refused] == 1)
        #expect(totals[.failed] == 0)
        #expect(totals.sheds == [.overload: 1])
        #expect(totals.firstToken.count == 2)
        #expect(totals.firstTokenWait.count == 3)
        #expect((totals.firstTokenWait.quantile(0.99) ?? 0) > 2.5)
    }

    @Test func `a quantile lies even within its bucket`() throws {
        #expect(HistogramValue(Self.scales.firstToken).quantile(0.5) == nil)
        // Four of them between 80 and 100 ms.
        let even = Self.histogram(90, 91, 92, 93)
        #expect(abs(try #require(even.quantile(0.5)) - 0.09) < 1e-9)
        #expect(abs(try #require(even.quantile(1)) - 0.1) < 1e-9)
        // Beyond the last bound there is no saying how far.
        #expect(Self.histogram(9_000_000).quantile(0.5) == 2_560)
    }

    @Test func `where the native buckets hold them, a quantile is off by less than a tenth`() throws
    {
        let shard = MetricShard(scales: Self.scales)
        func answer(after wait: Nanoseconds) {
            var record = MetricShardTests.stream()
            shard.received(&record)
            record.firstContentWritten = record.received + wait
            record.lastContentWritten = record.firstContentWritten
            record.outcome = .ok
            record.status = 200
            record.ended = record.received + wait
            shard.finished(&record)
        }
        for _ in 0..<50 { answer(after: .seconds(2)) }
        let earlier = UserTotals([shard], Self.scales).firstToken
        // The classic bucket is from 250 to 500 ms.
        for milliseconds in 1...100 { answer(after: .milliseconds(260 + Int64(milliseconds))) }
        let rest = UserTotals([shard], Self.scales).firstToken.since(earlier)
        #expect(rest.count == 100)
        #expect(abs(try #require(rest.quantile(0.99)) / 0.359 - 1) < 0.09)
        #expect(abs(try #require(rest.quantile(0.5)) / 0.31 - 1) < 0.09)
        #expect(UserTotals([shard], Self.scales).firstTokenWait.quantile(1) ?? 0 >= 2)
    }

    @Test func `what is since an earlier reading is their difference`() {
        let before = Self.histogram(15, 90)
        var now = Self.histogram(15, 90)
        now.observe(.milliseconds(300))
        let rest = now.since(before)
        #expect(rest.count == 1)
        #expect(rest.sum == 300_000_000)
        #expect(before.since(now).count == 0)
    }

    @Test func `the part within an objective is exact at a bound`() {
        #expect(HistogramValue(Self.scales.firstToken).part(upTo: 0.2) == nil)
        #expect(Self.histogram(199, 200, 201, 900).part(upTo: 0.2) == 0.5)
    }
}
