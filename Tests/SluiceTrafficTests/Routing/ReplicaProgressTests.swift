import SluiceTime
import Testing

@testable import SluiceTraffic

@Suite struct ReplicaProgressTests {
    private let id = ReplicaID(slot: 1_023, generation: 0)

    private func report(_ workers: [ReplicaProgress]) -> ProgressReport {
        var report = ProgressReport(streams: 0, streamsSince: .unset, lastEvent: .unset)
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
}
