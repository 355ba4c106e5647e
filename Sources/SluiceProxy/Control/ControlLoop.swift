import Glibc
import Logging
import SluiceEndpoint
import SluiceExchange
import SluiceInsight
import SluiceReactor
import SluiceTelemetry
import SluiceTime
import SluiceTraffic

// The control thread owns everything in this folder: probes, discovery, admin and status pages, the
// life cycle. It shares with the workers only `GatewayShared`; overload of the workers never starves it.

/// The one thread that is not on any request's path.
final class ControlLoop {
    let shared: GatewayShared
    let loop: EndpointLoop
    let registry: ReplicaRegistry
    let pages: AdminPages
    private(set) lazy var dashboard = DashboardFeed(self)
    private(set) lazy var diagnosis = DiagnosisWatch(self)
    /// Counts what the control thread itself does: scrapes, name look-ups.
    let shard: MetricShard
    private let signals: SignalSource?
    /// Nil where there is no file to read again.
    let source: ConfigurationSource?
    var inForce: GatewaySettings
    /// Whether the newest configuration is in force, and when the one in force was read, in
    /// nanoseconds since 1970.
    var lastReload = (isSuccessful: true, at: MonotonicClock.realtimeNanoseconds())
    private(set) var admin: HTTPServer?
    private(set) var status: HTTPServer?
    private(set) var isDraining = false
    private var stopped = Set<Int>()
    /// Windows of the objectives, looked at once a ``watchInterval``.
    private(set) var watch: ObjectiveWatch
    private var nextWatch = Instant.unset
    private var notes: [String: Instant] = [:]
    private var onReady: ((GatewayAddresses) -> Void)?
    private var dataAddress: SocketAddress?
    private var readyBy = Instant.never
    private var drainTimer: EndpointLoop.Timer?
    /// When a drain began, and how many requests had ended and been cut by then.
    private var drainBegan: (at: Instant, ended: Double, cut: Double)?
    private var firstSignal: Int32?
    /// The signal that came while an earlier one was obeyed.
    private(set) var stoppedBy: Int32?
    /// Workers that have not stopped by then are not waited for.
    private var stopBy = Instant.never

    static let tickInterval = Nanoseconds.milliseconds(100)
    static let watchInterval = Nanoseconds.seconds(1)
    /// Readiness does not wait longer for first probes.
    static let firstProbesMax = Nanoseconds.seconds(3)
    static let noteInterval = Nanoseconds.seconds(5)
    /// For workers to cut what they have: at a second signal, and at the end of a drain.
    static let stopMax = Nanoseconds.milliseconds(800)
    static let cutMax = Nanoseconds.seconds(5)

    /// Opens the admin and status listeners. - Throws: ``GatewayError``.
    init(
        shared: GatewayShared, signals: SignalSource?, configuration: String,
        source: ConfigurationSource?, lookup: @escaping NameLookup
    ) throws(GatewayError) {
        self.shared = shared
        self.source = source
        inForce = shared.settings
        shard = MetricShard(scales: shared.scales)
        self.signals = signals
        do throws(SystemError) {
            loop = try EndpointLoop()
        } catch {
            throw .system(error)
        }
        watch = ObjectiveWatch(shared.objectives, at: MonotonicClock.now())
        do throws(FileFault) {
            registry = try ReplicaRegistry(
                shared: shared, loop: loop, shard: shard, lookup: lookup)
        } catch {
            throw .file(error)
        }
        pages = AdminPages(configuration: configuration)
        pages.control = self
        admin = try open("admin", shared.settings.admin, pages.answerAdmin)
        status = try open("status", shared.settings.status, pages.answerStatus)
        do throws(SystemError) {
            _ = try loop.watch(shared.control.descriptor, .read) { [unowned self] _ in takeMail() }
            if let signals {
                _ = try loop.watch(signals.descriptor, .read) { [unowned self] _ in takeSignals() }
            }
        } catch {
            throw .system(error)
        }
    }

    private func open(_ key: String, _ text: String?, _ handler: @escaping HTTPServer.Handler)
        throws(GatewayError) -> HTTPServer?
    {
        guard let text else { return nil }
        guard let address = SocketAddress(text) else { throw .badAddress(key: key, value: text) }
        var options = ServerOptions()
        options.bodyBytesMax = 65_536
        options.connectionsMax = 256
        options.makesRoom = true
        do throws(SystemError) {
            return try HTTPServer(address, on: loop, options: options, handler: handler)
        } catch {
            throw .listen(key: key, address: text, error)
        }
    }

    /// Workers that were told to stop long ago and have not.
    var stuckWorkers: [Int] { shared.mailboxes.indices.filter { !stopped.contains($0) } }

    /// Runs until every worker has stopped, or should have long ago.
    func run(data: SocketAddress, onReady: @escaping (GatewayAddresses) -> Void) {
        dataAddress = data
        self.onReady = onReady
        readyBy = loop.now + Self.firstProbesMax
        registry.begin()
        tick()
        diagnose()
        if admin != nil { renewDashboard() }
        while stopped.count < shared.mailboxes.count, loop.now < stopBy {
            loop.turn(maxWait: Self.tickInterval)
        }
        if let drainBegan { noteDrained(since: drainBegan) }
        registry.end()
        admin?.close()
        status?.close()
    }

    private func tick() {
        let now = loop.now
        for (index, pool) in shared.pools.enumerated() {
            shared.wake(pool.tick(now: now), except: nil)
            let recalls = pool.takeRecalls()
            guard !recalls.isEmpty else { continue }
            for mailbox in shared.mailboxes { mailbox.post(.recall(pool: index, recalls)) }
        }
        registry.tick()
        if now >= nextWatch { watchObjectives(now) }
        if let onReady, registry.isProbed || now >= readyBy {
            self.onReady = nil
            shared.setReady(true)
            if let dataAddress {
                onReady(
                    GatewayAddresses(
                        data: dataAddress, admin: admin?.address, status: status?.address))
            }
        }
        loop.after(Self.tickInterval) { [unowned self] in tick() }
    }

    private func watchObjectives(_ now: Instant) {
        nextWatch = now + Self.watchInterval
        for change in watch.advance(to: now, shared.objectiveCounters) {
            shared.logger.warning("\(change)")
        }
    }

    private func diagnose() {
        diagnosis.tick()
        loop.after(DiagnosisWatch.interval) { [unowned self] in diagnose() }
    }

    private func renewDashboard() {
        dashboard.tick()
        loop.after(DashboardFeed.interval) { [unowned self] in renewDashboard() }
    }

    private func takeMail() {
        for message in shared.control.take() {
            switch message {
            case .probeNow(let pool, let replica): registry.probeNow(pool: pool, replica)
            case .note(let said): note(said)
            case .workerStopped(let index): stopped.insert(index)
            case .signal(let signal): take(signal: signal)
            }
        }
    }

    /// Says the same thing once in a while only.
    private func note(_ note: Note) {
        let now = loop.now
        if let last = notes[note.text], now - last < Self.noteInterval { return }
        if notes.count > 256 { notes = [:] }
        notes[note.text] = now
        shared.logger.log(level: note.level, "\(note.text)")
    }

    // MARK: Life cycle

    private func takeSignals() {
        while let signal = signals?.next() { take(signal: signal) }
    }

    /// SIGHUP reloads, SIGUSR1 opens the log files anew, and SIGUSR2 does nothing. SIGTERM and SIGINT
    /// drain; a second one ends at once. After `POST /drain` the first goes on with that drain: a
    /// supervisor's hook and its signal are one wish.
    private func take(signal: Int32) {
        switch signal {
        case SIGHUP:
            reload()
            return
        case SIGUSR1:
            shared.reopensLog.value.store(true, ordering: .relaxed)
            shared.reopensTrace.value.store(true, ordering: .relaxed)
            return
        case SIGUSR2:
            shared.logger.notice("SIGUSR2 means nothing here; SIGUSR1 opens the log files anew")
            return
        default: break
        }
        guard firstSignal != nil else {
            firstSignal = signal
            if !isDraining { drain() }
            return
        }
        guard stoppedBy == nil else { return }
        stoppedBy = signal
        let left = shared.connections.load(ordering: .relaxed)
        shared.logger.warning(
            """
            second signal while draining: cutting \(left) connections, leaving at once with \
            status \(128 + signal)
            """)
        stopWorkers(within: Self.stopMax)
    }

    /// Readiness fails now, listeners close after `drain_delay`, what is left is cut after
    /// `drain_max`.
    func drain() {
        isDraining = true
        shared.setReady(false)
        shared.logger.notice("\(drainNotice)")
        let (ended, cut) = requestsEnded
        drainBegan = (loop.now, ended, cut)
        for mailbox in shared.mailboxes { mailbox.post(.beginDrain) }
        drainTimer = loop.after(shared.settings.timeouts.drainDelay) { [unowned self] in
            closeListeners()
        }
    }

    /// What a drain waits for, and for how long: nobody should have to look it up before a Ctrl-C.
    private var drainNotice: String {
        let requests = shared.pools.map { $0.snapshot(now: loop.now) }
            .reduce(0) { $0 + $1.inflight + $1.queueLength }
        let connections = shared.connections.load(ordering: .relaxed)
        let timeouts = shared.settings.timeouts
        func seconds(_ span: Nanoseconds) -> Int64 {
            (span.wholeMillisecondsRoundedUp + 999) / 1_000
        }
        return "draining; requests under way: \(requests), connections: \(connections); "
            + "listeners close in \(seconds(timeouts.drainDelay)) s, what is left "
            + "\(seconds(timeouts.drainMax)) s later is cut; a second signal ends at once"
    }

    private var requestsEnded: (all: Double, cut: Double) {
        ModelTotals.read(shared.shards).models
            .reduce((0, 0)) { ($0.0 + $1.finished, $0.1 + $1.cut) }
    }

    /// What became of what a drain waited for.
    private func noteDrained(since began: (at: Instant, ended: Double, cut: Double)) {
        let (ended, cut) = requestsEnded
        let cutNow = Int(clamping: Int64(cut - began.cut))
        let endedNow = Int(clamping: Int64(ended - began.ended)) - cutNow
        let tenths = (loop.now - began.at).count / 100_000_000
        shared.logger.notice(
            "drained in \(tenths / 10).\(tenths % 10) s; requests ended: \(endedNow), cut: \(cutNow)"
        )
    }

    private func closeListeners() {
        for mailbox in shared.mailboxes { mailbox.post(.closeListener) }
        drainTimer = loop.after(shared.settings.timeouts.drainMax) { [unowned self] in
            let left = shared.connections.load(ordering: .relaxed)
            shared.logger.notice("drain limit reached; connections cut: \(left)")
            stopWorkers(within: Self.cutMax)
        }
    }

    private func stopWorkers(within limit: Nanoseconds) {
        stopBy = min(stopBy, loop.now + limit)
        for mailbox in shared.mailboxes { mailbox.post(.stop) }
    }
}
