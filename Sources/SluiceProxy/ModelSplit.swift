import SluiceBytes
import SluiceTraffic

/// How the requests for one model are shared among the pools that serve it.
struct ModelSplit: Sendable, Equatable {
    /// In the order of the configuration.
    private(set) var pools: [Int]
    private var weights: [Double]
    /// The field that names a session, in lower case.
    let sessionHeader: [UInt8]

    /// - Parameter weight: 0 or more; relative to those of the other pools.
    init(pool: Int, weight: Double, sessionHeader: [UInt8]) {
        pools = [pool]
        weights = [weight]
        self.sessionHeader = sessionHeader
    }

    /// Adds a pool, unless it is there.
    mutating func add(pool: Int, weight: Double) {
        guard !pools.contains(pool) else { return }
        let place = pools.firstIndex { $0 > pool } ?? pools.count
        pools.insert(pool, at: place)
        weights.insert(weight, at: place)
    }

    /// The pool of requests with this key: each has the part of all keys that its weight says.
    ///
    /// The same key has the same pool in every gateway, as long as weights and order stay; a weight
    /// that changes by little moves few keys. Where that pool has no replica its keys are shared
    /// among those that have one, by their weights, or evenly where these are nothing but reserve.
    ///
    /// - Parameter isReady: whether a pool has a replica that serves.
    func pool(of key: UInt64, isReady: (Int) -> Bool) -> Int {
        var mixer = SplitMix64(seed: key)
        let place = mixer.nextUnit()
        let first = Self.pick(place, weights)
        if isReady(pools[first]) { return pools[first] }
        var ready = pools.indices.map { $0 != first && isReady(pools[$0]) ? weights[$0] : 0 }
        if !ready.contains(where: { $0 > 0 }) {
            ready = pools.indices.map { $0 != first && isReady(pools[$0]) ? 1 : 0 }
        }
        guard ready.contains(where: { $0 > 0 }) else { return pools[first] }
        // Another place than the first: else all of them would lie in that pool's part.
        return pools[Self.pick(mixer.nextUnit(), ready)]
    }

    /// The index in whose part of the sum `place` (0 ..< 1) lies; the first where all are 0.
    private static func pick(_ place: Double, _ weights: [Double]) -> Int {
        let target = place * weights.reduce(0, +)
        var sum = 0.0
        var last = 0
        for (index, weight) in weights.enumerated() where weight > 0 {
            sum += weight
            last = index
            if target < sum { return index }
        }
        return last
    }
}
