import SluiceTime

/// One replica as metrics and admin pages show it.
package struct ReplicaSnapshotRow: Sendable {
    package var id: ReplicaID
    package var name: String
    package var key: String
    package var weight: Double
    package var state: ReplicaState
    package var why: HealthReason
    /// Since when it is in this state.
    package var since: Instant
    /// Requests it may hold now; 0 when closed to new ones.
    package var limit: Int
    /// Our own requests there.
    package var inflight: Int
    /// Other clients' requests, faded when the scrape is stale.
    package var others: Double
    /// As scraped last.
    package var waiting: Double
    package var running: Double
    package var kvUsage: Double?
    package var timePerToken: Nanoseconds
    /// Age of the last usable scrape; nil before the first.
    package var signalAge: Nanoseconds?
    /// Whether that is too old to be used.
    package var isStale: Bool
    /// Scrapes whose counts could not be used.
    package var badScrapes: UInt64
    /// Requests dispatched to it and their ends.
    package var dispatched: UInt64
    package var succeeded: UInt64
    package var failed: UInt64
    /// State changes so far.
    package var transitions: Int
}

/// A pool at one instant: all of it read under one lock hold.
package struct PoolSnapshot: Sendable {
    package var replicas: [ReplicaSnapshotRow] = []
    package var isPanicking = false
    package var isDraining = false
    package var queueLength = 0
    package var queueBytes = 0
    /// How long the head of the queue has waited.
    package var queueOldest = Nanoseconds.zero
    /// Permits out: the sum of the rows' `inflight`, drained rows included.
    package var inflight = 0
    /// Reservations made and given back since start; their difference is `inflight`.
    package var dispatched: UInt64 = 0
    package var finished: UInt64 = 0
    /// Permits that were lost; zero unless we are wrong.
    package var leakedPermits: UInt64 = 0
    package var retryBudgetRemaining = 0
}

/// What an update of the replica list did.
package struct ReplicaUpdate: Sendable {
    /// The id of each descriptor in the order given; nil where the pool has no slot left, or where
    /// the key came up before.
    package var ids: [ReplicaID?] = []
    /// Replicas that are not in the list and finish what they have.
    package var draining: [ReplicaID] = []
    package var wakes = WakeSet()
}

/// What the control thread or a worker learned about a replica.
package enum ReplicaEvent: Sendable {
    /// Nobody listens (ECONNREFUSED).
    case connectRefused
    /// A connect failed otherwise.
    case connectFailed
    case probe(ProbeOutcome)
    /// `/metrics` was read; call ``ReplicaPool/scrapeSent(_:)`` when the request leaves.
    case scrape(LoadScrape)
    case cordon, uncordon
}
