/// Picks among open replicas.
///
/// Two rules: the least fused load, where requests go at once; the least predicted time to the first
/// token, where they wait for a slot. Ties go to the least loaded, then at random.
enum Router {
    /// The lane to reserve; `choices` is how many were open.
    struct Pick {
        var slot: Int
        var choices: Int
        /// Predicted time to the first token, seconds; 0 by least load.
        var predicted = 0.0
    }

    /// How the predicted times are read.
    struct Rule {
        /// By predicted time rather than by load.
        var isPredictive = false
        /// Longest backlog of prompts a replica may have, seconds.
        var promptBacklogMax = Double.infinity
        /// Whether a class's share of a window holds.
        var sharesBind = true
    }

    /// Predictions closer than this are alike, seconds. Source: ADMISSION section 5.3.
    static let tie = 0.005

    /// One pass; among equals reservoir of one: each of k is taken with probability 1/k.
    static func pick(
        _ lanes: [RouteLane], _ request: RouteRequest, _ rule: Rule, dice: UInt64
    ) -> Pick? {
        var random = SplitMix64(state: dice)
        var best = 0.0
        var bestLoad = 0.0
        var pick: Pick?
        var ties: UInt64 = 0
        var choices = 0
        for index in lanes.indices {
            let lane = lanes[index]
            guard lane.inflight < lane.limit else { continue }
            if !request.excluding.isEmpty {
                let id = ReplicaID(slot: UInt32(index), generation: lane.generation)
                if request.excluding.contains(id) { continue }
            }
            guard !rule.isPredictive || hasRoom(lane, request, rule) else { continue }
            choices += 1
            let load = lane.score
            let predicted = rule.isPredictive ? predictedTime(lane, request) : 0
            let cost =
                rule.isPredictive
                ? (predicted + crowding(lane, request)) * lane.inverseWeight : load
            let isBetter: Bool
            if pick == nil {
                isBetter = true
            } else if rule.isPredictive && abs(cost - best) <= tie {
                isBetter = load < bestLoad
                if load == bestLoad {
                    ties += 1
                    if random.next(upperBound: ties) == 0 {
                        pick = Pick(slot: index, choices: 0, predicted: predicted)
                        best = min(best, cost)
                    }
                    continue
                }
            } else if cost == best {
                ties += 1
                if random.next(upperBound: ties) == 0 {
                    pick = Pick(slot: index, choices: 0, predicted: predicted)
                }
                continue
            } else {
                isBetter = cost < best
            }
            guard isBetter else { continue }
            pick = Pick(slot: index, choices: 0, predicted: predicted)
            best = cost
            bestLoad = load
            ties = 1
        }
        pick?.choices = choices
        return pick
    }

    /// Whether the replica may take this request besides having a slot: its class's share of the
    /// window, its backlog of prompts, its KV cache.
    private static func hasRoom(
        _ lane: RouteLane, _ request: RouteRequest, _ rule: Rule
    ) -> Bool {
        if rule.sharesBind, request.maxShare < 1 {
            let share = max(1, (Double(lane.limit) * request.maxShare).rounded(.down))
            guard Double(lane.inflight) < share else { return false }
        }
        if lane.pending > 0 {
            let backlog = (lane.pendingTokens + request.promptTokens) * lane.promptTime
            guard backlog <= rule.promptBacklogMax else { return false }
        }
        return lane.inflight <= 2 || lane.reserveMax == 0
            || lane.reserved + request.reserve <= lane.reserveMax
    }

    /// Predicted time to the first token, seconds: the prompts before it and its own, a step, and the
    /// wait for a slot. Source: ADMISSION section 5.3.
    private static func predictedTime(_ lane: RouteLane, _ request: RouteRequest) -> Double {
        let load = Double(lane.inflight) + lane.foreign
        let prompts = (lane.pendingTokens + request.promptTokens) * lane.promptTime
        let excess = load + 1 - lane.slots
        guard excess > 0 else { return prompts + lane.stepTime }
        let wait = excess * request.meanOutputTokens * lane.stepTime / max(4, lane.slots)
        return prompts + lane.stepTime + wait
    }

    /// What one more costs those who are there.
    private static func crowding(_ lane: RouteLane, _ request: RouteRequest) -> Double {
        let load = Double(lane.inflight) + lane.foreign
        return 0.02 * request.meanOutputTokens * lane.stepTime * (1 + load / lane.slots)
    }
}
