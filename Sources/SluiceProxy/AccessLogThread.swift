import Glibc
import SluiceBytes
import SluiceExchange
import SluiceReactor
import SluiceTime
import Synchronization

/// The one thread that writes access log lines; it may block, and nobody waits for it.
final class AccessLogThread {
    private let isStopping: Flag
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

    private final class Flag: Sendable {
        let value = Atomic<Bool>(false)
    }

    /// Carries the file to its thread, and tells when writing it begins to fail and to work.
    private final class Destination: Sendable {
        let file: OutputFile
        private let isFailing = Atomic<Bool>(false)
        private let note: @Sendable (String) -> Void

        init(_ file: consuming OutputFile, _ note: @escaping @Sendable (String) -> Void) {
            self.file = file
            self.note = note
        }

        /// Right after the write: the error is the thread's last one.
        func fails() {
            let error = SystemError(call: "write")
            if isFailing.exchange(true, ordering: .relaxed) { return }
            note("the access log cannot be written, lines are lost and counted: \(error)")
        }

        func works() {
            guard isFailing.load(ordering: .relaxed) else { return }
            isFailing.store(false, ordering: .relaxed)
            note("the access log is written again")
        }
    }

    /// Nil when no log is written. - Throws: ``SystemError`` when the file cannot be opened.
    init?(shared: GatewayShared) throws(SystemError) {
        let file: Destination
        switch shared.settings.accessLog {
        case .off: return nil
        case .standardOutput: file = Destination(.standardOutput) { shared.note($0) }
        case .file(let path):
            file = Destination(try OutputFile(appendingTo: path)) { shared.note($0) }
        }
        let flag = Flag()
        isStopping = flag
        thread = try WorkerThread(name: "sluice-log") {
            let outboxes = shared.outboxes
            var file = file
            // Of each outbox what was taken last.
            var taken = outboxes.map { _ in [Pinned<ByteBuffer>]() }
            while true {
                if shared.reopensLog.exchange(false, ordering: .relaxed) {
                    file = Self.reopened(shared) ?? file
                }
                let isLast = flag.value.load(ordering: .acquiring)
                var isBusy = false
                for (index, outbox) in outboxes.enumerated() {
                    outbox.take(into: &taken[index])
                    Self.write(taken[index], of: outbox, to: file)
                    isBusy = isBusy || !taken[index].isEmpty
                }
                if isLast { break }
                usleep(isBusy ? Self.busyInterval : Self.idleInterval)
            }
        }
    }

    /// The file of the same path, made where it has been moved away; nil where it cannot be opened
    /// or the log is no file.
    private static func reopened(_ shared: GatewayShared) -> Destination? {
        guard case .file(let path) = shared.settings.accessLog else { return nil }
        do throws(SystemError) {
            let file = try OutputFile(appendingTo: path)
            shared.note("the access log is open anew")
            return Destination(file) { shared.note($0) }
        } catch {
            shared.note("the access log cannot be opened anew, the old file goes on: \(error)")
            return nil
        }
    }

    /// Writes what is left and ends; a reader that takes nothing holds up nobody's exit for long.
    func stop() {
        isStopping.value.store(true, ordering: .releasing)
        thread.take()?.join(within: Self.stopMax)
    }

    private static func write(
        _ batches: [Pinned<ByteBuffer>], of outbox: AccessLogOutbox, to destination: Destination
    ) {
        var left = batches.reduce(0) { $0 + $1.value.count }
        for batch in batches {
            while !batch.value.isEmpty {
                switch destination.file.write(batch.value.bytes, bytesMax: writeBytes) {
                case .bytes(let count):
                    destination.works()
                    batch.value.consume(count)
                    left -= count
                    if left < yieldingBytesMax { sched_yield() }
                case .failed:
                    // What cannot be written is lost, counted, and said when it begins.
                    destination.fails()
                    outbox.lost(batch.value.lineEnds)
                    batch.value.removeAll()
                }
            }
        }
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
