import SluiceTime

/// What an arrival came to, before a permit is made of it.
enum ArrivalDecision: Sendable {
    /// A slot is taken.
    case dispatch(Reservation)
    /// Queued; the predicted wait in seconds, negative where none was predicted, and workers to wake
    /// whose requests had to make room.
    case wait(QueueTicket, predicted: Double, WakeSet)
    /// Refused.
    case shed(Shed)
}

extension PoolState {
    /// Steps that a prompt waits for and shares, beyond its own time.
    static let promptSteps = 1.5
    /// Until so many first tokens of longer prompts were seen a token of prompt is taken to need this,
    /// seconds, where a request would be refused for it.
    static let promptsJudged = 16
    static let promptTimeLeast = 2e-5
    /// Part of an objective that prompt and wait together may take.
    static let objectivePart = 0.9
    /// Part of an objective that wait and prompt have taken when a request that waits is given up: the
    /// promise for p99 (T3), kept where predictions are poor because slots are few (T1b: 2 and 4 slots
    /// per replica, p99 0.43 and 0.45 s of 0.5 s before).
    static let promisePart = 0.75
    /// Part of an objective that a request may wait in a burst, and once the queue has stood for
    /// ``standingAfter``. A lower one where one class and tenant are alone, which the study suggests,
    /// lets the queue run dry, and with it the p99 rise (T3: 1.37 s against 1.10 s). With a quarter
    /// after 2 s, as in the study, bursts of 4 s ended with too little in the queue for the calm (T4,
    /// ten seeds: goodput 84.6 % of C, 86.0 % so).
    static let burstPart = 0.5
    static let standingPart = 0.3
    static let standingAfter = 5.0
    /// A prompt is due earlier than its deadline says by its own time, so many times the part of the
    /// objective that it takes. It has less time to wait, and where slots are few none may come free in
    /// it (T1b at 3x, 1, 2 and 4 slots per replica: long over short prompts served 0.85, 0.79 and 0.81,
    /// so 0.99, 0.88 and 0.89; goodput 93.9, 95.4 and 97.1 % of C, so 95.7, 96.4 and 98.6 %). Three times
    /// its own time, whatever part that is, does as well there; but where it has time enough, the short
    /// ones that it passes are late in the seconds after a step (T5, worst of five seeds: 93 %).
    static let headStart = 8.0

    /// Admits, queues or refuses.
    ///
    /// - Parameter retry: the replicas tried before; nil for a first attempt.
    mutating func arrive(
        _ arrival: Arrival, worker: Int, token: UInt64, retry: ReplicaIDs?, now: Instant,
        dice: UInt64
    ) -> ArrivalDecision {
        if !started.isSet { started = now }
        if isDraining && retry == nil { return .shed(Shed(.draining)) }
        if arrival.deadline <= now { return .shed(Shed(.deadline)) }
        var request = routeRequest(arrival, excluding: retry ?? ReplicaIDs())
        if retry == nil { estimates.arrivals.record(2 * Int(request.classIndex), now: now) }
        let isWaitingForReplica = !hasHope(for: request)
        if isWaitingForReplica, retry != nil || policy.noReplicaWait <= .zero {
            return .shed(
                refuse(.noReplica, Int(request.classIndex), excess: 0, wait: -1, now, dice))
        }
        var bound = Bound(now: now, arrival, queueWaitMax: limits.queueWaitMax)
        if policy.isActive, let refusal = judgePrompt(&request, &bound, dice: dice, now: now) {
            return .shed(refusal)
        }
        let classIndex = Int(request.classIndex)
        // A retry has waited its turn.
        let mayGo = retry != nil || mayPass(classIndex)
        if mayGo,
            let reservation = reserve(request, isRetry: retry != nil, now: now, dice: dice)
                ?? (beginSlotTry(now: now)
                    ? reserve(request, isRetry: retry != nil, now: now, dice: dice) : nil)
        {
            if !queue.isEmpty, retry == nil { countPassing(reservation, request, now: now) }
            return .dispatch(reservation)
        }
        var node = WaitNode()
        if policy.isActive, retry == nil, !isWaitingForReplica {
            node.predicted = predictedWait(classIndex, Int(request.tenant), now: now)
            let wait = estimates.corrected(node.predicted)
            if let excess = bound.excess(
                wait, isStanding: isStanding(classIndex, now: now)), mayJudge(now: now),
                !isNext(classIndex, Int(request.tenant))
            {
                return .shed(
                    refuse(.overload, classIndex, excess: excess, wait: wait, now, dice))
            }
        }
        let bytes = max(0, arrival.bodyBytes)
        guard makeRoom(bytes: bytes, for: classIndex, now: now, dice: dice) else {
            return .shed(refuse(.full, classIndex, excess: 0, wait: -1, now, dice))
        }
        node.worker = UInt8(worker)
        node.token = token
        node.request = request
        node.bodyBytes = bytes
        node.since = now
        if isWaitingForReplica { bound.deadline = now + policy.noReplicaWait }
        node.deadlineIsCallers = arrival.deadline < bound.deadline
        node.deadline = min(arrival.deadline, bound.deadline)
        node.due = node.deadline - .seconds(clamping: bound.headStart)
        node.isRetry = retry != nil
        if request.hasHome, let home = Router.home(lanes, key: request.affinityKey),
            request.adapter == 0 || entries[home].adapters.lists(request.adapter)
        {
            node.request.home = id(home)
        }
        let ticket = queue.enqueue(node, now: now)
        var wakes = evictionWakes
        evictionWakes = WakeSet()
        // It stands behind all of its class; those before it may all wait for another replica.
        if knowsAdapters { wakes.formUnion(pump(now: now).wakes) }
        return .wait(ticket, predicted: estimates.corrected(node.predicted), wakes)
    }

    /// Whether a less urgent class that has had less than its share can take what is free. One that
    /// its own greatest share or a full cache keeps waiting holds back nobody.
    private mutating func isHeldBack(_ classIndex: Int) -> Bool {
        guard let other = starved(besides: classIndex), let tenant = queue.turns[other].next()
        else { return false }
        let head = queue.first(other, tenant)
        guard head >= 0 else { return false }
        let request = queue.nodes[Int(head)].request
        // It may wait for replicas of its own.
        if request.adapter != 0 { return false }
        let rule = rule
        return lanes.contains { Router.takes($0, request, rule) }
    }

    /// Whether a request may go at once: it stays behind those who wait and are as urgent.
    @inline(__always)
    mutating func mayPass(_ classIndex: Int) -> Bool {
        queue.isEmpty
            || queue.backlog(below: classIndex + 1) == 0 && !isHeldBack(classIndex)
    }

    /// A request goes at once while less urgent ones wait: it has its part in the rate at which slots
    /// are given out. Left out, a queue of batch that its share holds back made every prediction for
    /// the others too long (T12 at 1.2x: critical served 97.6 %, 100 % so).
    private mutating func countPassing(
        _ reservation: Reservation, _ request: RouteRequest, now: Instant
    ) {
        estimates.dispatches.record(Int(request.classIndex), now: now)
        flights.markWaited(reservation.flight, isCharged: false)
        serve(
            tokens: request.promptTokens + 2 * request.outputTokens, Int(request.classIndex))
    }

    /// What the router needs to know of a request.
    mutating func routeRequest(_ arrival: Arrival, excluding: ReplicaIDs) -> RouteRequest {
        var request = RouteRequest()
        request.excluding = excluding
        let lengths = estimates.lengths(model: arrival.modelIndex)
        request.promptTokens = lengths.promptTokens(arrival)
        request.outputTokens = lengths.outputTokens(arrival)
        request.meanOutputTokens = lengths.outputTokens
        request.reserve = request.promptTokens + 0.6 * request.outputTokens
        request.classIndex = UInt8(min(max(0, arrival.classIndex), policy.classes.count - 1))
        let isTenantKnown = arrival.tenantIndex >= 0 && arrival.tenantIndex < queue.tenants
        request.tenant = isTenantKnown ? UInt16(arrival.tenantIndex) : 0
        request.maxShare = policy.classes[Int(request.classIndex)].maxShare
        request.promptBytes = Int32(clamping: arrival.promptBytes)
        if policy.isActive, arrival.affinityKey != 0 {
            request.affinityKey = arrival.affinityKey
            request.isKeyGuessed = arrival.isKeyGuessed
            request.sharedTokens = min(
                lengths.tokens(arrival.sharedBytes), request.promptTokens)
        }
        request.model = UInt16(clamping: arrival.modelIndex)
        request.adapter = arrival.adapter
        if arrival.adapter != 0 { knowsAdapters = true }
        request.isStream = arrival.isStream
        request.tag = arrival.tag
        request.isRepeated = arrival.isRepeated
        request.recalls = arrival.recalls
        return request
    }

    // MARK: Judgement

    /// How long a request may wait.
    struct Bound {
        /// The objective, seconds; nil: none.
        var objective: Double?
        /// Time its prompt takes on an idle replica, seconds.
        var prompt = 0.0
        /// When its wait ends.
        var deadline: Instant
        /// How much earlier it is due, seconds.
        var headStart = 0.0
        let received: Instant

        /// Of a request whose wait is all that is asked about.
        init(objective: Double) {
            self.objective = objective
            deadline = .never
            received = .unset
        }

        init(now: Instant, _ arrival: Arrival, queueWaitMax: Nanoseconds) {
            received = arrival.received.isSet ? min(arrival.received, now) : now
            deadline = now + queueWaitMax
        }

        /// What of the wait is too much, seconds; nil when it is not.
        ///
        /// Two tests, not one: a bound on wait and prompt together would let no long prompt in.
        func excess(_ wait: Double, isStanding: Bool) -> Double? {
            guard let objective else { return nil }
            let waitMax =
                objective * (isStanding ? PoolState.standingPart : PoolState.burstPart)
            if wait > waitMax { return wait - waitMax }
            let whole = wait + prompt - PoolState.objectivePart * objective
            return whole > 0 ? whole : nil
        }
    }

    /// Seconds to the first token on an idle replica.
    ///
    /// What a busy engine adds is no reason to call a prompt hopeless: on another day it is served. Nor
    /// is a guess: until prompts have been seen, their time is that of a fast engine (T1d, three
    /// gateways, p99: 1.06 s, 0.83 s so).
    func idleTime(_ request: RouteRequest, _ objective: Double) -> Double {
        let time = promptsSeen < Self.promptsJudged ? Self.promptTimeLeast : promptTime
        return request.promptTokens * time + min(Self.promptSteps * stepTime, objective / 10)
    }

    /// The same on an engine as busy as they are now.
    func busyTime(_ idle: Double, _ objective: Double) -> Double {
        idle + min(engineDelay, objective / 4)
    }

    /// Whether a prompt that takes so long alone takes longer than its objective leaves.
    static func isHopeless(_ idle: Double, _ objective: Double) -> Bool {
        idle > objectivePart * objective
    }

    /// Finds a request's objective; one whose prompt cannot meet it on an idle fleet is refused, or
    /// served after all others, as its class has it.
    private mutating func judgePrompt(
        _ request: inout RouteRequest, _ bound: inout Bound, dice: UInt64, now: Instant
    ) -> Shed? {
        let own = policy.classes[Int(request.classIndex)]
        guard let objective = own.objective(promptTokens: request.promptTokens) else {
            bound.deadline = now + own.queueWaitMax
            return nil
        }
        let idle = idleTime(request, objective)
        guard Self.isHopeless(idle, objective) else {
            bound.objective = objective
            bound.prompt = busyTime(idle, objective)
            bound.headStart = Self.headStart * idle * idle / objective
            // The promise is about the longest delay of a hundred, not the usual one: what is rare, and
            // what usual ones differ by, as either may be known first (T1d, p99 of 0.5 s: 2x 0.37 s, 3x
            // 0.38 s by the latter alone, 0.35 and 0.36 s so). Up to a step is when in a step a request
            // came, and in the prompt's time already.
            let spread = engineDelay + max(0, 2 * engineDelaySpread - stepTime)
            let late = min(max(spread, delayTail.part * objective), DelayTail.partMax * objective)
            let latest =
                bound.received
                + .seconds(clamping: max(0, Self.promisePart * objective - idle - late))
            bound.deadline = min(bound.deadline, max(latest, now))
            return nil
        }
        switch own.longPrompt {
        case .refuse:
            return refuse(.infeasible, Int(request.classIndex), excess: 0, wait: -1, now, dice)
        case .bestEffort:
            request.classIndex = UInt8(policy.classes.count - 1)
            let least = policy.classes[policy.classes.count - 1]
            request.maxShare = least.maxShare
            bound.deadline = now + least.queueWaitMax
            return nil
        }
    }

    /// Whether enough is known to refuse anybody for a prediction: answers have been seen, or a queue
    /// has stood long enough to be measured. Without the latter a gateway that restarts under load
    /// refuses nobody until its first answers end (T12c, rolling restart: p99 1.91 s, 1.40 s so).
    mutating func mayJudge(now: Instant) -> Bool {
        now - started >= PoolEstimates.startSpan
            && (estimates.completions >= PoolEstimates.completionsMin
                || measuredDrainRate(now: now) != nil)
    }

    func isStanding(_ classIndex: Int, now: Instant) -> Bool {
        guard let since = queue.since(upTo: classIndex) else { return false }
        return (now - since).seconds > Self.standingAfter
    }

    /// Whether it would be among the first in line, one per two replicas. Such are not refused for a
    /// prediction: the time until one slot comes free is too uncertain to predict, and deadlines bound
    /// their waits, the earliest first (T1b, 1, 2 and 4 slots per replica: goodput 88.5, 92.9 and
    /// 95.9 % of C with the very first alone, 89.4, 93.4 and 96.5 % so). One per replica is a point
    /// better there, but where slots are not known 0.5 % of those admitted are late (T1c).
    mutating func isNext(_ classIndex: Int, _ tenant: Int) -> Bool {
        queue.backlog(below: classIndex) == 0
            && queue.turns[classIndex].ahead(of: tenant) < nextMax
    }

    /// How many may wait whatever is predicted.
    var nextMax: Double { Double(max(1, up / 2)) }

    /// Whether the queue takes so many bytes more; who is less urgent makes room.
    private mutating func makeRoom(
        bytes: Int, for classIndex: Int, now: Instant, dice: UInt64
    ) -> Bool {
        // Nobody is refused for one who does not fit even so.
        guard mayFit(bytes: bytes, for: classIndex) else { return false }
        while queue.count >= limits.queueLengthMax || bytes > limits.queueBytesMax - queue.bytes {
            guard let victim = queue.newest(lessUrgentThan: classIndex) else { return false }
            let other = Int(queue.nodes[Int(victim)].request.classIndex)
            let shed = refuse(.full, other, excess: 0, wait: -1, now, dice)
            noteRefused(queue.nodes[Int(victim)], .full, now: now)
            if let worker = queue.deliver(victim, as: .refused(shed)) {
                evictionWakes.insert(worker)
            }
        }
        return true
    }

    /// Whether the queue could take so many bytes more without all who are less urgent.
    func mayFit(bytes: Int, for classIndex: Int) -> Bool {
        queue.backlog(below: classIndex + 1) < limits.queueLengthMax
            && bytes <= limits.queueBytesMax - queue.bytes
                + queue.bytes(lessUrgentThan: classIndex)
    }

    /// Whether a replica not tried yet serves now or may soon.
    mutating func hasHope(for request: RouteRequest) -> Bool {
        request.adapter == 0
            ? hasHope(request.excluding) : hasHope(adapter: request.adapter, request.excluding)
    }

    mutating func hasHope(_ excluding: ReplicaIDs) -> Bool {
        var left = hopeful
        for index in 0..<excluding.count {
            guard let slot = slot(excluding[index]), isHopeful(entries[slot].health.state)
            else { continue }
            left -= 1
        }
        return left > 0
    }

    /// Whether waiting for a replica in this state is worth while.
    func isHopeful(_ state: ReplicaState) -> Bool {
        switch state {
        case .warming, .ready, .busy: true
        case .wedged, .ejected: isPanicking
        case .draining, .cordoned, .sleeping, .unauthorized, .dead: false
        }
    }
}
