import SluiceTime

// How many requests engines run at once, where nobody has told.

extension PoolState {
    var searchesSlots: Bool { policy.isActive && policy.slotsMax == nil }

    /// Begins anew: another number was told, or none any more.
    mutating func forgetSlots() {
        search = SlotSearch()
        for slot in entries.indices where entries[slot].isUsed {
            entries[slot].estimates.slots = EngineSlots(told: policy.slotsMax)
            // What runs now was seen, whatever is told.
            entries[slot].estimates.slots.observe(running: entries[slot].load.running)
            _ = search.show(slot, running: entries[slot].load.running, now: .unset)
            refreshTimes(slot)
        }
    }

    /// What a replica is taken to run at once when requests are sent there.
    func slotsInUse(_ slot: Int) -> Double {
        let known = knownSlots(slot)
        return search.replica == slot ? max(known, search.level) + search.more : known
    }

    /// What it is taken to run at once without a try.
    private func knownSlots(_ slot: Int) -> Double {
        let slots = entries[slot].estimates.slots
        // Answers that are no streams do not show that a try went well: it would take a page each time.
        guard searchesSlots, slots.full == 0, estimates.answersAreStreams else {
            return slots.count
        }
        return min(search.frontier, slots.count)
    }

    /// What a replica is believed to run at once: what is believed of it alone, or what one of its
    /// like was found full at.
    @inline(__always)
    mutating func believedSlots(_ slot: Int) -> Double {
        let count = entries[slot].estimates.slots.count
        guard search.full > 0, entries[slot].estimates.slots.full == 0, searchesSlots else {
            return count
        }
        return min(max(search.full, search.frontier), count)
    }

    /// Opens one replica for more than any has shown: the one whose last try is longest ago.
    ///
    /// - Returns: whether there is room now.
    mutating func beginSlotTry(now: Instant) -> Bool {
        guard searchesSlots, search.isDue(now: now) else { return false }
        var chosen: Int?
        for slot in lanes.indices where lanes[slot].limit > 0 && !lanes[slot].isCrowded {
            if let other = chosen, search.lastTry(other) <= search.lastTry(slot) { continue }
            chosen = slot
        }
        guard let chosen else { return false }
        search.begin(chosen, level: knownSlots(chosen), now: now)
        refreshLimit(chosen, now: now)
        return lanes[chosen].hasRoom
    }

    /// A stream has begun to be answered, and with it all that was sent before it.
    ///
    /// Answers that are no streams say nothing until they end: those that were sent after it may wait.
    mutating func noteBegun(_ slot: Int, dispatched: Instant, now: Instant) {
        guard searchesSlots else { return }
        var running = Double(lanes[slot].inflight - lanes[slot].pending)
        let known = entries[slot].estimates.slots.shown
        guard running > (search.replica == slot ? min(known, search.level) : known) else { return }
        running -= Double(flights.silent(at: id(slot), after: dispatched))
        entries[slot].estimates.slots.observe(running: running)
        noteRunning(slot, running, now: now)
    }

    /// A page has been read.
    ///
    /// - Parameter before: what the replica was taken to run at once without it.
    mutating func noteScrapedSlots(
        _ slot: Int, running: Double, before: Double, now: Instant
    ) {
        guard searchesSlots else { return }
        let full = entries[slot].estimates.slots.full
        guard full > 0, running <= full else { return noteRunning(slot, running, now: now) }
        let isNews = search.replica == slot || full < before
        search.showFull(slot, at: full, now: now)
        if isNews { recallExcess(slot) }
    }

    private mutating func noteRunning(_ slot: Int, _ running: Double, now: Instant) {
        if search.replica == slot, running > search.level {
            entries[slot].estimates.slots.foundMore()
        }
        guard search.show(slot, running: running, now: now) else { return }
        for other in lanes.indices { refreshLimit(other, now: now) }
    }

    /// The replica under trial may be gone.
    mutating func checkSlotTry() {
        guard let slot = search.replica else { return }
        let isOver =
            !searchesSlots || slot >= lanes.count || lanes[slot].limit == 0 || lanes[slot].isCrowded
        if isOver { search.giveUp() }
    }

    /// What was sent beyond the level waits: the try has failed.
    mutating func failSlotTry(_ slot: Int, now: Instant) {
        takeAsFull(slot, at: search.level, now: now)
        recallExcess(slot)
    }

    /// The replica runs no more than so many.
    mutating func takeAsFull(_ slot: Int, at level: Double, now: Instant) {
        entries[slot].estimates.slots.foundFull(at: level)
        search.showFull(slot, at: level, now: now)
        refreshTimes(slot)
        refreshLimit(slot, now: now)
    }
}
