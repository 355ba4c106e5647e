import SluiceTime

// How many requests engines run at once, where nobody has told.

extension PoolState {
    private var searchesSlots: Bool { policy.isActive && policy.slotsMax == nil }

    /// What a replica is taken to run at once when requests are sent there.
    func slotsInUse(_ slot: Int) -> Double {
        let known = knownSlots(slot)
        return search.replica == slot ? max(known, search.level) + search.more : known
    }

    /// What it is taken to run at once without a try.
    private func knownSlots(_ slot: Int) -> Double {
        let slots = entries[slot].estimates.slots
        // Where answers are not in tokens, how many run says nothing of slots.
        guard searchesSlots, slots.full == 0, estimates.streamShare >= 0.05 else {
            return slots.count
        }
        return min(search.frontier, slots.count)
    }

    /// What a replica is believed to run at once: what is believed of it alone, or what one of its
    /// like was found full at.
    func believedSlots(_ slot: Int) -> Double {
        let slots = entries[slot].estimates.slots
        guard searchesSlots, slots.full == 0, search.full > 0 else { return slots.count }
        return min(max(search.full, search.frontier), slots.count)
    }

    /// Opens one replica for more than any has shown: the one whose last try is longest ago.
    ///
    /// - Returns: whether there is room now.
    mutating func beginSlotTry(now: Instant) -> Bool {
        guard searchesSlots, search.isDue(now: now) else { return false }
        var chosen: Int?
        for slot in lanes.indices where lanes[slot].limit > 0 {
            if let other = chosen, search.lastTry(other) <= search.lastTry(slot) { continue }
            chosen = slot
        }
        guard let chosen else { return false }
        search.begin(chosen, level: knownSlots(chosen), now: now)
        refreshLimit(chosen, now: now)
        return lanes[chosen].inflight < lanes[chosen].limit
    }

    /// A request has begun to be answered.
    ///
    /// - Parameters:
    ///   - seconds: after so long.
    ///   - backlog: prompt tokens that had to be computed for it, and before it.
    mutating func noteBegun(_ slot: Int, after seconds: Double, backlog: Double, now: Instant) {
        guard searchesSlots else { return }
        let running = Double(lanes[slot].inflight - lanes[slot].pending)
        entries[slot].estimates.slots.observe(running: running)
        noteShown(slot, now: now)
        if search.replica == slot, search.exceeded.isSet, running <= search.level,
            seconds > stallTime(slot, backlog)
        {
            failSlotTry(slot, now: now)
        }
    }

    /// A page has been read.
    mutating func noteScrapedSlots(_ slot: Int, now: Instant) {
        guard searchesSlots else { return }
        noteShown(slot, now: now)
        let full = entries[slot].estimates.slots.full
        if full > 0 { search.showFull(slot, at: full, now: now) }
    }

    private mutating func noteShown(_ slot: Int, now: Instant) {
        let shown = entries[slot].estimates.slots.shown
        if search.replica == slot, shown > search.level {
            entries[slot].estimates.slots.foundMore()
        }
        guard search.show(slot, running: shown, now: now) else { return }
        for other in lanes.indices { refreshLimit(other, now: now) }
    }

    /// Ends a try that has failed: what was sent beyond the level waits.
    mutating func judgeSlotTry(now: Instant) {
        guard searchesSlots, let slot = search.replica else { return }
        guard slot < lanes.count, lanes[slot].limit > 0 else { return search.giveUp() }
        let lane = lanes[slot]
        search.noteExcess(
            lane.pending > 0 && Double(lane.inflight) + lane.foreign > search.level, now: now)
        if search.exceeded.isSet, Double(lane.inflight - lane.pending) <= search.level,
            (now - search.exceeded).seconds > stallTime(slot, lane.pendingTokens)
        {
            failSlotTry(slot, now: now)
        }
    }

    private mutating func failSlotTry(_ slot: Int, now: Instant) {
        entries[slot].estimates.slots.foundFull(at: search.level)
        search.showFull(slot, at: search.level, now: now)
        refreshTimes(slot)
        refreshLimit(slot, now: now)
    }

    /// Time after which a request has begun in an engine that has room, seconds: twice what its prompt
    /// and those before it take, and a few steps.
    private func stallTime(_ slot: Int, _ backlog: Double) -> Double {
        2 * backlog * lanes[slot].promptTime + 6 * lanes[slot].stepTime + 0.03
    }
}
