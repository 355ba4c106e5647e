import SluiceTime

/// One replica as metrics and admin pages show it.
package struct ReplicaSnapshotRow: Sendable {
    /// The id that events and probes name it by.
    package var id: ReplicaID
    /// As configured or discovered.
    package var name: String
    /// Its address.
    package var key: String
    /// Its share of the load, as used.
    package var weight: Double
    /// What the router goes by.
    package var state: ReplicaState
    /// What led there.
    package var why: HealthReason
    /// Since when it is in this state.
    package var since: Instant
    /// Requests it may hold now; 0 when closed to new ones.
    package var limit: Int
    /// Our own requests there.
    package var inflight: Int
    /// Of them, those whose first output is still to come.
    package var pending: Int
    /// Requests it may hold by the delay it adds: what admission has learned; see ``limit``.
    package var window: Double
    /// Requests its engine is believed to run at once.
    package var slots: Double
    /// Time of one engine step, seconds.
    package var stepTime: Double
    /// When anything last came on one of its streams; unset where nothing ever has.
    package var lastEvent: Instant
    /// Time per prompt token that has to be computed, seconds.
    package var promptTime: Double
    /// Other clients' requests, faded when the scrape is stale.
    package var others: Double
    /// As scraped last.
    package var waiting: Double
    /// `vllm:num_requests_running`, as scraped last.
    package var running: Double
    /// KV cache use, 0 … 1; nil where not reported.
    package var kvUsage: Double?
    /// Scraped time per output token; zero where unknown.
    package var timePerToken: Nanoseconds
    /// Age of the last usable scrape; nil before the first.
    package var signalAge: Nanoseconds?
    /// Whether that is too old to be used.
    package var isStale: Bool
    /// Tokens per second that it has been seen to sustain; 0 before any.
    package var capacityTokens: Double
    /// Scrapes whose counts could not be used: not numbers, negative, or frozen while work was done.
    package var badScrapes: UInt64
    /// Requests dispatched to it and their ends.
    package var dispatched: UInt64
    /// Permits that ended in success.
    package var succeeded: UInt64
    /// Permits that ended in failure; what is left was ignored or is in flight.
    package var failed: UInt64
    /// State changes so far.
    package var transitions: Int
}

/// A pool at one instant: all of it read under one lock hold.
package struct PoolSnapshot: Sendable {
    /// One row per replica, draining ones included.
    package var replicas: [ReplicaSnapshotRow] = []
    /// Whether replicas taken out by us are routed to all the same.
    package var isPanicking = false
    /// Whether new arrivals are refused.
    package var isDraining = false
    /// Requests that wait.
    package var queueLength = 0
    /// Bytes of their bodies.
    package var queueBytes = 0
    /// How long the head of the queue has waited.
    package var queueOldest = Nanoseconds.zero
    /// Permits out: the sum of the rows' `inflight`, drained rows included.
    package var inflight = 0
    /// Reservations made and given back since start; their difference is `inflight`.
    package var dispatched: UInt64 = 0
    /// Reservations given back since start.
    package var finished: UInt64 = 0
    /// Permits that were lost; zero unless we are wrong.
    package var leakedPermits: UInt64 = 0
    /// Retries affordable now.
    package var retryBudgetRemaining = 0
    /// What admission believes and does.
    package var admission = AdmissionSnapshot()
    /// State changes that nobody fetched in time; see ``ReplicaPool/takeTransitions()``.
    package var transitionsDropped: UInt64 = 0
}

/// What an update of the replica list did.
package struct ReplicaUpdate: Sendable {
    /// The id of each descriptor in the order given; nil where the pool has no slot left, or where
    /// the key came up before.
    package var ids: [ReplicaID?] = []
    /// Replicas that are not in the list and finish what they have.
    package var draining: [ReplicaID] = []
    /// Workers to wake: a newcomer may serve who waits.
    package var wakes = WakeSet()
}

/// What the control thread or a worker learned about a replica.
package enum ReplicaEvent: Sendable {
    /// Nobody listens (ECONNREFUSED).
    case connectRefused
    /// A connect failed otherwise.
    case connectFailed
    /// A probe of `/health` or `/v1/models` came to an end.
    case probe(ProbeOutcome)
    /// `/metrics` was read; call ``ReplicaPool/scrapeSent(_:)`` when the request leaves.
    case scrape(LoadScrape)
    /// An answer's head told how many requests wait, and the KV cache's use, 0 … 1.
    case report(waiting: Double, kvUsage: Double?)
    /// `/v1/models` was read: the numbers of the LoRA adapters on it.
    case adapters([UInt16])
    /// An operator's order.
    case cordon, uncordon
}
