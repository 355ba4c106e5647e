import SluiceBytes
import SluiceSimulation
import SluiceTime

// The seam. Everything below this type is pure; the socket server above it owns one value per
// listening port, on one loop, and does only this:
//
//   accept, read, parse the head           (SluiceReactor, SluiceHTTP)
//   POST to a SimulatedRoute               `nextFault`, `parse`, `submit`, `step`
//   a timer at the `next` of a step         `step`: emissions → the reply of their exchange
//   client gone                            `abort` for each of the exchange's engine ids
//   GET /metrics, /health, /v1/models …    `appendMetrics`, `isHealthy`, SimulatedBodies
//   POST, GET, DELETE /sim/faults          `setFaults`, `faults.append(to:)`
//   after each answer                      `metrics.recordHTTP`

/// One simulated vLLM server without its sockets: engine, metrics, faults and randomness.
package struct SimulatedReplica {
    /// What does not change while it runs.
    package struct Configuration: Equatable, Sendable {
        /// Served names; the first is the base model, the rest its LoRA adapters.
        package var models = ["sim"]
        /// The engine's parameters.
        package var engine = EngineParameters()
        /// Lengths of answers whose client gives none.
        package var lengths = Study.outputs
        /// Where all randomness starts.
        package var seed: UInt64 = 1
        /// `--api-key`; compared with the bearer of `/v1` requests.
        package var apiKey: String?
        /// `--enable-server-load-tracking`: `/load` counts.
        package var tracksLoad = false
        /// `--enable-request-id-headers`: answers carry `x-request-id`.
        package var echoesRequestID = false

        package init() {}
    }

    package let configuration: Configuration
    /// Counters; the server adds its HTTP requests with `recordHTTP`.
    package var metrics: SimulatedMetrics
    /// The faults in force; set through ``setFaults(_:now:)``.
    package private(set) var faults = FaultPlan()

    private var engine: EngineModel
    private var generator: SplitMix64
    private var frozenPage: [UInt8]?

    /// A fresh replica.
    ///
    /// - Parameter startSeconds: wall clock at start, in seconds since 1970.
    package init(configuration: Configuration, startSeconds: Double) {
        self.configuration = configuration
        engine = EngineModel(parameters: configuration.engine)
        metrics = SimulatedMetrics(
            model: configuration.models.first ?? "sim", parameters: configuration.engine,
            startSeconds: startSeconds)
        generator = SplitMix64(seed: configuration.seed)
    }

    // MARK: Requests

    /// Reads a request body; see ``SimulatedRequest/parse(_:contentType:route:server:)``.
    package func parse(
        _ body: Span<UInt8>, contentType: String?, route: SimulatedRoute
    ) throws(VLLMError) -> SimulatedRequest {
        try SimulatedRequest.parse(
            body, contentType: contentType, route: route,
            server: SimulatedRequest.Server(
                models: configuration.models, modelLengthMax: engine.parameters.modelLengthMax))
    }

    /// Gives a request to the engine and begins its answer.
    ///
    /// - Parameters:
    ///   - requestID: the client's `X-Request-Id`, if any.
    ///   - unixSeconds: the wall clock, for `created`.
    /// - Returns: the engine's ids, one per choice in order, and the empty reply.
    /// - Throws: ``VLLMError/engineDied`` or ``VLLMError/queueFull(bound:)``.
    package mutating func submit(
        _ request: SimulatedRequest, requestID: String?, now: Instant, unixSeconds: Int
    ) throws(VLLMError) -> (ids: [EngineRequestID], reply: SimulatedReply) {
        if faults.isDead { throw .engineDied }
        if engine.isFull { throw .queueFull(bound: engine.parameters.requestsMax ?? 0) }
        let reply = SimulatedReply(
            request: request,
            requestID: requestID ?? SimulatedBodies.randomID(&generator), created: unixSeconds,
            seed: generator.next())
        // Embeddings and responses have one choice, whatever `n` says.
        let ids = reply.choices.map { _ in
            engine.submit(
                request.engineRequest(
                    lengths: configuration.lengths,
                    modelLengthMax: engine.parameters.modelLengthMax, generator: &generator),
                now: now)
        }
        return (ids, reply)
    }

    /// Forgets a sequence whose client has gone; leaves no latency sample.
    package mutating func abort(_ id: EngineRequestID) { engine.abort(id) }

    /// Runs the engine up to `now` and counts what came out.
    ///
    /// To be called at the instant the last call named, and after each `submit`; early calls
    /// are harmless.
    package mutating func step(_ now: Instant) -> EngineStep {
        let step = engine.step(now)
        metrics.observe(step)
        return step
    }

    /// Sequences inside the engine.
    package var sequencesInside: Int { engine.count }

    // MARK: Pages

    /// Whether `/health` and `/ping` answer 200, with an empty body, or 503: a hung engine is healthy.
    package var isHealthy: Bool { !faults.isDead }

    /// The gauges as `/metrics` shows them, for the ORCA field and for tests.
    package var snapshot: EngineSnapshot { engine.snapshot }

    /// Whether the `authorization` field opens `/v1`; always without an API key.
    package func isAuthorized(_ authorization: String?) -> Bool {
        guard let key = configuration.apiKey else { return true }
        return authorization == "Bearer \(key)"
    }

    /// Writes the body of `/metrics` as the faults have it; the delay and `dead` are the server's.
    package mutating func appendMetrics(to buffer: inout ByteBuffer) {
        if faults.metrics == .garbage { return buffer.append(FaultPlan.garbage) }
        if let frozenPage { return buffer.append(frozenPage.span) }
        metrics.gauges = engine.snapshot
        let start = buffer.count
        metrics.append(to: &buffer)
        guard faults.metrics == .huge else { return }
        while buffer.count - start < faults.metricsBytes {
            buffer.append("# a comment line of a page that does not want to end ............\n")
        }
    }

    /// Writes the body of `/v1/models`.
    package mutating func appendModels(unixSeconds: Int, to buffer: inout ByteBuffer) {
        SimulatedBodies.appendModels(
            configuration.models, modelLengthMax: engine.parameters.modelLengthMax,
            created: unixSeconds, generator: &generator, to: &buffer)
    }

    // MARK: Faults

    /// Puts a plan in force.
    ///
    /// - Returns: whether the engine has just died: the server then calls `die()` on every reply
    ///   in flight, writes what they still say, and aborts their sequences.
    @discardableResult
    package mutating func setFaults(_ plan: FaultPlan, now: Instant) -> Bool {
        let dies = plan.isDead && !faults.isDead
        if plan.metrics == .frozen, faults.metrics != .frozen {
            var page = ByteBuffer()
            appendMetrics(to: &page)
            frozenPage = page.array()
        } else if plan.metrics != .frozen {
            frozenPage = nil
        }
        engine.slowFactor = plan.slowFactor
        engine.setFrozen(plan.freezesEngine || plan.isDead, now: now)
        faults = plan
        return dies
    }

    /// What the next request of an engine route is to suffer; to be asked once per request.
    package mutating func nextFault() -> RequestFault { faults.next() }
}
