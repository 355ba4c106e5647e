import SluiceTime

// Between what is believed of each replica and what the router reads: lanes are renewed here.

extension PoolState {
    /// How many more than an engine's slots may be sent, so that its next prompt is there when a
    /// slot comes free. Source: ADMISSION section 5.2.
    static let aheadMax = 2.0
    /// Part of a KV cache that reservations may fill.
    private static let cachePart = 0.9

    /// Takes in the gaps that the workers have seen, adjusts windows, renews lanes.
    mutating func refreshEstimates(now: Instant, progress: [ReplicaProgress]) {
        while stepTotals.count < entries.count { stepTotals.append(StepTotals()) }
        endOverduePending(now: now)
        var promptTimes: [Double] = []
        var delays: [Double] = []
        for slot in entries.indices where entries[slot].isUsed {
            takeSteps(slot, progress)
            // Where nobody waits here, engines' own queues would close the windows for nothing.
            if policy.isActive, let objective = policy.tightestObjective {
                entries[slot].estimates.adjustWindow(
                    inflight: Int(lanes[slot].inflight),
                    delayMax: max(0.1 * objective, 4 * entries[slot].estimates.stepTime),
                    timePerToken: policy.tightestTimePerToken, now: now)
            }
            refreshTimes(slot)
            refreshLimit(slot, now: now)
            if entries[slot].health.state.acceptsConnections {
                promptTimes.append(entries[slot].estimates.promptTime)
                delays.append(entries[slot].estimates.delay)
            }
        }
        if promptTimes.isEmpty { return }
        refreshCacheBound()
        promptTimes.sort()
        delays.sort()
        promptTime = promptTimes[promptTimes.count / 2]
        engineDelay = delays[delays.count / 2]
    }

    private mutating func takeSteps(_ slot: Int, _ progress: [ReplicaProgress]) {
        var totals = StepTotals()
        for worker in progress { worker.add(to: &totals, slot: slot) }
        let last = stepTotals[slot]
        stepTotals[slot] = totals
        entries[slot].estimates.observe(
            gaps: Double(totals.nanoseconds - last.nanoseconds) * 1e-9,
            steps: Int(totals.steps - last.steps), events: Int(totals.events - last.events))
    }

    /// Half of the KV caches together may be believed to hold prefixes.
    private mutating func refreshCacheBound() {
        var tokens = 0.0
        for entry in entries where entry.isUsed { tokens += entry.load.cacheTokens ?? 0 }
        prefixes.tokensMax = tokens > 0 ? tokens / 2 : .infinity
    }

    /// Renews a lane's times.
    mutating func refreshTimes(_ slot: Int) {
        let estimates = entries[slot].estimates
        lanes[slot].promptTime = estimates.promptTime
        lanes[slot].stepTime = estimates.stepTime
        lanes[slot].slots = estimates.slots
    }

    /// Renews how many requests a lane takes: by health, by the static bound, and where admission is
    /// on by the replica's window.
    mutating func refreshLimit(_ slot: Int, now: Instant) {
        let entry = entries[slot]
        let state = entry.health.state
        let isOpen =
            entry.isUsed && (isPanicking ? state.acceptsConnections : state.acceptsNewWork)
        guard isOpen else {
            lanes[slot].limit = 0
            return
        }
        var limit = min(limits.replicaInflightMax, entry.health.window)
        if policy.isActive { limit = min(limit, windowLimit(slot)) }
        lanes[slot].limit = Int32(clamping: limit)
        if policy.isActive, let tokens = entry.load.cacheTokens {
            let gateways = Double(policy.gateways ?? 1)
            lanes[slot].reserveMax = Self.cachePart * tokens / gateways
        } else {
            lanes[slot].reserveMax = 0
        }
    }

    /// Slots and a little more, less what others have, within what the delay allows; at least 1.
    private func windowLimit(_ slot: Int) -> Int {
        let estimates = entries[slot].estimates
        let objective = policy.tightestObjective ?? 0
        let service = max(self.estimates.meanOutputTokens * estimates.stepTime, 1e-3)
        let ahead = min(
            Self.aheadMax, (0.1 * objective * estimates.slots / service).rounded(.down))
        let free = estimates.slots + ahead - lanes[slot].foreign
        return Int(max(1, min(free, estimates.window).rounded(.down)))
    }

    /// Renews what the router adds to the ledger.
    mutating func refreshForeign(_ slot: Int, now: Instant) {
        let load = entries[slot].load
        let interval = settings.scrapeInterval
        let others = policy.isExclusive ? 0 : load.others(now: now, interval: interval)
        // Where requests wait here, the engine's queue is what we have sent there ahead.
        let waiting = policy.isActive ? 0 : load.queueDepth(now: now, interval: interval)
        lanes[slot].foreign = others + waiting
    }
}
