import SluiceBytes
import SluiceReactor
import SluiceTelemetry
import SluiceTime
import Synchronization

// Lines are formatted by the worker into a buffer of its own and handed over in batches, behind a
// lock held for a copy, to the log thread, which alone writes. A stalled pipe or a full disk costs
// lines, which are counted, and nothing else.

/// One worker's lines on their way to the log thread.
final class AccessLogOutbox: Sendable {
    /// Bytes waiting for the log thread at most; lines beyond are dropped and counted.
    static let bytesMax = 4 << 20

    private let box = Guarded(ByteBuffer())
    private let dropped = Atomic<Int>(0)

    /// Lines dropped since start.
    var linesDropped: Int { dropped.load(ordering: .relaxed) }

    /// Hands lines over, or drops them where too many wait; leaves `lines` empty.
    func put(_ lines: inout ByteBuffer, count: Int) {
        let isTaken = box.withLock { box in
            guard box.count < Self.bytesMax else { return false }
            // Mostly the log thread has taken what was there: memory changes hands, not bytes.
            if box.isEmpty { swap(&box, &lines) } else { box.append(lines.bytes) }
            return true
        }
        lines.removeAll()
        if !isTaken { dropped.wrappingAdd(count, ordering: .relaxed) }
    }

    /// Counts lines that could not be written.
    func lost(_ count: Int) { dropped.wrappingAdd(count, ordering: .relaxed) }

    /// Swaps what has been handed over against `lines`, whose memory the next lines use.
    func take(into lines: inout ByteBuffer) {
        lines.removeAll()
        box.withLock { box in swap(&box, &lines) }
    }
}

/// Formats one worker's lines.
final class AccessLogWriter {
    /// Bytes formatted before they are handed over.
    static let batchBytes = 32_768
    static let flushInterval = Nanoseconds.milliseconds(200)

    private let outbox: AccessLogOutbox?
    private let lines = Pinned(ByteBuffer())
    private var formatter: AccessLogFormatter
    private var lineCount = 0
    private var flushAt = Instant.unset

    /// - Parameter outbox: nil writes no log.
    init(_ outbox: AccessLogOutbox?, names: NameTables) {
        self.outbox = outbox
        formatter = AccessLogFormatter(names)
    }

    /// When what waits must be handed over; never while nothing does.
    var due: Instant { flushAt.isSet ? flushAt : .never }

    /// Changes nothing in the record: a borrow of it would be passed as a copy.
    func write(_ record: inout ExchangeRecord, now: Instant) {
        guard outbox != nil else { return }
        formatter.append(&record, into: &lines.value)
        lineCount += 1
        if lines.value.count >= Self.batchBytes {
            flush()
        } else if !flushAt.isSet {
            flushAt = now + Self.flushInterval
        }
    }

    /// Uses new names from now on.
    func adopt(_ names: NameTables) { formatter = AccessLogFormatter(names) }

    /// Hands over what has waited long enough.
    @inline(__always) func flushIfDue(now: Instant) {
        if flushAt.isSet, now >= flushAt { flush() }
    }

    func flush() {
        guard let outbox, lineCount > 0 else { return }
        outbox.put(&lines.value, count: lineCount)
        lineCount = 0
        flushAt = .unset
    }
}
