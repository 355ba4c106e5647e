import SluiceTime

// Owner: one thread (the loop of the simulated replica, or the fleet); pure, the clock is an
// argument. Sequences live in places of one array: a step touches every one of them, and a
// dictionary made it several times slower.

/// The simulated engine: continuous batching in steps, with chunked prefill and recompute
/// preemption.
///
/// Who drives it calls `submit` and `abort` as requests come and go and `step` whenever the
/// instant the last `step` named has come; after a `submit` into an idle engine, at once.
/// The same calls with the same instants give the same results.
package struct EngineModel {
    /// Steps one call catches up on; beyond it the engine has fallen behind its clock and goes on
    /// from `now`, as a slow machine would.
    static let stepsPerCallMax = 256

    /// The parameters, with impossible values clamped.
    package let parameters: EngineParameters
    /// How much slower than its parameters the engine runs; a fault knob, from the next step on.
    package var slowFactor = 1.0
    /// The gauges of the last step.
    package private(set) var snapshot = EngineSnapshot()
    /// Whether the engine hangs: it takes requests, its steps never end, its gauges stand still.
    package private(set) var isFrozen = false

    private struct Plan {
        var ends: Instant
        var decodes: [EngineRequestID] = []
        var prefills: [(id: EngineRequestID, tokens: Int)] = []
    }

    /// By place; ``EngineRequestID/slot``.
    private var sequences: [EngineSequence] = []
    /// Places without a sequence.
    private var free: [Int] = []
    /// Places, in order of admission: the last is the newest, the first to be preempted.
    private var running: [Int] = []
    /// Next first; a preempted sequence goes to the front.
    private var waiting: [Int] = []
    /// Submitted and not yet seen by the scheduler, which looks once per step.
    private var inbox: [Int] = []
    private var plan: Plan?
    private var cache: KVCache
    /// How much of the time that a late call missed is made up for, at the fixed pace: some ticks of
    /// the timers (4 ms), but not the length of a freeze.
    private static let fixedCatchUpMax = Nanoseconds.milliseconds(20)
    private var schedule = FixedSchedule()
    private var lastNumber: UInt64 = 0

    package init(parameters: EngineParameters = EngineParameters()) {
        self.parameters = parameters.clamped
        cache = KVCache(
            tokensMax: self.parameters.cacheTokensMax, blockTokens: self.parameters.blockTokens,
            keepsPrefixes: self.parameters.keepsPrefixes)
    }

    /// Requests inside: waiting and running.
    package var count: Int { sequences.count - free.count }
    /// Tokens of KV cache in use, at this moment.
    package var cacheTokens: Int { cache.held }
    /// The queues as they are at this moment, between two steps: what ``snapshot`` will say is
    /// older, and does not know of those that came during the step.
    package var gauges: EngineSnapshot {
        EngineSnapshot(
            running: running.count, waiting: waiting.count + inbox.count, cacheUsage: cacheUsage)
    }
    private var cacheUsage: Double {
        min(1, Double(cache.held) / Double(parameters.cacheTokensMax))
    }
    /// Whether the next request must be refused with 503 (vLLM 0.29 and later).
    package var isFull: Bool {
        guard let bound = parameters.requestsMax else { return false }
        return count >= bound
    }

    /// Takes a request; it is scheduled by the first step that begins at `now` or later.
    ///
    /// Prompt and output are cut to fit the model length: the caller has answered 400 before.
    package mutating func submit(_ request: EngineRequest, now: Instant) -> EngineRequestID {
        lastNumber &+= 1
        let slot = free.popLast() ?? sequences.count
        let id = EngineRequestID(number: lastNumber, slot: slot)
        var request = request
        request.promptTokens = min(max(1, request.promptTokens), parameters.modelLengthMax - 1)
        request.outputTokens = min(
            max(0, request.outputTokens), parameters.modelLengthMax - request.promptTokens)
        let sequence = EngineSequence(id: id, request: request, arrival: now)
        if slot == sequences.count {
            sequences.append(sequence)
        } else {
            sequences[slot] = sequence
        }
        switch parameters.pace {
        case .stepModel:
            inbox.append(slot)
        case .fixed(let timeToFirstToken, _):
            running.append(slot)
            schedule.insert(id, due: now + scaled(timeToFirstToken))
        }
        return id
    }

    /// Forgets a request, whatever it was doing; nothing more comes out for it.
    package mutating func abort(_ id: EngineRequestID) {
        guard isInside(id) else { return }
        forget(id.slot)
        // vLLM logs one more step after an abort; without work left there would be none here.
        if count == 0 && !isFrozen { takeSnapshot() }
    }

    /// Whether the request is still here; its place may belong to a later one.
    private func isInside(_ id: EngineRequestID) -> Bool {
        id.slot < sequences.count && sequences[id.slot].id == id && sequences[id.slot].isInside
    }

    /// Hangs the engine, or lets it go on where it stood.
    package mutating func setFrozen(_ frozen: Bool, now: Instant) {
        if isFrozen && !frozen, let ends = plan?.ends, ends < now { plan?.ends = now }
        isFrozen = frozen
        if !frozen && count == 0 { takeSnapshot() }
    }

    /// Ends the steps whose time has come by `now`, begins the next, and says what came out.
    package mutating func step(_ now: Instant) -> EngineStep {
        var step = EngineStep()
        guard !isFrozen else { return step }
        switch parameters.pace {
        case .fixed(_, let gap):
            stepFixed(now, gap: scaled(gap), into: &step)
        case .stepModel:
            if plan == nil { begin(at: now, into: &step) }
            var steps = 0
            while let current = plan, current.ends <= now, steps < Self.stepsPerCallMax {
                plan = nil
                finish(current, into: &step)
                begin(at: current.ends, into: &step)
                steps += 1
            }
            if let ends = plan?.ends, ends <= now { plan?.ends = now + .microseconds(1) }
            step.next = plan?.ends
        }
        return step
    }

    // MARK: Scheduling

    private mutating func begin(at start: Instant, into step: inout EngineStep) {
        // A late caller must not let a request run before it came.
        var start = start
        if running.isEmpty, waiting.isEmpty, let first = inbox.first {
            start = max(start, sequences[first].arrival)
        }
        takeInbox(by: start)
        var next = Plan(ends: start)
        var budget = parameters.tokensPerStepMax
        let preempted = planDecodes(&next, budget: &budget, into: &step)
        planPrefills(&next, budget: &budget)
        // As in vLLM, nobody is admitted by a step that had to throw somebody out.
        if !preempted { admit(&next, budget: &budget, start: start, into: &step) }
        guard !next.decodes.isEmpty || !next.prefills.isEmpty else { return }
        let prefillTokens = next.prefills.reduce(0) { $0 + $1.tokens }
        let cacheTokens = running.reduce(0) { $0 + sequences[$1].computed }
        next.ends =
            start
            + parameters.stepSpan(
                decodes: next.decodes.count, prefillTokens: prefillTokens,
                cacheTokens: cacheTokens, slowFactor: slowFactor)
        plan = next
    }

    private mutating func takeInbox(by start: Instant) {
        while let slot = inbox.first, sequences[slot].arrival <= start {
            inbox.removeFirst()
            guard parameters.honoursPriority else {
                waiting.append(slot)
                continue
            }
            let priority = sequences[slot].request.priority
            let place = waiting.firstIndex { sequences[$0].request.priority > priority }
            waiting.insert(slot, at: place ?? waiting.endIndex)
        }
    }

    /// Gives each decoding sequence its token of cache, oldest first, preempting the newest.
    private mutating func planDecodes(
        _ next: inout Plan, budget: inout Int, into step: inout EngineStep
    ) -> Bool {
        var preempted = false
        var index = 0
        while index < running.count, budget > 0 {
            let slot = running[index]
            index += 1
            guard sequences[slot].isDecoding else { continue }
            while !cache.hasRoom, let newest = running.last {
                preempt(newest)
                preempted = true
                step.preemptions += 1
                if newest == slot { return true }
            }
            cache.grow(&sequences[slot])
            budget -= 1
            next.decodes.append(sequences[slot].id)
        }
        return preempted
    }

    private mutating func planPrefills(_ next: inout Plan, budget: inout Int) {
        for slot in running where budget > 0 {
            guard !sequences[slot].isDecoding else { continue }
            planPrefill(of: slot, &next, budget: &budget)
        }
    }

    private mutating func admit(
        _ next: inout Plan, budget: inout Int, start: Instant, into step: inout EngineStep
    ) {
        while budget > 0, running.count < parameters.sequencesMax, let slot = waiting.first,
            // The whole prompt is set aside at once, so that a prefill never has to preempt.
            let cached = cache.admit(&sequences[slot])
        {
            waiting.removeFirst()
            running.append(slot)
            sequences[slot].computed = cached
            if !sequences[slot].scheduled.isSet {
                sequences[slot].scheduled = start
                sequences[slot].cached = cached
                step.prefixTokensQueried += sequences[slot].request.promptTokens
                step.prefixTokensHit += cached
            }
            planPrefill(of: slot, &next, budget: &budget)
        }
    }

    private func planPrefill(of slot: Int, _ next: inout Plan, budget: inout Int) {
        let tokens = min(budget, sequences[slot].prefillTarget - sequences[slot].computed)
        budget -= tokens
        next.prefills.append((sequences[slot].id, tokens))
    }

    private mutating func preempt(_ slot: Int) {
        guard let position = running.lastIndex(of: slot) else { return }
        running.remove(at: position)
        waiting.insert(slot, at: 0)
        cache.release(&sequences[slot])
        sequences[slot].computed = 0
        // Recompute: what it has generated becomes part of what is prefilled.
        sequences[slot].prefillTarget =
            sequences[slot].request.promptTokens + sequences[slot].generated
    }

    // MARK: Ends of steps

    private mutating func finish(_ plan: Plan, into step: inout EngineStep) {
        let before = step.emissions.count
        step.emissions.reserveCapacity(before + plan.decodes.count + plan.prefills.count)
        for id in plan.decodes where isInside(id) {
            sequences[id.slot].computed += 1
            emit(id.slot, at: plan.ends, into: &step)
        }
        for (id, tokens) in plan.prefills where isInside(id) {
            sequences[id.slot].computed += tokens
            if !sequences[id.slot].isDecoding { continue }
            cache.share(&sequences[id.slot])
            emit(id.slot, at: plan.ends, into: &step)
        }
        if step.emissions.count > before { step.iterationEnds.append(step.emissions.count) }
        takeSnapshot()
    }

    private mutating func emit(_ slot: Int, at: Instant, into step: inout EngineStep) {
        let emission = sequences[slot].emit(at: at)
        let hasEnded = emission.finish != nil
        step.emissions.append(emission)
        if hasEnded { forget(slot) }
    }

    private mutating func forget(_ slot: Int) {
        sequences[slot].isInside = false
        cache.release(&sequences[slot])
        schedule.remove(sequences[slot].id)
        if let position = running.firstIndex(of: slot) {
            running.remove(at: position)
        } else if let position = waiting.firstIndex(of: slot) {
            waiting.remove(at: position)
        } else if let position = inbox.firstIndex(of: slot) {
            inbox.remove(at: position)
        }
        free.append(slot)
    }

    private mutating func takeSnapshot() {
        snapshot = EngineSnapshot(
            running: running.count, waiting: waiting.count, cacheUsage: cacheUsage)
    }

    // MARK: Fixed pace

    private func scaled(_ span: Nanoseconds) -> Nanoseconds {
        parameters.scaled(span.seconds * slowFactor)
    }

    private mutating func stepFixed(_ now: Instant, gap: Nanoseconds, into step: inout EngineStep) {
        while let due = schedule.first, due.at <= now {
            schedule.removeFirst()
            guard isInside(due.id) else { continue }
            let slot = due.id.slot
            if !sequences[slot].scheduled.isSet {
                sequences[slot].scheduled = sequences[slot].arrival
            }
            let emission = sequences[slot].emit(at: due.at)
            step.emissions.append(emission)
            if emission.finish != nil {
                forget(slot)
            } else {
                // From the due time, not from `now`: a late call must not stretch the stream, even
                // where several gaps fit between two ticks of the caller's timers.
                let earliest = now - max(gap, Self.fixedCatchUpMax)
                schedule.insert(due.id, due: max(due.at + gap, earliest))
            }
            if emission.promptTokens > 0 { step.prefixTokensQueried += emission.promptTokens }
        }
        if !step.emissions.isEmpty { step.iterationEnds.append(step.emissions.count) }
        takeSnapshot()
        step.next = schedule.first?.at
    }
}
