import SluiceBytes
import SluiceExchange
import SluiceHTTP
import SluiceInsight
import SluiceReactor
import SluiceTelemetry
import SluiceTime
import SluiceTracing
import SluiceTraffic
import SluiceVLLM

// One per thread. Owns its connections, exchanges, upstream pools, buffers and timers; shares with
// other threads only what `GatewayShared` holds, its mailbox, and its metric shard (relaxed atomics
// that the control thread reads).
//
// Nothing is freed inside a turn of the loop: what closes is marked and put on `graveyard`, so that
// no code up the stack meets a slot that has changed hands.

/// What other threads ask of a worker.
enum WorkerMessage: Sendable {
    /// Exchanges that waited may be bound now.
    case grants
    /// Replicas, models or names have changed.
    case directoryChanged
    /// A replica is wedged or ejected: what it has not begun may go elsewhere.
    case failOver(pool: Int, replica: ReplicaID)
    /// These wait in engines that are full: they are taken back.
    case recall(pool: Int, [Recall])
    /// A replica's index may soon be another's: its counters start again.
    case forgetReplica(UInt16)
    /// Keep accepting, but end each connection with its answer.
    case beginDrain
    /// Accept what is left, close the listener, end idle connections.
    case closeListener
    /// Cut what is left and stop.
    case stop
}

/// One event loop with everything it serves.
final class Worker {
    let index: Int
    let shared: GatewayShared
    let settings: GatewaySettings
    let mailbox: Mailbox<WorkerMessage>
    let heartbeat: Heartbeat
    let poller: Poller
    private let alarm: Alarm
    let pool: BufferPool
    let downstreams: SlotTable<DownstreamConnection>
    let upstreams: SlotTable<UpstreamConnection>
    let exchanges: SlotTable<Exchange>
    /// What every exchange's record begins as: copied, at a quarter of what making one takes.
    let blankRecord = Pinned(ExchangeRecord())
    /// By the slot of the exchange.
    let readers: SlotScratch<ExchangeReaders>
    let timers: Pinned<TimerWheel>
    let requestHead: Pinned<RequestHead>
    let responseHead: Pinned<ResponseHead>
    /// What the last request's head was judged to be.
    let acceptedHead = Pinned(AcceptedHead())
    /// What of the last request's head is sent on.
    let keptHead: Pinned<KeptHead>
    /// What was last written for a replica's head.
    let keptAnswerHead: Pinned<KeptAnswerHead>
    /// What the last body read in full looked like around its text.
    let requestTemplate: Pinned<RequestTemplate>
    /// Decoded bytes of the read that is being relayed, before they are framed.
    let payload: Pinned<ByteBuffer>
    let random: Pinned<Xoshiro>
    let shard: MetricShard
    let objectives: ObjectiveCounters
    /// The pools, and this worker's report of each.
    let pools: ObjectList<ReplicaPool>
    /// Whether any pool's engines are told priorities, and asked for reports: one look where none are.
    let tellsPriorities: Bool
    let asksForReports: Bool
    /// Whether clients come by TLS.
    let isTLS: Bool
    let progress: ObjectList<ReplicaProgress>
    let log: AccessLogWriter
    let trace: ArrivalTraceWriter
    /// Nil where tracing is off.
    let tracer: TraceRecorder?
    let headLimits: HeadLimits
    var listener: ListenerSocket?
    /// This worker's copy; read in place, for a copy of it retains a dozen things.
    let directory: Pinned<ReplicaDirectory>
    /// Idle connections per replica.
    let idle: UpstreamPools
    /// By pool.
    let unanswered: SlotScratch<UnansweredList>
    /// By pool: whether its engines know what they are asked for usage with.
    let usageKnowledge: SlotScratch<UsageKnowledge>
    var now: Instant
    var graveyard: [Token] = []
    /// Connections to go on with in this turn without a new edge.
    var ready: [Token] = []
    /// Clients' connections with something to be sent at the end of this turn.
    var sends: [UInt32] = []
    /// This turn has several edges.
    var isBusyTurn = false
    var sweepTimer = TimerWheel.none
    var acceptTimer = TimerWheel.none
    var acceptPausedSince = Instant.unset
    var isDraining = false
    var isListenerClosed = false
    var isStopping = false
    var turnWakes = WakeSet()

    static let connectionsAcceptedPerTurn = 64
    static let handshakesBegunPerTurn = 8
    static let readsPerTurn = 16
    static let sweepInterval = Nanoseconds.milliseconds(500)
    static let acceptPause = Nanoseconds.milliseconds(100)
    /// Shorter where there are descriptors, but not for clients: some come free all the time.
    static let ceilingPause = Nanoseconds.milliseconds(10)
    /// New clients take no descriptor from here on. Asked for when the first one comes: by then the
    /// limit has been raised.
    lazy var acceptCeiling = DescriptorTable.acceptCeiling

    /// - Throws: ``SystemError`` when descriptors run out.
    init(index: Int, shared: GatewayShared, listener: consuming ListenerSocket) throws(SystemError)
    {
        self.index = index
        self.shared = shared
        settings = shared.settings
        mailbox = shared.mailboxes[index]
        heartbeat = shared.heartbeats[index]
        pool = shared.bufferPools[index]
        poller = try Poller()
        alarm = try Alarm(waking: poller, Self.alarmToken)
        now = MonotonicClock.now()
        let connections = settings.limits.connectionsPerWorker(of: shared.mailboxes.count)
        downstreams = SlotTable(capacity: connections)
        exchanges = SlotTable(capacity: connections)
        readers = SlotScratch(capacity: connections) { ExchangeReaders() }
        upstreams = SlotTable(capacity: 2 * connections)
        timers = Pinned(TimerWheel(now: now))
        requestHead = Pinned(RequestHead())
        responseHead = Pinned(ResponseHead())
        keptHead = Pinned(KeptHead())
        keptAnswerHead = Pinned(KeptAnswerHead())
        requestTemplate = Pinned(RequestTemplate())
        payload = Pinned(ByteBuffer(minimumCapacity: 2 * BufferPool.blockBytes))
        random = Pinned(Xoshiro(seed: UInt64.random(in: .min ... .max)))
        shard = shared.shards[index]
        objectives = shared.objectiveCounters[index]
        pools = ObjectList(shared.pools)
        tellsPriorities = settings.pools.contains { $0.enginePriority }
        asksForReports = settings.pools.contains { $0.orca }
        isTLS = settings.tls != nil
        progress = ObjectList(shared.pools.map { $0.progress[index] })
        var limits = HeadLimits()
        limits.headBytesMax = settings.limits.headBytesMax
        limits.fieldsMax = settings.limits.fieldsMax
        limits.targetBytesMax = settings.limits.targetBytesMax
        headLimits = limits
        directory = Pinned(shared.currentDirectory())
        idle = UpstreamPools(pools: settings.pools.count)
        unanswered = SlotScratch(capacity: max(1, settings.pools.count)) { UnansweredList() }
        usageKnowledge = SlotScratch(capacity: max(1, settings.pools.count)) { UsageKnowledge() }
        log = AccessLogWriter(
            shared.outboxes.isEmpty ? nil : shared.outboxes[index],
            names: directory.value.names)
        trace = ArrivalTraceWriter(
            shared.traceOutboxes.isEmpty ? nil : shared.traceOutboxes[index],
            names: directory.value.names, start: shared.start)
        tracer = shared.traces.map { [random] queue in
            TraceRecorder(
                queue, sampler: TraceSampler(ratio: shared.settings.tracing.sampleRatio),
                isTLS: shared.settings.tls != nil, random: &random.value)
        }
        try poller.add(
            mailbox.descriptor, .read, Token(kind: .mailbox, slot: 0, generation: 0))
        try poller.add(listener.descriptor, .read, Self.listenerToken)
        self.listener = consume listener
    }

    static let listenerToken = Token(kind: .listener, slot: 0, generation: 0)
    static let sweepToken = Token(kind: .timer, slot: 0, generation: 0)
    static let acceptToken = Token(kind: .timer, slot: 1, generation: 0)
    static let alarmToken = Token(kind: .timer, slot: 2, generation: 0)

    /// Serves until told to stop and everything has been given back.
    func run() {
        while true {
            var timeout = ready.isEmpty ? sleepTime() : .zero
            if let sleep = timeout, sleep > .zero {
                alarm.ring(by: now + sleep, now: now)
                timeout = nil
            }
            heartbeat.sleeps()
            let count = poller.wait(timeout: timeout)
            now = MonotonicClock.now()
            let started = now
            heartbeat.turned(at: now)
            isBusyTurn = count > 1
            if isBusyTurn { endSpoiledConnections(among: count) }
            for i in 0..<count { handle(poller.event(i)) }
            while let token = timers.value.popExpired(now: now) { timerFired(token) }
            if !ready.isEmpty { goOnWithReady() }
            finishTurn()
            if count > 0 {
                shard.loopTurn(worker: UInt8(index), MonotonicClock.now() - started)
            }
            // Drained: the last client has gone by itself.
            if isListenerClosed && !isStopping && downstreams.count == 0 { stop() }
            if isStopping && downstreams.count == 0 && upstreams.count == 0 { return }
        }
    }

    /// Until the next timer, or until the log's lines must be handed over.
    private func sleepTime() -> Nanoseconds? {
        let sleep = timers.value.sleep(now: now)
        var due = min(log.batch.due, trace.batch.due)
        if let tracer { due = min(due, tracer.due) }
        guard due < .never else { return sleep }
        return min(sleep ?? .seconds(1), max(.zero, due - now))
    }

    /// Idle connections to replicas on which something has come, before a request of the same turn takes
    /// one: its client would get what is nobody's answer.
    private func endSpoiledConnections(among count: Int) {
        for i in 0..<count {
            let event = poller.event(i)
            guard event.token.kind == .upstream, upstreams.holds(event.token),
                upstreams[event.token.slot].stage == .idle
            else { continue }
            upstreamEvent(event.token.slot, event)
        }
    }

    private func handle(_ event: PollEvent) {
        switch event.token.kind {
        case .downstream:
            if downstreams.holds(event.token) { downstreamEvent(event.token.slot, event) }
        case .upstream:
            if upstreams.holds(event.token) { upstreamEvent(event.token.slot, event) }
        case .listener: acceptConnections()
        case .mailbox: takeMail()
        case .signals, .timer, .server, .client, nil: break
        }
    }

    /// Connections that stopped on a budget or hold a further request go on without an edge.
    private func goOnWithReady() {
        let tokens = ready
        ready.removeAll(keepingCapacity: true)
        for token in tokens {
            switch token.kind {
            case .downstream: if downstreams.holds(token) { advance(token.slot) }
            case .upstream: if upstreams.holds(token) { pump(token.slot) }
            case .listener, .mailbox, .signals, .timer, .server, .client, nil: break
            }
        }
    }

    /// What is done once per turn: grants of permits given back, wake-ups, the log, the dead. Most turns
    /// have none of these, and are not even called for them.
    @inline(__always) private func finishTurn() {
        if !sends.isEmpty || !turnWakes.isEmpty { passOn() }
        log.batch.flushIfDue(now: now)
        trace.batch.flushIfDue(now: now)
        tracer?.flushIfDue(now: now)
        if !graveyard.isEmpty { buryDead() }
    }

    /// Sends what was kept for the end of the turn, and wakes who has something to fetch.
    private func passOn() {
        repeat {
            if !sends.isEmpty { sendQueued() }
            if turnWakes.isEmpty { break }
            let wakes = turnWakes
            turnWakes = WakeSet()
            shared.wake(wakes, except: index)
            if wakes.contains(index) { takeGrants() }
        } while !sends.isEmpty || !turnWakes.isEmpty
    }

    private func buryDead() {
        for token in graveyard {
            switch token.kind {
            case .downstream:
                if downstreams.holds(token) { bury(downstream: token.slot) }
            case .upstream:
                if upstreams.holds(token) { bury(upstream: token.slot) }
            case .listener, .mailbox, .signals, .timer, .server, .client, nil: break
            }
        }
        graveyard.removeAll(keepingCapacity: true)
    }

    private func bury(downstream slot: UInt32) {
        timers.value.cancel(&downstreams[slot].timer)
        pool.release(&downstreams[slot].input)
        pool.release(&downstreams[slot].output)
        downstreams.discard(slot)
        shared.connectionClosed()
    }

    private func bury(upstream slot: UInt32) {
        pool.release(&upstreams[slot].input)
        pool.release(&upstreams[slot].output)
        upstreams.discard(slot)
    }

    private func takeMail() {
        for message in mailbox.take() {
            switch message {
            case .grants: break
            case .directoryChanged: adoptDirectory()
            case .failOver(let pool, let replica): failOver(from: replica, pool: pool)
            case .recall(let pool, let recalls):
                // It may mean what was granted to us and not fetched yet; nobody is asked twice.
                takeGrants()
                takeBack(recalls, pool: pool)
            case .forgetReplica(let index): shard.forget(replica: index)
            case .beginDrain: isDraining = true
            case .closeListener: closeListener()
            case .stop: stop()
            }
        }
        takeGrants()
    }

    /// Replaces the directory and closes idle connections to replicas that are gone.
    func adoptDirectory() {
        var old = directory.value
        directory.value = shared.currentDirectory()
        log.adopt(directory.value.names)
        trace.adopt(directory.value.names)
        for key in idle.keys where directory.value.endpoint(key) !== old.endpoint(key) {
            dropIdle(of: key)
        }
    }

    private func stop() {
        closeListener()
        isStopping = true
        for slot in downstreams.slotsInUse() {
            let exchange = downstreams[slot].exchange
            if exchange != noSlot { endUnfinished(exchange, .drained, .drainLimit) }
            close(downstream: slot)
        }
        for key in idle.keys { dropIdle(of: key) }
        timers.value.cancel(&sweepTimer)
        log.batch.flush()
        trace.batch.flush()
        tracer?.flush(now: now)
        // The dead are buried at the end of a turn; make sure that there is one.
        mailbox.wake()
    }

    /// What should have been given back and was not, or nil; for the end of a run.
    func leaks() -> String? {
        let left = [
            ("downstream connections", downstreams.count),
            ("upstream connections", upstreams.count),
            ("exchanges", exchanges.count), ("buffers", pool.blocksOut),
            ("timers", timers.value.count),
        ].filter { $0.1 != 0 }
        return left.isEmpty ? nil : left.map { "\($0.1) \($0.0) left" }.joined(separator: ", ")
    }
}
