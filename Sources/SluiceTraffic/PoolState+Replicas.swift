import SluiceBytes
import SluiceTime

extension PoolState {
    // MARK: The list

    /// Makes the pool serve exactly these replicas; what is gone drains, what came joins.
    mutating func update(_ descriptors: [ReplicaDescriptor], now: Instant) -> ReplicaUpdate {
        var result = ReplicaUpdate()
        var slots: [String: Int] = [:]
        for slot in entries.indices where entries[slot].isUsed {
            slots[entries[slot].descriptor.key] = slot
        }
        var kept = Set<Int>()
        // Where nobody stays a narrow start would only make the queue longer.
        let joins = descriptors.contains { descriptor in
            slots[descriptor.key].map { entries[$0].health.state.acceptsNewWork } ?? false
        }
        for descriptor in descriptors {
            var slot = slots[descriptor.key]
            if let known = slot, !kept.insert(known).inserted {
                result.ids.append(nil)
                continue
            }
            if let known = slot {
                observe(known, .restore, now: now)
            } else {
                slot = takeSlot(now: now, joins: joins)
            }
            guard let slot else {
                result.ids.append(nil)
                continue
            }
            kept.insert(slot)
            slots[descriptor.key] = slot
            entries[slot].descriptor = descriptor
            lanes[slot].inverseWeight = 1 / descriptor.usableWeight
            // Every gateway sends the requests of a key to the same replica.
            lanes[slot].nameHash = FNV1a(descriptor.name).value
            result.ids.append(id(slot))
        }
        for slot in entries.indices where entries[slot].isUsed && !kept.contains(slot) {
            result.draining.append(id(slot))
            observe(slot, .remove, now: now)
            retireIfDrained(slot)
        }
        refresh(now: now)
        return result
    }

    /// A free slot with a new generation, or nil at ``ReplicaPool/replicasMax``.
    private mutating func takeSlot(now: Instant, joins: Bool) -> Int? {
        let health = ReplicaHealth(now: now, joins: joins, settings: settings)
        var entry = Entry(health: health, joined: now)
        entry.isUsed = true
        entry.estimates = ReplicaEstimates(slotsMax: policy.slotsMax)
        if let free = entries.firstIndex(where: { !$0.isUsed }) {
            entries[free] = entry
            let generation = lanes[free].generation
            lanes[free] = RouteLane()
            lanes[free].generation = generation &+ 1
            return free
        }
        guard entries.count < ReplicaPool.replicasMax else { return nil }
        entries.append(entry)
        lanes.append(RouteLane())
        costs.append(0)
        return entries.count - 1
    }

    /// Frees the slot of a removed replica once nothing is in flight there.
    @inline(__always)
    mutating func retireIfDrained(_ slot: Int) {
        if lanes[slot].inflight == 0, entries[slot].health.isDraining { retire(slot) }
    }

    @inline(never)
    private mutating func retire(_ slot: Int) {
        entries[slot].isUsed = false
        entries[slot].descriptor = ReplicaDescriptor(name: "", key: "")
        prefixes.forget(all: id(slot))
        lanes[slot].limit = 0
        lanes[slot].generation &+= 1
    }

    // MARK: Signals

    /// Takes in what was learned about a replica.
    mutating func observe(_ replica: ReplicaID, _ event: ReplicaEvent, now: Instant) -> PumpResult {
        guard let slot = slot(replica) else { return PumpResult() }
        switch event {
        case .connectRefused: observe(slot, .connectRefused, now: now)
        case .connectFailed: observe(slot, .connectFailed, now: now)
        case .probe(let outcome): observe(slot, .probe(outcome), now: now)
        case .cordon: observe(slot, .cordon, now: now)
        case .uncordon: observe(slot, .uncordon, now: now)
        case .scrape(let scrape): take(scrape, slot, now: now)
        case .report(let waiting, let kvUsage):
            entries[slot].load.take(waiting: waiting, kvUsage: kvUsage, now: now)
            refreshForeign(slot, now: now)
        case .adapters(let numbers): entries[slot].adapters.list(numbers)
        }
        return pump(now: now)
    }

    private mutating func take(_ scrape: LoadScrape, _ slot: Int, now: Instant) {
        if let heartbeat = scrape.heartbeat, heartbeat < entries[slot].heartbeat ?? 0 {
            // A counter that falls is that of another process: nothing of what was learned of its
            // engine is certain, and its cache is empty.
            entries[slot].estimates.restarted(slotsMax: policy.slotsMax)
            prefixes.forget(all: id(slot))
        }
        if scrape.isUsable && !isFrozen(scrape, slot, now: now) {
            let inflight = max(entries[slot].inflightAtScrape, lanes[slot].inflight)
            entries[slot].load.take(scrape, inflight: Int(inflight), now: now)
            entries[slot].inflightAtScrape = 0
            let slotsBefore = slotsInUse(slot)
            entries[slot].estimates.slots.observe(
                scrape, inflight: Int(inflight), decodes: estimates.answersDecode, now: now)
            refreshForeign(slot, now: now)
            noteScrapedSlots(slot, running: scrape.running, before: slotsBefore, now: now)
            refreshTimes(slot)
            refreshLimit(slot, now: now)
        } else {
            entries[slot].badScrapes &+= 1
        }
        if let heartbeat = scrape.heartbeat { observe(slot, .heartbeat(heartbeat), now: now) }
        if scrape.isUsable {
            let usage = scrape.kvUsage.flatMap { $0.isFinite ? $0 : nil }
            observe(
                slot,
                .gauges(running: scrape.running, waiting: scrape.waiting, kvUsage: usage),
                now: now)
        }
        if let running = scrape.runningAdapters {
            entries[slot].adapters.scraped(running: running, limit: scrape.adaptersMax)
        }
        if let sleeps = scrape.isSleeping { observe(slot, .sleeping(sleeps), now: now) }
    }

    /// Between two requests that ask a replica for a report of its load, which costs it some time.
    private static let reportInterval = Nanoseconds.seconds(1)

    /// Whether the replica may be asked for a report with a request that goes there now; it counts
    /// as asked then.
    mutating func mayAskForLoad(_ replica: ReplicaID, now: Instant) -> Bool {
        guard let slot = slot(replica) else { return false }
        let asked = entries[slot].loadAsked
        if asked.isSet, now - asked < Self.reportInterval { return false }
        entries[slot].loadAsked = now
        return true
    }

    /// An event that came so soon after a page may be of a step that the page has counted.
    private static let eventLagMax = Nanoseconds.milliseconds(250)

    /// Whether the page cannot be of now: requests were served or tokens came, yet the engine's steps
    /// stand still.
    ///
    /// Such a scrape is not taken, so that the last good one grows old and fades like a missing one
    /// Pages without a heartbeat cannot be judged.
    private mutating func isFrozen(_ scrape: LoadScrape, _ slot: Int, now: Instant) -> Bool {
        guard let heartbeat = scrape.heartbeat else { return false }
        let isMoving = entries[slot].heartbeat != heartbeat
        if isMoving {
            entries[slot].heartbeat = heartbeat
            entries[slot].heartbeatAt = now
            entries[slot].succeededAtHeartbeat = entries[slot].succeeded
        }
        guard !isMoving else { return false }
        return entries[slot].succeeded != entries[slot].succeededAtHeartbeat
            || entries[slot].lastEvent > entries[slot].heartbeatAt + Self.eventLagMax
    }

    /// Passes a signal to the replica's health and renews the lanes when that changed anything.
    mutating func observe(_ slot: Int, _ signal: HealthSignal, now: Instant) {
        if apply(slot, signal, now: now) { refresh(now: now) }
    }

    /// - Returns: whether the lanes are out of date.
    private mutating func apply(_ slot: Int, _ signal: HealthSignal, now: Instant) -> Bool {
        let before = entries[slot].health.state
        let window = entries[slot].health.window
        let othersUp = up > (before.acceptsNewWork ? 1 : 0)
        entries[slot].health.observe(signal, now: now, othersUp: othersUp, settings: settings)
        let after = entries[slot].health.state
        if after != before { record(slot, from: before, to: after, now: now) }
        return after != before || entries[slot].health.window != window
    }

    private mutating func record(
        _ slot: Int, from: ReplicaState, to: ReplicaState, now: Instant
    ) {
        guard transitions.count < Self.transitionsMax else {
            transitionsDropped &+= 1
            return
        }
        transitions.append(
            ReplicaTransition(
                replica: id(slot), name: entries[slot].descriptor.name, from: from, to: to,
                reason: entries[slot].health.why, at: now))
    }

    /// Recounts the pool and opens or closes each lane: after a state, a window or the list changed.
    mutating func refresh(now: Instant) {
        var reachable = 0
        var takenOut = 0
        up = 0
        for entry in entries where entry.isUsed {
            let state = entry.health.state
            if state.acceptsConnections { reachable += 1 }
            if state.isTakenOutByUs { takenOut += 1 }
            if state.acceptsNewWork { up += 1 }
        }
        // Among those that accept connections: a dead one is no reason to trust an ejected one less.
        isPanicking = takenOut * 2 > reachable
        hopeful = 0
        for slot in entries.indices {
            let entry = entries[slot]
            let state = entry.health.state
            if entry.isUsed, isHopeful(state) { hopeful += 1 }
            refreshLimit(slot, now: now)
        }
    }

    // MARK: Time

    /// Fades old scrapes, judges progress, ends waits that took too long.
    mutating func tick(now: Instant, progress: [ReplicaProgress]) -> PumpResult {
        // Renewed once at the end: a thousand replicas may grow their windows in one tick.
        var isOutOfDate = false
        for slot in entries.indices where entries[slot].isUsed {
            refreshForeign(slot, now: now)
            refreshTokenRate(slot)
            var report = ProgressReport()
            for worker in progress { worker.add(to: &report, slot: slot) }
            entries[slot].lastEvent = report.lastEvent
            let signal = HealthSignal.tick(
                report, timePerToken: entries[slot].load.timePerToken)
            if apply(slot, signal, now: now) { isOutOfDate = true }
        }
        if isOutOfDate { refresh(now: now) }
        refreshEstimates(now: now, progress: progress)
        ageServed(now: now)
        if isShadow { _ = advanceShadow(now: now) }
        let expired = expireWaits(now: now)
        var result = pump(now: now)
        result.wakes.formUnion(expired)
        return result
    }

    // MARK: Reading

    /// The pool as pages and metrics show it.
    mutating func snapshot(now: Instant) -> PoolSnapshot {
        var snapshot = PoolSnapshot()
        snapshot.isPanicking = isPanicking
        snapshot.isDraining = isDraining
        snapshot.queueLength = queue.count
        snapshot.queueBytes = queue.bytes
        snapshot.queueOldest = queue.oldest(now: now)
        addAdmission(to: &snapshot, now: now)
        snapshot.inflight = inflight
        snapshot.dispatched = dispatched
        snapshot.finished = finished
        snapshot.leakedPermits = leakedPermits
        snapshot.transitionsDropped = transitionsDropped
        snapshot.retryBudgetRemaining = budget.remaining(now: now)
        snapshot.replicas.reserveCapacity(entries.count)
        for slot in entries.indices where entries[slot].isUsed {
            snapshot.replicas.append(row(slot, now: now))
        }
        return snapshot
    }

    private func row(_ slot: Int, now: Instant) -> ReplicaSnapshotRow {
        let entry = entries[slot]
        let age = entry.load.age(now: now)
        return ReplicaSnapshotRow(
            id: id(slot), name: entry.descriptor.name, key: entry.descriptor.key,
            weight: entry.descriptor.usableWeight, state: entry.health.state,
            why: entry.health.why, since: entry.health.since, limit: Int(lanes[slot].limit),
            inflight: Int(lanes[slot].inflight), pending: Int(lanes[slot].pending),
            window: entry.estimates.window, slots: lanes[slot].slots,
            stepTime: entry.estimates.stepTime, lastEvent: entry.lastEvent,
            promptTime: entry.estimates.promptTime,
            others: entry.load.others(now: now, interval: settings.scrapeInterval),
            waiting: entry.load.waiting, running: entry.load.running,
            kvUsage: entry.load.kvUsage, timePerToken: entry.load.timePerToken, signalAge: age,
            isStale: age.map { $0 > ReplicaLoad.staleAfter(settings.scrapeInterval) } ?? true,
            capacityTokens: entry.tokenRateMax, badScrapes: entry.badScrapes,
            dispatched: entry.dispatched,
            succeeded: entry.succeeded, failed: entry.failed,
            transitions: entry.health.transitions)
    }
}
