import SluiceTime

/// One worker's requests without content, oldest first: a list through their slots.
struct UnansweredList {
    var first = noSlot
    var last = noSlot
}

/// Keeps, in constant time, since when the oldest request of a pool has waited for content.
extension Worker {
    /// The request is whole and has its pool (`t1`).
    func beginsToWait(_ e: UInt32) {
        let pool = UInt32(exchanges[e].traffic)
        unanswered.reach(pool)
        let last = unanswered[pool].last
        exchanges[e].isUnanswered = true
        exchanges[e].unansweredPrevious = last
        exchanges[e].unansweredNext = noSlot
        unanswered[pool].last = e
        if last != noSlot {
            exchanges[last].unansweredNext = e
        } else {
            unanswered[pool].first = e
            setOldestUnanswered(pool, exchanges[e].record.received)
        }
    }

    /// Content has come, or never will; harmless when it is said again.
    func endsToWait(_ e: UInt32) {
        guard exchanges[e].isUnanswered else { return }
        exchanges[e].isUnanswered = false
        let pool = UInt32(exchanges[e].traffic)
        let (next, previous) = (exchanges[e].unansweredNext, exchanges[e].unansweredPrevious)
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
