/// What the router reads of one replica, packed so that a pick walks few cache lines.
struct RouteLane: Sendable {
    /// Our own requests there: the ledger, exact.
    var inflight: Int32 = 0
    /// The replica takes another while `inflight` is below; 0 is out of service.
    var limit: Int32 = 0
    /// The same for a request whose home it is, while others are open and nobody waits.
    var homeLimit: Int32 = 0
    /// Of the slot's present tenant.
    var generation: UInt32 = 0
    /// Of our requests there, those without a first output.
    var pending: Int32 = 0
    /// Whether steps of its engine have been seen.
    var isTimed = false
    /// Others have taken its slots since the last page: nothing goes there, though it is in service.
    var isCrowded = false
    /// Prompt tokens of those that have to be computed.
    var pendingTokens = 0.0
    /// Tokens of KV cache set aside for all of ours.
    var reserved = 0.0
    /// Tokens that may be set aside; 0: not known, not bounded.
    var reserveMax = 0.0
    /// Others' requests, plus the engine's queue where admission is off; renewed by scrape and tick.
    var foreign = 0.0
    /// Hash of the replica's name: the same in every gateway.
    var nameHash: UInt64 = 0
    /// One division per update instead of one per pick.
    var inverseWeight = 1.0
    /// As ``ReplicaEstimates`` has them.
    var promptTime = 1e-4
    var stepTime = 0.025
    /// From one generated token of a request to its next.
    var tokenTime = 0.025
    var slots = Double(EngineSlots.guess)

    /// Takes over what is believed of the engine.
    @inline(__always)
    mutating func take(
        promptTime: Double, stepTime: Double, tokenTime: Double, isTimed: Bool, slots: Double
    ) {
        self.promptTime = promptTime
        self.stepTime = stepTime
        self.tokenTime = tokenTime
        self.isTimed = isTimed
        self.slots = slots
    }

    /// A request has gone.
    mutating func giveBack(_ flight: borrowing Flight) {
        inflight -= 1
        reserved = max(0, reserved - flight.reserve)
        if flight.isPending { endPending(flight) }
    }

    /// A request's prompt has been computed, or never will be.
    mutating func endPending(_ flight: borrowing Flight) {
        guard pending > 0 else { return }
        pending -= 1
        // Sums of estimates drift; an empty backlog is none.
        pendingTokens = pending == 0 ? 0 : max(0, pendingTokens - flight.promptTokens)
    }

    /// Whether it takes another.
    @inline(__always) var hasRoom: Bool { inflight < limit && !isCrowded }

    /// Load per unit of weight.
    var score: Double { (Double(inflight) + foreign) * inverseWeight }
}
