import SluiceBytes

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
        /// Prompt tokens that are believed to be in the replica's cache.
        var cached = 0.0
        /// Chosen for what others of its key left in the replica's cache.
        var isHome = false
    }

    /// How the predicted times are read.
    struct Rule {
        /// By predicted time rather than by load.
        var isPredictive = false
        /// Longest backlog of prompts a replica may have, seconds.
        var promptBacklogMax = Double.infinity
        /// Whether a class's share of a window holds.
        var sharesBind = true
        /// How much later than elsewhere a first token may come at the request's home, seconds.
        var detourMax = 0.0
        /// Whether a home may take a few more than its limit.
        var crowdsHome = false
    }

    /// Predictions closer than this are alike, seconds.
    static let tie = 0.005
    /// What a home may have of requests in flight, of the mean. With 1.25, as is usual, one home in
    /// twenty was passed over where its cost did not say so (T13b at 0.95 of C: hit rate 0.90 of plain
    /// hashing's, 0.92 so; without a bound 0.85, for homes that are full send elsewhere).
    static let homeLoadMax = 1.5

    /// One pass; among equals reservoir of one: each of k is taken with probability 1/k.
    ///
    /// - Parameters:
    ///   - cached: where the prompt's beginning is believed to be.
    ///   - fits: how each lane's replica stands to the request's adapter; empty: all alike.
    ///   - costs: scratch, as long as `lanes`.
    static func pick(
        _ lanes: [RouteLane], _ request: RouteRequest, _ rule: Rule, cached: CachedPrefix,
        fits: [AdapterFit] = [], costs: inout [Double], dice: UInt64
    ) -> Pick? {
        var random = SplitMix64(seed: dice)
        var best = 0.0
        var bestLoad = 0.0
        var pick: Pick?
        var ties: UInt64 = 0
        var choices = 0
        let hasHome = rule.isPredictive && request.hasHome
        let hasAdapter = !fits.isEmpty
        for index in lanes.indices {
            if hasHome { costs[index] = .infinity }
            let lane = lanes[index]
            guard lane.hasRoom else { continue }
            if !request.excluding.isEmpty {
                let id = ReplicaID(slot: UInt32(index), generation: lane.generation)
                if request.excluding.contains(id) { continue }
            }
            var load = lane.score
            if hasAdapter {
                if fits[index] == .absent { continue }
                if !rule.isPredictive { load += fits[index].load * lane.inverseWeight }
            }
            var candidate = Pick(slot: index, choices: 0)
            var cost = load
            if rule.isPredictive {
                candidate.cached =
                    cached.count == 0 ? 0 : cached.tokens(at: index, generation: lane.generation)
                let tokens = max(1, request.promptTokens - candidate.cached)
                guard hasRoom(lane, request, tokens, rule) else { continue }
                candidate.predicted = predictedTime(lane, request, tokens)
                if hasAdapter { candidate.predicted += fits[index].delay }
                cost = (candidate.predicted + crowding(lane, request)) * lane.inverseWeight
                if hasHome { costs[index] = cost }
            }
            choices += 1
            var isBetter = pick == nil || cost < best
            if pick != nil, rule.isPredictive, abs(cost - best) <= tie {
                isBetter = load < bestLoad
            }
            if pick != nil, !isBetter, load == bestLoad,
                rule.isPredictive ? abs(cost - best) <= tie : cost == best
            {
                ties += 1
                guard random.next(upperBound: ties) == 0 else { continue }
                pick = candidate
                best = min(best, cost)
                continue
            }
            guard isBetter else { continue }
            pick = candidate
            best = cost
            bestLoad = load
            ties = 1
        }
        if hasHome, pick != nil,
            let home = (hasAdapter ? nil : crowdedHome(lanes, request, rule, cached, best))
                ?? home(lanes, request, costs, best, rule)
        {
            let held = cached.tokens(at: home, generation: lanes[home].generation)
            let tokens = max(1, request.promptTokens - held)
            pick = Pick(
                slot: home, choices: choices,
                predicted: predictedTime(lanes[home], request, tokens), cached: held, isHome: true)
        }
        pick?.choices = choices
        return pick
    }

    // MARK: Prefixes

    /// The first in the order of the request's key that is open, not crowded and not much slower:
    /// rendezvous hashing with bounded load.
    ///
    /// Source: Thaler and Ravishankar, 1998; Mirrokni, Thorup and Zadimoghaddam, "Consistent Hashing
    /// with Bounded Loads", 2018.
    private static func home(
        _ lanes: [RouteLane], _ request: RouteRequest, _ costs: [Double], _ best: Double,
        _ rule: Rule
    ) -> Int? {
        let loadMax = homeLoad(lanes)
        var chosen: Int?
        var highest: UInt64 = 0
        for index in lanes.indices where costs[index] <= best + rule.detourMax {
            let lane = lanes[index]
            guard Double(lane.inflight) + lane.foreign + 1 <= loadMax else { continue }
            let rank = rank(lane, request.affinityKey)
            if chosen == nil || rank > highest {
                chosen = index
                highest = rank
            }
        }
        return chosen
    }

    /// The request's home where that is full, others are not, and a slot there is worth its wait.
    private static func crowdedHome(
        _ lanes: [RouteLane], _ request: RouteRequest, _ rule: Rule, _ cached: CachedPrefix,
        _ best: Double
    ) -> Int? {
        guard rule.crowdsHome, request.excluding.isEmpty,
            let home = home(lanes, key: request.affinityKey)
        else { return nil }
        let lane = lanes[home]
        let held = cached.tokens(at: home, generation: lane.generation)
        let tokens = max(1, request.promptTokens - held)
        guard lane.inflight >= lane.limit, lane.inflight < lane.homeLimit,
            hasRoom(lane, request, tokens, rule),
            Double(lane.inflight) + lane.foreign + 1 <= homeLoad(lanes)
        else { return nil }
        let time = predictedTime(lane, request, tokens) + crowding(lane, request)
        return time * lane.inverseWeight <= best + rule.detourMax ? home : nil
    }

    /// Requests that a home may have at most, this one included.
    private static func homeLoad(_ lanes: [RouteLane]) -> Double {
        var total = 1.0
        var up = 0.0
        for lane in lanes where lane.limit > 0 {
            total += Double(lane.inflight) + lane.foreign
            up += 1
        }
        return (homeLoadMax * total / max(up, 1)).rounded(.up)
    }

    /// The replica that comes first for a key among all that take requests at all; nil where none
    /// does.
    static func home(_ lanes: [RouteLane], key: UInt64) -> Int? {
        var chosen: Int?
        var highest: UInt64 = 0
        for index in lanes.indices where lanes[index].limit > 0 {
            let rank = rank(lanes[index], key)
            if chosen == nil || rank > highest {
                chosen = index
                highest = rank
            }
        }
        return chosen
    }

    private static func rank(_ lane: RouteLane, _ key: UInt64) -> UInt64 {
        var mixer = SplitMix64(seed: key ^ lane.nameHash)
        return mixer.next()
    }

    // MARK: Room and time

    /// Whether the replica would take the request now, its whole prompt to be computed.
    static func takes(_ lane: RouteLane, _ request: RouteRequest, _ rule: Rule) -> Bool {
        lane.hasRoom && hasRoom(lane, request, request.promptTokens, rule)
    }

    /// Whether the replica may take this request besides having a slot: its class's share of the
    /// window, its backlog of prompts, its KV cache.
    private static func hasRoom(
        _ lane: RouteLane, _ request: RouteRequest, _ tokens: Double, _ rule: Rule
    ) -> Bool {
        obstacle(lane, request, tokens, rule) == nil
    }

    /// What keeps a replica with a free slot from taking the request.
    @inline(__always)
    static func obstacle(
        _ lane: RouteLane, _ request: RouteRequest, _ tokens: Double, _ rule: Rule
    ) -> RouteCandidate.Obstacle? {
        if rule.sharesBind, request.maxShare < 1 {
            let share = max(1, (Double(lane.limit) * request.maxShare).rounded(.down))
            guard Double(lane.inflight) < share else { return .classShare }
        }
        if lane.pending > 0 {
            let backlog = (lane.pendingTokens + tokens) * lane.promptTime
            guard backlog <= rule.promptBacklogMax else { return .promptBacklog }
        }
        let fits =
            lane.inflight <= 2 || lane.reserveMax == 0
            || lane.reserved + request.reserve <= lane.reserveMax
        return fits ? nil : .cacheFull
    }

    /// Predicted time to the first token, seconds: the prompts before it and its own, a step, and the
    /// wait for a slot.
    static func predictedTime(
        _ lane: RouteLane, _ request: RouteRequest, _ tokens: Double
    ) -> Double {
        let load = Double(lane.inflight) + lane.foreign
        let prompts = (lane.pendingTokens + tokens) * lane.promptTime
        let excess = load + 1 - lane.slots
        guard excess > 0 else { return prompts + lane.stepTime }
        let wait = excess * request.meanOutputTokens * lane.tokenTime / max(4, lane.slots)
        return prompts + lane.stepTime + wait
    }

    /// What one more costs those who are there.
    static func crowding(_ lane: RouteLane, _ request: RouteRequest) -> Double {
        let load = Double(lane.inflight) + lane.foreign
        return 0.02 * request.meanOutputTokens * lane.tokenTime * (1 + load / lane.slots)
    }
}
