import SluiceBytes
import SluiceEndpoint
import SluiceHTTP
import SluiceReactor
import SluiceTime

extension SimulatorServer {
    /// Answers one request, now or later.
    func handle(_ request: ServerRequest, _ responder: Responder) {
        let arrival = Arrival(
            path: request.path, method: request.methodName, bodyBytes: request.body.count,
            at: loop.now)
        do throws(VLLMError) {
            let endpoint = try SimulatedEndpoint.find(
                method: request.methodName, path: request.path)
            if endpoint.isGuarded, !replica.isAuthorized(request[field: "authorization"]) {
                throw .unauthorized
            }
            switch endpoint {
            case .engine(let route):
                try engine(request, route: route, arrival: arrival, responder)
            case .models:
                later(replica.faults.modelsDelay, responder) { server in
                    server.answer(arrival, responder) {
                        server.replica.appendModels(
                            unixSeconds: MonotonicClock.realtimeSeconds(), to: &$0)
                    }
                }
            case .health: health(arrival, responder)
            case .version:
                answer(arrival, responder) { SimulatedBodies.appendVersion(to: &$0) }
            case .load:
                let count = replica.configuration.tracksLoad ? load : 0
                answer(arrival, responder) { SimulatedBodies.appendLoad(count, to: &$0) }
            case .metrics: metrics(arrival, responder)
            case .faults: faults(request, arrival: arrival, responder)
            }
        } catch {
            refuse(error, arrival, responder)
        }
    }

    private func engine(
        _ request: ServerRequest, route: SimulatedRoute, arrival: Arrival, _ responder: Responder
    ) throws(VLLMError) {
        let fault = replica.nextFault()
        switch fault.head {
        case .none:
            try generate(
                request, route: route, fault: fault.stream, arrival: arrival, responder)
        // Nobody answers: the connection stays until the client has had enough.
        case .hang: return
        case .reset: responder.reset()
        case .garbage:
            responder.send { $0.append(FaultPlan.garbage) }
            responder.finish(closes: true)
        case .oversizedHead(let bytes):
            responder.send { SimulatedHead.appendOversized(bytes: bytes, to: &$0) }
            responder.finish(closes: true)
        case .queueFull:
            throw .queueFull(bound: replica.configuration.engine.requestsMax ?? 0)
        case .engineDead: throw .engineDied
        }
    }

    private func health(_ arrival: Arrival, _ responder: Responder) {
        let head = SimulatedHead(status: replica.isHealthy ? 200 : 503, body: .json(0))
        send(head, ByteBuffer(), arrival, responder)
    }

    private func metrics(_ arrival: Arrival, _ responder: Responder) {
        if replica.faults.metrics == .dead {
            responder.reset()
            return
        }
        later(replica.faults.metricsDelay, responder) { server in
            server.replica.metrics.process = .ofThisProcess(
                startSeconds: server.replica.metrics.startSeconds)
            var page = ByteBuffer(minimumCapacity: 65_536)
            server.replica.appendMetrics(to: &page)
            server.send(
                SimulatedHead(status: 200, body: .metrics(page.count)), page, arrival, responder)
        }
    }

    private func faults(_ request: ServerRequest, arrival: Arrival, _ responder: Responder) {
        switch request.method {
        case .post:
            do throws(FaultPlanError) {
                apply(try replica.faults.applying(json: request.body.span))
            } catch {
                var body = ByteBuffer()
                error.append(to: &body)
                send(SimulatedHead(status: 400, body: .json(body.count)), body, arrival, responder)
                return
            }
        case .delete: apply(FaultPlan())
        case .get, .head, .put, .patch, .options, .connect, .trace, .other: break
        }
        answer(arrival, responder) { self.replica.faults.append(to: &$0) }
    }

    // MARK: Parts

    /// Answers 200 with JSON.
    private func answer(
        _ arrival: Arrival, _ responder: Responder, _ fill: (inout ByteBuffer) -> Void
    ) {
        var body = ByteBuffer()
        fill(&body)
        send(SimulatedHead(status: 200, body: .json(body.count)), body, arrival, responder)
    }

    private func refuse(_ error: VLLMError, _ arrival: Arrival, _ responder: Responder) {
        var body = ByteBuffer()
        error.append(to: &body)
        var head = SimulatedHead(status: error.status, body: .json(body.count))
        head.allow = error.allow
        send(head, body, arrival, responder)
    }

    /// Calls `body` after `delay`, unless the client has left by then; at once without a delay.
    private func later(
        _ delay: Nanoseconds, _ responder: Responder, _ body: @escaping (SimulatorServer) -> Void
    ) {
        guard delay > .zero else { return body(self) }
        var timer = loop.after(delay) { [weak self] in
            guard let self, responder.isOpen else { return }
            body(self)
        }
        responder.onDisconnect = { [loop] in loop.cancel(&timer) }
    }
}
