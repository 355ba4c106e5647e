import SluiceTime
import Synchronization

// One worker writes, the control thread's tick reads. Plain relaxed stores: a value a tick too old
// is harmless, and a locked instruction per relayed event is not.

/// One worker's report of what moves at each replica of a pool.
package final class ReplicaProgress: Sendable {
    private let lastEvents = InlineArray<1_024, Atomic<Int64>> { _ in Atomic(0) }
    private let streams = InlineArray<1_024, Atomic<Int64>> { _ in Atomic(0) }
    private let streamsSince = InlineArray<1_024, Atomic<Int64>> { _ in Atomic(0) }

    private let connections = InlineArray<1_024, Atomic<Int>> { _ in Atomic(0) }
    private let idle = InlineArray<1_024, Atomic<Int>> { _ in Atomic(0) }
    private let unansweredSince = Atomic<Int64>(0)

    package init() {}

    /// Connections to a slot, more (or, negative, fewer) of them by `open`, of which idle by `idle`.
    package func connectionsChanged(slot: Int, open: Int = 0, idle idleChange: Int = 0) {
        connections[slot].store(
            connections[slot].load(ordering: .relaxed) &+ open, ordering: .relaxed)
        idle[slot].store(idle[slot].load(ordering: .relaxed) &+ idleChange, ordering: .relaxed)
    }

    /// Connections of this worker to a slot that carry an exchange, and those that wait for one.
    package func connectionCounts(slot: Int) -> (active: Int, idle: Int) {
        let idle = idle[slot].load(ordering: .relaxed)
        return (max(0, connections[slot].load(ordering: .relaxed) &- idle), max(0, idle))
    }

    /// Connections of this worker to all slots together.
    package var connectionCount: Int {
        (0..<1_024).reduce(0) { $0 + connections[$1].load(ordering: .relaxed) }
    }

    /// When the oldest of this worker's requests that have no content yet was received; unset
    /// where there is none.
    package var oldestUnanswered: Instant {
        get { Instant(nanoseconds: unansweredSince.load(ordering: .relaxed)) }
        set { unansweredSince.store(newValue.nanoseconds, ordering: .relaxed) }
    }

    /// An event-stream response began. Its head says nothing about progress: vLLM sends it at once.
    package func streamBegan(at replica: ReplicaID, now: Instant) {
        let slot = Int(replica.slot)
        let count = streams[slot].load(ordering: .relaxed)
        if count == 0 { streamsSince[slot].store(now.nanoseconds, ordering: .relaxed) }
        streams[slot].store(count &+ 1, ordering: .relaxed)
    }

    /// A stream that began has ended, in whatever way; exactly once each, before its permit is
    /// released: the slot may pass to another replica after that.
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
