import Glibc
import SluiceHTTP
import SluiceReactor
import SluiceTime
import Synchronization

// The thread writes the mailbox, the control thread reads it; the flag goes the other way.

/// Looks up all addresses of a name; may block. ``SocketAddress/resolve(host:port:)`` but in tests.
package typealias NameLookup =
    @Sendable (_ host: String, _ port: UInt16) -> Result<[SocketAddress], ResolveError>

/// Resolves names off every loop, each again and again; getaddrinfo(3) blocks.
final class Resolver {
    struct Name: Sendable {
        let url: HTTPURL
        let interval: Nanoseconds
    }

    struct Answer: Sendable {
        let name: Name
        let result: Result<[SocketAddress], ResolveError>
    }

    let mailbox: Mailbox<Answer>
    private let isStopping: StopFlag
    private var thread: WorkerThread?

    private final class StopFlag: Sendable {
        let value = Atomic<Bool>(false)
    }

    init(names: [Name], lookup: @escaping NameLookup) throws(SystemError) {
        let mailbox = try Mailbox<Answer>()
        self.mailbox = mailbox
        let flag = StopFlag()
        isStopping = flag
        thread = try WorkerThread(name: "sluice-dns") {
            var due = names.map { _ in MonotonicClock.now() }
            while !flag.value.load(ordering: .relaxed) {
                for (index, name) in names.enumerated() where MonotonicClock.now() >= due[index] {
                    let result = lookup(name.url.host, name.url.port)
                    mailbox.post(Answer(name: name, result: result))
                    due[index] = MonotonicClock.now() + name.interval
                }
                usleep(50_000)
            }
        }
    }

    /// Ends the thread, but does not wait for it: a look-up at a dead name server takes many seconds.
    func stop() {
        isStopping.value.store(true, ordering: .relaxed)
        thread.take()?.detach()
    }
}
