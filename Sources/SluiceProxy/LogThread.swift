import Glibc
import SluiceBytes
import SluiceExchange
import SluiceReactor
import SluiceTime
import Synchronization

/// A flag that one thread sets and another reads and takes back.
final class SharedFlag: Sendable {
    let value = Atomic<Bool>(false)
}

/// What a log thread writes, and where.
struct LogFile: Sendable {
    /// What messages call it.
    let name: String
    let target: GatewaySettings.AccessLog
    /// What is written whenever the file is opened.
    var head: StaticString = ""
    /// Bytes of the file at most, its last line included; nil: no bound.
    var bytesMax: Int?
    let outboxes: [LogOutbox]
    /// Set when the file is to be opened anew: it has been moved away.
    let reopens: SharedFlag
    /// Says something to the operator.
    let note: @Sendable (Note) -> Void
}

/// The one thread that writes the lines of a log; it may block, and nobody waits for it.
final class LogThread {
    private let isStopping: SharedFlag
    private var thread: WorkerThread?
    /// Microseconds between two looks at the outboxes: while nothing comes, and while lines do.
    static let idleInterval: UInt32 = 100_000
    static let busyInterval: UInt32 = 20_000
    /// Bytes of one write, after which whoever waits for the core has it: where the log shares it
    /// with a worker, a large write holds up streams for milliseconds.
    static let writeBytes = 32_768
    /// With more than this behind it the log gives way no longer, or it would lose lines.
    static let yieldingBytesMax = 1 << 20
    /// For the last lines at the end.
    static let stopMax = Nanoseconds.seconds(1)

    /// Nil when no log is written. - Throws: ``SystemError`` when the file cannot be opened.
    init?(_ log: LogFile) throws(SystemError) {
        guard let opened = try LogDestination(log) else { return nil }
        let flag = SharedFlag()
        isStopping = flag
        thread = try WorkerThread(name: "sluice-log") {
            var destination = opened
            // Of each outbox what was taken last.
            var taken = log.outboxes.map { _ in [Pinned<ByteBuffer>]() }
            while true {
                if log.reopens.value.exchange(false, ordering: .relaxed) {
                    destination = Self.reopened(log) ?? destination
                }
                let isLast = flag.value.load(ordering: .acquiring)
                var isBusy = false
                for (index, outbox) in log.outboxes.enumerated() {
                    outbox.take(into: &taken[index])
                    destination.write(taken[index], of: outbox)
                    isBusy = isBusy || !taken[index].isEmpty
                }
                if isLast { break }
                usleep(isBusy ? Self.busyInterval : Self.idleInterval)
            }
        }
    }

    /// The file of the same path, made where it has been moved away; nil where it cannot be opened
    /// or the log is no file.
    private static func reopened(_ log: LogFile) -> LogDestination? {
        guard case .file = log.target else { return nil }
        do throws(SystemError) {
            let file = try LogDestination(log)
            log.note(.news("the \(log.name) is open anew"))
            return file
        } catch {
            log.note(
                .warning("the \(log.name) cannot be opened anew, the old file goes on: \(error)"))
            return nil
        }
    }

    /// Writes what is left and ends; a reader that takes nothing holds up nobody's exit for long.
    func stop() {
        isStopping.value.store(true, ordering: .releasing)
        thread.take()?.join(within: Self.stopMax)
    }
}

/// An open log; carries the file to its thread, and tells when writing it begins to fail, to work,
/// and ends at its bound.
private final class LogDestination: Sendable {
    private let log: LogFile
    private let file: OutputFile
    private let isFailing = Atomic<Bool>(false)
    /// Bytes that may still be written before the last line.
    private let bytesLeft: Atomic<Int>

    /// What stands at the end of a file that is at its bound.
    private static let end: StaticString = "# end: the file is at its bound\n"

    /// Nil when no log is written.
    init?(_ log: LogFile) throws(SystemError) {
        self.log = log
        switch log.target {
        case .off: return nil
        case .standardOutput: file = .standardOutput
        case .file(let path): file = try OutputFile(appendingTo: path)
        }
        var left = Int.max
        if let bytesMax = log.bytesMax { left = bytesMax - file.size - Self.end.utf8CodeUnitCount }
        bytesLeft = Atomic(left)
        for outbox in log.outboxes { outbox.isClosed = false }
        guard log.head.utf8CodeUnitCount > 0 else { return }
        if left >= log.head.utf8CodeUnitCount { write(log.head) } else { close() }
    }

    /// Writes batches of lines, as many lines as the bound allows.
    func write(_ batches: [Pinned<ByteBuffer>], of outbox: LogOutbox) {
        var rest = batches.reduce(0) { $0 + $1.value.count }
        for batch in batches {
            let count = batch.value.count
            rest -= count
            let left = bytesLeft.load(ordering: .relaxed)
            guard count > left else {
                writeAll(batch, of: outbox, behind: rest)
                continue
            }
            if outbox.isClosed { return }
            var fitting = left
            while fitting > 0, batch.value[fitting - 1] != 0x0A { fitting -= 1 }
            let lines = Pinned(ByteBuffer())
            lines.value.append(batch.value.bytes, 0..<fitting)
            writeAll(lines, of: outbox, behind: 0)
            write(Self.end)
            close()
        }
    }

    private func write(_ line: StaticString) {
        let text = Pinned(ByteBuffer())
        text.value.append(line)
        writeAll(text, of: nil, behind: 0)
    }

    private func close() {
        bytesLeft.store(0, ordering: .relaxed)
        for outbox in log.outboxes { outbox.isClosed = true }
        log.note(
            .warning(
                "the \(log.name) has ended at its bound of \((log.bytesMax ?? 0) >> 20) MiB; move the file away and send SIGUSR1 to begin another"
            ))
    }

    /// - Parameter rest: bytes that wait behind these.
    private func writeAll(_ lines: Pinned<ByteBuffer>, of outbox: LogOutbox?, behind rest: Int) {
        while !lines.value.isEmpty {
            switch file.write(lines.value.bytes, bytesMax: LogThread.writeBytes) {
            case .bytes(let count):
                works()
                lines.value.consume(count)
                bytesLeft.wrappingSubtract(count, ordering: .relaxed)
                if lines.value.count + rest < LogThread.yieldingBytesMax { sched_yield() }
            case .failed:
                // What cannot be written is lost, counted, and said when it begins.
                fails()
                outbox?.lost(lines.value.lineEnds)
                lines.value.removeAll()
            }
        }
    }

    /// Right after the write: the error is the thread's last one.
    private func fails() {
        let error = SystemError(call: "write")
        if isFailing.exchange(true, ordering: .relaxed) { return }
        log.note(
            .warning("the \(log.name) cannot be written, lines are lost and counted: \(error)"))
    }

    private func works() {
        guard isFailing.load(ordering: .relaxed) else { return }
        isFailing.store(false, ordering: .relaxed)
        log.note(.news("the \(log.name) is written again"))
    }
}

extension ByteBuffer {
    /// Lines that end in it.
    fileprivate var lineEnds: Int {
        let bytes = bytes
        var count = 0
        for index in 0..<bytes.count where bytes[index] == 0x0A { count += 1 }
        return count
    }
}
