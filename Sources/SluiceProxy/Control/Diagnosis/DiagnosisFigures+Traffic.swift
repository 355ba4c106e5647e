import SluiceInsight
import SluiceTelemetry
import SluiceTime
import SluiceTraffic

extension PoolFigures {
    /// What admission knows of a pool; its replicas and users are to follow.
    package init(_ name: String, _ snapshot: PoolSnapshot) {
        self.init()
        self.name = name
        queueLength = Double(snapshot.queueLength)
        inFlight = Double(snapshot.inflight)
        capacity = snapshot.admission.capacity
    }

    /// What its users have seen.
    package mutating func take(_ totals: ModelTotals, _ waits: HistogramTotals) {
        received = totals.received
        finished = totals.finished
        shed = totals.shed
        unserved = totals.unserved
        failed = totals.failed
        abandoned = totals.abandoned
        clientErrors = totals.clientErrors
        firstToken = totals.firstToken
        queueWait = waits
        gap = totals.gap
        engine = totals.engine
        promptTokens = totals.promptTokens
        generatedTokens = totals.generatedTokens
        duration = totals.duration
    }
}

extension ReplicaFigures {
    /// What the pool knows of a replica; what its metrics say besides is to follow.
    package init(_ row: ReplicaSnapshotRow, interval: Nanoseconds, now: Instant) {
        self.init()
        name = row.name
        isServing = row.state.acceptsNewWork
        isReachable = row.state.acceptsConnections
        isWarming = row.state == .warming
        trouble = ReplicaTrouble(row.state, row.why)
        troubleSeconds = (now - row.since).seconds
        inFlight = Double(row.inflight)
        pending = Double(row.pending)
        slots = row.slots
        stepTime = row.lastEvent.isSet ? row.stepTime : nil
        eventAge = row.lastEvent.isSet ? (now - row.lastEvent).seconds : nil
        signalAge = row.signalAge?.seconds
        isStale = row.isStale
        scrapeInterval = interval.seconds
        lastScrape = "none"
        guard row.signalAge != nil else { return }
        waiting = row.waiting
        running = row.running
        others = row.others
        cacheUsage = row.kvUsage
    }
}

extension ReplicaTrouble {
    /// Nil for a replica that serves, or does not because somebody wants that.
    init?(_ state: ReplicaState, _ why: HealthReason) {
        switch state {
        case .warming, .ready, .draining, .cordoned, .sleeping: return nil
        case .busy: self = .stalled(isWedged: false)
        case .wedged: self = .stalled(isWedged: true)
        case .ejected: self = .failing
        case .unauthorized: self = .unauthorized
        case .dead: self = why == .healthUnavailable ? .unhealthy : .unreachable
        }
    }
}
