import SluiceTime

// Owner: one thread (the loop of the simulated replica); pure, the clock is an argument.

/// The simulated engine: continuous batching in steps, as ADMISSION.md section 4 states it.
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
        var decodes: [EngineRequestID]
        var prefills: [(id: EngineRequestID, tokens: Int)]
    }

    private var sequences: [EngineRequestID: EngineSequence] = [:]
    /// In order of admission: the last is the newest, the first to be preempted.
    private var running: [EngineRequestID] = []
    /// Next first; a preempted sequence goes to the front.
    private var waiting: [EngineRequestID] = []
    /// Submitted and not yet seen by the scheduler, which looks once per step.
    private var inbox: [EngineRequestID] = []
    private var plan: Plan?
    private var prefixCache: PrefixCache
    /// How much of the time that a late call missed is made up for, at the fixed pace: some ticks of
    /// the timers (4 ms), but not the length of a freeze.
    private static let fixedCatchUpMax = Nanoseconds.milliseconds(20)
    private var schedule = FixedSchedule()
    private var cacheTokensAllocated = 0
    private var lastNumber: UInt64 = 0

    package init(parameters: EngineParameters = EngineParameters()) {
        self.parameters = parameters.clamped
        prefixCache = PrefixCache(
            tokensMax: self.parameters.prefixCacheTokensMax,
            blockTokens: self.parameters.blockTokens)
    }

    /// Requests inside: waiting and running.
    package var count: Int { sequences.count }
    /// Tokens of KV cache in use, at this moment.
    package var cacheTokens: Int { cacheTokensAllocated }
    /// Whether the next request must be refused with 503 (vLLM 0.29 and later).
    package var isFull: Bool {
        guard let bound = parameters.requestsMax else { return false }
        return sequences.count >= bound
    }

    /// Takes a request; it is scheduled by the first step that begins at `now` or later.
    ///
    /// Prompt and output are cut to fit the model length: the caller has answered 400 before.
    package mutating func submit(_ request: EngineRequest, now: Instant) -> EngineRequestID {
        lastNumber &+= 1
        let id = EngineRequestID(number: lastNumber)
        var request = request
        request.promptTokens = min(max(1, request.promptTokens), parameters.modelLengthMax - 1)
        request.outputTokens = min(
            max(0, request.outputTokens), parameters.modelLengthMax - request.promptTokens)
        sequences[id] = EngineSequence(request: request, arrival: now)
        switch parameters.pace {
        case .stepModel:
            inbox.append(id)
        case .fixed(let timeToFirstToken, _):
            running.append(id)
            schedule.insert(id, due: now + scaled(timeToFirstToken))
        }
        return id
    }

    /// Forgets a request, whatever it was doing; nothing more comes out for it.
    package mutating func abort(_ id: EngineRequestID) {
        guard sequences[id] != nil else { return }
        forget(id)
        // vLLM logs one more step after an abort; without work left there would be none here.
        if sequences.isEmpty && !isFrozen { takeSnapshot() }
    }

    /// Hangs the engine, or lets it go on where it stood.
    package mutating func setFrozen(_ frozen: Bool, now: Instant) {
        if isFrozen && !frozen, let ends = plan?.ends, ends < now { plan?.ends = now }
        isFrozen = frozen
        if !frozen && sequences.isEmpty { takeSnapshot() }
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
            start = max(start, sequences[first]?.arrival ?? start)
        }
        takeInbox(by: start)
        var next = Plan(ends: start, decodes: [], prefills: [])
        var budget = parameters.tokensPerStepMax
        let preempted = planDecodes(&next, budget: &budget, into: &step)
        planPrefills(&next, budget: &budget)
        // As in vLLM, nobody is admitted by a step that had to throw somebody out.
        if !preempted { admit(&next, budget: &budget, start: start, into: &step) }
        guard !next.decodes.isEmpty || !next.prefills.isEmpty else { return }
        let prefillTokens = next.prefills.reduce(0) { $0 + $1.tokens }
        let cacheTokens = running.reduce(0) { $0 + (sequences[$1]?.computed ?? 0) }
        next.ends =
            start
            + parameters.stepSpan(
                decodes: next.decodes.count, prefillTokens: prefillTokens,
                cacheTokens: cacheTokens, slowFactor: slowFactor)
        plan = next
    }

    private mutating func takeInbox(by start: Instant) {
        while let id = inbox.first, let arrival = sequences[id]?.arrival, arrival <= start {
            inbox.removeFirst()
            guard parameters.honoursPriority else {
                waiting.append(id)
                continue
            }
            let priority = sequences[id]?.request.priority ?? 0
            let place = waiting.firstIndex { (sequences[$0]?.request.priority ?? 0) > priority }
            waiting.insert(id, at: place ?? waiting.endIndex)
        }
    }

    /// Gives each decoding sequence its token of cache, oldest first, preempting the newest.
    private mutating func planDecodes(
        _ next: inout Plan, budget: inout Int, into step: inout EngineStep
    ) -> Bool {
        var preempted = false
        var index = 0
        while index < running.count, budget > 0 {
            let id = running[index]
            index += 1
            guard let sequence = sequences[id], sequence.isDecoding else { continue }
            while cacheTokensAllocated >= parameters.cacheTokensMax, let newest = running.last {
                preempt(newest)
                preempted = true
                step.preemptions += 1
                if newest == id { return true }
            }
            sequences[id]?.allocated += 1
            cacheTokensAllocated += 1
            budget -= 1
            next.decodes.append(id)
        }
        return preempted
    }

    private mutating func planPrefills(_ next: inout Plan, budget: inout Int) {
        for id in running where budget > 0 {
            guard let sequence = sequences[id], !sequence.isDecoding else { continue }
            let tokens = min(budget, sequence.prefillTarget - sequence.computed)
            budget -= tokens
            next.prefills.append((id, tokens))
        }
    }

    private mutating func admit(
        _ next: inout Plan, budget: inout Int, start: Instant, into step: inout EngineStep
    ) {
        while budget > 0, running.count < parameters.sequencesMax, let id = waiting.first,
            var sequence = sequences[id],
            cacheTokensAllocated + sequence.prefillTarget <= parameters.cacheTokensMax
        {
            waiting.removeFirst()
            running.append(id)
            // The whole prompt is set aside at once, so that a prefill never has to preempt.
            sequence.allocated = sequence.prefillTarget
            cacheTokensAllocated += sequence.prefillTarget
            if !sequence.scheduled.isSet {
                sequence.scheduled = start
                let prompt = sequence.request.promptTokens
                sequence.cached = prefixCache.cachedTokens(
                    of: sequence.request.prefixes, promptTokens: prompt)
                sequence.computed = sequence.cached
                step.prefixTokensQueried += prompt
                step.prefixTokensHit += sequence.cached
            }
            let tokens = min(budget, sequence.prefillTarget - sequence.computed)
            sequences[id] = sequence
            budget -= tokens
            next.prefills.append((id, tokens))
        }
    }

    private mutating func preempt(_ id: EngineRequestID) {
        guard let position = running.lastIndex(of: id), var sequence = sequences[id] else { return }
        running.remove(at: position)
        waiting.insert(id, at: 0)
        cacheTokensAllocated -= sequence.allocated
        sequence.allocated = 0
        sequence.computed = 0
        // Recompute: what it has generated becomes part of what is prefilled.
        sequence.prefillTarget = sequence.request.promptTokens + sequence.generated
        sequences[id] = sequence
    }

    // MARK: Ends of steps

    private mutating func finish(_ plan: Plan, into step: inout EngineStep) {
        let before = step.emissions.count
        for id in plan.decodes {
            guard sequences[id] != nil else { continue }
            sequences[id]?.computed += 1
            emit(id, at: plan.ends, into: &step)
        }
        for (id, tokens) in plan.prefills {
            guard let sequence = sequences[id] else { continue }
            sequences[id]?.computed += tokens
            if sequence.computed + tokens < sequence.prefillTarget { continue }
            if sequence.generated == 0 { prefixCache.insert(sequence.request.prefixes) }
            emit(id, at: plan.ends, into: &step)
        }
        if step.emissions.count > before { step.iterationEnds.append(step.emissions.count) }
        takeSnapshot()
    }

    private mutating func emit(
        _ id: EngineRequestID, at: Instant, into step: inout EngineStep
    ) {
        guard var sequence = sequences[id] else { return }
        let emission = sequence.emit(id, at: at)
        sequences[id] = sequence
        step.emissions.append(emission)
        if emission.finish != nil { forget(id) }
    }

    private mutating func forget(_ id: EngineRequestID) {
        guard let sequence = sequences.removeValue(forKey: id) else { return }
        cacheTokensAllocated -= sequence.allocated
        schedule.remove(id)
        if let position = running.firstIndex(of: id) {
            running.remove(at: position)
        } else if let position = waiting.firstIndex(of: id) {
            waiting.remove(at: position)
        } else if let position = inbox.firstIndex(of: id) {
            inbox.remove(at: position)
        }
    }

    private mutating func takeSnapshot() {
        snapshot = EngineSnapshot(
            running: running.count, waiting: waiting.count,
            cacheUsage: min(1, Double(cacheTokensAllocated) / Double(parameters.cacheTokensMax)))
    }

    // MARK: Fixed pace

    private func scaled(_ span: Nanoseconds) -> Nanoseconds {
        parameters.scaled(span.seconds * slowFactor)
    }

    private mutating func stepFixed(_ now: Instant, gap: Nanoseconds, into step: inout EngineStep) {
        while let due = schedule.first, due.at <= now {
            schedule.removeFirst()
            guard var sequence = sequences[due.id] else { continue }
            if !sequence.scheduled.isSet { sequence.scheduled = sequence.arrival }
            let emission = sequence.emit(due.id, at: due.at)
            sequences[due.id] = sequence
            step.emissions.append(emission)
            if emission.finish != nil {
                forget(due.id)
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
