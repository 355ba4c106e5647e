import SluiceTelemetry
import SluiceTime
import Testing

@testable import SluiceProxy

@Suite struct HistoryTests {
    private let scales = BucketScales()

    /// A gateway that answers `count` requests with a first token after `wait`, and refuses as many.
    private func serve(_ count: Int, _ wait: Nanoseconds, _ shard: MetricShard) {
        for _ in 0..<count {
            var record = ExchangeRecord()
            record.started = Instant(nanoseconds: 1_000)
            record.received = record.started
            record.route = .chatCompletions
            record.method = .post
            record.isStream = true
            shard.received(&record)
            var refused = record
            record.firstContentWritten = record.received + wait
            record.lastContentWritten = record.firstContentWritten
            record.outcome = .ok
            record.status = 200
            record.ended = record.firstContentWritten
            shard.finished(&record)
            shard.received(&refused)
            refused.outcome = .shed
            refused.reason = .overload
            refused.status = 429
            refused.ended = refused.received
            shard.finished(&refused)
        }
    }

    private func record(
        _ history: inout History, _ shard: MetricShard, at second: Int64, seconds: Double = 1,
        objective: Double? = 0.1
    ) {
        history.record(
            UserTotals([shard], scales), at: second, seconds: seconds, objective: objective,
            History.Load(queueLength: 3, inFlight: 4, goodputTokens: UInt64(second) * 50))
    }

    @Test func `a point is what a second brought, a late one counts as long as it took`() throws {
        let shard = MetricShard(scales: scales)
        var history = History()
        record(&history, shard, at: 100)
        #expect(history.next == 0, "one reading is no difference")
        serve(8, .milliseconds(70), shard)
        record(&history, shard, at: 101)
        serve(8, .milliseconds(700), shard)
        record(&history, shard, at: 103, seconds: 2)
        let points = history.points(from: 0)
        try #require(points.count == 2)
        #expect(points.map(\.at) == [101, 103])
        #expect(points.map(\.served) == [8, 4])
        #expect(points.map(\.refused) == [8, 4])
        #expect(points.map(\.goodputTokens) == [50, 50])
        #expect(points[0].inObjective == 1)
        #expect(points[1].inObjective == 0.5)
        #expect((points[0].firstToken99 ?? 1) <= 0.08)
        #expect((points[1].firstToken99 ?? 0) > 0.5)
        #expect(points[1].gap99 == nil)
        #expect(points[1].queueLength == 3)
        #expect(history.recentSheds.map(\.count) == [16])
    }

    @Test func `quantiles forget after ten seconds, refusals after a minute`() {
        let shard = MetricShard(scales: scales)
        var history = History()
        record(&history, shard, at: 0)
        serve(5, .seconds(2), shard)
        for second in 1...10 { record(&history, shard, at: Int64(second)) }
        #expect(history.points(from: 9).first?.firstToken99 != nil)
        record(&history, shard, at: 11)
        #expect(history.points(from: 10).first?.firstToken99 == nil)
        #expect(history.recentSheds.map(\.count) == [5])
        for second in 12...62 { record(&history, shard, at: Int64(second)) }
        #expect(history.recentSheds.isEmpty)
    }

    @Test func `a quarter of an hour is kept, and any part of it can be asked for`() {
        let shard = MetricShard(scales: scales)
        var history = History()
        for second in 0...1_000 { record(&history, shard, at: Int64(second), objective: nil) }
        #expect(history.next == 1_000)
        let all = history.points(from: 0)
        #expect(all.count == History.pointsMax)
        #expect(all.first?.at == 101)
        #expect(all.last?.at == 1_000)
        #expect(all.allSatisfy { $0.inObjective == nil })
        #expect(history.points(from: 997).map(\.at) == [998, 999, 1_000])
        #expect(history.points(from: 1_000).isEmpty)
        #expect(history.points(from: .max).isEmpty)
    }
}
