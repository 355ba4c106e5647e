import SluiceTime
import Synchronization

// One worker writes, the control thread's tick reads. Plain relaxed stores: a value a tick too old
// is harmless, and a locked instruction per relayed event is not.

/// One worker's report of what moves at each replica of a pool.
package final class ReplicaProgress: Sendable {
    private let lastEvents = InlineArray<1_024, Atomic<Int64>> { _ in Atomic(0) }
    private let streams = InlineArray<1_024, Atomic<Int64>> { _ in Atomic(0) }
    private let streamsSince = InlineArray<1_024, Atomic<Int64>> { _ in Atomic(0) }
    private let lastAnswers = InlineArray<1_024, Atomic<Int64>> { _ in Atomic(0) }
    private let unanswered = InlineArray<1_024, Atomic<Int64>> { _ in Atomic(0) }
    private let unansweredSince = InlineArray<1_024, Atomic<Int64>> { _ in Atomic(0) }

    private let stepNanoseconds = InlineArray<1_024, Atomic<Int64>> { _ in Atomic(0) }
    private let steps = InlineArray<1_024, Atomic<Int64>> { _ in Atomic(0) }
    private let stepEvents = InlineArray<1_024, Atomic<Int64>> { _ in Atomic(0) }

    private static let noProbe: Int64 = -1
    private let probes = InlineArray<1_024, Atomic<Int64>> { _ in Atomic(-1) }
    private let probedAt = InlineArray<1_024, Atomic<Int64>> { _ in Atomic(0) }

    private let connections = InlineArray<1_024, Atomic<Int>> { _ in Atomic(0) }
    private let idle = InlineArray<1_024, Atomic<Int>> { _ in Atomic(0) }
    private let oldestSince = Atomic<Int64>(0)

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
        get { Instant(nanoseconds: oldestSince.load(ordering: .relaxed)) }
        set { oldestSince.store(newValue.nanoseconds, ordering: .relaxed) }
    }

    /// A request was sent that asks for an event stream, or such a stream came unasked.
    ///
    /// Its head says nothing about progress: vLLM sends it at once.
    package func streamBegan(at replica: ReplicaID, now: Instant) {
        Self.began(in: streams, since: streamsSince, Int(replica.slot), now)
    }

    /// A stream that began has ended, in whatever way; exactly once each, before its permit is
    /// released: the slot may pass to another replica after that.
    package func streamEnded(at replica: ReplicaID) {
        Self.ended(in: streams, Int(replica.slot))
    }

    /// Events came with one read of some stream of the replica.
    ///
    /// The first stream to bring content becomes the replica's probe: the gaps between its reads are
    /// the engine's steps, until it ends. Never prelude to first content: that is no step.
    ///
    /// - Parameters:
    ///   - stream: this worker's number for the stream.
    ///   - content: how many of the events are content; 0 … .
    package func eventArrived(
        from replica: ReplicaID, stream: UInt32 = .max, content: Int = 0, now: Instant
    ) {
        let slot = Int(replica.slot)
        lastEvents[slot].store(now.nanoseconds, ordering: .relaxed)
        guard content > 0 else { return }
        let probe = probes[slot].load(ordering: .relaxed)
        if probe == Int64(stream) {
            let before = Instant(nanoseconds: probedAt[slot].load(ordering: .relaxed))
            stepped(at: replica, gap: now - before, events: content)
        } else if probe == Self.noProbe {
            probes[slot].store(Int64(stream), ordering: .relaxed)
        } else {
            return
        }
        probedAt[slot].store(now.nanoseconds, ordering: .relaxed)
    }

    /// One engine step of a replica: the gap between two reads of its probe.
    ///
    /// - Parameter events: content events that the second read brought; at least 1.
    package func stepped(at replica: ReplicaID, gap: Nanoseconds, events: Int) {
        let slot = Int(replica.slot)
        Self.add(gap.count, to: stepNanoseconds, slot)
        Self.add(1, to: steps, slot)
        Self.add(Int64(events), to: stepEvents, slot)
    }

    /// The stream ends, or has not been read for a while: its next gap is no step. Another becomes
    /// the probe.
    package func endProbe(at replica: ReplicaID, stream: UInt32) {
        let slot = Int(replica.slot)
        guard probes[slot].load(ordering: .relaxed) == Int64(stream) else { return }
        probes[slot].store(Self.noProbe, ordering: .relaxed)
    }

    /// A request was sent whose answer comes when it is whole.
    package func waitBegan(at replica: ReplicaID, now: Instant) {
        Self.began(in: unanswered, since: unansweredSince, Int(replica.slot), now)
    }

    /// Such a request has its head, or is given up; exactly once each, as ``streamEnded(at:)``.
    package func waitEnded(at replica: ReplicaID) { Self.ended(in: unanswered, Int(replica.slot)) }

    /// The head of a good answer (2xx) came that only a working replica gives.
    package func answerArrived(from replica: ReplicaID, now: Instant) {
        lastAnswers[Int(replica.slot)].store(now.nanoseconds, ordering: .relaxed)
    }

    private static func add(_ amount: Int64, to totals: borrowing Figures, _ slot: Int) {
        totals[slot].store(
            totals[slot].load(ordering: .relaxed) &+ amount, ordering: .relaxed)
    }

    /// Adds this worker's part to the totals of a slot; they only ever grow.
    func add(to totals: inout StepTotals, slot: Int) {
        totals.nanoseconds &+= stepNanoseconds[slot].load(ordering: .relaxed)
        totals.steps &+= steps[slot].load(ordering: .relaxed)
        totals.events &+= stepEvents[slot].load(ordering: .relaxed)
    }

    private typealias Figures = InlineArray<1_024, Atomic<Int64>>

    private static func began(
        in counts: borrowing Figures, since: borrowing Figures, _ slot: Int, _ now: Instant
    ) {
        let count = counts[slot].load(ordering: .relaxed)
        if count == 0 { since[slot].store(now.nanoseconds, ordering: .relaxed) }
        counts[slot].store(count &+ 1, ordering: .relaxed)
    }

    private static func ended(in counts: borrowing Figures, _ slot: Int) {
        let count = counts[slot].load(ordering: .relaxed)
        assert(count > 0, "something ended that never began")
        counts[slot].store(max(0, count &- 1), ordering: .relaxed)
    }

    /// Joins this worker's part into the report of a slot.
    func add(to report: inout ProgressReport, slot: Int) {
        report.lastEvent = max(report.lastEvent, Self.instant(lastEvents, slot))
        report.lastAnswer = max(
            report.lastAnswer, max(report.lastEvent, Self.instant(lastAnswers, slot)))
        Self.add(&report.streams, &report.streamsSince, streams, streamsSince, slot)
        Self.add(&report.unanswered, &report.unansweredSince, unanswered, unansweredSince, slot)
    }

    private static func instant(_ figures: borrowing Figures, _ slot: Int) -> Instant {
        Instant(nanoseconds: figures[slot].load(ordering: .relaxed))
    }

    private static func add(
        _ sum: inout Int, _ earliest: inout Instant, _ counts: borrowing Figures,
        _ since: borrowing Figures, _ slot: Int
    ) {
        let count = Int(counts[slot].load(ordering: .relaxed))
        guard count > 0 else { return }
        let start = instant(since, slot)
        earliest = sum == 0 ? start : min(earliest, start)
        sum += count
    }
}
