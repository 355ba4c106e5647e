import SluiceTime

// A value: everything here is reached through ReplicaPool's lock, or by one test. `now` and dice
// come in, verdicts go out. The parts are in PoolState+Admission.swift and PoolState+Replicas.swift.

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
        var dispatched: UInt64 = 0
        var succeeded: UInt64 = 0
        var failed: UInt64 = 0
    }

    /// Transitions kept for the control thread; beyond, the oldest are dropped and counted.
    static let transitionsMax = 1_024
    /// Dispatches in one lock hold. Source: DESIGN section 5.
    static let pumpMax = 16
    /// Waiting requests looked at past one that fits nowhere.
    static let lookAheadMax = 16

    var limits: AdmissionLimits
    var settings: HealthSettings
    var entries: [Entry] = []
    var lanes: [RouteLane] = []
    var queue = WaitQueue()
    var budget = RetryBudget()
    var poison = PoisonMemory()
    var isDraining = false
    var isPanicking = false
    /// Replicas that take work now or will once they have caught up: what waiting is worth for.
    var hopeful = 0
    /// Replicas that accept work.
    var up = 0
    var inflight = 0
    var dispatched: UInt64 = 0
    var finished: UInt64 = 0
    var leakedPermits: UInt64 = 0
    var transitions: [ReplicaTransition] = []
    var transitionsDropped: UInt64 = 0
    /// Wakes that a lost permit caused where nobody could act on them.
    var owedWakes = WakeSet()
    /// For ties among requests that leave the queue.
    var random: SplitMix64

    init(limits: AdmissionLimits, settings: HealthSettings, seed: UInt64) {
        self.limits = limits
        self.settings = settings
        random = SplitMix64(state: seed)
    }

    /// The slot an id stands for, or nil when its tenancy is over.
    func slot(_ id: ReplicaID) -> Int? {
        let slot = Int(id.slot)
        guard slot < lanes.count, lanes[slot].generation == id.generation, entries[slot].isUsed
        else { return nil }
        return slot
    }

    func id(_ slot: Int) -> ReplicaID {
        ReplicaID(slot: UInt32(slot), generation: lanes[slot].generation)
    }
}
