/// Replicas a request has been tried on; at most ``countMax``, held inline.
@usableFromInline package struct ReplicaIDs: Sendable {
    /// Replicas at most: a request is never tried more often (``RetryRule/attemptsMax``).
    package static let countMax = 4

    @usableFromInline var ids: InlineArray<4, ReplicaID>
    /// Replicas in the set.
    @usableFromInline package private(set) var count: Int

    @inlinable package init() {
        ids = InlineArray(repeating: ReplicaID(slot: .max, generation: .max))
        count = 0
    }

    /// A set of one.
    package init(_ id: ReplicaID) {
        self.init()
        insert(id)
    }

    /// Whether nothing is excluded.
    package var isEmpty: Bool { count == 0 }

    /// Adds a replica; a full set stays as it is, because the attempt bound ends the request first.
    package mutating func insert(_ id: ReplicaID) {
        guard count < Self.countMax, !contains(id) else { return }
        ids[count] = id
        count += 1
    }

    /// Takes a replica out again; the others keep their order.
    package mutating func remove(_ id: ReplicaID) {
        var rest = ReplicaIDs()
        for index in 0..<count where ids[index] != id { rest.insert(ids[index]) }
        self = rest
    }

    /// Whether the replica is in the set.
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
