import SluiceBytes
import SluiceEndpoint
import SluiceHTTP
import SluiceReactor
import SluiceTime

// One loop's thread owns everything here. The replica decides, this carries out: engine steps by
// timer, each event as its own chunk, an abort for every client that leaves.

/// A simulated vLLM replica on a real socket.
package final class SimulatorServer {
    private let loop: EndpointLoop
    private var replica: SimulatedReplica
    private var server: HTTPServer?
    private var stepTimer: EndpointLoop.Timer?
    private var stepAt = Instant.never
    private var exchanges: [EngineRequestID: SimulatedExchange] = [:]
    private var requestsInside = 0

    /// Listens at once. - Throws: ``SystemError``: the address is in use, and the like.
    package init(
        _ configuration: SimulatedReplica.Configuration, listen address: SocketAddress,
        on loop: EndpointLoop, keepAlive: Nanoseconds = .seconds(5)
    ) throws(SystemError) {
        self.loop = loop
        replica = SimulatedReplica(
            configuration: configuration, startSeconds: Self.unixSeconds())
        var options = ServerOptions()
        options.keepAliveIdle = keepAlive
        server = try HTTPServer(address, on: loop, options: options) { [unowned self] in
            answer($0, $1)
        }
    }

    /// Where it listens.
    package var address: SocketAddress? { server?.address }

    /// Stops listening and closes every connection.
    package func close() {
        server?.close()
        server = nil
        loop.cancel(&stepTimer)
    }

    private static func unixSeconds() -> Double {
        Double(MonotonicClock.realtimeNanoseconds()) / 1e9
    }

    // MARK: Requests

    private func answer(_ request: ServerRequest, _ responder: Responder) {
        do throws(VLLMError) {
            let endpoint = try SimulatedEndpoint.find(
                method: request.methodName, path: request.path)
            if endpoint.isGuarded, !replica.isAuthorized(request[field: "authorization"]) {
                throw .unauthorized
            }
            switch endpoint {
            case .engine(let route): try beginEngine(route, request, responder)
            case .models: answerModels(request, responder)
            case .health: send(replica.isHealthy ? 200 : 503, request, responder) { _ in }
            case .version:
                send(200, request, responder) { SimulatedBodies.appendVersion(to: &$0) }
            case .load:
                let load = replica.configuration.tracksLoad ? requestsInside : 0
                send(200, request, responder) { SimulatedBodies.appendLoad(load, to: &$0) }
            case .metrics: answerMetrics(request, responder)
            case .faults: answerFaults(request, responder)
            }
        } catch {
            refuse(error, request, responder)
        }
    }

    private func refuse(_ error: VLLMError, _ request: ServerRequest, _ responder: Responder) {
        send(error.status, request, responder, allow: error.allow) { error.append(to: &$0) }
    }

    /// Sends a whole answer and counts it.
    private func send(
        _ status: Int, _ request: ServerRequest, _ responder: Responder, allow: String? = nil,
        loadMetrics: String? = nil, requestID: String? = nil, isMetrics: Bool = false,
        _ fill: (inout ByteBuffer) -> Void
    ) {
        var body = ByteBuffer()
        fill(&body)
        var head = SimulatedHead(
            status: status, body: isMetrics ? .metrics(body.count) : .json(body.count))
        head.allow = allow
        head.loadMetrics = loadMetrics
        head.requestID = requestID
        head.closes = !responder.keepsAlive
        let seconds = Self.unixSeconds()
        responder.send { out in
            head.append(unixSeconds: Int(seconds), to: &out)
            if !responder.isHead { out.append(body.bytes) }
        }
        record(request, status: status, responseBytes: body.count, since: loop.now)
        responder.finish()
    }

    private func record(
        _ request: ServerRequest, status: Int, responseBytes: Int, since: Instant
    ) {
        replica.metrics.recordHTTP(
            path: request.path, method: request.methodName, status: status,
            requestBytes: request.body.count, responseBytes: responseBytes,
            duration: loop.now - since, wallSeconds: Self.unixSeconds())
    }

    // MARK: The engine

    private func beginEngine(
        _ route: SimulatedRoute, _ request: ServerRequest, _ responder: Responder
    ) throws(VLLMError) {
        let fault = replica.nextFault()
        switch fault.head {
        case .none: break
        case .hang: return
        case .reset:
            responder.reset()
            return
        case .garbage:
            responder.send { $0.append(FaultPlan.garbage) }
            responder.finish(closes: true)
            return
        case .oversizedHead(let bytes):
            responder.send { SimulatedHead.appendOversized(bytes: bytes, to: &$0) }
            responder.finish(closes: true)
            return
        case .queueFull: throw .queueFull(bound: replica.configuration.engine.requestsMax ?? 0)
        case .engineDead: throw .engineDied
        }
        let bytes = request.body
        let parsed = try replica.parse(
            bytes.span, contentType: request[field: "content-type"], route: route)
        let requestID = request[field: "x-request-id"]
        let seconds = Self.unixSeconds()
        let (ids, reply) = try replica.submit(
            parsed, requestID: requestID, now: loop.now, unixSeconds: Int(seconds))
        let exchange = SimulatedExchange(
            ids: ids, reply: reply, request: request, responder: responder,
            isStream: parsed.isStream, fault: fault.stream, begun: loop.now)
        for id in ids { exchanges[id] = exchange }
        requestsInside += 1
        responder.onDisconnect = { [weak self, weak exchange] in
            guard let self, let exchange else { return }
            forget(exchange)
            for id in exchange.ids { replica.abort(id) }
            step()
        }
        if parsed.isStream {
            var head = SimulatedHead(status: 200, body: .eventStream)
            if replica.configuration.echoesRequestID { head.requestID = requestID }
            responder.send { head.append(unixSeconds: Int(seconds), to: &$0) }
            sendEvents(exchange)
        }
        step()
    }

    private func forget(_ exchange: SimulatedExchange) {
        guard !exchange.isForgotten else { return }
        exchange.isForgotten = true
        requestsInside -= 1
        for id in exchange.ids { exchanges[id] = nil }
    }

    /// Runs the engine and hands out what it made; sets the timer for its next step.
    private func step() {
        let result = replica.step(loop.now)
        var touched: [ObjectIdentifier: SimulatedExchange] = [:]
        for emission in result.emissions {
            guard let exchange = exchanges[emission.id],
                let choice = exchange.ids.firstIndex(of: emission.id)
            else { continue }
            exchange.reply.take(
                choice: choice, tokens: emission.tokens, finish: emission.finish?.reason)
            if exchange.isStream {
                sendEvents(exchange)
            } else {
                touched[ObjectIdentifier(exchange)] = exchange
            }
        }
        for exchange in touched.values where exchange.reply.isWhole { sendWhole(exchange) }
        guard let next = result.next else {
            loop.cancel(&stepTimer)
            stepAt = .never
            return
        }
        guard next != stepAt || stepTimer == nil else { return }
        loop.cancel(&stepTimer)
        stepAt = next
        stepTimer = loop.at(next) { [unowned self] in
            stepTimer = nil
            stepAt = .never
            step()
        }
    }

    /// Writes the events that are ready, each as a chunk of its own.
    private func sendEvents(_ exchange: SimulatedExchange) {
        guard !exchange.isSilent, exchange.responder.isOpen else { return }
        var event = ByteBuffer()
        var isCut = false
        exchange.responder.send { out in
            while true {
                switch exchange.fault {
                case .none: break
                case .hang(let count):
                    if exchange.reply.eventsWritten >= count {
                        exchange.isSilent = true
                        return
                    }
                case .reset(let count):
                    if exchange.reply.eventsWritten >= count {
                        isCut = true
                        return
                    }
                }
                guard exchange.reply.appendNextEvent(to: &event) else { return }
                SimulatedBodies.appendChunk(event.bytes, to: &out)
                exchange.bytesOut += event.count
                event.removeAll()
            }
        }
        if isCut {
            exchange.responder.reset()
            return
        }
        guard exchange.reply.isOver else { return }
        forget(exchange)
        exchange.responder.send { SimulatedBodies.appendLastChunk(to: &$0) }
        record(
            exchange.request, status: 200, responseBytes: exchange.bytesOut, since: exchange.begun)
        exchange.responder.finish()
    }

    private func sendWhole(_ exchange: SimulatedExchange) {
        forget(exchange)
        guard exchange.responder.isOpen else { return }
        let format = exchange.request[field: "endpoint-load-metrics-format"]
        send(
            200, exchange.request, exchange.responder,
            loadMetrics: format.flatMap {
                SimulatedBodies.loadHeader(format: $0, snapshot: replica.snapshot)
            },
            requestID: replica.configuration.echoesRequestID
                ? exchange.request[field: "x-request-id"] : nil
        ) { exchange.reply.appendBody(to: &$0) }
    }

    // MARK: Pages

    private func answerModels(_ request: ServerRequest, _ responder: Responder) {
        let delay = replica.faults.modelsDelay
        let answer = { [unowned self] in
            send(200, request, responder) {
                replica.appendModels(unixSeconds: Int(Self.unixSeconds()), to: &$0)
            }
        }
        if delay > .zero { loop.after(delay, answer) } else { answer() }
    }

    private func answerMetrics(_ request: ServerRequest, _ responder: Responder) {
        let delay = replica.faults.metricsDelay
        guard replica.faults.metrics != .dead else {
            responder.reset()
            return
        }
        let answer = { [unowned self] in
            step()
            send(200, request, responder, isMetrics: true) { replica.appendMetrics(to: &$0) }
        }
        if delay > .zero { loop.after(delay, answer) } else { answer() }
    }

    private func answerFaults(_ request: ServerRequest, _ responder: Responder) {
        if request.method != .get {
            var plan = FaultPlan()
            if request.method == .post {
                let bytes = request.body
                do throws(FaultPlanError) {
                    plan = try replica.faults.applying(json: bytes.span)
                } catch {
                    send(400, request, responder) { error.append(to: &$0) }
                    return
                }
            }
            apply(plan)
        }
        let plan = replica.faults
        send(200, request, responder) { plan.append(to: &$0) }
    }

    private func apply(_ plan: FaultPlan) {
        let died = replica.setFaults(plan, now: loop.now)
        step()
        guard died else { return }
        // As vLLM dies: an error event and [DONE] in every stream, 500 for the rest.
        var dying: [ObjectIdentifier: SimulatedExchange] = [:]
        for exchange in exchanges.values { dying[ObjectIdentifier(exchange)] = exchange }
        for exchange in dying.values {
            exchange.reply.die()
            for id in exchange.ids { replica.abort(id) }
            if exchange.isStream {
                sendEvents(exchange)
            } else {
                forget(exchange)
                refuse(.engineDied, exchange.request, exchange.responder)
            }
        }
    }
}

/// One request inside the simulated engine.
private final class SimulatedExchange {
    let ids: [EngineRequestID]
    var reply: SimulatedReply
    let request: ServerRequest
    let responder: Responder
    let isStream: Bool
    let fault: StreamFault
    let begun: Instant
    var bytesOut = 0
    var isSilent = false
    var isForgotten = false

    init(
        ids: [EngineRequestID], reply: SimulatedReply, request: ServerRequest,
        responder: Responder, isStream: Bool, fault: StreamFault, begun: Instant
    ) {
        self.ids = ids
        self.reply = reply
        self.request = request
        self.responder = responder
        self.isStream = isStream
        self.fault = fault
        self.begun = begun
    }
}
