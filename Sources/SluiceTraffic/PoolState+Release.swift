import SluiceTime

extension PoolState {
    /// Gives a slot back and passes it on.
    mutating func release(
        _ index: Int32, _ end: PermitEnd, _ service: Service, now: Instant
    ) -> PumpResult {
        let flight = flights.remove(index)
        if let slot = giveBack(flight) {
            switch end {
            case .success:
                if !entries[slot].succeeded(now: now) { observe(slot, .requestSucceeded, now: now) }
                learn(flight, service, slot, now: now)
            case .serverError:
                entries[slot].serverErrors.record(isError: true, now: now)
                if isServerErrorOutlier(slot, now: now) {
                    entries[slot].failed &+= 1
                    observe(slot, .requestFailed, now: now)
                }
            case .failed:
                entries[slot].failed &+= 1
                observe(slot, .requestFailed, now: now)
            case .refused:
                entries[slot].estimates.refused(now: now)
                refreshLimit(slot, now: now)
            case .ignored: break
            }
            retireIfDrained(slot)
        }
        if flight.hasWaited { settle(flight, end, service) }
        return queue.isEmpty && evictionWakes.isEmpty ? PumpResult() : pump(now: now)
    }

    /// What a request that ended well has taught.
    private mutating func learn(
        _ flight: Flight, _ service: Service, _ slot: Int, now: Instant
    ) {
        if flight.believedTokens > 0, service.cachedTokens >= 0,
            Double(service.cachedTokens) < flight.believedTokens / 2
        {
            prefixes.forget(flight.affinityKey, at: flight.replica)
        }
        let seconds = (now - flight.dispatched).seconds
        estimates.observe(
            model: Int(flight.model), promptBytes: Int(flight.promptBytes), service: service,
            seconds: seconds, isStream: flight.isStream, now: now)
        if service.timePerToken > .zero, entries[slot].estimates.steps > 0 {
            paceTail.observe(
                service.timePerToken.seconds, tokens: service.outputTokens,
                usual: entries[slot].estimates.userStepTime / estimates.tokensPerEvent)
        }
        // Streams show the time of a step best; without them the whole answer has to do.
        if !flight.isStream, entries[slot].estimates.steps < 64 || !estimates.answersAreStreams {
            entries[slot].estimates.observe(
                answer: seconds, promptTokens: flight.promptTokens,
                outputTokens: service.outputTokens, tokensPerEvent: estimates.tokensPerEvent)
            refreshTimes(slot)
        }
    }

    /// Corrects what the tenant of a request that waited was charged with, and takes back a dispatch
    /// that came to nothing.
    private mutating func settle(_ flight: Flight, _ end: PermitEnd, _ service: Service) {
        let classIndex = Int(flight.classIndex)
        guard classIndex < queue.turns.count else { return }
        switch end {
        case .failed, .refused: estimates.dispatches.remove(classIndex, then: flight.dispatched)
        case .success, .serverError, .ignored: break
        }
        guard flight.isCharged, service.outputTokens >= 0 else { return }
        let correction =
            2 * (Double(service.outputTokens) - flight.outputTokens)
            - Double(max(0, service.cachedTokens))
        queue.charge(classIndex, Int(flight.tenant), correction)
    }

    /// The ledger's part of a release; answers whose slot it was. A permit outlives its replica's
    /// tenancy never: a slot is reused only at zero in flight.
    private mutating func giveBack(_ flight: borrowing Flight) -> Int? {
        guard let slot = slot(flight.replica), lanes[slot].inflight > 0 else {
            assertionFailure("a permit outlived its replica")
            return nil
        }
        lanes[slot].giveBack(flight)
        inflight -= 1
        finished &+= 1
        return slot
    }

    /// A permit was lost: its slot comes back without a verdict on the replica. Who waits gets it
    /// with the next tick, as a `deinit` can wake nobody.
    mutating func takeBackLeaked(_ index: Int32) {
        leakedPermits &+= 1
        if let slot = giveBack(flights.remove(index)) { retireIfDrained(slot) }
    }

    // MARK: First outputs

    /// The engine has begun to answer a request.
    mutating func outputBegan(_ index: Int32, sent: Instant, now: Instant) -> PumpResult {
        guard let flight = flights.beginOutput(index), let slot = slot(flight.replica) else {
            return PumpResult()
        }
        lanes[slot].endPending(flight)
        let start = sent.isSet ? max(sent, flight.dispatched) : flight.dispatched
        let delay = entries[slot].estimates.observe(
            firstOutput: (now - start).seconds, tokens: flight.promptTokens,
            backlog: flight.backlogTokens,
            // Who came after it may have shared its steps.
            crowd: flight.crowd == .nobody && lanes[slot].inflight > 1 ? .room : flight.crowd)
        let own = policy.classes[min(Int(flight.classIndex), policy.classes.count - 1)]
        // One replica that makes everybody wait is no reason to expect that of all.
        let isUsual = entries[slot].estimates.delay <= 3 * max(engineDelay, stepTime)
        if isUsual, let objective = own.objective(promptTokens: flight.promptTokens) {
            // Up to a step is when in a step it came, and in the prompt's time already.
            delayTail.observe(max(0, delay - stepTime) / objective)
        }
        refreshTimes(slot)
        noteBegun(slot, dispatched: flight.dispatched, now: now)
        // The backlog of prompts has become shorter: one that did not fit may fit now.
        return policy.isActive && !queue.isEmpty ? pump(now: now) : PumpResult()
    }

    /// Requests whose prompts must have been computed by now: those that show no first output.
    mutating func endOverduePending(now: Instant) {
        var ended: [Flight] = []
        flights.overdue(now: now) { ended.append($0) }
        for flight in ended {
            if let slot = slot(flight.replica) { lanes[slot].endPending(flight) }
        }
    }

    // MARK: Errors

    /// Whether the share of server errors among a replica's recent answers is more than five times
    /// its pool's median.
    ///
    /// The median is that of the replicas which have answered lately, this one included, the lower
    /// of two: a replica alone is never worse than its pool. It is not sorted for but counted – more
    /// than half must be five times better – in one pass without memory.
    private mutating func isServerErrorOutlier(_ slot: Int, now: Instant) -> Bool {
        let share = entries[slot].serverErrors
        guard share.isAboveFloor else { return false }
        var compared = 0
        var better = 0
        for other in entries.indices
        where entries[other].isUsed && !entries[other].serverErrors.isEmpty(now: now) {
            compared += 1
            if share.isOutlier(beside: entries[other].serverErrors) { better += 1 }
        }
        return better > (compared - 1) / 2
    }
}
