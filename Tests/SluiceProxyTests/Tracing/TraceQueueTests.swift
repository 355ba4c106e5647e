import SluiceReactor
import SluiceTelemetry
import SluiceTime
import SluiceTracing
import Testing

@testable import SluiceProxy

/// A trace of a finished exchange with so many spans, at least two.
func finishedTrace(spans count: Int = 2, id: UInt64 = 7) throws -> FinishedTrace {
    let trace = Pinned(
        ExchangeTrace(
            trace: try #require(TraceID(high: 1, low: id)), parent: nil,
            root: try #require(SpanID(id)), isTLS: false))
    var record = ExchangeRecord()
    record.started = Instant(nanoseconds: 1_000)
    record.received = Instant(nanoseconds: 2_000)
    record.ended = Instant(nanoseconds: 9_000)
    record.startedUnixNanoseconds = 1_700_000_000_000_000_000
    if count > 2 { record.poolIndex = 0 }
    // One that was never sent has one span.
    let peer = TracePeer(name: "r", host: "h", port: 1)
    for number in 3..<max(3, count) {
        trace.value.attempt(
            at: peer, engine: try #require(SpanID(UInt64(number))), suffix: 0, now: record.received)
    }
    trace.value.ended(&record)
    let spanCount = trace.value.spanCount
    #expect(spanCount == count)
    return FinishedTrace(trace: trace, spanCount: count)
}

@Suite struct TraceQueueTests {
    private func time(_ seconds: Int64) -> Instant { Instant(nanoseconds: seconds * 1_000_000_000) }

    @Test func `spans beyond the bound are dropped and counted, and room is used`() throws {
        let queue = TraceQueue(spansMax: 10)
        var batch = [
            try finishedTrace(spans: 6), try finishedTrace(spans: 5), try finishedTrace(spans: 4),
            try finishedTrace(spans: 2),
        ]
        queue.put(&batch, now: time(1))
        #expect(batch.isEmpty)
        #expect(queue.spanCount == 10)
        #expect(queue.counts.now.dropped == [7, 0, 0, 0, 0])
        #expect(queue.take(spans: .max, due: .never).map(\.spanCount) == [6, 4])
        var next = [try finishedTrace(spans: 6)]
        queue.put(&next, now: time(2))
        #expect(queue.spanCount == 6)
    }

    @Test func `a batch is taken when it is full, or has waited`() throws {
        let queue = TraceQueue(spansMax: 100)
        #expect(queue.take(spans: 1, due: time(9)).isEmpty)
        var batch = try (0..<5).map { _ in try finishedTrace(spans: 3) }
        queue.put(&batch, now: time(5))
        #expect(queue.take(spans: 16, due: time(4)).isEmpty)
        #expect(queue.take(spans: 16, due: time(5)).count == 5)
        batch = try (0..<5).map { _ in try finishedTrace(spans: 3) }
        queue.put(&batch, now: time(6))
        #expect(queue.take(spans: 15, due: time(5)).count == 5)
    }

    @Test func `what is taken fits, the oldest first, and the rest stays`() throws {
        let queue = TraceQueue(spansMax: 100)
        var batch = try (1...5).map { try finishedTrace(spans: 4, id: $0) }
        queue.put(&batch, now: time(1))
        let taken = queue.take(spans: 10, due: time(0))
        #expect(taken.map { $0.trace.value.trace.low } == [1, 2])
        #expect(queue.spanCount == 12)
        // One alone is taken whatever it has.
        #expect(queue.take(spans: 3, due: time(0)).map { $0.trace.value.trace.low } == [3])
        #expect(queue.take(spans: .max, due: .never).map { $0.trace.value.trace.low } == [4, 5])
        #expect(queue.spanCount == 0)
        #expect(queue.take(spans: 1, due: .never).isEmpty)
    }
}
