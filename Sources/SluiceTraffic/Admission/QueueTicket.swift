/// A place in a pool's wait queue; a stale one is recognised.
package struct QueueTicket: Hashable, Sendable {
    /// Index of its node.
    package let slot: UInt32
    /// Tenancy of the node.
    package let generation: UInt32
}

/// What a cancel found; the wake set is for workers whose requests got the freed slot.
package struct Cancellation: Sendable {
    /// Where the request was.
    package enum Verdict: Sendable {
        /// It still waited; nothing will come for its token.
        case removed
        /// A grant or expiry was on its way and is undone, its slot given back; nothing will come.
        case withdrawn
        /// Its grant or expiry was handed over before: the permit's holder releases it.
        case alreadyDelivered
    }
    /// Where it was.
    package var verdict: Verdict
    /// Workers to wake.
    package var wakes: WakeSet
}
