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

    /// Carries the file to its thread.
    private final class Destination: Sendable {
        let file: OutputFile
        init(_ file: consuming OutputFile) { self.file = file }
    }

    /// Nil when no log is written. - Throws: ``SystemError`` when the file cannot be opened.
    init?(shared: GatewayShared) throws(SystemError) {
        let file: Destination
        switch shared.settings.accessLog {
        case .off: return nil
        case .standardOutput: file = Destination(.standardOutput)
        case .file(let path): file = Destination(try OutputFile(appendingTo: path))
        }
        let flag = Flag()
        isStopping = flag
        let outboxes = shared.outboxes
        thread = try WorkerThread(name: "sluice-log") {
            var lines = ByteBuffer()
            while true {
                let isLast = flag.value.load(ordering: .acquiring)
                var isBusy = false
                for outbox in outboxes {
                    outbox.take(into: &lines)
                    isBusy = isBusy || !lines.isEmpty
                    if !lines.isEmpty { Self.write(&lines, of: outbox, to: file) }
                }
                if isLast { break }
                usleep(isBusy ? Self.busyInterval : Self.idleInterval)
            }
        }
    }

    /// Writes what is left and ends; a reader that takes nothing holds up nobody's exit for long.
    func stop() {
        isStopping.value.store(true, ordering: .releasing)
        thread.take()?.join(within: Self.stopMax)
    }

    private static func write(
        _ lines: inout ByteBuffer, of outbox: AccessLogOutbox, to destination: Destination
    ) {
        while !lines.isEmpty {
            switch destination.file.write(lines.bytes, bytesMax: writeBytes) {
            case .bytes(let count):
                lines.consume(count)
                if lines.count < yieldingBytesMax { sched_yield() }
            case .failed:
                // What cannot be written is lost and counted.
                var lost = 0
                for i in 0..<lines.count where lines[i] == 0x0A { lost += 1 }
                outbox.lost(lost)
                return
            }
        }
    }
}
