import SluiceTime

// Between what is believed of each replica and what the router reads: lanes are renewed here.

extension PoolState {
    /// How many more than an engine's slots may be sent, so that its next prompt is there when a
    /// slot comes free: what comes free within ``aheadPart`` of the tightest objective, at most so
    /// many. Two at most, as in a simulation of chat, are too few where an answer takes no longer
    /// than its prompt (T12c, embeddings: goodput 94.4 % of C, 96.9 % so). Answers that are no streams
    /// may be over in one step, before which all wait that came during the one before: of those no number
    /// is too many (answers of one token at what 64 slots can do: goodput 58 % of C with eight, 97 % so).
    private static let aheadMax = 8.0
    private static let aheadPart = 0.1
    /// How many more a replica takes of requests whose home it is, while others have room and nobody
    /// waits: a slot there that comes free within a quarter of the objective is worth more than one
    /// that is free elsewhere. One request in ten found its home full by one or two (T13b at 0.95 of
    /// C: hit rate 0.86 of plain hashing's, 0.92 so; with 4 and 8 the same). Where somebody waits,
    /// nothing is sent ahead for it: the look-ahead does the same, and decides later.
    private static let homeAhead = 2.0
    /// A class's share of a window holds where fewer slots than one come free within this part of the
    /// tightest objective: where the next is so near, a slot kept free saves an urgent request nothing
    /// (T12b: goodput 78 % of C with the share always in force, 100 % so; critical 100 % both times).
    private static let soonPart = 0.1
    /// Others' part of the slots from which the fleet counts as shared.
    private static let othersMin = 0.05
    /// Part of a KV cache that reservations may fill. T10, goodput with 0.8, 0.9, 0.95 and 1.0: 76, 79,
    /// 77.5 and 74 % of C. One learned from the use in minutes without preemption, as the study has it,
    /// would follow its own bound down.
    private static let cachePart = 0.9

    /// Takes in the gaps that the workers have seen, adjusts windows, renews lanes.
    mutating func refreshEstimates(now: Instant, progress: [ReplicaProgress]) {
        while stepTotals.count < entries.count { stepTotals.append(StepTotals()) }
        endOverduePending(now: now)
        var promptTimes: [Double] = []
        var prompts = 0
        var delays: [Double] = []
        var spreads: [Double] = []
        var stepTimes: [Double] = []
        for slot in entries.indices where entries[slot].isUsed {
            takeSteps(slot, progress)
            // Where nobody waits here, engines' own queues would close the windows for nothing.
            if policy.isActive, let objective = policy.tightestObjective {
                entries[slot].estimates.adjustWindow(
                    inflight: Int(lanes[slot].inflight),
                    delayMax: max(0.1 * objective, 4 * entries[slot].estimates.stepTime),
                    timePerToken: policy.tightestTimePerToken.map { $0 * paceTail.part },
                    growsUnseen: growsUnseen(slot, now: now), now: now)
            }
            refreshTimes(slot)
            refreshLimit(slot, now: now)
            if entries[slot].health.state.acceptsConnections {
                promptTimes.append(entries[slot].estimates.promptTime)
                prompts += entries[slot].estimates.prompts
                delays.append(entries[slot].estimates.delay)
                spreads.append(entries[slot].estimates.delaySpread)
                stepTimes.append(entries[slot].estimates.stepTime)
            }
        }
        judgeStalled(now: now)
        renewClaim(now: now)
        sharesBind = slotRate() * Self.soonPart * (policy.tightestObjective ?? 0) < 1
        if promptTimes.isEmpty { return }
        refreshCacheBound()
        promptTimes.sort()
        delays.sort()
        spreads.sort()
        stepTimes.sort()
        stepTime = stepTimes[stepTimes.count / 2]
        promptTime = promptTimes[promptTimes.count / 2]
        promptsSeen = max(promptsSeen, prompts)
        engineDelay = delays[delays.count / 2]
        engineDelaySpread = spreads[spreads.count / 2]
    }

    /// Whether a window grows although no first output shows what delay it adds: where answers are no
    /// streams, engines beyond their slots are known by being told, or by what their pages say waits.
    private func growsUnseen(_ slot: Int, now: Instant) -> Bool {
        guard !estimates.answersAreStreams else { return false }
        let load = entries[slot].load
        return policy.slotsMax != nil || load.isFresh(now: now, interval: settings.scrapeInterval)
    }

    /// Renews what the least urgent class may have beside other gateways'.
    private mutating func renewClaim(now: Instant) {
        var slots = 0.0
        var others = 0.0
        var seen = 0.0
        for slot in lanes.indices where lanes[slot].limit > 0 {
            slots += lanes[slot].slots
            others += lanes[slot].foreign
            seen += entries[slot].load.running + entries[slot].load.waiting
        }
        let least = policy.classes.count - 1
        let arrived = estimates.arrivals.count(2 * least, now: now)
        let refused = estimates.arrivals.count(2 * least + 1, now: now)
        let isShared = policy.isActive && others > Self.othersMin * slots
        // By what was scraped, not by our own account: all gateways go by the same signal.
        claim.renew(
            inflight: inflight, isFull: isShared ? seen >= slots : nil,
            refused: min(1, Double(refused) / Double(max(1, arrived))), now: now)
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
        // Field by field: the estimates are five hundred bytes, which a constant would be a copy of.
        lanes[slot].take(
            promptTime: entries[slot].estimates.promptTime,
            stepTime: entries[slot].estimates.stepTime,
            tokenTime: entries[slot].estimates.eventTime / estimates.tokensPerEvent,
            isTimed: entries[slot].estimates.steps > 0, slots: believedSlots(slot))
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
        lanes[slot].isCrowded = false
        if entry.crowdedUntil.isSet, now < entry.crowdedUntil {
            limit = min(limit, max(1, entry.crowdedLimit))
            // Where no other is in service, it has to do.
            lanes[slot].isCrowded =
                entry.crowdedLimit == 0
                && lanes.indices.contains {
                    $0 != slot && lanes[$0].limit > 0 && !lanes[$0].isCrowded
                }
        }
        lanes[slot].homeLimit = Int32(clamping: limit)
        if policy.isActive {
            // A try of slots must not see what was sent ahead to a home.
            let slots = entry.estimates.slots
            let isSure = policy.slotsMax != nil || slots.full > 0 && search.replica != slot
            let homeAhead = ahead(slot) + (isSure ? Self.homeAhead : 0)
            lanes[slot].homeLimit = Int32(clamping: min(limit, windowLimit(slot, ahead: homeAhead)))
            limit = min(limit, windowLimit(slot, ahead: ahead(slot)))
        }
        lanes[slot].limit = Int32(clamping: limit)
        if policy.isActive, let tokens = entry.load.cacheTokens {
            lanes[slot].reserveMax = cacheLimit(slot, tokens: Self.cachePart * tokens)
        } else {
            lanes[slot].reserveMax = 0
        }
    }

    /// What of a KV cache is left to us: others' requests are taken to be as large as ours, and no
    /// gateway has to do with less than an equal part.
    ///
    /// An equal part alone, whatever others have, held a gateway with 70 % of the arrivals to a third
    /// of the cache while a seventh of all slots stood empty (T12c).
    private func cacheLimit(_ slot: Int, tokens: Double) -> Double {
        let equal = tokens / Double(policy.gateways ?? 1)
        let lane = lanes[slot]
        guard lane.inflight > 0 else { return equal }
        return max(equal, tokens - lane.foreign * lane.reserved / Double(lane.inflight))
    }

    /// Slots and a little more, less what others have, within what the delay allows; at least 1.
    private func windowLimit(_ slot: Int, ahead: Double) -> Int {
        let estimates = entries[slot].estimates
        let free = slotsInUse(slot) + ahead - lanes[slot].foreign
        return Int(max(1, min(free, estimates.window).rounded(.down)))
    }

    /// How many more than its slots a replica is sent.
    func ahead(_ slot: Int) -> Double {
        let objective = policy.tightestObjective ?? 0
        let soon = Self.aheadPart * objective * slotsInUse(slot) / residence(slot)
        return (estimates.answersAreStreams ? min(Self.aheadMax, soon) : soon).rounded(.down)
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
