import SluiceTime
import Testing

@testable import SluiceTraffic

@Suite struct ReplicaProgressTests {
    private let id = ReplicaID(slot: 1_023, generation: 0)

    private func report(_ workers: [ReplicaProgress]) -> ProgressReport {
        var report = ProgressReport()
        for worker in workers { worker.add(to: &report, slot: 1_023) }
        return report
    }

    @Test func `workers' reports add up: all streams, earliest start, latest event`() {
        let a = ReplicaProgress()
        let b = ReplicaProgress()
        a.streamBegan(at: id, now: Instant(nanoseconds: 50))
        b.streamBegan(at: id, now: Instant(nanoseconds: 20))
        b.streamBegan(at: id, now: Instant(nanoseconds: 70))
        a.eventArrived(from: id, now: Instant(nanoseconds: 90))
        b.eventArrived(from: id, now: Instant(nanoseconds: 80))
        let sum = report([a, b])
        #expect(sum.streams == 3)
        #expect(sum.streamsSince == Instant(nanoseconds: 20))
        #expect(sum.lastEvent == Instant(nanoseconds: 90))
    }

    @Test func `new heads do not hide a stall, since vLLM sends them at once`() {
        let worker = ReplicaProgress()
        for start in 1...5 {
            worker.streamBegan(at: id, now: Instant(nanoseconds: Int64(start)))
        }
        #expect(report([worker]).streamsSince == Instant(nanoseconds: 1))
        for _ in 1...5 { worker.streamEnded(at: id) }
        #expect(report([worker]).streams == 0)
    }

    @Test func `what waits for a head is counted apart, answers and events are both answers`() {
        let a = ReplicaProgress()
        let b = ReplicaProgress()
        a.waitBegan(at: id, now: Instant(nanoseconds: 30))
        b.waitBegan(at: id, now: Instant(nanoseconds: 40))
        b.waitBegan(at: id, now: Instant(nanoseconds: 60))
        b.waitEnded(at: id)
        b.streamBegan(at: id, now: Instant(nanoseconds: 35))
        a.eventArrived(from: id, now: Instant(nanoseconds: 70))
        var sum = report([a, b])
        #expect(sum.unanswered == 2)
        #expect(sum.unansweredSince == Instant(nanoseconds: 30))
        #expect(sum.streams == 1)
        #expect(sum.outstanding == 3)
        #expect(sum.lastAnswer == Instant(nanoseconds: 70))
        b.answerArrived(from: id, now: Instant(nanoseconds: 80))
        sum = report([a, b])
        #expect(sum.lastAnswer == Instant(nanoseconds: 80))
        #expect(sum.lastEvent == Instant(nanoseconds: 70))
    }
}
