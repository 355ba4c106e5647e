import Glibc
import SluiceBytes
import SluiceReactor
import SluiceTime
import Synchronization

// The thread writes the mailbox, the control thread reads it; flag and names go the other way.

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
    private let orders: Orders
    private var thread: WorkerThread?

    private final class Orders: Sendable {
        let isStopping = Atomic<Bool>(false)
        let names: Guarded<[Name]>
        init(_ names: [Name]) { self.names = Guarded(names) }
    }

    init(names: [Name], lookup: @escaping NameLookup) throws(SystemError) {
        let mailbox = try Mailbox<Answer>()
        self.mailbox = mailbox
        let orders = Orders(names)
        self.orders = orders
        thread = try WorkerThread(name: "sluice-dns") {
            var due: [String: Instant] = [:]
            while !orders.isStopping.load(ordering: .relaxed) {
                let names = orders.names.withLock { $0 }
                due = due.filter { known in names.contains { $0.url.authority == known.key } }
                for name in names
                where MonotonicClock.now() >= due[name.url.authority, default: .unset] {
                    let result = lookup(name.url.host, name.url.port)
                    mailbox.post(Answer(name: name, result: result))
                    due[name.url.authority] = MonotonicClock.now() + name.interval
                }
                usleep(50_000)
            }
        }
    }

    /// What to resolve from now on; what is new at once, the rest when it is due.
    func resolve(_ names: [Name]) { orders.names.withLock { $0 = names } }

    /// Ends the thread, but does not wait for it: a look-up at a dead name server takes many seconds.
    func stop() {
        orders.isStopping.store(true, ordering: .relaxed)
        thread.take()?.detach()
    }
}
