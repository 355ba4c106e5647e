import SluiceBytes
import SluiceTime

// Owner: the one thread that calls `run`. Time is the heap's; nothing here asks a clock, and no
// dictionary is walked, so that the same configuration gives the same records, byte for byte.

/// A simulated fleet of vLLM replicas behind gateways, from the first arrival to the last token.
///
/// It plays everything around a policy: clients with their patience and retries, the gateway's
/// shell (scrapes, ticks, the retry rule for requests lost before their first output) and engines.
/// Neither network nor gateway take time.
package final class Fleet {
    /// When every run begins; not 0, which says "unset".
    package static let start = Instant(nanoseconds: 1_000_000_000)
    /// How often a policy's tick is called.
    package static let tick = Nanoseconds.milliseconds(100)
    /// Arrivals go on so long after the counted part, so that its last requests meet the same load.
    static let tail = Nanoseconds.seconds(5)
    /// A run that is not over so long after the last arrival is ended.
    static let drainMax = Nanoseconds.seconds(900)

    struct Replica {
        var engine: EngineModel
        var isUp = true
        /// Whether the end of its step is in the heap.
        var isScheduled = false
        /// Requests by the engine's places.
        var requests: [Int] = []
        var iterations = 0
    }

    /// A gateway, or one that a restart has replaced and that ends what it has.
    struct Gateway {
        let policy: any GatewayPolicy
        var isCurrent = true
        var inFlight: [Int]
        /// Requests neither refused nor ended.
        var open = 0
    }

    let configuration: FleetConfiguration
    private let makePolicy: (PolicyContext) -> any GatewayPolicy
    var heap = EventHeap()
    var now = Fleet.start
    var replicas: [Replica]
    var gateways: [Gateway] = []
    /// Which gateway stands in each place.
    var current: [Int] = []
    var records: [RequestRecord] = []
    private var clocks: [ArrivalClock]
    private var sources: [RequestSource]
    private var gatewayChoice: SplitMix64
    var clientChoice: SplitMix64
    /// Requests neither refused nor ended, of all gateways.
    var open = 0
    private var decisions: [PolicyDecision] = []
    private var steps = 0
    private var ledgerErrorMax = 0
    /// Per gateway, in one step of a replica.
    private var stepEvents: [Int] = []
    private var stepGaps: [Nanoseconds?] = []

    /// - Parameter makePolicy: called once per gateway, and again for one that restarts.
    package init(
        _ configuration: FleetConfiguration,
        policy makePolicy: @escaping (PolicyContext) -> any GatewayPolicy
    ) {
        self.configuration = configuration
        self.makePolicy = makePolicy
        replicas = configuration.replicas.map { Replica(engine: EngineModel(parameters: $0)) }
        let seed = configuration.seed
        // Each use of chance has its own generator: two policies meet the same requests.
        func part(_ number: UInt64) -> UInt64 {
            SplitMix64.mixed(seed &* 0x1_0000 &+ number)
        }
        clocks = configuration.streams.enumerated().map {
            ArrivalClock($1.arrivals, seed: part(UInt64(100 + $0)))
        }
        sources = configuration.streams.enumerated().map {
            RequestSource($1, seed: part(UInt64(1_000 + $0)))
        }
        gatewayChoice = SplitMix64(seed: part(1))
        clientChoice = SplitMix64(seed: part(2))
    }

    /// Runs until every request that counts has ended.
    package func run() -> RunResult {
        begin()
        let arrivalsEnd = configuration.measuredTo + Self.tail
        while let (at, event) = heap.popFirst() {
            if at > arrivalsEnd && open == 0 || at > arrivalsEnd + Self.drainMax { break }
            now = at
            handle(event, arrivalsEnd: arrivalsEnd)
        }
        let left = zip(replicas, replicas.indices).reduce(0) { sum, replica in
            let known = gateways.reduce(0) { $0 + $1.policy.inFlight(at: replica.1) }
            return sum + abs(replica.0.engine.count - known)
        }
        return RunResult(
            configuration: configuration, records: records,
            ledgerErrorMax: max(ledgerErrorMax, left),
            openAtEnd: gateways.reduce(0) { $0 + $1.policy.waiting } + open,
            simulated: now - Self.start, steps: steps)
    }

    private func begin() {
        // One that is lost first comes back by joining.
        for fault in configuration.faults.sorted(by: { $0.at > $1.at }) {
            switch fault.kind {
            case .joins(let replica): replicas[replica].isUp = false
            case .lost(let replica): replicas[replica].isUp = true
            case .slow, .restart: break
            }
        }
        for place in configuration.gatewayShares.indices { startGateway(at: place) }
        for (index, fault) in configuration.faults.enumerated() {
            heap.insert(.fault(index), at: Self.start + fault.at)
        }
        for (index, stream) in configuration.streams.enumerated() {
            if case .closed(let clients) = stream.arrivals {
                for _ in 0..<clients { heap.insert(.arrival(stream: index), at: now) }
            } else {
                scheduleArrival(of: index)
            }
        }
    }

    func startGateway(at place: Int) {
        let number = gateways.count
        let context = PolicyContext(
            replicas: replicas.count,
            slots: configuration.tellsSlots ? configuration.replicas.first?.sequencesMax : nil,
            cacheTokens: configuration.scrapeInterval == nil
                ? nil : configuration.replicas.first?.cacheTokensMax,
            gateways: configuration.gatewayShares.count, objectives: configuration.objectives,
            tenantWeights: configuration.tenantWeights, admission: configuration.admission,
            looksAhead: configuration.looksAhead,
            seed: SplitMix64.mixed(configuration.seed &+ UInt64(number) &* 77), start: now)
        gateways.append(
            Gateway(
                policy: makePolicy(context),
                inFlight: Array(repeating: 0, count: replicas.count)))
        stepEvents.append(0)
        stepGaps.append(nil)
        if place < current.count {
            gateways[current[place]].isCurrent = false
            current[place] = number
        } else {
            current.append(number)
        }
        for index in replicas.indices where !replicas[index].isUp {
            tell(number) { $0.replica(index, isUp: false, now: now, into: &$1) }
        }
        heap.insert(.tick(gateway: number), at: now + Self.tick)
        guard let interval = configuration.scrapeInterval else { return }
        for index in replicas.indices {
            // All replicas at once, as in the study; gateways apart.
            let phase = interval * Int64(place) / Int64(configuration.gatewayShares.count)
            heap.insert(.scrape(gateway: number, replica: index), at: now + phase)
        }
    }

    // MARK: Events

    private func handle(_ event: FleetEvent, arrivalsEnd: Instant) {
        switch event {
        case .arrival(let stream):
            guard now <= arrivalsEnd else { return }
            arrive(stream)
            scheduleArrival(of: stream)
        case .retry(let request):
            if now <= arrivalsEnd { comeAgain(request) }
        case .patience(let request):
            giveUp(request)
        case .step(let replica):
            step(replica)
        case .scrape(let gateway, let replica):
            scrape(replica, for: gateway)
        case .reading(let gateway, let replica, let reading):
            tell(gateway) { $0.scraped(replica, reading, now: now, into: &$1) }
        case .tick(let gateway):
            tell(gateway) { $0.tick(now: now, into: &$1) }
            compareLedger(of: gateway)
            guard gateways[gateway].isCurrent || gateways[gateway].open > 0 else { return }
            heap.insert(.tick(gateway: gateway), at: now + Self.tick)
        case .fault(let index):
            begin(configuration.faults[index])
        }
    }

    private func scheduleArrival(of stream: Int) {
        guard let offset = clocks[stream].next() else { return }
        heap.insert(.arrival(stream: stream), at: Self.start + offset)
    }

    private func arrive(_ index: Int) {
        let stream = configuration.streams[index]
        let drawn = sources[index].next()
        let record = RequestRecord(
            stream: index, classIndex: stream.classIndex, tenant: stream.tenant,
            promptTokens: drawn.promptTokens, outputTokens: drawn.outputTokens,
            prefix: drawn.prefix, gateway: chooseGateway(), arrived: now)
        enter(record)
    }

    func chooseGateway() -> Int {
        guard current.count > 1 else { return current[0] }
        let shares = configuration.gatewayShares
        var rest = gatewayChoice.nextUnit() * shares.reduce(0, +)
        for (place, share) in shares.enumerated() {
            rest -= share
            if rest < 0 { return current[place] }
        }
        return current[current.count - 1]
    }

    /// Hands a new record to its gateway.
    func enter(_ record: RequestRecord) {
        let token = records.count
        records.append(record)
        open += 1
        gateways[record.gateway].open += 1
        let stream = configuration.streams[record.stream]
        heap.insert(.patience(request: token), at: now + stream.client.patience)
        tell(record.gateway) {
            $0.arrive(request(token, lostOn: nil), now: now, into: &$1)
        }
    }

    func request(_ token: Int, lostOn: Int?) -> PolicyRequest {
        let record = records[token]
        return PolicyRequest(
            token: token, classIndex: record.classIndex, tenant: record.tenant,
            promptTokens: record.promptTokens, outputTokensMax: 0,
            prefix: configuration.tellsPrefixes ? record.prefix : nil,
            answers: configuration.streams[record.stream].answers, arrived: record.arrived,
            lostOn: lostOn)
    }

    private func scrape(_ replica: Int, for gateway: Int) {
        guard gateways[gateway].isCurrent || gateways[gateway].open > 0 else { return }
        if replicas[replica].isUp {
            gateways[gateway].policy.scrapeSent(replica, now: now)
            let gauges = replicas[replica].engine.gauges
            let reading = ReplicaReading(
                waiting: gauges.waiting, running: gauges.running, cacheUsage: gauges.cacheUsage,
                iterations: replicas[replica].iterations)
            heap.insert(
                .reading(gateway: gateway, replica: replica, reading), at: now + Study.scrapeDelay)
        }
        guard let interval = configuration.scrapeInterval else { return }
        heap.insert(.scrape(gateway: gateway, replica: replica), at: now + interval)
    }

    private func compareLedger(of gateway: Int) {
        for index in replicas.indices {
            let known = gateways[gateway].policy.inFlight(at: index)
            ledgerErrorMax = max(ledgerErrorMax, abs(known - gateways[gateway].inFlight[index]))
        }
    }

    // MARK: Replicas

    private func step(_ replica: Int) {
        replicas[replica].isScheduled = false
        guard replicas[replica].isUp else { return }
        let step = replicas[replica].engine.step(now)
        steps += 1
        replicas[replica].iterations += step.iterationEnds.count
        // Found before anything is told: what is then dispatched may get a place just left.
        let tokens = step.emissions.map { replicas[replica].requests[$0.id.slot] }
        reportOutputs(of: step, tokens, at: replica)
        for (emission, token) in zip(step.emissions, tokens) {
            precondition(records[token].engineID == emission.id, "an output is its request's")
            if emission.gap == nil { noteFirstOutput(token, at: replica) }
            if let finish = emission.finish { end(token, finish, at: replica) }
        }
        schedule(replica, step.next)
    }

    /// Tells each gateway in one call what a step brought on its streams.
    private func reportOutputs(of step: EngineStep, _ tokens: [Int], at replica: Int) {
        for (emission, token) in zip(step.emissions, tokens) {
            let record = records[token]
            guard configuration.streams[record.stream].answers == .stream else { continue }
            stepEvents[record.gateway] += 1
            // The first is the oldest: the engine goes through them in the order of admission.
            if stepGaps[record.gateway] == nil { stepGaps[record.gateway] = emission.gap }
        }
        for index in gateways.indices where stepEvents[index] > 0 {
            gateways[index].policy.outputs(
                replica: replica, events: stepEvents[index], gap: stepGaps[index], now: now)
            stepEvents[index] = 0
            stepGaps[index] = nil
        }
    }

    private func noteFirstOutput(_ token: Int, at replica: Int) {
        records[token].firstOutput = now
        guard configuration.streams[records[token].stream].answers == .stream else { return }
        tell(records[token].gateway) {
            $0.firstOutput(token, replica: replica, now: now, into: &$1)
        }
    }

    private func end(_ token: Int, _ finish: EngineFinish, at replica: Int) {
        precondition(records[token].outcome == .inFlight, "only what is in flight ends")
        records[token].generated = finish.generatedTokens
        records[token].cachedTokens = finish.cachedTokens
        let usage = DispatchEnd.finished(
            generated: finish.generatedTokens, cachedTokens: finish.cachedTokens)
        close(token, .served)
        endDispatch(token, usage)
    }

    /// Books a dispatched request out of its replica and tells its gateway.
    func endDispatch(_ token: Int, _ end: DispatchEnd) {
        let (gateway, replica) = (records[token].gateway, records[token].replica)
        gateways[gateway].inFlight[replica] -= 1
        tell(gateway) { $0.end(token, replica: replica, end, now: now, into: &$1) }
    }

    func schedule(_ replica: Int, _ next: Instant?) {
        guard let next, !replicas[replica].isScheduled else { return }
        replicas[replica].isScheduled = true
        heap.insert(.step(replica: replica), at: next)
    }

    // MARK: Decisions

    /// Calls a gateway's policy and carries out what it decides.
    func tell(
        _ gateway: Int, _ call: (any GatewayPolicy, inout [PolicyDecision]) -> Void
    ) {
        var decided: [PolicyDecision] = []
        swap(&decided, &decisions)
        call(gateways[gateway].policy, &decided)
        for decision in decided { carryOut(decision, at: gateway) }
        decided.removeAll(keepingCapacity: true)
        swap(&decided, &decisions)
    }

    private func carryOut(_ decision: PolicyDecision, at gateway: Int) {
        switch decision {
        case .dispatch(let token, let replica):
            precondition(records[token].outcome == .waiting, "only what waits is dispatched")
            dispatch(token, to: replica, from: gateway)
        case .recall(let token):
            precondition(records[token].outcome == .inFlight, "only what was sent comes back")
            recall(token, from: gateway)
        case .refuse(let token, let reason, let expired, let retryAfter):
            precondition(records[token].outcome == .waiting, "only what waits is refused")
            records[token].retryAfter = retryAfter
            records[token].refusal = reason
            close(token, expired ? .expired : .refused)
            scheduleRetry(of: token)
        }
    }

    private func dispatch(_ token: Int, to replica: Int, from gateway: Int) {
        records[token].outcome = .inFlight
        records[token].replica = replica
        records[token].dispatched = now
        gateways[gateway].inFlight[replica] += 1
        guard replicas[replica].isUp else {
            // Connection refused: the fleet has told the policy before that nobody is there.
            close(token, .lost)
            endDispatch(token, .lost)
            return
        }
        var request = EngineRequest(
            promptTokens: records[token].promptTokens, outputTokens: records[token].outputTokens)
        if let prefix = records[token].prefix { request.prefixes = [prefix] }
        let id = replicas[replica].engine.submit(request, now: now)
        records[token].engineID = id
        if id.slot == replicas[replica].requests.count {
            replicas[replica].requests.append(token)
        } else {
            replicas[replica].requests[id.slot] = token
        }
        if !replicas[replica].isScheduled {
            schedule(replica, replicas[replica].engine.step(now).next)
        }
    }

    /// Ends a record; of a closed loop, its client sends the next at once.
    func close(_ token: Int, _ outcome: RequestOutcome) {
        records[token].outcome = outcome
        records[token].ended = now
        open -= 1
        gateways[records[token].gateway].open -= 1
        if case .closed = configuration.streams[records[token].stream].arrivals {
            heap.insert(.arrival(stream: records[token].stream), at: now)
        }
    }
}
