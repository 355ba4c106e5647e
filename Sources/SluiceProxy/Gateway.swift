import Logging
import SluiceExchange
import SluiceHTTP
import SluiceReactor
import SluiceTelemetry
import SluiceTime
import SluiceTraffic

/// Why a gateway cannot start; each message names the cause and the next step.
package enum GatewayError: Error, CustomStringConvertible {
    case badAddress(key: String, value: String)
    case listen(key: String, address: String, SystemError)
    case badReplica(url: String, reason: String)
    case badURL(key: String, url: String, reason: String)
    case file(FileFault)
    case system(SystemError)

    package var description: String {
        switch self {
        case .badAddress(let key, let value):
            "\(key): '\(value)' is not an address; write HOST:PORT with a literal address, "
                + "for example 0.0.0.0:8080 or [::1]:8080"
        case .listen(let key, let address, let error):
            "\(key): cannot listen on \(address): \(error.listenReason)"
        case .badReplica(let url, let reason): "replica '\(url)': \(reason)"
        case .badURL(let key, let url, let reason):
            "\(key): '\(url)' \(reason); write \(HTTPURL.form)/PATH"
        case .file(let fault): "\(fault)"
        case .system(let error): "cannot start: \(error)"
        }
    }
}

/// Where a running gateway can be reached.
package struct GatewayAddresses: Sendable {
    package let data: SocketAddress
    package let admin: SocketAddress?
    package let status: SocketAddress?

    /// The one line that says where the gateway can be reached; others wait for it:
    /// `sluice ready http://DATA admin=http://ADMIN status=http://STATUS`.
    package func readyLine(isTLS: Bool) -> String {
        var line = "sluice ready \(isTLS ? "https" : "http")://\(data)"
        if let admin { line += " admin=http://\(admin)" }
        if let status { line += " status=http://\(status)" }
        return line
    }
}

/// The gateway: workers, control thread, log thread.
///
/// Threads start in ``run(onReady:)`` and have ended when it returns.
package final class Gateway {
    private let shared: GatewayShared
    private let workerCount: Int
    private let listenAddress: SocketAddress
    private let control: ControlLoop
    /// Nil where tracing is off.
    private let traceTarget: TraceTarget?
    private let lookup: NameLookup
    package let logger: Logger
    /// What workers had not given back when ``run(onReady:)`` returned; empty when all is well.
    package private(set) var leaks: [String] = []

    /// Ends the gateway from another thread.
    package var handle: GatewayHandle { GatewayHandle(control: shared.control) }

    /// Opens the admin and status listeners: what can fail fails here.
    ///
    /// - Parameters:
    ///   - configuration: the text of `/config`.
    ///   - takesSignals: whether SIGTERM, SIGINT and SIGHUP of the process are the gateway's; they
    ///     are blocked in this thread then. Without, only ``handle`` ends it.
    ///   - source: reads the configuration again at SIGHUP; nil where there is no file.
    ///   - lookup: how names of replicas become addresses; called on a thread of its own.
    package init(
        settings: GatewaySettings, configuration: String = "", logger: Logger,
        takesSignals: Bool = true, source: ConfigurationSource? = nil,
        lookup: @escaping NameLookup = { SocketAddress.resolve(host: $0, port: $1) }
    ) throws(GatewayError) {
        self.logger = logger
        workerCount =
            settings.workers ?? min(WorkerThread.cpuCount, ControlGroup().cpuMax() ?? .max)
        guard let address = SocketAddress(settings.listen) else {
            throw .badAddress(key: "listen", value: settings.listen)
        }
        listenAddress = address
        var serverTLS: TLSServerContext?
        if let files = settings.tls {
            do throws(FileFault) {
                serverTLS = try GatewayFiles.serverContext(files)
            } catch {
                throw .file(error)
            }
            let seconds = MonotonicClock.realtimeNanoseconds() / 1_000_000_000
            if let warning = serverTLS?.warning(at: seconds) { logger.warning("\(warning)") }
        }
        traceTarget = try TraceTarget(settings.tracing)
        self.lookup = lookup
        let signals: SignalSource?
        do throws(SystemError) {
            signals = takesSignals ? try SignalSource() : nil
            shared = try GatewayShared(
                settings: settings, workers: workerCount,
                directory: ReplicaDirectory(settings), serverTLS: serverTLS,
                logger: logger)
        } catch {
            throw .system(error)
        }
        if settings.limits.bodyBytesMax > shared.bodies.bytesMax {
            logger.warning(
                "limits.body_bytes_max is \(settings.limits.bodyBytesMax) bytes; bodies of more than \(shared.bodies.bytesMax) are refused all the same, since that is 40 % of the memory that this process may have (limits.bodies_bytes_max: auto)"
            )
        }
        control = try ControlLoop(
            shared: shared, signals: signals, configuration: configuration, source: source,
            lookup: lookup)
    }

    /// Serves until a signal or ``handle`` has ended it.
    ///
    /// - Parameter onReady: called once, when every listener is open and connections are accepted.
    /// - Returns: the second signal, where that ended it before it had drained; else nil.
    @discardableResult
    package func run(onReady: @escaping @Sendable (GatewayAddresses) -> Void) throws(GatewayError)
        -> Int32?
    {
        var address = listenAddress
        let isTaken = ListenerSocket.isTaken(address)
        // Listeners are opened here, one per worker, before any thread runs: the first binds (and
        // chooses the port where it is 0), the others share it.
        var listeners: [WorkerStart] = []
        var accepted = AcceptedOptions()
        accepted.userTimeout = shared.settings.timeouts.writeStall
        accepted.unsentBytesMax = 65_536
        for index in 0..<workerCount {
            do throws(SystemError) {
                let socket = try ListenerSocket.open(
                    address, sharesPort: true, accepted: accepted)
                address = socket.address
                listeners.append(
                    WorkerStart(try Worker(index: index, shared: shared, listener: socket)))
            } catch {
                throw .listen(key: "listen", address: address.description, error)
            }
        }
        if isTaken {
            logger.warning(
                "another process listens on \(address) too and takes some of the connections, until one of us ends"
            )
        }
        reserveDescriptors()
        Allocator.returnLargePieces()
        var hasStuck = false
        do throws(SystemError) {
            let logs = [try LogThread(accessLog), try LogThread(arrivalTrace)]
            let exporter = try traceExporter()
            var threads = ThreadGroup()
            for (index, start) in listeners.enumerated() {
                let shared = shared
                try threads.start(name: "sluice-w\(index)") {
                    start.run()
                    shared.control.post(.workerStopped(index))
                }
            }
            control.run(data: address, onReady: onReady)
            // One that is stuck is left behind: the process ends without it.
            for index in control.stuckWorkers {
                logger.error("worker \(index) did not stop in time")
                hasStuck = true
            }
            if hasStuck { threads.abandon() } else { threads.join() }
            for log in logs { log?.stop() }
            exporter?.stop()
        } catch {
            throw .system(error)
        }
        // What a stuck worker has is still in use.
        for index in 0..<shared.shards.count where !hasStuck {
            guard let leak = listeners[index].leaks() else { continue }
            logger.error("worker \(index): \(leak)")
            leaks.append("worker \(index): \(leak)")
        }
        return control.stoppedBy
    }
}

extension Gateway {
    /// Bytes of an arrival trace at most: about a million requests.
    static let traceBytesMax = 64 << 20

    private var accessLog: LogFile {
        LogFile(
            name: "access log", target: shared.settings.accessLog, outboxes: shared.outboxes,
            reopens: shared.reopensLog, note: { [shared] in shared.note($0) })
    }

    /// Nil where tracing is off.
    private func traceExporter() throws(SystemError) -> TraceExporter? {
        guard let queue = shared.traces, let traceTarget else { return nil }
        return try TraceExporter(
            queue, to: traceTarget, lookup: lookup,
            names: { [shared] in shared.currentDirectory().names },
            note: { [shared] in shared.note($0) })
    }

    private var arrivalTrace: LogFile {
        LogFile(
            name: "arrival trace",
            target: shared.settings.arrivalTrace.map { .file($0) } ?? .off,
            head: ArrivalTraceFormatter.head, bytesMax: Self.traceBytesMax,
            outboxes: shared.traceOutboxes, reopens: shared.reopensTrace,
            note: { [shared] in shared.note($0) })
    }

    /// Room for both sides of every connection; says so where the system grants less.
    private func reserveDescriptors() {
        let connections = shared.settings.limits.connectionsMax
        // Listeners, mailboxes, pollers, scrapes, admin connections.
        let others = 1_024
        let wanted = 2 * connections + others
        let limit = DescriptorTable.reserve(wanted, with: shared.mailboxes[0].descriptor)
        guard limit < wanted else { return }
        logger.notice(
            """
            \(limit) descriptors allow about \(max(0, (limit - others) / 2)) connections, of \
            \(connections) in limits.connections_max; raise the limit (ulimit -Hn, LimitNOFILE)
            """)
    }
}

/// Ends a running gateway; usable from any thread, harmless after its end.
package struct GatewayHandle: Sendable {
    let control: Mailbox<ControlMessage>

    /// Does what the signal would: SIGHUP reloads; SIGTERM or SIGINT drains, a second one stops at once.
    package func signal(_ signal: Int32) { control.post(.signal(signal)) }
}

/// Carries a worker to its thread: it is made on one and run on another, never on both at once.
private final class WorkerStart: @unchecked Sendable {
    private let worker: Worker
    init(_ worker: Worker) { self.worker = worker }
    func run() { worker.run() }
    func leaks() -> String? { worker.leaks() }
}

/// Threads that are joined together.
struct ThreadGroup: ~Copyable {
    private var rest: ThreadList?

    /// A linked list, because arrays hold no noncopyable elements.
    private final class ThreadList {
        var thread: WorkerThread?
        let next: ThreadList?
        init(_ thread: consuming WorkerThread, _ next: ThreadList?) {
            self.thread = consume thread
            self.next = next
        }
    }

    init() {}

    mutating func start(name: String, _ body: @escaping @Sendable () -> Void) throws(SystemError) {
        rest = ThreadList(try WorkerThread(name: name, body), rest)
    }

    /// Lets all of them end by themselves.
    mutating func abandon() {
        while let list = rest {
            list.thread.take()?.detach()
            rest = list.next
        }
    }

    mutating func join() {
        while let list = rest {
            list.thread.take()?.join()
            rest = list.next
        }
    }
}
