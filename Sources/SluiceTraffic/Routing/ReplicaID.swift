/// Names one tenancy of a slot of a ``ReplicaPool``; a stale one is recognised and ignored.
@usableFromInline package struct ReplicaID: Hashable, Sendable {
    /// Index into the pool's tables; 0 … ``ReplicaPool/replicasMax`` − 1.
    @usableFromInline package let slot: UInt32
    /// Grows each time the slot passes to another replica.
    @usableFromInline package let generation: UInt32

    @inlinable package init(slot: UInt32, generation: UInt32) {
        self.slot = slot
        self.generation = generation
    }
}
