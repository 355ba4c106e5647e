import SluiceTime

/// The requests that a pool in shadow mode would hold if it had refused those it would have refused:
/// a fluid, since the real requests go to the engines at once and say nothing of it.
///
/// What arrives and would be let in adds one to its class; time takes away as much as the replicas
/// serve, the most urgent first. Tenants, prefix affinity and single replicas are not modelled: all
/// slots are one pool of slots. Source: docs/operating.md, *Shadow mode*.
struct VirtualQueue: Sendable {
    /// By class: requests let in and not yet served.
    private(set) var held = InlineArray<8, Double>(repeating: 0)
    /// Since when more are held than there are slots; unset while there are not.
    private(set) var since = Instant.unset
    private var updated = Instant.unset

    /// Requests of classes up to `classIndex` that are held.
    func held(through classIndex: Int) -> Double {
        var total = 0.0
        for index in 0...min(max(0, classIndex), 7) { total += held[index] }
        return total
    }

    /// Time passed.
    ///
    /// - Parameters:
    ///   - slots: requests served at once.
    ///   - rate: requests per second that leave while all slots are taken.
    mutating func advance(slots: Double, rate: Double, now: Instant) {
        guard updated.isSet, slots > 0 else {
            updated = now
            return
        }
        guard now > updated else { return }
        let part = min(1, (now - updated).seconds * rate / slots)
        updated = now
        var free = slots
        for index in 0..<8 {
            let served = min(held[index], free)
            free -= served
            held[index] -= served * part
        }
        if held(through: 7) < slots {
            since = .unset
        } else if !since.isSet {
            since = now
        }
    }

    /// A request is let in.
    mutating func add(_ classIndex: Int) { held[min(max(0, classIndex), 7)] += 1 }
}

/// What a pool in shadow mode has not refused, by model, class and reason.
package struct ShadowSheds: Sendable {
    /// One of them.
    package struct Kind: Hashable, Sendable {
        /// As arrivals have it.
        package var model: UInt16
        package var classIndex: UInt8
        package var reason: ShedReason
    }

    /// At most models × classes × reasons.
    package private(set) var counts: [Kind: UInt64] = [:]

    mutating func count(_ kind: Kind) { counts[kind, default: 0] &+= 1 }
}
