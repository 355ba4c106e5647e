import SluiceBytes
import Foundation
import Logging
import SluiceExchange
import SluiceProxy
import SluiceReactor
import SluiceTime
import Testing

/// A whole gateway in this process, on real sockets; its end is a part of every test.
final class GatewayUnderTest: @unchecked Sendable {
    /// What is announced when it is ready.
    let addresses: GatewayAddresses
    let admin: SocketAddress
    private let handle: GatewayHandle
    private let run: Run

    /// What the gateway's thread tells.
    private final class Run: Sendable {
        struct State {
            var handle: GatewayHandle?
            var addresses: GatewayAddresses?
            var failure: String?
            var leaks: [String] = []
            var cutShortBy: Int32?
            var hasEnded = false
        }
        let state = Guarded(State())
    }

    private init(
        _ settings: GatewaySettings, source: ConfigurationSource?, lookup: @escaping NameLookup
    ) throws {
        let run = Run()
        self.run = run
        thread = try WorkerThread(name: "test-gateway") {
            do {
                let gateway = try Gateway(
                    settings: settings,
                    logger: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() },
                    takesSignals: false, source: source, lookup: lookup)
                run.state.withLock { $0.handle = gateway.handle }
                let signal = try gateway.run { addresses in
                    run.state.withLock { $0.addresses = addresses }
                }
                let leaks = gateway.leaks
                run.state.withLock {
                    $0.leaks = leaks
                    $0.cutShortBy = signal
                }
            } catch {
                run.state.withLock { $0.failure = "\(error)" }
            }
            run.state.withLock { $0.hasEnded = true }
        }
        _ = eventually { run.state.withLock { $0.addresses != nil || $0.hasEnded } }
        let state = run.state.withLock { $0 }
        addresses = try #require(state.addresses, "\(state.failure ?? "never ready")")
        admin = try #require(addresses.admin)
        handle = try #require(state.handle)
    }

    private var thread: WorkerThread?

    var data: SocketAddress { addresses.data }
    var hasEnded: Bool { run.state.withLock { $0.hasEnded } }

    /// As SIGTERM.
    func drain() { handle.signal(SIGTERM) }

    /// As if the process had got it.
    func signal(_ signal: Int32) { handle.signal(signal) }

    /// The signal that ended it before it had drained.
    var cutShortBy: Int32? { run.state.withLock { $0.cutShortBy } }

    /// As SIGHUP.
    func reload() { handle.signal(SIGHUP) }

    /// Runs `body` against a gateway before `upstreams`, then ends both and looks for what is left.
    static func run(
        _ upstreams: [ScriptedUpstream], change: (inout GatewaySettings) -> Void = { _ in },
        source: ConfigurationSource? = nil,
        lookup: @escaping NameLookup = { SocketAddress.resolve(host: $0, port: $1) },
        sourceLocation: SourceLocation = #_sourceLocation,
        _ body: (GatewayUnderTest) throws -> Void
    ) throws {
        var settings = Self.settings(upstreams)
        change(&settings)
        let gateway = try GatewayUnderTest(settings, source: source, lookup: lookup)
        defer { for upstream in upstreams { upstream.stop() } }
        do {
            try body(gateway)
            gateway.checkBalance(sourceLocation)
        } catch {
            gateway.end(sourceLocation)
            throw error
        }
        gateway.end(sourceLocation)
    }

    /// Short times, one worker, no log, usage untouched, connections kept.
    static func settings(_ upstreams: [ScriptedUpstream]) -> GatewaySettings {
        var settings = GatewaySettings()
        settings.listen = "127.0.0.1:0"
        settings.admin = "127.0.0.1:0"
        settings.workers = 1
        settings.accessLog = .off
        settings.timeouts.drainMax = .seconds(5)
        settings.limits.connectionsMax = 1_000
        // What is closed in a test, the test has asked for.
        settings.limits.requestsPerConnectionMax = 0
        var pool = PoolSettings(name: "pool")
        pool.models = ["tiny"]
        pool.usage = .off
        pool.replicas = upstreams.map { ReplicaSettings(url: $0.url) }
        settings.pools = [pool]
        return settings
    }

    /// Received and finished agree in the end, and no permit was lost.
    private func checkBalance(_ location: SourceLocation) {
        guard !hasEnded else { return }
        let isEven = eventually {
            guard let page = self.metrics() else { return false }
            return page.sum("sluice_requests_received_total") == page.sum("sluice_requests_total")
                && page.sum("sluice_requests_in_flight") == 0
                // Given back in the same turn, which a busy machine may stop in the middle.
                && page.sum("sluice_replica_inflight") == 0
        }
        guard let page = metrics() else {
            Issue.record("no metrics at the end", sourceLocation: location)
            return
        }
        // By this word no run is repeated (scripts/swift-tests.sh).
        #expect(isEven, "LEAK: received and finished differ", sourceLocation: location)
        let leaked = page.sum("sluice_leaked_permits_total")
        #expect(leaked == 0, "LEAK: permits", sourceLocation: location)
        let inflight = page.sum("sluice_replica_inflight")
        #expect(inflight == 0, "LEAK: slots of replicas", sourceLocation: location)
    }

    private func end(_ location: SourceLocation) {
        if !hasEnded {
            drain()
            drain()
        }
        let isOver = eventually { self.hasEnded }
        #expect(isOver, "the gateway did not end", sourceLocation: location)
        guard isOver else { return }
        thread.take()?.join()
        let leaks = run.state.withLock { $0.leaks }
        #expect(leaks == [], "LEAK", sourceLocation: location)
    }

    // MARK: Clients

    /// A connection to the data listener, TLS where a context is given, its handshake finished.
    func connect(tls: TLSClientContext? = nil) throws -> RawConnection {
        guard let tls else { return try RawConnection(to: data) }
        var transport = try Transport.connect(to: data, userTimeout: .seconds(20))
        try transport.startTLS(client: tls, host: "replica.test")
        let client = try RawConnection(transport)
        if let error = client.shakeHands() { throw error }
        return client
    }

    /// One request on a connection of its own.
    func ask(_ request: String, isHead: Bool = false) throws -> RawAnswer {
        let client = try connect()
        client.send(request)
        return try #require(client.readAnswer(isHead: isHead), "no answer to \(request.prefix(80))")
    }

    /// A page of the admin listener.
    func page(_ path: String, accept: String = "*/*") -> RawAnswer? {
        guard let client = try? RawConnection(to: admin) else { return nil }
        client.send(
            "GET \(path) HTTP/1.1\r\nhost: a\r\naccept: \(accept)\r\nconnection: close\r\n\r\n")
        return client.readAnswer()
    }

    /// The metrics page as a scraper gets it that asks for OpenMetrics.
    func openMetrics() -> String? {
        guard let client = try? RawConnection(to: admin) else { return nil }
        client.send(
            "GET /metrics HTTP/1.1\r\nhost: a\r\naccept: application/openmetrics-text\r\n"
                + "connection: close\r\n\r\n")
        return client.readAnswer()?.text
    }

    func metrics() -> MetricsText? { page("/metrics").map { MetricsText(text: $0.text) } }

    /// Waits until so many requests wait for a slot.
    func queues(_ count: Double) -> Bool {
        eventually { self.metrics()?.sum("sluice_queue_length") == count }
    }

    /// Replicas of all pools in a state.
    func states(_ state: String) -> Double? {
        metrics()?.sum("sluice_pool_replicas", "state=\"\(state)\"")
    }

    /// Waits until so many replicas are in a state.
    func waitsFor(_ state: String, _ count: Double) -> Bool {
        eventually { self.states(state) == count }
    }

    /// Waits until so many clients have been seen to leave in a phase; half a second at most.
    func hasLost(_ count: Double, _ phase: String) -> Bool {
        eventually(within: .milliseconds(500)) {
            self.metrics()?.sum("sluice_client_disconnects_total", "phase=\"\(phase)\"") == count
        }
    }

    /// Waits until so many exchanges have ended so.
    func sees(_ outcome: String, _ count: Double = 1) -> Bool {
        eventually {
            self.metrics()?.sum("sluice_requests_total", "outcome=\"\(outcome)\"") == count
        }
    }
}

/// A scraped page.
struct MetricsText {
    let text: String

    /// The sum of all series of a name whose labels hold all of `labels`.
    func sum(_ name: String, _ labels: String...) -> Double {
        text.split(separator: "\n").reduce(0) { sum, line in
            guard line.hasPrefix(name), !line.hasPrefix("#"),
                let mark = line.dropFirst(name.count).first, mark == "{" || mark == " ",
                labels.allSatisfy({ line.contains($0) }), let space = line.lastIndex(of: " "),
                let value = Double(line[line.index(after: space)...])
            else { return sum }
            return sum + value
        }
    }
}

/// Waits until `condition` holds; false when it does not within `within`. Time in which the machine
/// stands still is not counted: it has to be looked at fifty times a second.
func eventually(within: Nanoseconds = .seconds(5), _ condition: () -> Bool) -> Bool {
    let deadline = MonotonicClock.now() + within
    var looks = within.count / Nanoseconds.milliseconds(20).count
    while !condition() {
        if looks <= 0, MonotonicClock.now() >= deadline { return false }
        looks -= 1
        pause(.milliseconds(2))
    }
    return true
}

/// Lets other threads go on between two looks at a condition.
func pause(_ time: Nanoseconds) { usleep(UInt32(clamping: time.count / 1_000)) }

/// A chat request with this body.
func chat(_ body: String = #"{"model":"tiny","messages":[]}"#, fields: String = "") -> String {
    "POST /v1/chat/completions HTTP/1.1\r\nhost: gw\r\ncontent-type: application/json\r\n\(fields)"
        + "content-length: \(body.utf8.count)\r\n\r\n\(body)"
}

/// A chat request that asks for a stream.
let streamingChat = chat(#"{"model":"tiny","stream":true,"messages":[]}"#)

/// The head of a chunked event stream.
let streamHead =
    "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream; charset=utf-8\r\n"
    + "transfer-encoding: chunked\r\n\r\n"

/// One chunk.
func chunk(_ text: String) -> String {
    String(text.utf8.count, radix: 16) + "\r\n\(text)\r\n"
}

/// One content event of a chat stream.
func token(_ text: String) -> String {
    #"data: {"id":"c","object":"chat.completion.chunk","choices":[{"index":0,"delta":{"content":""#
        + text + #""},"finish_reason":null}]}"# + "\n\n"
}

let done = "data: [DONE]\n\n"
