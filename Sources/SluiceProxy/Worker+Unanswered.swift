import SluiceTime

/// One worker's requests without content, oldest first: a list through their slots.
struct UnansweredList {
    var first = noSlot
    var last = noSlot

    /// A request comes to the end; answers which was there.
    @inline(__always) mutating func append(_ e: UInt32) -> UInt32 {
        let before = last
        last = e
        if before == noSlot { first = e }
        return before
    }
}

extension Exchange {
    /// Joins its worker's list behind `last`; answers since when it has waited.
    @inline(__always) mutating func beginUnanswered(after last: UInt32) -> Instant {
        isUnanswered = true
        unansweredPrevious = last
        unansweredNext = noSlot
        return record.received
    }

    /// Leaves the list: that of which pool, and who stood around it; nil where it was in none.
    @inline(__always)
    mutating func endUnanswered() -> (traffic: Int, next: UInt32, previous: UInt32)? {
        guard isUnanswered else { return nil }
        isUnanswered = false
        return (traffic, unansweredNext, unansweredPrevious)
    }
}

/// Keeps, in constant time, since when the oldest request of a pool has waited for content.
extension Worker {
    /// The request is whole and has its pool (`t1`).
    func beginsToWait(_ e: UInt32) {
        let pool = UInt32(exchanges[e].traffic)
        unanswered.reach(pool)
        let last = unanswered[pool].append(e)
        let received = exchanges[e].beginUnanswered(after: last)
        if last != noSlot {
            exchanges[last].unansweredNext = e
        } else {
            setOldestUnanswered(pool, received)
        }
    }

    /// Content has come, or never will; harmless when it is said again.
    func endsToWait(_ e: UInt32) {
        guard let (traffic, next, previous) = exchanges[e].endUnanswered() else { return }
        let pool = UInt32(traffic)
        if next != noSlot {
            exchanges[next].unansweredPrevious = previous
        } else {
            unanswered[pool].last = previous
        }
        if previous != noSlot {
            exchanges[previous].unansweredNext = next
            return
        }
        unanswered[pool].first = next
        setOldestUnanswered(pool, next == noSlot ? .unset : exchanges[next].record.received)
    }

    private func setOldestUnanswered(_ pool: UInt32, _ time: Instant) {
        progress.with(Int(pool)) { $0.oldestUnanswered = time }
    }
}
