/// What the router reads of one replica, packed so that a pick walks few cache lines.
struct RouteLane {
    /// Our own requests there: the ledger, exact.
    var inflight: Int32 = 0
    /// The replica takes another while `inflight` is below; 0 is closed.
    var limit: Int32 = 0
    var generation: UInt32 = 0
    /// Others' requests plus the engine's queue, as scraped; renewed by scrape and tick.
    var foreign = 0.0
    var inverseWeight = 1.0

    /// Load per unit of weight.
    var score: Double { (Double(inflight) + foreign) * inverseWeight }
}

/// Picks among open replicas: least fused load, ties at random.
enum Router {
    /// The lane to reserve, or nil when none is open; `choices` is how many were.
    struct Pick {
        var slot: Int
        var choices: Int
    }

    /// One pass, reservoir of one among equals: each of k tied lanes is taken with probability 1/k.
    static func pick(
        _ lanes: [RouteLane], excluding: ReplicaIDs, dice: UInt64
    ) -> Pick? {
        var random = SplitMix64(state: dice)
        var best = 0.0
        var slot = -1
        var ties: UInt64 = 0
        var choices = 0
        for index in lanes.indices {
            let lane = lanes[index]
            guard lane.inflight < lane.limit else { continue }
            if !excluding.isEmpty {
                let id = ReplicaID(slot: UInt32(index), generation: lane.generation)
                if excluding.contains(id) { continue }
            }
            choices += 1
            let score = lane.score
            if slot < 0 || score < best {
                best = score
                slot = index
                ties = 1
            } else if score == best {
                ties += 1
                if random.next(upperBound: ties) == 0 { slot = index }
            }
        }
        return slot < 0 ? nil : Pick(slot: slot, choices: choices)
    }
}

/// A small generator for tie breaks; seeded from outside. Source: Steele, Lea, Flood, OOPSLA 2014.
struct SplitMix64: RandomNumberGenerator, Sendable {
    var state: UInt64

    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var z = state
        z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
        z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
        return z ^ (z >> 31)
    }
}
