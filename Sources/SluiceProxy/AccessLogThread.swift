import Glibc
import SluiceExchange
import SluiceReactor
import SluiceTime
import Synchronization

/// The one thread that writes access log lines; it may block, and nobody waits for it.
final class AccessLogThread {
    private let isStopping: Flag
    private var thread: WorkerThread?
    static let interval: UInt32 = 100_000

    private final class Flag: Sendable {
        let value = Atomic<Bool>(false)
    }

    /// Nil when no log is written. - Throws: ``SystemError`` when the file cannot be opened.
    init?(shared: GatewayShared) throws(SystemError) {
        let descriptor: Int32
        switch shared.settings.accessLog {
        case .off: return nil
        case .standardOutput: descriptor = 1
        case .file(let path):
            descriptor = unsafe open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0o640)
            guard descriptor >= 0 else { throw SystemError(call: "open \(path)") }
        }
        let flag = Flag()
        isStopping = flag
        let outboxes = shared.outboxes
        thread = try WorkerThread(name: "sluice-log") {
            while true {
                let isLast = flag.value.load(ordering: .acquiring)
                for outbox in outboxes { Self.write(outbox, to: descriptor) }
                if isLast { break }
                usleep(Self.interval)
            }
            if descriptor != 1 { close(descriptor) }
        }
    }

    /// Writes what is left and ends.
    func stop() {
        isStopping.value.store(true, ordering: .releasing)
        thread.take()?.join()
    }

    private static func write(_ outbox: AccessLogOutbox, to descriptor: Int32) {
        let lines = outbox.take()
        var offset = 0
        while offset < lines.count {
            let span = lines.span.extracting(offset..<lines.count)
            let count = unsafe span.withUnsafeBufferPointer { bytes in
                unsafe Glibc.write(descriptor, bytes.baseAddress, bytes.count)
            }
            if count > 0 {
                offset += count
            } else if count < 0 && errno == EINTR {
                continue
            } else {
                // Disk full, pipe closed: what cannot be written is lost and counted.
                var lost = 0
                for i in offset..<lines.count where lines[i] == 0x0A { lost += 1 }
                outbox.lost(lost)
                return
            }
        }
    }
}
