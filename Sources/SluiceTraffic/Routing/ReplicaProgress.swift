import SluiceTime
import Synchronization

// One worker writes, the control thread's tick reads. Plain relaxed stores: a value a tick too old
// is harmless, and a locked instruction per relayed event is not.

/// One worker's report of what moves at each replica of a pool.
package final class ReplicaProgress: Sendable {
    private let lastEvents = InlineArray<1_024, Atomic<Int64>> { _ in Atomic(0) }
    private let streams = InlineArray<1_024, Atomic<Int64>> { _ in Atomic(0) }
    private let streamsSince = InlineArray<1_024, Atomic<Int64>> { _ in Atomic(0) }

    package init() {}

    /// An event-stream response began. Its head says nothing about progress: vLLM sends it at once.
    package func streamBegan(at replica: ReplicaID, now: Instant) {
        let slot = Int(replica.slot)
        let count = streams[slot].load(ordering: .relaxed)
        if count == 0 { streamsSince[slot].store(now.nanoseconds, ordering: .relaxed) }
        streams[slot].store(count &+ 1, ordering: .relaxed)
    }

    /// A stream that began has ended, in whatever way; exactly once each.
    package func streamEnded(at replica: ReplicaID) {
        let slot = Int(replica.slot)
        let count = streams[slot].load(ordering: .relaxed)
        assert(count > 0, "a stream ended that never began")
        streams[slot].store(max(0, count &- 1), ordering: .relaxed)
    }

    /// An event came on some stream of the replica.
    package func eventArrived(from replica: ReplicaID, now: Instant) {
        lastEvents[Int(replica.slot)].store(now.nanoseconds, ordering: .relaxed)
    }

    /// Streams open at a slot, for tests and pages.
    package func streamCount(slot: Int) -> Int {
        Int(streams[slot].load(ordering: .relaxed))
    }

    /// Joins this worker's part into the report of a slot.
    func add(to report: inout ProgressReport, slot: Int) {
        let last = Instant(nanoseconds: lastEvents[slot].load(ordering: .relaxed))
        report.lastEvent = max(report.lastEvent, last)
        let count = Int(streams[slot].load(ordering: .relaxed))
        guard count > 0 else { return }
        let since = Instant(nanoseconds: streamsSince[slot].load(ordering: .relaxed))
        report.streamsSince = report.streams == 0 ? since : min(report.streamsSince, since)
        report.streams += count
    }
}
