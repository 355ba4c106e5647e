import SluiceBytes
import SluiceEndpoint
import SluiceHTTP
import SluiceReactor
import SluiceTime

// One thread: the loop's.

/// Sends what a plan says to an endpoint and counts what comes of it.
///
/// In an open loop clocks start when a request was to go, not when it went: an endpoint that stalls
/// the sender cannot hide its stall (coordinated omission).
package final class LoadGenerator {
    package private(set) var plan: LoadPlan
    package private(set) var report = LoadReport()
    /// Called with each request that is over.
    package var onFinished: ((FinishedRequest) -> Void)?
    /// Whether everything has ended.
    package private(set) var isOver = false

    private let loop: EndpointLoop
    private let client: HTTPClient
    private let target: LoadTarget
    private let writer: PromptWriter
    private var random: SplitMix64
    private var live: [ObjectIdentifier: LoadExchange] = [:]
    private var begunAt = Instant.unset
    private var nextArrival = Instant.unset
    private var isWindingDown = false
    private var arrivalTimer: EndpointLoop.Timer?
    private var endTimer: EndpointLoop.Timer?

    /// A client of a closed loop that was refused waits so long before it asks again, so that a dead
    /// endpoint is not hammered.
    static let pauseAfterFailure = Nanoseconds.milliseconds(100)
    /// A request that goes later than this after its arrival is measured from its arrival; below it
    /// the delay is the timer's, not the endpoint's.
    static let timerSlack = TimerWheel.tick * 2
    /// Bytes of one answer at most.
    static let answerBytesMax = 64 << 20
    /// Arrivals of an open loop that are sent in one turn at most.
    static let arrivalsPerTurnMax = 1_024

    package init(plan: LoadPlan, target: LoadTarget, on loop: EndpointLoop) {
        self.plan = plan
        self.target = target
        self.loop = loop
        client = HTTPClient(on: loop, idleMax: plan.inFlightMax)
        writer = PromptWriter(plan: plan)
        random = SplitMix64(seed: plan.seed)
    }

    /// Begins; the caller turns the loop until ``isOver``.
    package func begin() {
        begunAt = loop.now
        nextArrival = begunAt
        endTimer = loop.after(plan.duration) { [weak self] in
            self?.endTimer = nil
            self?.windDown()
        }
        switch plan.arrivals {
        case .closed(let concurrency):
            for slot in 0..<min(concurrency, plan.inFlightMax) { ask(slot: slot) }
        case .open: arrive()
        }
    }

    /// Begins no more requests; what is under way may end within the grace.
    package func windDown() {
        guard !isWindingDown else { return }
        isWindingDown = true
        loop.cancel(&arrivalTimer)
        loop.cancel(&endTimer)
        guard !live.isEmpty else { return end() }
        endTimer = loop.after(plan.graceMax) { [weak self] in
            self?.endTimer = nil
            self?.stop()
        }
    }

    /// Ends now: what is under way is cut.
    package func stop() {
        guard !isOver else { return }
        isWindingDown = true
        loop.cancel(&arrivalTimer)
        loop.cancel(&endTimer)
        for exchange in live.values {
            exchange.exchange?.cancel()
            finish(exchange, .cut)
        }
        end()
    }

    private func end() {
        guard !isOver else { return }
        isOver = true
        loop.cancel(&endTimer)
        client.closeIdle()
    }

    /// Changes how often an open loop asks, from the next arrival on.
    package func change(ratePerSecond: Double) {
        guard case .open = plan.arrivals, ratePerSecond > 0, !isWindingDown else { return }
        plan.arrivals = .open(ratePerSecond: ratePerSecond)
        nextArrival = loop.now
        loop.cancel(&arrivalTimer)
        arrive()
    }

    /// The figures as of now.
    package func currentReport() -> LoadReport {
        if !isOver { report.elapsed = loop.now - begunAt }
        return report
    }

    // MARK: Arrivals

    private var mayBegin: Bool {
        !isWindingDown && plan.requestsMax.map { report.begun + report.notSent < $0 } ?? true
    }

    /// The next request of one client of a closed loop.
    private func ask(slot: Int) {
        guard mayBegin else {
            if !isWindingDown, live.isEmpty { windDown() }
            return
        }
        send(arrival: loop.now, slot: slot)
    }

    /// Sends what of an open loop is due, and sets the timer for what comes next.
    private func arrive() {
        guard case .open(let rate) = plan.arrivals else { return }
        for _ in 0..<Self.arrivalsPerTurnMax {
            guard mayBegin else { return windDown() }
            guard nextArrival <= loop.now else { break }
            let due = nextArrival
            nextArrival = due + .seconds(clamping: random.exponential() / rate)
            if live.count >= plan.inFlightMax {
                report.notSent += 1
            } else {
                send(arrival: loop.now - due > Self.timerSlack ? due : loop.now, slot: 0)
            }
        }
        arrivalTimer = loop.at(nextArrival) { [weak self] in
            self?.arrivalTimer = nil
            self?.arrive()
        }
    }

    // MARK: One request

    private func send(arrival: Instant, slot: Int) {
        let (body, outputTokens) = writer.next(&random)
        let leaves = plan.streams && random.nextUnit() < plan.abortRatio
        let abortsAfter =
            leaves ? Int.random(in: 1...max(1, outputTokens / 2), using: &random) : nil
        let exchange = LoadExchange(
            arrival: arrival, slot: slot, streams: plan.streams, abortsAfter: abortsAfter)
        var request = HTTPClient.request(
            .post, "/v1/chat/completions", at: target, apiKey: plan.apiKey)
        request.fields.append(("content-type", "application/json"))
        request.body = body
        request.totalMax = plan.requestMax
        request.bodyBytesMax = Self.answerBytesMax
        live[ObjectIdentifier(exchange)] = exchange
        report.begun += 1
        exchange.exchange = client.send(request, to: target.address, handlers(of: exchange))
    }

    private func handlers(of exchange: LoadExchange) -> ClientHandlers {
        var handlers = ClientHandlers()
        handlers.onHead = { [unowned exchange] in exchange.takeHead($0, $1) }
        handlers.onBody = { [weak self, unowned exchange] buffer, range in
            guard let self else { return }
            let wasToAbort = exchange.isToAbort
            exchange.takeBody(buffer.bytes.extracting(range), now: loop.now) {
                report.gaps.add($0)
            }
            guard exchange.isToAbort, !wasToAbort else { return }
            // Not from inside the connection's own read.
            loop.after(.zero) { [weak self, weak exchange] in
                guard let exchange else { return }
                exchange.exchange?.cancel()
                self?.finish(exchange, .aborted)
            }
        }
        // The end may come in the same read as the event after which the client was to leave.
        handlers.onEnd = { [weak self, unowned exchange] in
            self?.finish(exchange, exchange.isToAbort ? .aborted : nil)
        }
        handlers.onFailure = { [weak self, unowned exchange] in
            self?.finish(
                exchange, exchange.isToAbort ? .aborted : .failed(LoadFailure($0)),
                message: $0.detail)
        }
        return handlers
    }

    private func finish(
        _ exchange: LoadExchange, _ outcome: LoadOutcome?, message: String? = nil
    ) {
        guard live.removeValue(forKey: ObjectIdentifier(exchange)) != nil else { return }
        let finished = exchange.finish(outcome, message: message, now: loop.now)
        report.take(finished, objective: plan.objective)
        report.elapsed = loop.now - begunAt
        onFinished?(finished)
        if isWindingDown {
            if live.isEmpty { end() }
            return
        }
        guard case .closed = plan.arrivals else {
            if !mayBegin, live.isEmpty { windDown() }
            return
        }
        let slot = exchange.slot
        if case .failed = finished.outcome {
            loop.after(Self.pauseAfterFailure) { [weak self] in self?.ask(slot: slot) }
        } else {
            ask(slot: slot)
        }
    }
}
