import SluiceTime

/// Which replica made which response: only that one can show it again or cancel it.
///
/// Ids are kept as keyed hashes (``key(_:)``), 32 bytes an entry. Two ids of one hash would send a
/// request to a replica that answers 404 itself; nobody can choose such a pair.
package struct ResponseOwners: Sendable {
    /// Responses remembered at most; then the oldest is forgotten.
    package static let countMax = 65_536
    /// How long one is remembered. vLLM keeps responses for as long as it runs.
    package static let ageMax = Nanoseconds.seconds(24 * 3_600)

    /// Who made a response.
    package struct Owner: Sendable, Equatable {
        /// Index of the pool.
        package let pool: UInt16
        /// The model's index in the name tables.
        package let model: UInt16
        package let replica: ReplicaID
        package init(pool: Int, model: UInt16, replica: ReplicaID) {
            self.pool = UInt16(clamping: pool)
            self.model = model
            self.replica = replica
        }
    }

    private struct Entry: Sendable {
        let key: UInt64
        let made: Instant
        let owner: Owner
    }

    private let bound: Int
    /// A ring once it is full; `next` is its oldest entry then.
    private var entries: [Entry] = []
    private var next = 0
    private var places: [UInt64: Int] = [:]

    /// - Parameter countMax: for tests.
    package init(countMax: Int = countMax) { bound = countMax }

    /// The hash of an id, keyed anew with each process. Source: SipHash, by way of `Hasher`.
    package static func key(_ id: Span<UInt8>) -> UInt64 {
        var hasher = Hasher()
        for index in 0..<id.count { hasher.combine(id[index]) }
        return UInt64(bitPattern: Int64(hasher.finalize()))
    }

    /// Remembers who made a response; one of the same id before is forgotten.
    package mutating func remember(_ key: UInt64, _ owner: Owner, now: Instant) {
        let entry = Entry(key: key, made: now, owner: owner)
        if let place = places[key] {
            // Of two with one id the replica knows the later, and so do we, at the earlier's place.
            entries[place] = entry
        } else if entries.count < bound {
            places[key] = entries.count
            entries.append(entry)
        } else {
            places[entries[next].key] = nil
            places[key] = next
            entries[next] = entry
            next = (next + 1) % bound
        }
    }

    /// Who made a response; nil where that is not or no longer known.
    package func owner(_ key: UInt64, now: Instant) -> Owner? {
        guard let place = places[key], now - entries[place].made < Self.ageMax else { return nil }
        return entries[place].owner
    }
}
