import SluiceBytes
import SluiceEndpoint
import SluiceReactor
import SluiceSimulation
import SluiceTime

// Everything here belongs to the thread that runs the loop.

/// One simulated vLLM behind a listening socket: drives a ``SimulatedReplica`` over HTTP.
package final class SimulatorServer {
    /// Bytes a client may leave unread before its stream is held back, as uvicorn's flow control does.
    static let unsentBytesMax = 65_536

    /// One request for the engine, until its last byte has been handed over.
    final class Exchange {
        let responder: Responder
        let ids: [EngineRequestID]
        let isStream: Bool
        let fault: StreamFault
        let echo: String?
        let loadFormat: String?
        let arrival: Arrival
        var reply: SimulatedReply
        /// A stream fault has struck: nothing more is said.
        var isSilent = false

        init(
            _ responder: Responder, ids: [EngineRequestID], reply: SimulatedReply, isStream: Bool,
            fault: StreamFault, echo: String?, loadFormat: String?, arrival: Arrival
        ) {
            self.responder = responder
            self.ids = ids
            self.reply = reply
            self.isStream = isStream
            self.fault = fault
            self.echo = echo
            self.loadFormat = loadFormat
            self.arrival = arrival
        }
    }

    /// What `http_*` metrics want to know of a request.
    struct Arrival {
        let path: String
        let method: String
        let bodyBytes: Int
        let at: Instant
    }

    /// The bound address, with the port the kernel chose where it was asked to.
    package var address: SocketAddress { http.address }
    /// Engine, metrics and faults; for tests on the loop's thread.
    package internal(set) var replica: SimulatedReplica
    let loop: EndpointLoop
    private let http: HTTPServer
    private let keepAlive: Nanoseconds
    /// Who waits for which sequence, and as which choice.
    private var targets: [EngineRequestID: (exchange: Exchange, choice: Int)] = [:]
    private var timer: EndpointLoop.Timer?
    private var due = Instant.never
    private var isStepping = false
    private var isStepDue = false
    private var event = ByteBuffer(minimumCapacity: 4_096)

    /// Listens at once.
    ///
    /// - Parameter keepAlive: how long an idle connection is kept, while no fault says otherwise;
    ///   uvicorn's default is 5 s.
    /// - Throws: ``SystemError``: the address is in use, and the like.
    package init(
        _ configuration: SimulatedReplica.Configuration, listen address: SocketAddress,
        keepAlive: Nanoseconds = .seconds(5), on loop: EndpointLoop
    ) throws(SystemError) {
        self.loop = loop
        self.keepAlive = keepAlive
        replica = SimulatedReplica(
            configuration: configuration, startSeconds: Self.wallSeconds())
        var options = ServerOptions()
        options.keepAliveIdle = keepAlive
        // As uvicorn, which leaves both to the gateway in front of it.
        options.requestMax = .seconds(3_600)
        options.answerMax = .seconds(3_600)
        let entry = Entry()
        http = try HTTPServer(address, on: loop, options: options) { request, responder in
            entry.server?.handle(request, responder)
        }
        entry.server = self
    }

    deinit { close() }

    /// Stops listening, closes every connection and forgets what runs.
    package func close() {
        loop.cancel(&timer)
        http.close()
        targets = [:]
    }

    /// Connections open now.
    package var connectionCount: Int { http.connectionCount }
    /// Requests whose answer is not complete.
    package var load: Int { Set(targets.values.map { ObjectIdentifier($0.exchange) }).count }

    /// The handler is made before the server it belongs to.
    private final class Entry {
        weak var server: SimulatorServer?
    }

    /// Seconds since 1970.
    static func wallSeconds() -> Double { Double(MonotonicClock.realtimeNanoseconds()) * 1e-9 }

    // MARK: Generations

    /// Gives a request to the engine, or refuses it.
    func generate(
        _ request: ServerRequest, route: SimulatedRoute, fault: StreamFault, arrival: Arrival,
        _ responder: Responder
    ) throws(VLLMError) {
        let parsed = try replica.parse(
            request.body.span, contentType: request[field: "content-type"], route: route)
        let requestID = request[field: "x-request-id"]
        let (ids, reply) = try replica.submit(
            parsed, requestID: requestID, now: loop.now,
            unixSeconds: MonotonicClock.realtimeSeconds())
        let isStream = parsed.isStream && route != .embeddings
        let exchange = Exchange(
            responder, ids: ids, reply: reply, isStream: isStream,
            fault: isStream ? fault : .none,
            echo: replica.configuration.echoesRequestID ? requestID : nil,
            loadFormat: isStream ? nil : request[field: "endpoint-load-metrics-format"],
            arrival: arrival)
        for (choice, id) in ids.enumerated() { targets[id] = (exchange, choice) }
        responder.onDisconnect = { [weak self] in self?.abandon(exchange) }
        if isStream {
            responder.onDrained = { [weak self] in self?.pump(exchange) }
            // As Starlette: the head goes out as soon as the request has been taken.
            var head = SimulatedHead(status: 200, body: .eventStream)
            head.requestID = exchange.echo
            responder.send { head.append(unixSeconds: MonotonicClock.realtimeSeconds(), to: &$0) }
        }
        step()
    }

    /// Runs the engine up to now and hands out what came.
    func step() {
        isStepDue = true
        // An answer's end may bring the next request, and with it a call from inside this one.
        guard !isStepping else { return }
        isStepping = true
        var next: Instant?
        while isStepDue {
            isStepDue = false
            let step = replica.step(loop.now)
            next = step.next
            for emission in step.emissions { deliver(emission) }
        }
        isStepping = false
        schedule(next)
    }

    private func schedule(_ next: Instant?) {
        if let next, next == due, timer != nil { return }
        loop.cancel(&timer)
        guard let next else { return }
        due = next
        timer = loop.at(next) { [weak self] in
            self?.timer = nil
            self?.step()
        }
    }

    private func deliver(_ emission: EngineEmission) {
        guard let (exchange, choice) = targets[emission.id] else { return }
        if emission.finish != nil { targets[emission.id] = nil }
        exchange.reply.take(
            choice: choice, tokens: emission.tokens, finish: emission.finish?.reason)
        advance(exchange)
    }

    private func advance(_ exchange: Exchange) {
        if exchange.isStream {
            pump(exchange)
        } else if exchange.reply.isWhole {
            finish(exchange)
        }
    }

    /// Writes the events that are ready, each as a chunk of its own and at once.
    private func pump(_ exchange: Exchange) {
        let responder = exchange.responder
        while !exchange.isSilent, responder.isOpen, responder.unsentBytes < Self.unsentBytesMax {
            if strikes(exchange) { return }
            event.removeAll()
            guard exchange.reply.appendNextEvent(to: &event) else { return }
            let isOver = exchange.reply.isOver
            responder.send { out in
                Self.appendChunk(event, to: &out)
                if isOver { SimulatedBodies.appendLastChunk(to: &out) }
            }
            guard isOver else { continue }
            exchange.isSilent = true
            record(exchange.arrival, status: 200, bodyBytes: 0)
            responder.finish()
        }
    }

    private static func appendChunk(_ event: borrowing ByteBuffer, to out: inout ByteBuffer) {
        SimulatedBodies.appendChunk(event.bytes, to: &out)
    }

    /// Lets the exchange's fault act if its moment has come.
    private func strikes(_ exchange: Exchange) -> Bool {
        switch exchange.fault {
        case .none: return false
        case .hang(let events):
            guard exchange.reply.eventsWritten >= events else { return false }
            exchange.isSilent = true
        case .reset(let events):
            guard exchange.reply.eventsWritten >= events else { return false }
            exchange.isSilent = true
            exchange.responder.reset()
        }
        return true
    }

    /// Sends a plain answer that is whole.
    private func finish(_ exchange: Exchange) {
        guard !exchange.isSilent else { return }
        exchange.isSilent = true
        var body = ByteBuffer(minimumCapacity: 1_024)
        exchange.reply.appendBody(to: &body)
        var head = SimulatedHead(
            status: replica.faults.isDead ? 500 : 200, body: .json(body.count))
        head.requestID = exchange.echo
        if let format = exchange.loadFormat {
            head.loadMetrics = SimulatedBodies.loadHeader(
                format: format, snapshot: replica.snapshot)
        }
        send(head, body, exchange.arrival, exchange.responder)
    }

    private func abandon(_ exchange: Exchange) {
        exchange.isSilent = true
        for id in exchange.ids where targets.removeValue(forKey: id) != nil { replica.abort(id) }
    }

    /// The engine has died: every reply in flight says so and ends.
    func die() {
        let dying = targets.values.map(\.exchange)
        for exchange in dying {
            for id in exchange.ids where targets.removeValue(forKey: id) != nil {
                replica.abort(id)
            }
            exchange.reply.die()
            advance(exchange)
        }
    }

    // MARK: Answers

    /// Sends a whole answer and counts it.
    func send(
        _ head: SimulatedHead, _ body: borrowing ByteBuffer, _ arrival: Arrival,
        _ responder: Responder
    ) {
        var head = head
        if !responder.keepsAlive { head.closes = true }
        var whole = ByteBuffer(minimumCapacity: 512 + body.count)
        head.append(unixSeconds: MonotonicClock.realtimeSeconds(), to: &whole)
        if !responder.isHead { whole.append(body.bytes) }
        record(arrival, status: head.status, bodyBytes: body.count)
        responder.send { $0.append(whole.bytes) }
        responder.finish()
    }

    /// Counts an answered request; `bodyBytes` is its `content-length`, 0 for a stream.
    func record(_ arrival: Arrival, status: Int, bodyBytes: Int) {
        replica.metrics.recordHTTP(
            path: arrival.path, method: arrival.method, status: status,
            requestBytes: arrival.bodyBytes, responseBytes: bodyBytes,
            duration: loop.now - arrival.at, wallSeconds: Self.wallSeconds())
    }

    /// Turns knobs: the engine and the connections take notice at once.
    func apply(_ plan: FaultPlan) {
        let dies = replica.setFaults(plan, now: loop.now)
        http.options.keepAliveIdle = plan.keepAliveMilliseconds == nil ? keepAlive : plan.keepAlive
        if dies { die() }
        step()
    }
}
