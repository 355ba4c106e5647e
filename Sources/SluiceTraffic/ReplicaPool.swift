import SluiceBytes
import SluiceTime

// Workers and the control thread share this object. Everything that is decided is decided inside
// one short lock over a PoolState value; permits are made, grants handed over and workers woken
// outside of it. A worker's own `progress[worker]` is written by that worker alone, without the lock.

/// All replicas that serve one model: who may enter, where it goes, who waits.
@usableFromInline package final class ReplicaPool: Sendable {
    /// Replicas at most, drained ones included.
    @inlinable package static var replicasMax: Int { 1_024 }
    /// Workers at most.
    package static let workersMax = WaitQueue.workersMax

    /// What happens besides counting when a permit is lost.
    package enum LeakPolicy: Sendable {
        /// Stops a debug build.
        case stop
        /// Only counts: for the test of the leak itself.
        case count
    }

    /// The pool's name in metrics and logs.
    package let name: String
    /// One per worker; index is the worker.
    package let progress: [ReplicaProgress]
    private let leakPolicy: LeakPolicy
    private let classCount: Int
    private let state: Guarded<PoolState>

    /// - Parameters:
    ///   - workers: 1 … ``workersMax``.
    ///   - seed: for ties among requests that leave the queue.
    package init(
        name: String, workers: Int, limits: AdmissionLimits = AdmissionLimits(),
        policy: AdmissionPolicy = AdmissionPolicy(), health: HealthSettings = HealthSettings(),
        seed: UInt64,
        leakPolicy: LeakPolicy = .stop
    ) {
        precondition(workers >= 1 && workers <= Self.workersMax, "a pool has 1 to 64 workers")
        self.name = name
        self.leakPolicy = leakPolicy
        classCount = policy.classes.count
        progress = (0..<workers).map { _ in ReplicaProgress() }
        state = Guarded(PoolState(limits: limits, policy: policy, settings: health, seed: seed))
    }

    /// How long the oldest request without content has waited, of all workers'; zero where none does.
    package func oldestUnanswered(now: Instant) -> Nanoseconds {
        let oldest = progress.map(\.oldestUnanswered).filter(\.isSet).min()
        return max(.zero, oldest.map { now - $0 } ?? .zero)
    }

    // MARK: A request's way

    /// Admits, queues or refuses a request.
    ///
    /// - Parameters:
    ///   - worker: whose box a later grant goes to; 0 ..< the number of workers.
    ///   - token: the worker's own name for the exchange, given back with the grant.
    ///   - retrying: nil for a first attempt; else the replicas it must not go to again (empty when
    ///     the same is allowed). A retry goes before all who wait.
    ///   - dice: a random number.
    package func arrive(
        _ arrival: Arrival, worker: Int, token: UInt64, retrying: ReplicaIDs? = nil, now: Instant,
        dice: UInt64
    ) -> AdmissionVerdict {
        precondition(worker >= 0 && worker < progress.count)
        let decision = state.withLock { state in
            state.decide(
                arrival, worker: worker, token: token, retry: retrying, now: now, dice: dice)
        }
        return verdict(decision)
    }

    /// Refuses a request of which only the head has come, where no body could let it in; nil: read on.
    ///
    /// - Parameter arrival: `promptBytes` and `bodyBytes` are the length of the body.
    package func judgeHead(
        _ arrival: Arrival, now: Instant, random: inout some RandomNumberGenerator
    ) -> Shed? {
        let dice = random.next()
        return state.withLock { $0.judgeHead(arrival, now: now, dice: dice) }
    }

    /// Admits a request that only this replica can answer, at once, or refuses it.
    ///
    /// - Returns: nil when the replica is gone: removed, and at the end of what it had.
    package func arrive(
        _ arrival: Arrival, at replica: ReplicaID, now: Instant,
        random: inout some RandomNumberGenerator
    ) -> AdmissionVerdict? {
        let dice = random.next()
        guard
            let decision = state.withLock({ $0.decide(arrival, at: replica, now: now, dice: dice) })
        else { return nil }
        return verdict(decision)
    }

    @inline(__always) private func verdict(_ decision: ArrivalDecision) -> AdmissionVerdict {
        switch decision {
        case .dispatch(let reservation): return .dispatch(Permit(pool: self, reservation))
        case .wait(let ticket, let predicted, let wakes):
            let wait = predicted < 0 ? Nanoseconds(-1) : .seconds(clamping: predicted)
            return .wait(ticket, predicted: wait, wakes: wakes)
        case .shed(let shed): return .shed(shed)
        }
    }

    /// Takes a waiting request out of the queue; called by the worker that queued it.
    package func cancel(_ ticket: QueueTicket, now: Instant) -> Cancellation {
        var (cancellation, hasMore) = state.withLock { $0.cancel(ticket, now: now) }
        cancellation.wakes.formUnion(pumpRest(hasMore, now: now))
        return cancellation
    }

    /// Hands over all that the queue has for a worker; called by that worker, when woken.
    ///
    /// One message per lock hold: what the closure does (cancel, release, arrive) finds the pool
    /// free, and a later message can still be withdrawn. The closure owns each permit.
    package func takeGrants(worker: Int, now: Instant, into body: (consuming Grant) -> Void) {
        while let grant = takeGrant(worker: worker, now: now) { body(grant) }
    }

    /// The next message for a worker, or nil.
    package func takeGrant(worker: Int, now: Instant) -> Grant? {
        guard let node = state.withLock({ $0.queue.take(worker: worker) }) else { return nil }
        switch node.stage {
        case .granted(let reservation):
            return .dispatch(token: node.token, permit: Permit(pool: self, reservation))
        case .refused(let shed): return .shed(token: node.token, shed)
        case .free, .waiting: preconditionFailure("a box holds grants and expiries only")
        }
    }

    /// ``Permit/release(_:_:now:)``.
    func release(_ flight: Int32, _ end: PermitEnd, _ service: Service, now: Instant) -> WakeSet {
        let result = state.withLock { $0.release(flight, end, service, now: now) }
        return finish(result, now: now)
    }

    /// ``Permit/outputBegan(sent:now:)``.
    func outputBegan(_ flight: Int32, sent: Instant, now: Instant) -> WakeSet {
        let result = state.withLock { $0.outputBegan(flight, sent: sent, now: now) }
        return finish(result, now: now)
    }

    /// A permit's `deinit` ran while it was open.
    func takeBackLeaked(_ flight: Int32) {
        state.withLock { $0.takeBackLeaked(flight) }
        switch leakPolicy {
        case .stop: assertionFailure("a permit was lost instead of released")
        case .count: break
        }
    }

    // MARK: Replicas

    /// Makes the pool serve exactly these replicas.
    package func update(replicas: [ReplicaDescriptor], now: Instant) -> ReplicaUpdate {
        var (update, result) = state.withLock { state in
            let update = state.update(replicas, now: now)
            return (update, state.pump(now: now))
        }
        update.wakes = finish(result, now: now)
        return update
    }

    /// Takes in what was learned about a replica; one that is gone is ignored.
    ///
    /// A failed connect is told here, before the retry arrives, and its permit ends as
    /// ``PermitEnd/ignored``: counted twice, two refusals would eject.
    package func observe(_ replica: ReplicaID, _ event: ReplicaEvent, now: Instant) -> WakeSet {
        let result = state.withLock { $0.observe(replica, event, now: now) }
        return finish(result, now: now)
    }

    /// Notes our requests in flight when a scrape leaves, so that they are not taken for others'.
    package func scrapeSent(_ replica: ReplicaID) {
        state.withLock { state in
            guard let slot = state.slot(replica) else { return }
            state.entries[slot].inflightAtScrape = state.lanes[slot].inflight
        }
    }

    /// Whether the replica may be asked for a report of its load with this request: once a second.
    package func mayAskForLoad(_ replica: ReplicaID, now: Instant) -> Bool {
        state.withLock { $0.mayAskForLoad(replica, now: now) }
    }

    /// Time passed: call every 100 to 250 ms from the control thread.
    package func tick(now: Instant) -> WakeSet {
        let progress = progress
        let result = state.withLock { $0.tick(now: now, progress: progress) }
        return finish(result, now: now)
    }

    /// When to probe a replica next (the caller adds its jitter); nil when it is gone.
    package func nextProbe(of replica: ReplicaID, now: Instant) -> Instant? {
        state.withLock { state in
            guard let slot = state.slot(replica) else { return nil }
            return state.entries[slot].health.nextProbe(
                now: now, poolIsDown: state.up == 0, settings: state.settings)
        }
    }

    /// Whether a replica serves now, or may soon.
    package var hasReplica: Bool { state.withLock { $0.hopeful > 0 } }

    /// The replica's state; nil when it is gone: idle connections to it may be closed.
    package func replicaState(_ replica: ReplicaID) -> ReplicaState? {
        state.withLock { state in
            state.slot(replica).map { state.entries[$0].health.state }
        }
    }

    // MARK: Retries

    /// Whether a replica besides these serves now or may soon.
    package func hasOther(than excluded: ReplicaIDs) -> Bool {
        state.withLock { $0.hasHope(excluded) }
    }

    /// Takes one retry out of the budget.
    package func withdrawRetry(now: Instant) -> RetryBudgetVerdict {
        state.withLock { $0.budget.withdraw(now: now) }
    }

    /// What the budget would say, without taking from it.
    package func retryBudget(now: Instant) -> RetryBudgetVerdict {
        state.withLock { $0.budget.remaining(now: now) > 0 ? .granted : .exhausted }
    }

    /// Refuses bodies of this hash for ``PoisonMemory/lifetime``.
    package func rememberPoison(_ hash: UInt64, now: Instant) {
        state.withLock { $0.poison.insert(hash, now: now) }
    }

    /// Whether bodies of this hash are refused.
    package func isPoison(_ hash: UInt64, now: Instant) -> Bool {
        state.withLock { $0.poison.contains(hash, now: now) }
    }

    /// Takes the recalls since the last call; at most ``PoolState/recallsMax``.
    package func takeRecalls() -> [Recall] {
        state.withLock { state in
            let taken = state.recalls
            state.recalls.removeAll(keepingCapacity: true)
            return taken
        }
    }

    // MARK: Life and reading

    /// Refuses new arrivals as ``ShedReason/draining``; who waits is still served.
    package func drain() { state.withLock { $0.isDraining = true } }

    /// Puts new bounds into force; what waits keeps its deadline.
    package func reconfigure(
        limits: AdmissionLimits, policy: AdmissionPolicy, health: HealthSettings, now: Instant
    ) -> WakeSet {
        precondition(policy.classes.count == self.classCount, "classes change with a restart only")
        let result = state.withLock { state in
            state.limits = limits
            state.adopt(policy)
            state.queue.setTenants(policy.tenants)
            state.settings = health
            state.refresh(now: now)
            return state.pump(now: now)
        }
        return finish(result, now: now)
    }

    /// Carries verdicts out, or only makes them, or neither, from now on: an operator's order, which
    /// holds until the next one, whatever a reload brings.
    package func order(mode: AdmissionPolicy.Mode, now: Instant) -> WakeSet {
        let result = state.withLock { state in
            state.order(mode: mode, now: now)
            return state.pump(now: now)
        }
        return finish(result, now: now)
    }

    /// What was decided of late, newest first; at most 256.
    package func decisions(newest n: Int) -> [DecisionRow] {
        state.withLock { $0.recentDecisions(n) }
    }

    /// What would become of a request now; nothing changes.
    package func dryRun(_ arrival: Arrival, now: Instant) -> DecisionRow {
        state.withLock { $0.dryRun(arrival, now: now) }
    }

    /// By class, the tenants with most requests waiting, at most `n` of each.
    package func waitingTenants(most n: Int) -> [[TenantBacklog]] {
        state.withLock { $0.waitingTenants(most: n) }
    }

    /// Requests that wait, and those at replicas.
    package var load: (waiting: Int, inFlight: Int) {
        state.withLock { ($0.queue.count, $0.inflight) }
    }

    /// The pool at one instant, for metrics and pages.
    package func snapshot(now: Instant) -> PoolSnapshot {
        state.withLock { $0.snapshot(now: now) }
    }

    /// Takes the state changes since the last call, oldest first; at most 1,024, further ones were dropped.
    package func takeTransitions() -> [ReplicaTransition] {
        state.withLock { state in
            let taken = state.transitions
            state.transitions.removeAll(keepingCapacity: true)
            return taken
        }
    }

    private func finish(_ result: PumpResult, now: Instant) -> WakeSet {
        var wakes = result.wakes
        wakes.formUnion(pumpRest(result.hasMore, now: now))
        return wakes
    }

    /// Goes on pumping, one lock hold per ``PoolState/pumpMax`` dispatches.
    private func pumpRest(_ hasMore: Bool, now: Instant) -> WakeSet {
        var wakes = WakeSet()
        var hasMore = hasMore
        while hasMore {
            let result = state.withLock { $0.pump(now: now) }
            wakes.formUnion(result.wakes)
            hasMore = result.hasMore
        }
        return wakes
    }
}
