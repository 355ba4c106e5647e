import SluiceBytes
import Logging
import SluiceExchange
import SluiceInsight
import SluiceReactor
import SluiceTelemetry
import SluiceTime
import SluiceTraffic
import Synchronization

// Made before any thread starts and shared by all of them. Every member says how it is shared:
// immutable, behind a lock that is held for a few instructions, or atomic.

/// What workers and the control thread have in common.
final class GatewayShared: Sendable {
    /// Immutable.
    let settings: GatewaySettings
    /// Each behind its own short lock; indexes are those of `settings.pools`.
    let pools: [ReplicaPool]
    /// Immutable lists of things that are shared by their own rules.
    let mailboxes: [Mailbox<WorkerMessage>]
    let shards: [MetricShard]
    /// What was promised, and how each worker's exchanges were judged by it.
    let objectives: ObjectivePlan
    let objectiveCounters: [ObjectiveCounters]
    /// One per worker; empty where no log is written.
    let outboxes: [LogOutbox]
    /// One per worker; empty where no arrival trace is written.
    let traceOutboxes: [LogOutbox]
    /// Finished exchanges that are exported; nil where tracing is off.
    let traces: TraceQueue?
    /// What the offsets of the arrival trace are counted from.
    let start = MonotonicClock.now()
    /// One per worker.
    let heartbeats: [Heartbeat]
    /// The bounds of all histograms, the configured objectives among them.
    let scales: BucketScales
    /// One per worker, which alone takes and gives blocks; read by the control thread.
    let bufferPools: [BufferPool]
    /// Atomic.
    let bodies: MemoryBudget
    let connections = Atomic<Int>(0)
    /// Behind a lock that only requests of `/v1/responses` take.
    let responses = Guarded(ResponseOwners())
    /// Set with the first poison: until then no body is hashed to look for it.
    let hasPoison = Atomic<Bool>(false)
    /// The log threads are to open their files anew: they have been moved away.
    let reopensLog = SharedFlag()
    let reopensTrace = SharedFlag()
    private let readiness = Atomic<Bool>(false)
    let control: Mailbox<ControlMessage>
    let logger: Logger
    private let directory: Guarded<ReplicaDirectory>
    private let server: Guarded<TLSServerContext?>
    private let trusted: [AddressBlock]

    init(
        settings: GatewaySettings, workers: Int, directory: ReplicaDirectory,
        serverTLS: TLSServerContext?, logger: Logger
    ) throws(SystemError) {
        server = Guarded(serverTLS)
        self.settings = settings
        self.logger = logger
        outboxes = settings.accessLog == .off ? [] : (0..<workers).map { _ in LogOutbox() }
        traceOutboxes = settings.arrivalTrace == nil ? [] : (0..<workers).map { _ in LogOutbox() }
        traces =
            settings.tracing.endpoint == nil
            ? nil : TraceQueue(spansMax: settings.tracing.queueSpansMax)
        self.directory = Guarded(directory)
        let tenants = TenantTable(settings.tenants)
        pools = settings.pools.map { pool in
            ReplicaPool(
                name: pool.name, workers: workers, limits: pool.admissionLimits,
                policy: settings.admissionPolicy(for: pool, tenants: tenants),
                health: pool.healthSettings, seed: .random(in: .min ... .max))
        }
        scales = BucketScales(
            firstTokenObjectives: settings.firstTokenBounds,
            responseObjectives: settings.responseBounds, tokenObjectives: settings.tokenBounds)
        let objectives = ObjectivePlan(
            settings.objectivesInForce, classes: settings.classes.map(\.name))
        self.objectives = objectives
        objectiveCounters = (0..<workers).map { _ in ObjectiveCounters(objectives) }
        bufferPools = (0..<workers).map { _ in BufferPool() }
        var mailboxes: [Mailbox<WorkerMessage>] = []
        var shards: [MetricShard] = []
        for _ in 0..<workers {
            mailboxes.append(try Mailbox())
            shards.append(MetricShard(scales: scales))
        }
        self.mailboxes = mailboxes
        self.shards = shards
        control = try Mailbox()
        let now = MonotonicClock.now()
        heartbeats = (0..<workers).map { _ in Heartbeat(now: now) }
        bodies = MemoryBudget(bytesMax: settings.limits.bodiesBytesMax ?? MemoryBudget.defaultMax())
        trusted = settings.trustedProxies.compactMap(AddressBlock.init)
    }

    /// What `/readyz` and the data listener's `/health` say; set by the control thread.
    func isReady() -> Bool { readiness.load(ordering: .relaxed) }
    func setReady(_ isReady: Bool) { readiness.store(isReady, ordering: .relaxed) }

    /// Certificate and key of the data listener; nil where it is plain. Looked at once per
    /// connection, replaced by the control thread when the files have changed.
    var serverTLS: TLSServerContext? {
        get { server.withLock { $0 } }
        set { server.withLock { $0 = newValue } }
    }

    // MARK: The directory

    /// The replicas, models and names of this moment.
    func currentDirectory() -> ReplicaDirectory { directory.withLock { $0 } }

    /// Puts a new directory into force; called by the control thread.
    func publish(_ new: ReplicaDirectory) {
        directory.withLock { $0 = new }
        for mailbox in mailboxes { mailbox.post(.directoryChanged) }
    }

    /// Changes the directory in one step with what `body` does to the pools: a worker that looks for
    /// a replica it has just been given waits for the end of it. Called by the control thread.
    func changeDirectory(_ body: (inout ReplicaDirectory) -> Void) {
        directory.withLock { body(&$0) }
        for mailbox in mailboxes { mailbox.post(.directoryChanged) }
    }

    // MARK: Between threads

    /// Wakes workers whose waiting requests may go; `index` is awake already.
    func wake(_ wakes: WakeSet, except index: Int?) {
        wakes.forEach { worker in
            if worker != index { mailboxes[worker].post(.grants) }
        }
    }

    /// Takes one of the connections all workers may hold.
    func admitConnection() -> Bool {
        let before = connections.wrappingAdd(1, ordering: .relaxed).oldValue
        if before < settings.limits.connectionsMax { return true }
        connections.wrappingSubtract(1, ordering: .relaxed)
        return false
    }

    func connectionClosed() { connections.wrappingSubtract(1, ordering: .relaxed) }

    /// Says something on the control plane's log, at most a few times a second.
    func note(_ note: Note) { control.post(.note(note)) }

    /// Says what is wrong, as ``note(_:)-(Note)``.
    func note(_ text: String) { note(.warning(text)) }

    /// Asks the control thread whether the replica has died.
    func corroborate(_ replica: ReplicaID, pool: Int) {
        control.post(.probeNow(pool: pool, replica: replica))
    }

    func observeConnectFailure(_ pool: Int, _ replica: ReplicaID, _ failure: UpstreamFailure) {
        let event: ReplicaEvent = failure == .connectRefused ? .connectRefused : .connectFailed
        wake(pools[pool].observe(replica, event, now: MonotonicClock.now()), except: nil)
        control.post(.probeNow(pool: pool, replica: replica))
    }

    func observeUnauthorized(_ pool: Int, _ replica: ReplicaID) {
        wake(
            pools[pool].observe(replica, .probe(.unauthorized), now: MonotonicClock.now()),
            except: nil)
    }

    /// Whether forwarding headers of this peer are believed.
    func trusts(_ peer: SocketAddress) -> Bool {
        !trusted.isEmpty && trusted.contains { $0.contains(peer) }
    }
}

/// What workers ask of the control thread.
enum ControlMessage: Sendable {
    case probeNow(pool: Int, replica: ReplicaID)
    case note(Note)
    case workerStopped(Int)
    /// As if the process had got it.
    case signal(Int32)
}

/// When a worker last turned its loop; written by that worker, read by `/livez`.
final class Heartbeat: Sendable {
    /// A worker that is awake and has not turned its loop for so long is stuck.
    static let turnAgeMax = Nanoseconds.seconds(10)

    private let at: Atomic<Int64>
    private let isAwake = Atomic<Bool>(false)

    init(now: Instant) { at = Atomic(now.nanoseconds) }

    /// The worker waits for events.
    func sleeps() { isAwake.store(false, ordering: .relaxed) }

    // The time is written first and read last: whoever sees the worker awake sees when it woke, and
    // not the turn before a long sleep.

    /// The worker has events.
    func turned(at now: Instant) {
        at.store(now.nanoseconds, ordering: .relaxed)
        isAwake.store(true, ordering: .releasing)
    }

    /// Whether it has had events for longer than any turn takes.
    func isStuck(now: Instant) -> Bool {
        guard isAwake.load(ordering: .acquiring) else { return false }
        return now - Instant(nanoseconds: at.load(ordering: .relaxed)) > Self.turnAgeMax
    }
}

/// Bytes of request bodies that all workers together may hold.
final class MemoryBudget: Sendable {
    let bytesMax: Int
    private let used = Atomic<Int>(0)

    init(bytesMax: Int) { self.bytesMax = bytesMax }

    var bytesUsed: Int { used.load(ordering: .relaxed) }

    /// Takes `bytes`, or nothing: there is never a wait for memory.
    func reserve(_ bytes: Int) -> Bool {
        let before = used.wrappingAdd(bytes, ordering: .relaxed).oldValue
        if before <= bytesMax - bytes { return true }
        used.wrappingSubtract(bytes, ordering: .relaxed)
        return false
    }

    func release(_ bytes: Int) { used.wrappingSubtract(bytes, ordering: .relaxed) }

    /// 40 % of the lowest memory limit of the process's cgroups, else 1 GiB.
    static func defaultMax() -> Int {
        guard let limit = ControlGroup().memoryMax() else { return 1 << 30 }
        return limit / 5 * 2
    }
}
