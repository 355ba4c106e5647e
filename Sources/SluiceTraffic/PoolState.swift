import SluiceBytes
import SluiceTime

// A value: everything here is reached through ReplicaPool's lock, or by one test. `now` and dice
// come in, verdicts go out. What is called for every request is `mutating` even where it changes
// nothing: a borrow of a type this large is passed as a copy of it, a hundred instructions a call.
// The parts are in PoolState+Arrival.swift, +Reservation, +Queue, +Release, +Replicas, +Estimates and
// +SlotSearch.

/// The truth of one pool: replicas, ledger, queue and what was decided so far.
///
/// Routing and admission look at this one value in one step, so that a slot seen free is a slot
/// reserved. Every step is O(replicas); arrivals and releases allocate nothing in steady state.
struct PoolState: Sendable {
    /// What is rarely looked at of a replica; index is the slot, as in `lanes`.
    struct Entry: Sendable {
        var isUsed = false
        var descriptor = ReplicaDescriptor(name: "", key: "")
        var health: ReplicaHealth
        var load = ReplicaLoad()
        var joined: Instant
        /// Our requests there when the scrape on its way was sent.
        var inflightAtScrape: Int32 = 0
        var badScrapes: UInt64 = 0
        /// Until when it is sent no more than so many, since others fill it.
        var crowdedUntil = Instant.unset
        var crowdedLimit = 0
        /// When it was last asked for a report of its load.
        var loadAsked = Instant.unset
        /// When the last tick saw an event of any of our streams there.
        var lastEvent = Instant.unset
        /// The heartbeat scraped last, when it last moved, and what had been served by then.
        var heartbeat: Double?
        var heartbeatAt = Instant.unset
        var succeededAtHeartbeat: UInt64 = 0
        var dispatched: UInt64 = 0
        var succeeded: UInt64 = 0
        var failed: UInt64 = 0
        var serverErrors = ServerErrorShare()
        var estimates = ReplicaEstimates(slotsMax: nil)
        var adapters = ReplicaAdapters()
        /// Tokens per second: smoothed over a few seconds, and the most of the last hours.
        var tokenRate = 0.0
        var tokenRateMax = 0.0

        /// A request has ended well; false where the replica's health has not taken that in, since
        /// it may change by it.
        mutating func succeeded(now: Instant) -> Bool {
            succeeded &+= 1
            serverErrors.record(isError: false, now: now)
            return health.succeedUnchanged()
        }
    }

    /// Transitions kept for the control thread; beyond, further ones are dropped and counted.
    static let transitionsMax = 1_024
    /// Recalls that wait to be fetched at most; one more stays where it is.
    static let recallsMax = 64
    /// Dispatches in one lock hold: other workers wait no longer than those take.
    static let pumpMax = 16
    /// Waiting requests looked at past one that fits nowhere.
    static let lookAheadMax = 16

    /// Bounds in force.
    var limits: AdmissionLimits
    /// Who may enter, in force.
    var policy: AdmissionPolicy
    /// Health rules in force.
    var settings: HealthSettings
    /// By slot; grows to the most replicas ever listed.
    var entries: [Entry] = []
    /// By slot, same length as `entries`: ledger and open or closed.
    var lanes: [RouteLane] = []
    /// Who waits, and the workers' boxes.
    var queue: WaitQueue
    /// Who is at which replica, one entry per permit.
    var flights = FlightTable()
    /// What is believed to be in the replicas' prefix caches.
    var prefixes = PrefixBeliefs()
    /// Scratch of the router, one per lane.
    var costs: [Double] = []
    /// What is believed of the requests.
    var estimates: PoolEstimates
    /// Tokens served by class; halved together, so that only what is recent counts.
    var served: [Double]
    /// When they were halved last.
    var servedAged = Instant.unset
    /// The middle of the replicas' times per prompt token, seconds; as of the last tick.
    var promptTime = 1e-4
    /// First outputs that it was learned from, of all replicas; see ``isHopeless(_:_:)``.
    var promptsSeen = 0
    /// The middle of what the replicas add to it, seconds; as of the last tick.
    var engineDelay = 0.0
    /// How far from ``engineDelay`` single requests' delays are, in the mean; the same median.
    var engineDelaySpread = 0.0
    /// What they add to one request in fifty.
    var delayTail = DelayTail()
    /// How much slower than its engine short answers are.
    var paceTail = PaceTail()
    /// The middle of the replicas' step times, seconds; as of the last tick.
    var stepTime = 0.025
    /// What the least urgent class may have at replicas that other gateways use too.
    var claim = GatewayClaim()
    /// Which replica is tried for more slots than any has shown.
    var search = SlotSearch()
    /// Requests that had better come back from a full engine; not yet fetched.
    var recalls: [Recall] = []
    /// Whether a class's ``ClassPolicy/maxShare`` holds; as of the last tick.
    var sharesBind = true
    /// Of each slot: probe streams' gaps, as far as they have been taken in.
    var stepTotals: [StepTotals] = []
    /// Workers whose requests had to make room: woken with the next pump.
    var evictionWakes = WakeSet()
    /// Since when there has been a pool: engines may be full of what came before.
    var started = Instant.unset
    /// What was decided of late.
    var decisions = DecisionLog()
    /// Demand that was refused, over ten seconds.
    var unmet = RecentCounts(span: .seconds(10), buckets: 20, kinds: 1)
    /// Requests that a replica serves at once, as of the last look at any: what replicas to come are
    /// taken to serve.
    var meanSlots = ReplicaEstimates.windowStart
    /// What would wait, were verdicts carried out; in shadow mode only.
    var virtual = VirtualQueue()
    /// What would have been refused.
    var shadowSheds = ShadowSheds()
    /// The mode that was configured, where an operator has ordered another one.
    var configuredMode: AdmissionPolicy.Mode?
    /// What may be retried.
    var budget = RetryBudget()
    /// What is refused as a query of death.
    var poison = PoisonMemory()
    /// LoRA adapters have been asked for: who waits for one must not hold up others.
    var knowsAdapters = false
    /// New arrivals are refused.
    var isDraining = false
    /// More than half of those that accept connections were taken out by us.
    var isPanicking = false
    /// Replicas that take work now or will once they have caught up: what waiting is worth for.
    var hopeful = 0
    /// Replicas that accept work.
    var up = 0
    /// Sum of the ledgers: permits out, and grants in boxes.
    var inflight = 0
    /// Reservations since start.
    var dispatched: UInt64 = 0
    var finished: UInt64 = 0
    /// Permits lost; zero unless we are wrong.
    var leakedPermits: UInt64 = 0
    /// State changes not yet fetched.
    var transitions: [ReplicaTransition] = []
    /// State changes that found the list full.
    var transitionsDropped: UInt64 = 0
    /// For ties among requests that leave the queue.
    var random: SplitMix64

    /// An empty pool.
    init(
        limits: AdmissionLimits, policy: AdmissionPolicy, settings: HealthSettings, seed: UInt64
    ) {
        self.limits = limits
        self.policy = policy
        self.settings = settings
        queue = WaitQueue(policy)
        estimates = PoolEstimates(classes: policy.classes.count)
        served = [Double](repeating: 0, count: policy.classes.count)
        random = SplitMix64(seed: seed)
    }

    /// The slot an id stands for, or nil when its tenancy is over.
    @inline(__always)
    func slot(_ id: ReplicaID) -> Int? {
        let slot = Int(id.slot)
        guard slot < lanes.count, lanes[slot].generation == id.generation, entries[slot].isUsed
        else { return nil }
        return slot
    }

    /// The id of a slot's present tenant.
    @inline(__always)
    func id(_ slot: Int) -> ReplicaID {
        ReplicaID(slot: UInt32(slot), generation: lanes[slot].generation)
    }
}
