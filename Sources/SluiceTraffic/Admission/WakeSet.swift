/// Workers whose box went from empty to not empty: write their eventfd, after the lock is released.
package struct WakeSet: Sendable, Equatable {
    /// Bit w is worker w.
    package private(set) var bits: UInt64 = 0

    package init() {}

    /// Whether nobody is to be woken.
    package var isEmpty: Bool { bits == 0 }

    /// Whether the worker is to be woken.
    package func contains(_ worker: Int) -> Bool { bits >> UInt64(worker) & 1 == 1 }

    /// Adds a worker, 0 … 63.
    package mutating func insert(_ worker: Int) { bits |= 1 << UInt64(worker) }

    /// Adds the other set's workers.
    package mutating func formUnion(_ other: WakeSet) { bits |= other.bits }

    /// Calls `body` with each worker, ascending.
    package func forEach(_ body: (Int) -> Void) {
        var rest = bits
        while rest != 0 {
            body(rest.trailingZeroBitCount)
            rest &= rest &- 1
        }
    }
}
