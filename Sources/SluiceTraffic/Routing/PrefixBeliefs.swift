import SluiceTime

/// Which replicas are believed to have the beginning of a prompt in their prefix cache.
///
/// A least-recently-used memory of keys, each with the replicas that served it last. Nothing asks an
/// engine what it holds: what was sent there is believed to be there, until its answers say
/// otherwise.
struct PrefixBeliefs: Sendable {
    /// Keys remembered at most: some 6 MB.
    static let keysMax = 65_536
    /// Replicas remembered of one key.
    static let holdersMax = 4
    /// Fewer shared tokens are not worth a detour.
    static let tokensMin = 256.0

    /// One replica that has a prefix.
    private struct Holder: Sendable {
        var replica = ReplicaID(slot: .max, generation: .max)
        var tokens: Float = 0
    }

    private struct Entry: Sendable {
        var key: UInt64 = 0
        var holders = InlineArray<4, Holder>(repeating: Holder())
        /// Neighbours by age; −1 is none.
        var older: Int32 = -1
        var newer: Int32 = -1
    }

    private let bound: Int
    /// Tokens believed to be held, by all replicas together.
    private(set) var tokens = 0.0
    /// As many fit: half of the replicas' KV caches. Infinite where not known.
    var tokensMax = Double.infinity
    /// Keys remembered.
    var count: Int { places.count }
    private var entries: [Entry] = []
    private var places: [UInt64: Int32] = [:]
    private var free: [Int32] = []
    private var oldest: Int32 = -1
    private var newest: Int32 = -1

    /// - Parameter keysMax: for tests.
    init(keysMax: Int = keysMax) { bound = keysMax }

    /// What is believed of a key, for one decision.
    func known(_ key: UInt64) -> CachedPrefix {
        var known = CachedPrefix()
        guard key != 0, let place = places[key] else { return known }
        for index in 0..<Self.holdersMax {
            let holder = entries[Int(place)].holders[index]
            guard holder.tokens > 0 else { continue }
            known.add(holder.replica, tokens: Double(holder.tokens))
        }
        return known
    }

    /// A request with this beginning was sent to the replica.
    mutating func remember(_ key: UInt64, at replica: ReplicaID, tokens amount: Double) {
        guard key != 0, amount > 0 else { return }
        let place = take(key)
        var chosen = Self.holdersMax - 1
        for index in 0..<Self.holdersMax {
            let holder = entries[Int(place)].holders[index]
            if holder.replica == replica || holder.tokens == 0 {
                chosen = index
                break
            }
        }
        tokens += amount - Double(entries[Int(place)].holders[chosen].tokens)
        // The latest stands first, so that the one forgotten is the oldest.
        for index in stride(from: chosen, to: 0, by: -1) {
            entries[Int(place)].holders[index] = entries[Int(place)].holders[index - 1]
        }
        entries[Int(place)].holders[0] = Holder(replica: replica, tokens: Float(amount))
        while tokens > tokensMax, oldest != newest { dropOldest() }
    }

    /// The replica's answer said that it did not have the beginning.
    mutating func forget(_ key: UInt64, at replica: ReplicaID) {
        guard let place = places[key] else { return }
        for index in 0..<Self.holdersMax
        where entries[Int(place)].holders[index].replica == replica {
            clear(place, index)
        }
    }

    /// The replica has restarted: its cache is empty.
    mutating func forget(all replica: ReplicaID) {
        for place in entries.indices {
            for index in 0..<Self.holdersMax
            where entries[place].holders[index].replica == replica {
                clear(Int32(place), index)
            }
        }
    }

    private mutating func clear(_ place: Int32, _ index: Int) {
        tokens -= Double(entries[Int(place)].holders[index].tokens)
        entries[Int(place)].holders[index] = Holder()
    }

    // MARK: Age

    /// The key's entry, made the newest; of too many the oldest makes room.
    private mutating func take(_ key: UInt64) -> Int32 {
        if let place = places[key] {
            unlink(place)
            link(place)
            return place
        }
        if free.isEmpty, entries.count == bound { dropOldest() }
        let place: Int32
        if let known = free.popLast() {
            place = known
        } else {
            place = Int32(entries.count)
            entries.append(Entry())
        }
        entries[Int(place)].key = key
        places[key] = place
        link(place)
        return place
    }

    private mutating func dropOldest() {
        let place = oldest
        guard place >= 0 else { return }
        for index in 0..<Self.holdersMax { clear(place, index) }
        places[entries[Int(place)].key] = nil
        unlink(place)
        free.append(place)
    }

    private mutating func link(_ place: Int32) {
        entries[Int(place)].older = newest
        entries[Int(place)].newer = -1
        if newest >= 0 { entries[Int(newest)].newer = place } else { oldest = place }
        newest = place
    }

    private mutating func unlink(_ place: Int32) {
        let older = entries[Int(place)].older
        let newer = entries[Int(place)].newer
        if older >= 0 { entries[Int(older)].newer = newer } else { oldest = newer }
        if newer >= 0 { entries[Int(newer)].older = older } else { newest = older }
    }
}

/// The replicas that are believed to have a prompt's beginning, and how many tokens of it.
struct CachedPrefix: Sendable {
    private var replicas = InlineArray<4, ReplicaID>(
        repeating: ReplicaID(slot: .max, generation: .max))
    private var tokens = InlineArray<4, Double>(repeating: 0)
    private(set) var count = 0

    @inline(__always) init() {}

    mutating func add(_ replica: ReplicaID, tokens amount: Double) {
        guard count < PrefixBeliefs.holdersMax else { return }
        replicas[count] = replica
        tokens[count] = amount
        count += 1
    }

    /// Tokens that need not be computed at a replica.
    func tokens(at slot: Int, generation: UInt32) -> Double {
        for index in 0..<count
        where replicas[index].slot == UInt32(slot) && replicas[index].generation == generation {
            return tokens[index]
        }
        return 0
    }
}
