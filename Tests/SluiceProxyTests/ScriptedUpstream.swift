import SluiceBytes
import SluiceReactor
import SluiceTime
import Synchronization
import Testing

// `state` is written by the upstream's threads and read by the test's; everything else is immutable.

/// A replica whose every byte is scripted; it records what it is sent.
///
/// Probes of the gateway are answered apart, so that scripts see clients' requests only.
final class ScriptedUpstream: Sendable {
    /// Runs once per connection, on a thread of its own.
    typealias Script = @Sendable (UpstreamPeer) -> Void

    struct State {
        /// Whole requests in the order in which they came.
        var requests: [RawRequest] = []
        /// Raw bytes of each connection that has carried a client's request.
        var connections: [[UInt8]] = []
        /// When the gateway was seen to have closed a connection.
        var endings: [Instant] = []
        var isStopping = false
        /// The listener is closed: connecting is refused.
        var isDown = false
        /// Nothing is accepted: connections pile up in the backlog.
        var isDeaf = false
        var health = 200
        /// The answer to `/v1/models`.
        var models = #"{"object":"list","data":[{"id":"tiny","object":"model"}]}"#
        var modelsStatus = 200
        /// The page at `/metrics`; none: 404.
        var metrics: String?
        /// Probes are taken and not answered.
        var ignoresProbes = false
        var listens = true
    }

    let address: SocketAddress
    /// Nil is plain HTTP.
    private let tls: TLSServerContext?
    let state = Guarded(State())
    private let thread: Thread

    /// Holds a thread until it is joined.
    private final class Thread: @unchecked Sendable {
        var thread: WorkerThread?
        func join() { thread.take()?.join() }
    }

    /// Holds every request until the gate opens, then answers `{}`.
    static func holding(_ gate: Gate) throws -> ScriptedUpstream {
        try ScriptedUpstream { peer in
            while peer.nextRequest() != nil {
                peer.wait(for: gate)
                peer.answer("{}")
            }
        }
    }

    init(backlog: Int32 = 64, tls: TLSServerContext? = nil, _ script: @escaping Script) throws {
        self.tls = tls
        let any = try #require(SocketAddress(host: "127.0.0.1", port: 0))
        let listener = try ListenerSocket.open(any, sharesPort: false, backlog: backlog)
        address = listener.address
        let accepting = Thread()
        thread = accepting
        let start = Acceptor(listener, script)
        accepting.thread = try WorkerThread(name: "test-upstream") { [self] in start.run(self) }
    }

    var url: String { "\(tls == nil ? "http" : "https")://\(address)" }
    var requests: [RawRequest] { state.withLock { $0.requests } }
    var connections: [[UInt8]] { state.withLock { $0.connections } }
    /// All client bytes that have come, on whichever connection.
    var bytes: [UInt8] { Array(state.withLock { $0.connections }.joined()) }

    func set(_ change: (inout State) -> Void) { state.withLock { change(&$0) } }

    /// Closes the listener and waits until connecting is refused.
    func goDown() {
        set { $0.isDown = true }
        _ = eventually { self.state.withLock { !$0.listens } }
    }

    func stop() {
        set { $0.isStopping = true }
        thread.join()
    }

    /// Accepts, and starts a thread per connection.
    private final class Acceptor: @unchecked Sendable {
        private var listener: ListenerSocket?
        private let script: Script
        private var peers: [Thread] = []

        init(_ listener: consuming ListenerSocket, _ script: @escaping Script) {
            self.listener = consume listener
            self.script = script
        }

        func run(_ upstream: ScriptedUpstream) {
            let token = Token(kind: .listener, slot: 0, generation: 1)
            guard let poller = try? Poller(), let descriptor = listener?.descriptor,
                (try? poller.add(descriptor, .read, token)) != nil
            else { return }
            while true {
                let state = upstream.state.withLock {
                    ($0.isStopping, $0.isDown, $0.isDeaf)
                }
                if state.0 { break }
                if state.1 {
                    listener = nil
                    upstream.set { $0.listens = false }
                }
                guard poller.wait(timeout: .milliseconds(10)) > 0, !state.2 else {
                    if state.2 { pause(.milliseconds(5)) }
                    continue
                }
                accept(upstream)
            }
            listener = nil
            for peer in peers { peer.join() }
        }

        private func accept(_ upstream: ScriptedUpstream) {
            guard let accepted = listener?.accept(),
                case .connection(var transport, _) = consume accepted
            else { return }
            if let tls = upstream.tls, (try? transport.startTLS(server: tls)) == nil { return }
            guard let connection = try? RawConnection(transport) else { return }
            let peer = UpstreamPeer(connection, upstream)
            let holder = Thread()
            let script = script
            holder.thread = try? WorkerThread(name: "test-peer") { peer.run(script) }
            peers.append(holder)
        }
    }
}

/// Closed, until a test opens it for all who wait.
final class Gate: Sendable {
    private let flag = Atomic(false)
    var isOpen: Bool { flag.load(ordering: .relaxed) }
    func open() { flag.store(true, ordering: .relaxed) }
}

/// A request as an upstream got it.
struct RawRequest: Equatable, Sendable {
    /// Request line and fields.
    var head: String
    var body: [UInt8]
    var text: String { String(decoding: body, as: UTF8.self) }
    var line: String { String(head.prefix { $0 != "\r\n" }) }

    /// All values of a field, whatever the case of its name.
    func values(_ name: String) -> [String] {
        head.split(separator: "\r\n").dropFirst().compactMap { line in
            let parts = line.split(separator: ":", maxSplits: 1)
            return parts[0].lowercased() == name && parts.count == 2 ? parts[1].trimmed : nil
        }
    }
}

/// One connection at the scripted upstream.
final class UpstreamPeer: @unchecked Sendable {
    let connection: RawConnection
    private let upstream: ScriptedUpstream
    /// The number of this connection among those that carry requests.
    private(set) var index = -1

    init(_ connection: RawConnection, _ upstream: ScriptedUpstream) {
        self.connection = connection
        self.upstream = upstream
    }

    var isStopping: Bool { upstream.state.withLock { $0.isStopping } }
    /// How many requests this upstream has had, this one included.
    var requestCount: Int { upstream.requests.count }

    private static let probes = [
        "GET /health ", "GET /metrics ", "GET /v1/models ", "GET /version ",
    ]

    fileprivate func run(_ script: ScriptedUpstream.Script) {
        defer { connection.close() }
        guard connection.shakeHands() == nil, waitForHead() else { return }
        if Self.probes.contains(where: { connection.received.starts(with: Array($0.utf8)) }) {
            answerProbes()
            return
        }
        index = upstream.state.withLock { state in
            state.connections.append([])
            return state.connections.count - 1
        }
        record()
        script(self)
        record()
    }

    private func record() {
        guard index >= 0 else { return }
        upstream.set { $0.connections[index] = connection.all }
    }

    private func answerProbes() {
        while waitForHead(), let end = connection.received.firstOffset(of: "\r\n\r\n") {
            let head = connection.take(end + 4)
            let (metrics, isIgnored) = upstream.state.withLock { ($0.metrics, $0.ignoresProbes) }
            if isIgnored { continue }
            var (status, body) = (404, "")
            if head.starts(with: Array(Self.probes[0].utf8)) {
                status = upstream.state.withLock { $0.health }
            } else if head.starts(with: Array(Self.probes[1].utf8)), let metrics {
                (status, body) = (200, metrics)
            } else if head.starts(with: Array(Self.probes[2].utf8)) {
                (status, body) = upstream.state.withLock { ($0.modelsStatus, $0.models) }
            }
            connection.send(
                "HTTP/1.1 \(status) X\r\ncontent-length: \(body.utf8.count)\r\n\r\n\(body)")
        }
    }

    private func waitForHead() -> Bool { wait { $0.holds("\r\n\r\n") } }

    /// Waits until `isEnough`, the peer's end, or the test's.
    private func wait(_ isEnough: ([UInt8]) -> Bool) -> Bool {
        while !isEnough(connection.received) {
            if isStopping || connection.ending != nil { return false }
            connection.readSome(within: .milliseconds(10))
            record()
        }
        return true
    }

    /// The next whole request; nil when the gateway has closed or the test is over.
    @discardableResult func nextRequest() -> RawRequest? {
        guard waitForHead(), let end = connection.received.firstOffset(of: "\r\n\r\n") else {
            if connection.ending != nil { ended() }
            return nil
        }
        let head = String(decoding: connection.take(end + 4).dropLast(4), as: UTF8.self)
        var request = RawRequest(head: head, body: [])
        if let length = request.values("content-length").first.flatMap({ Int($0) }) {
            guard wait({ $0.count >= length }) else { return nil }
            request.body = connection.take(length)
        }
        upstream.set { $0.requests.append(request) }
        return request
    }

    @discardableResult func send(_ text: String) -> Bool { connection.send(text) }

    /// Sends and ends with the connection open; for answers of one piece.
    func answer(_ body: String, status: Int = 200, type: String = "application/json") {
        send(
            "HTTP/1.1 \(status) X\r\ncontent-type: \(type)\r\ncontent-length: \(body.utf8.count)"
                + "\r\n\r\n\(body)")
    }

    /// Waits until the gateway closes and notes when.
    func waitForEnd() {
        _ = wait { _ in false }
        if connection.ending != nil { ended() }
    }

    /// Waits until something has come that nobody has read.
    func waitForUnread() {
        while !isStopping, !connection.holdsUnread(within: .milliseconds(10)) {}
    }

    private func ended() { upstream.set { $0.endings.append(MonotonicClock.now()) } }

    /// Waits until the test opens the gate, or ends.
    func wait(for gate: Gate) {
        while !gate.isOpen, !isStopping { pause(.milliseconds(2)) }
    }

    /// Waits; the test's end is not delayed by it.
    func rest(_ time: Nanoseconds) {
        let deadline = MonotonicClock.now() + time
        while MonotonicClock.now() < deadline, !isStopping { pause(.milliseconds(2)) }
    }
}
