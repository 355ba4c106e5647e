import SluiceTelemetry
import SluiceTime
import Synchronization
import Testing

@Suite struct InFlightTests {
    /// Raised by one thread, seen by another.
    final class Flag: Sendable {
        let isSet = Atomic<Bool>(false)
        let scrapes = Atomic<Int>(0)
    }

    @Test func `an exchange is in flight from received to finished, in one phase`() {
        let shard = MetricShard()
        var record = MetricShardTests.stream()
        func inFlight() -> [Double?] {
            let snapshot = MetricShardTests.snapshot(shard)
            return ["queued", "connecting", "relaying"].map {
                snapshot.value(.requestsInFlight, ["llama", "default", $0])
            }
        }
        shard.received(&record)
        #expect(inFlight() == [1, 0, 0])
        record.phase = .connecting
        shard.moved(&record)
        shard.moved(&record)
        #expect(inFlight() == [0, 1, 0])
        record.phase = .relaying
        shard.moved(&record)
        #expect(inFlight() == [0, 0, 1])
        // Its replica was full, and so is the next while it connects.
        shard.returned(&record)
        shard.returned(&record)
        #expect(inFlight() == [1, 0, 0])
        record.phase = .connecting
        shard.returned(&record)
        #expect(inFlight() == [1, 0, 0])
        record.phase = .relaying
        shard.moved(&record)
        #expect(inFlight() == [0, 0, 1])
        record.outcome = .ok
        record.status = 200
        shard.finished(&record)
        #expect(inFlight() == [0, 0, 0])
        let labels = ["llama", "chat_completions", "POST", "200", "ok", "default"]
        #expect(MetricShardTests.snapshot(shard).value(.requests, labels) == 1)
    }

    @Test func `skipped phases and early refusals keep received equal to finished`() {
        let shard = MetricShard()
        var refused = MetricShardTests.stream()
        refused.outcome = .clientError
        refused.reason = .badRequest
        refused.status = 400
        shard.finished(&refused)
        var skipped = MetricShardTests.stream()
        skipped.phase = .relaying
        shard.received(&skipped)
        skipped.phase = .finished
        shard.finished(&skipped)
        #expect(skipped.endPhase == .relaying)
        let snapshot = MetricShardTests.snapshot(shard)
        #expect(snapshot.total(.requestsReceived) == 2)
        #expect(snapshot.total(.requests) == 2)
        #expect(snapshot.total(.requestsInFlight) == 0)
    }

    @Test func `a second attempt that is never sent leaves nothing in flight`() {
        let shard = MetricShard()
        var record = MetricShardTests.stream()
        record.phase = .relaying
        shard.moved(&record)
        shard.returned(&record)
        record.outcome = .shed
        record.status = 503
        shard.finished(&record)
        let snapshot = MetricShardTests.snapshot(shard)
        #expect(snapshot.total(.requestsReceived) == 1)
        #expect(snapshot.total(.requestsInFlight) == 0)
    }

    @Test func `received minus finished is in flight at every scrape while a worker counts`() async
    {
        let shard = MetricShard()
        let done = Flag()
        await withTaskGroup(of: Void.self) { group in
            group.addTask {
                var open: [ExchangeRecord] = []
                var state: UInt64 = 1
                var turn = 0
                // Counts on until it has been scraped often enough while it did.
                while done.scrapes.load(ordering: .relaxed) < 200 {
                    turn &+= 1
                    state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
                    if open.count < 50, state >> 62 != 0 {
                        var record = MetricShardTests.stream()
                        record.modelIndex = UInt16(turn % 2)
                        record.classIndex = UInt8(turn % 2)
                        shard.received(&record)
                        open.append(record)
                    }
                    guard !open.isEmpty else { continue }
                    let index = Int(state >> 33) % open.count
                    switch open[index].phase {
                    case .receiving, .queued:
                        open[index].phase = state >> 60 & 1 == 0 ? .connecting : .relaying
                        shard.moved(&open[index])
                    case .connecting where state >> 58 & 3 == 0,
                        .relaying where state >> 58 & 3 == 0:
                        shard.returned(&open[index])
                        // At once, as where another replica has a free slot.
                        open[index].phase = .relaying
                        shard.moved(&open[index])
                    case .connecting, .relaying, .finished:
                        open[index].outcome = .ok
                        shard.finished(&open[index])
                        open.swapAt(index, open.count - 1)
                        open.removeLast()
                    }
                }
                for index in open.indices { shard.finished(&open[index]) }
                done.isSet.store(true, ordering: .releasing)
            }
            group.addTask {
                while true {
                    let last = done.isSet.load(ordering: .acquiring)
                    let snapshot = MetricShardTests.snapshot(shard)
                    let inFlight = snapshot.total(.requestsInFlight)
                    let difference = snapshot.total(.requestsReceived) - snapshot.total(.requests)
                    #expect(difference == inFlight)
                    #expect(inFlight >= 0)
                    done.scrapes.add(1, ordering: .relaxed)
                    if last {
                        #expect(inFlight == 0)
                        break
                    }
                }
            }
        }
    }
}
