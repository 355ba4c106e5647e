import SluiceTime

/// One class of a pool at one instant.
package struct ClassSnapshotRow: Sendable {
    /// As configured.
    package var name: String
    /// Requests that wait.
    package var length: Int
    /// How long the first of them has waited.
    package var oldest: Nanoseconds
    /// How long an anonymous newcomer would wait, seconds; zero where it would go at once.
    package var predictedWait: Double
    /// A longer predicted wait is refused, seconds; nil where none is.
    package var bound: Double?
}

/// What admission believes and does, as metrics and pages show it.
package struct AdmissionSnapshot: Sendable {
    /// Whether verdicts are carried out.
    package var mode = AdmissionPolicy.Mode.enforce
    /// The mode by the configuration: another one than ``mode`` where an operator has ordered that.
    package var configuredMode = AdmissionPolicy.Mode.enforce
    /// Whether requests wait for a slot, and may be refused for the wait.
    package var isActive = false
    /// The most urgent first.
    package var classes: [ClassSnapshotRow] = []
    /// Bounds in force.
    package var limits = AdmissionLimits()
    /// Requests per second that leave the queue, or would.
    package var drainRate = 0.0
    /// Actual wait over predicted wait.
    package var bias = 1.0
    /// Whether enough is known to refuse anybody for a prediction.
    package var mayJudge = false
    /// Requests that ended well.
    package var completions = 0
    /// Output tokens of the average request.
    package var outputTokens = 0.0
    /// Mean time at a replica, seconds.
    package var residence = 0.0
    /// Part of the requests that are streams.
    package var streamShare = 1.0
    /// The middle of the replicas' times per prompt token, and of what they add to it, seconds.
    package var promptTime = 0.0
    package var engineDelay = 0.0
    /// Requests that the replicas which take work serve at once.
    package var capacity = 0.0
    /// Requests in flight, as a part of that; nil where there is no capacity.
    package var utilization: Double?
    /// Replicas that all there is to do would keep busy.
    package var demandReplicas = 0.0
    /// Who was served, by the length of the prompt.
    package var sizes = PromptSizes()
    /// What would have been refused.
    package var shadowSheds = ShadowSheds()
}

/// A tenant's part of a queue.
package struct TenantBacklog: Sendable {
    package var name: String
    /// Its requests that wait.
    package var length: Int
}

extension PoolState {
    // MARK: Orders

    /// Puts a policy into force, but for the mode where an operator has ordered one.
    mutating func adopt(_ new: AdmissionPolicy) {
        let ordered = configuredMode == nil ? nil : policy.mode
        let isToldOtherwise = policy.slotsMax != new.slotsMax
        policy = new
        if isToldOtherwise { forgetSlots() }
        guard let ordered, ordered != new.mode else {
            configuredMode = nil
            return
        }
        configuredMode = new.mode
        policy.mode = ordered
    }

    /// An operator's order; that of the configured mode ends the order.
    mutating func order(mode: AdmissionPolicy.Mode, now: Instant) {
        let configured = configuredMode ?? policy.mode
        configuredMode = mode == configured ? nil : configured
        policy.mode = mode
        virtual = VirtualQueue()
        for slot in entries.indices { refreshForeign(slot, now: now) }
        refresh(now: now)
    }

    // MARK: Capacity

    /// Requests that a replica serves at once: as many as its engine runs, or fewer where it is
    /// slow with so many.
    private func usableSlots(_ slot: Int) -> Double {
        var slots = lanes[slot].slots
        if policy.isActive {
            slots = min(slots, entries[slot].estimates.window + lanes[slot].foreign)
        }
        return max(1, min(slots, Double(limits.replicaInflightMax)))
    }

    /// Half of a rate is forgotten in two hours of ticks.
    private static let tokenRateDecay = 0.99999

    /// Notes how many tokens per second a replica makes: each request that has begun makes its own.
    mutating func refreshTokenRate(_ slot: Int) {
        guard entries[slot].estimates.steps > 0 else { return }
        let lane = lanes[slot]
        let running = min(Double(max(0, lane.inflight - lane.pending)), lane.slots)
        let rate = running / max(lane.tokenTime, 1e-4)
        entries[slot].tokenRate += 0.05 * (rate - entries[slot].tokenRate)
        entries[slot].tokenRateMax = max(
            entries[slot].tokenRate, entries[slot].tokenRateMax * Self.tokenRateDecay)
    }

    // MARK: Reading

    mutating func addAdmission(to snapshot: inout PoolSnapshot, now: Instant) {
        var admission = AdmissionSnapshot()
        admission.mode = policy.mode
        admission.configuredMode = configuredMode ?? policy.mode
        admission.isActive = policy.isActive
        admission.limits = limits
        admission.drainRate = drainRate(now: now)
        admission.bias = estimates.bias
        admission.mayJudge = mayJudge(now: now)
        admission.completions = estimates.completions
        admission.outputTokens = estimates.meanOutputTokens
        admission.residence = estimates.residence
        admission.streamShare = estimates.streamShare
        admission.promptTime = promptTime
        admission.engineDelay = engineDelay
        admission.sizes = decisions.promptSizes
        admission.shadowSheds = shadowSheds
        addCapacity(to: &admission, now: now)
        let isOpen = lanes.contains { $0.hasRoom }
        for index in policy.classes.indices {
            let waits = !isOpen || queue.backlog(below: index + 1) > 0
            admission.classes.append(
                ClassSnapshotRow(
                    name: policy.classes[index].name, length: queue.turns[index].backlog,
                    oldest: queue.oldest(index, now: now),
                    predictedWait: waits
                        ? predictedWait(index, 0, now: now) * estimates.bias : 0,
                    bound: bound(index, now: now)))
        }
        snapshot.admission = admission
    }

    private func bound(_ classIndex: Int, now: Instant) -> Double? {
        guard policy.isActive,
            let objective = policy.classes[classIndex].objective(promptTokens: 0)
        else { return nil }
        return objective * (isStanding(classIndex, now: now) ? Self.standingPart : Self.burstPart)
    }

    /// Source: docs/metrics.md, *Admission and capacity*.
    private mutating func addCapacity(to admission: inout AdmissionSnapshot, now: Instant) {
        var open = 0.0
        for slot in lanes.indices where lanes[slot].limit > 0 {
            admission.capacity += usableSlots(slot)
            open += 1
        }
        if admission.capacity > 0 {
            admission.utilization = Double(inflight) / admission.capacity
            meanSlots = admission.capacity / open
        }
        // A second at the least: the first refusal of all is no rate.
        let span = started.isSet ? min(max((now - started).seconds, 1), 10) : 10
        let unmet = Double(unmet.total(now: now)) / span * estimates.residence
        admission.demandReplicas = (Double(inflight + queue.count) + unmet) / meanSlots
    }

    func waitingTenants(most n: Int) -> [[TenantBacklog]] {
        queue.turns.map { turns in
            let rows = (0..<turns.count).map { index in
                let tenant = turns.tenant(index)
                let isNamed = tenant < policy.tenants.count
                return TenantBacklog(
                    name: isNamed ? policy.tenants[tenant].name : "gone",
                    length: turns.backlog(of: tenant))
            }
            return Array(rows.sorted { $0.length > $1.length }.prefix(n))
        }
    }
}
