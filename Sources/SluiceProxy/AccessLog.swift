import SluiceBytes
import SluiceReactor
import SluiceTelemetry
import SluiceTime
import Synchronization

// Lines are formatted by the worker into a buffer of its own and handed over in batches, behind a
// lock held for a copy, to the log thread, which alone writes. A stalled pipe or a full disk costs
// lines, which are counted, and nothing else. The access log and the arrival trace each have their
// own outboxes and thread.

/// One worker's lines on their way to a log thread.
final class LogOutbox: Sendable {
    /// Bytes waiting for the log thread at most; lines beyond are dropped and counted.
    static let bytesMax = 4 << 20

    /// Emptied batches kept for the next lines at most.
    static let emptyMax = 32

    /// What lies between the two threads.
    private struct Box {
        /// Handed over and not yet taken, the oldest first.
        var full: [Pinned<ByteBuffer>] = []
        var byteCount = 0
        /// Written and given back: memory changes hands, not bytes.
        var empty: [Pinned<ByteBuffer>] = []
    }

    private let box = Guarded(Box())
    private let dropped = Atomic<Int>(0)
    private let closed = Atomic<Bool>(false)

    /// Whether nobody writes lines any more: the file is at its bound.
    var isClosed: Bool {
        get { closed.load(ordering: .relaxed) }
        set { closed.store(newValue, ordering: .relaxed) }
    }

    /// Lines dropped since start.
    var linesDropped: Int { dropped.load(ordering: .relaxed) }

    /// Hands a batch of lines over for an empty one; where too many wait, its lines are dropped.
    func put(_ lines: inout Pinned<ByteBuffer>, count: Int) {
        let isTaken = box.withLock { box in
            guard box.byteCount < Self.bytesMax else { return false }
            box.byteCount += lines.value.count
            box.full.append(lines)
            lines = box.empty.popLast() ?? Pinned(ByteBuffer())
            return true
        }
        if isTaken { return }
        lines.value.removeAll()
        dropped.wrappingAdd(count, ordering: .relaxed)
    }

    /// Counts lines that could not be written.
    func lost(_ count: Int) { dropped.wrappingAdd(count, ordering: .relaxed) }

    /// Gives back `batches`, which are written, and puts in their place those handed over since.
    func take(into batches: inout [Pinned<ByteBuffer>]) {
        for batch in batches { batch.value.removeAll() }
        box.withLock { box in
            box.empty += batches.prefix(max(0, Self.emptyMax - box.empty.count))
            batches.removeAll()
            swap(&box.full, &batches)
            box.byteCount = 0
        }
    }
}

/// One worker's lines until they are handed over.
final class LogBatch {
    /// Bytes formatted before they are handed over.
    static let batchBytes = 32_768
    static let flushInterval = Nanoseconds.milliseconds(200)

    private let outbox: LogOutbox?
    private(set) var lines = Pinned(ByteBuffer())
    private var lineCount = 0
    /// When what waits must be handed over; never while nothing does.
    private(set) var due = Instant.never

    /// - Parameter outbox: nil where there is no log.
    init(_ outbox: LogOutbox?) { self.outbox = outbox }

    /// Whether anybody writes lines.
    var isWanted: Bool {
        guard let outbox else { return false }
        return !outbox.isClosed
    }

    /// One line more is in ``lines``.
    func added(now: Instant) {
        lineCount += 1
        if lines.value.count >= Self.batchBytes {
            flush()
        } else if due == .never {
            due = now + Self.flushInterval
        }
    }

    /// Hands over what has waited long enough.
    @inline(__always) func flushIfDue(now: Instant) {
        if now >= due { flush() }
    }

    func flush() {
        guard let outbox, lineCount > 0 else { return }
        outbox.put(&lines, count: lineCount)
        // A new one has its size at once: one that grows copies more bytes than a line has.
        if !lines.value.hasStorage { lines.value.reserve(2 * Self.batchBytes) }
        lineCount = 0
        due = .never
    }
}

/// Formats one worker's lines of the access log.
final class AccessLogWriter {
    let batch: LogBatch
    private var formatter: AccessLogFormatter

    /// - Parameter outbox: nil writes no log.
    init(_ outbox: LogOutbox?, names: NameTables) {
        batch = LogBatch(outbox)
        formatter = AccessLogFormatter(names)
    }

    /// Changes nothing in the record: a borrow of it would be passed as a copy.
    func write(_ record: inout ExchangeRecord, now: Instant) {
        guard batch.isWanted else { return }
        formatter.append(&record, into: &batch.lines.value)
        batch.added(now: now)
    }

    /// Uses new names from now on.
    func adopt(_ names: NameTables) { formatter = AccessLogFormatter(names) }
}

/// Formats one worker's lines of the arrival trace.
final class ArrivalTraceWriter {
    let batch: LogBatch
    private let start: Instant
    private var formatter: ArrivalTraceFormatter

    /// - Parameters:
    ///   - outbox: nil writes none.
    ///   - start: what offsets are counted from.
    init(_ outbox: LogOutbox?, names: NameTables, start: Instant) {
        batch = LogBatch(outbox)
        self.start = start
        formatter = ArrivalTraceFormatter(names, start: start)
    }

    /// Changes nothing in the record: a borrow of it would be passed as a copy.
    func write(_ record: inout ExchangeRecord, now: Instant) {
        guard batch.isWanted, ArrivalTraceFormatter.wants(record) else { return }
        formatter.append(&record, into: &batch.lines.value)
        batch.added(now: now)
    }

    /// Uses new names from now on.
    func adopt(_ names: NameTables) { formatter = ArrivalTraceFormatter(names, start: start) }
}
