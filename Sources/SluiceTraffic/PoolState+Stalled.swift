import SluiceTime

// Requests that were sent and have not begun although their engine goes on: it is full. They are
// better here, where the next free slot of any replica is theirs.

extension PoolState {
    /// Steps in which an engine with room begins a request, and tokens of prompts that one of them
    /// computes at the least.
    private static let stalledSteps = 6
    private static let tokensPerStep = 512.0
    /// Engines' steps that others' requests make long, where nobody here sees them.
    private static let unseenPart = 1.5
    /// Part of its slots from which a replica counts as full when a page is up to a second old.
    private static let fullPart = 0.75
    /// For how long a replica that others fill is left alone; a page comes before that.
    private static let crowdedMax = Nanoseconds.seconds(1)

    /// Looks for requests that their engines have left lying, and draws the conclusions.
    mutating func judgeStalled(now: Instant) {
        checkSlotTry()
        guard policy.isActive else { return }
        var stalled: [Int32] = []
        for index in flights.flights.indices {
            let flight = flights.flights[index]
            guard flight.isPending, flight.isStream, let slot = slot(flight.replica),
                slot < stepTotals.count
            else { continue }
            let steps = stepTotals[slot].steps
            if flight.stepsBefore < 0 {
                flights.watch(Int32(index), from: steps)
            } else if hasStalled(flight, slot, after: steps - flight.stepsBefore, now: now) {
                stalled.append(Int32(index))
            }
        }
        while let first = stalled.first {
            let replica = flights.flights[Int(first)].replica
            let there = stalled.filter { flights.flights[Int($0)].replica == replica }
            stalled.removeAll { flights.flights[Int($0)].replica == replica }
            if let slot = slot(replica) { conclude(slot, stalled: there, now: now) }
        }
    }

    /// Whether the engine has gone on for long without it.
    ///
    /// By steps that other requests there have seen: they take as long as the prompts that they
    /// compute besides, so that a slow engine is not taken for a full one. Where all others there are
    /// other gateways', by the time that such steps take: a lone request waited for the end of one of
    /// theirs (T1d, three gateways, in SLO: 91.5 %, 94.0 % so). Else there is no saying.
    private func hasStalled(
        _ flight: Flight, _ slot: Int, after steps: Int64, now: Instant
    ) -> Bool {
        let needed = Self.stalledSteps + Int(flight.backlogTokens / Self.tokensPerStep)
        let time = 2 * flight.backlogTokens * lanes[slot].promptTime
        let waited = (now - flight.dispatched).seconds
        if steps >= needed { return waited > time }
        return isSharedAndFull(slot, now: now)
            && waited > time + Self.unseenPart * Double(needed)
                * max(lanes[slot].stepTime, stepTime)
    }

    /// Whether none of ours runs there, and others' are about as many as it runs, by a fresh page.
    private func isSharedAndFull(_ slot: Int, now: Instant) -> Bool {
        let lane = lanes[slot]
        let load = entries[slot].load
        guard lane.inflight == lane.pending, lane.foreign >= 1,
            lane.foreign + Double(lane.inflight) >= Self.fullPart * lane.slots,
            let age = load.age(now: now), age <= ReplicaLoad.staleAfter(settings.scrapeInterval)
        else { return false }
        // Not by the guess that a pool begins with.
        return lanes.contains { $0.isTimed }
    }

    private mutating func conclude(_ slot: Int, stalled: [Int32], now: Instant) {
        let lane = lanes[slot]
        if search.replica == slot {
            if Double(lane.inflight - lane.pending) <= search.level { failSlotTry(slot, now: now) }
            return
        }
        learnSlots(slot, stalled: stalled, now: now)
        // Where a page says what others have, it is up to a second old, and of a few slots they have
        // taken some meanwhile (T1d, three gateways, in SLO: 80.8 %, 92.4 % so).
        let excess = Int(lane.pending) - Int(ahead(slot))
        guard searchesSlots || lane.foreign > 0, excess > 0 else { return }
        let back = newest(stalled, excess)
        guard !back.isEmpty else { return }
        entries[slot].crowdedUntil = now + min(settings.scrapeInterval, Self.crowdedMax)
        entries[slot].crowdedLimit = Int(lane.inflight) - back.count
        refreshLimit(slot, now: now)
        recall(back)
    }

    /// Where no others are known of, and as many run as ever did, that is what the engine runs; not where
    /// its cache may be what is full.
    ///
    /// A replica is taken to run two before anything is known: of one slot, every third request was sent
    /// behind another and came back (sockets, 2x, p99: 0.48 to 0.96 s of 0.5).
    private mutating func learnSlots(_ slot: Int, stalled: [Int32], now: Instant) {
        let lane = lanes[slot]
        guard searchesSlots, lane.foreign == 0, let first = stalled.first,
            (entries[slot].load.kvUsage ?? 0) <= EngineSlots.cacheFullFrom
        else { return }
        let dispatched = flights.flights[Int(first)].dispatched
        let running = Double(
            Int(lane.inflight - lane.pending) - flights.silent(at: id(slot), after: dispatched))
        guard running >= 1, running >= entries[slot].estimates.slots.shown,
            running < slotsInUse(slot)
        else { return }
        takeAsFull(slot, at: running, now: now)
        search.hasten(slot, now: now)
    }

    /// Has the requests come back that were sent to a replica beyond what it runs: the newest of those
    /// that have not begun (T1d, in SLO: 2x 96.4 %, 3x 95.7 %, 10x 92.9 %; 99.2, 98.6 and 96.1 % so).
    mutating func recallExcess(_ slot: Int) {
        let excess =
            Double(lanes[slot].inflight) + lanes[slot].foreign - slotsInUse(slot) - ahead(slot)
        let replica = id(slot)
        let pending = flights.flights.indices.filter { index in
            let flight = flights.flights[index]
            return flight.isPending && flight.isStream && flight.replica == replica
        }
        recall(newest(pending.map(Int32.init), Int(excess.rounded(.up))))
    }

    /// The ones that were sent last, at most so many; none that has come back too often, or will not.
    private func newest(_ indices: [Int32], _ count: Int) -> ArraySlice<Int32> {
        indices.filter { index in
            let flight = flights.flights[Int(index)]
            return flight.recalls < RetryRule.recallsMax && !flight.isRecalled
        }
        .sorted { flights.flights[Int($0)].dispatched > flights.flights[Int($1)].dispatched }
        .prefix(max(0, count))
    }

    private mutating func recall(_ indices: ArraySlice<Int32>) {
        for index in indices where recalls.count < Self.recallsMax {
            flights.markRecalled(index)
            recalls.append(
                Recall(flight: index, dispatched: flights.flights[Int(index)].dispatched))
        }
    }
}
