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
