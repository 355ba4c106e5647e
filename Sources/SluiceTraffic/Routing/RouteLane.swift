/// What the router reads of one replica, packed so that a pick walks few cache lines.
struct RouteLane {
    /// Our own requests there: the ledger, exact.
    var inflight: Int32 = 0
    /// The replica takes another while `inflight` is below; 0 is closed.
    var limit: Int32 = 0
    /// Of the slot's present tenant.
    var generation: UInt32 = 0
    /// Others' requests plus the engine's queue, as scraped; renewed by scrape and tick.
    var foreign = 0.0
    /// One division per update instead of one per pick.
    var inverseWeight = 1.0

    /// Load per unit of weight.
    var score: Double { (Double(inflight) + foreign) * inverseWeight }
}
