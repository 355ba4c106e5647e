/// Which tenants of one class have requests waiting, and whose turn it is: a virtual token counter.
///
/// Whoever has been served least for its weight goes first. A tenant that comes back starts where
/// those who wait are: idling earns no credit. Source: Sheng et al., "Fairness
/// in Serving Large Language Models", OSDI 2024.
struct TenantTurns: Sendable {
    /// A tenant with requests waiting.
    private struct Turn: Sendable {
        var tenant: UInt16
        var backlog: Int32
        var weight: Double
        var virtualTime: Double
    }

    /// Packed: a walk over a thousand tenants touches little memory.
    private var turns: [Turn] = []
    /// Where a tenant stands in `turns`; −1: it has nothing waiting.
    private var places: [Int32]
    /// By tenant, of those who have nothing waiting.
    private var virtualTimes: [Double]
    private var weights: [Double]
    private var lastServed = 0.0
    /// Whether all weigh alike: then what is ahead of a request follows from `atLeast`.
    private var isEven = true
    /// How many tenants have so many requests waiting, or more; index 0 is not used.
    private var atLeast = [Int32](repeating: 0, count: backlogCounted + 1)
    private static let backlogCounted = 256
    /// Requests of the class that wait.
    private(set) var backlog = 0

    /// - Parameter weights: by tenant.
    init(weights: [Double]) {
        self.weights = weights
        isEven = weights.allSatisfy { $0 == weights.first }
        places = [Int32](repeating: -1, count: weights.count)
        virtualTimes = [Double](repeating: 0, count: weights.count)
    }

    /// Puts new weights into force; tenants may be added, not removed.
    mutating func setWeights(_ new: [Double]) {
        while weights.count < new.count {
            weights.append(1)
            places.append(-1)
            virtualTimes.append(0)
        }
        for tenant in new.indices {
            weights[tenant] = new[tenant]
            if places[tenant] >= 0 { turns[Int(places[tenant])].weight = new[tenant] }
        }
        isEven = weights.allSatisfy { $0 == weights.first }
    }

    /// Requests of a tenant that wait.
    func backlog(of tenant: Int) -> Int {
        places[tenant] < 0 ? 0 : Int(turns[Int(places[tenant])].backlog)
    }

    /// A request of the tenant waits.
    mutating func add(_ tenant: Int) {
        backlog += 1
        if places[tenant] >= 0 {
            turns[Int(places[tenant])].backlog += 1
            let level = Int(turns[Int(places[tenant])].backlog)
            if level <= Self.backlogCounted { atLeast[level] += 1 }
            return
        }
        atLeast[1] += 1
        let least = turns.min { $0.virtualTime < $1.virtualTime }?.virtualTime ?? lastServed
        places[tenant] = Int32(turns.count)
        turns.append(
            Turn(
                tenant: UInt16(tenant), backlog: 1, weight: weights[tenant],
                virtualTime: max(virtualTimes[tenant], least)))
    }

    /// A request of the tenant waits no longer.
    mutating func remove(_ tenant: Int) {
        let place = Int(places[tenant])
        guard place >= 0 else { return assertionFailure("nobody of this tenant waits") }
        backlog -= 1
        let level = Int(turns[place].backlog)
        if level <= Self.backlogCounted { atLeast[level] -= 1 }
        turns[place].backlog -= 1
        guard turns[place].backlog == 0 else { return }
        virtualTimes[tenant] = turns[place].virtualTime
        places[tenant] = -1
        let last = turns.removeLast()
        if place < turns.count {
            turns[place] = last
            places[Int(last.tenant)] = Int32(place)
        }
    }

    /// The tenant that has been served least; nil when nobody waits.
    func next() -> Int? {
        // By index over a span: every grant walks a thousand of them.
        let turns = turns.span
        var least = Double.infinity
        var best = -1
        for index in turns.indices where turns[index].virtualTime < least {
            least = turns[index].virtualTime
            best = index
        }
        return best < 0 ? nil : Int(turns[best].tenant)
    }

    /// The tenants that wait, in no order.
    var count: Int { turns.count }
    func tenant(_ index: Int) -> Int { Int(turns[index].tenant) }

    /// The tenant with the longest line.
    func longest() -> Int? { turns.max { $0.backlog < $1.backlog }.map { Int($0.tenant) } }

    /// Charges a tenant with tokens; negative ones are given back.
    mutating func charge(_ tenant: Int, _ tokens: Double) {
        let cost = tokens / weights[tenant]
        if places[tenant] < 0 {
            virtualTimes[tenant] += cost
            lastServed = max(lastServed, virtualTimes[tenant])
        } else {
            turns[Int(places[tenant])].virtualTime += cost
            lastServed = turns[Int(places[tenant])].virtualTime
        }
    }

    /// Requests of the class that go before a new one of the tenant.
    func ahead(of tenant: Int) -> Double {
        let mine = Double(backlog(of: tenant))
        if turns.count <= (mine > 0 ? 1 : 0) { return mine }
        if isEven, mine < Double(Self.backlogCounted) {
            // Of each as many as this one would have: the sum of min(theirs, mine + 1) by levels, where a
            // walk over a thousand tenants is 8,000 instructions.
            var levels = 0
            for level in 1...Int(mine) + 1 { levels &+= Int(atLeast[level]) }
            return Double(levels)
        }
        let share = (mine + 1) / weights[tenant]
        // Its own turn is in the sum with at most its backlog, and taken out again: a test less for each
        // of a thousand.
        let turns = turns.span
        var total = 0.0
        for index in turns.indices {
            let backlog = Double(turns[index].backlog)
            let bound = share * turns[index].weight
            total += backlog < bound ? backlog : bound
        }
        return mine > 0 ? total : total + mine
    }
}
