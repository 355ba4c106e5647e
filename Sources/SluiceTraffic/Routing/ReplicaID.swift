/// Names one tenancy of a slot of a ``ReplicaPool``; a stale one is recognised and ignored.
package struct ReplicaID: Hashable, Sendable {
    /// Index into the pool's tables; 0 … ``ReplicaPool/replicasMax`` − 1.
    package let slot: UInt32
    /// Grows each time the slot passes to another replica.
    package let generation: UInt32

    package init(slot: UInt32, generation: UInt32) {
        self.slot = slot
        self.generation = generation
    }
}

/// Replicas a request has been tried on; at most ``countMax``, held inline.
package struct ReplicaIDs: Sendable {
    /// Replicas at most: a request is never tried more often (``RetryRule/attemptsMax``).
    package static let countMax = 4

    private var ids = InlineArray<4, ReplicaID>(
        repeating: ReplicaID(slot: .max, generation: .max))
    /// Replicas in the set.
    package private(set) var count = 0

    package init() {}

    /// A set of one.
    package init(_ id: ReplicaID) { insert(id) }

    package var isEmpty: Bool { count == 0 }

    /// Adds a replica; a full set stays as it is, because the attempt bound ends the request first.
    package mutating func insert(_ id: ReplicaID) {
        guard count < Self.countMax, !contains(id) else { return }
        ids[count] = id
        count += 1
    }

    package func contains(_ id: ReplicaID) -> Bool {
        for index in 0..<count where ids[index] == id { return true }
        return false
    }

    /// The replica tried as the `index`-th; 0 ..< ``count``.
    package subscript(index: Int) -> ReplicaID {
        precondition(index < count)
        return ids[index]
    }
}

/// A replica as configuration or discovery names it.
package struct ReplicaDescriptor: Hashable, Sendable {
    /// What metrics, logs and pages call it.
    package var name: String
    /// Identity across updates: scheme, host and port. Two descriptors of one key are one replica.
    package var key: String
    /// Share of the load relative to the others; not a number or ≤ 0 counts as 1, held within 0.01 … 100.
    package var weight: Double

    package init(name: String, key: String, weight: Double = 1) {
        self.name = name
        self.key = key
        self.weight = weight
    }

    /// The weight the router divides by.
    var usableWeight: Double {
        guard weight > 0, weight.isFinite else { return 1 }
        return min(max(weight, 0.01), 100)
    }
}
