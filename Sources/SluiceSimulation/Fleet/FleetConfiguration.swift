import SluiceTime

/// What goes wrong with a replica, or with a gateway, while a fleet runs.
package struct Fault: Equatable, Sendable {
    /// What happens.
    package enum Kind: Equatable, Sendable {
        /// The replica is gone, with all it was doing.
        case lost(replica: Int)
        /// Its steps take so many times longer from now on.
        case slow(replica: Int, factor: Double)
        /// It begins to serve; before, it was not there.
        case joins(replica: Int)
        /// A fresh gateway takes over; the old one ends what it has.
        case restart(gateway: Int)
    }

    /// Since the start of the run, warm-up included.
    package var at: Nanoseconds
    /// What happens.
    package var kind: Kind

    package init(at: Nanoseconds, _ kind: Kind) {
        self.at = at
        self.kind = kind
    }
}

/// A fleet, its gateways and the requests that come to it: everything that a run depends on,
/// besides the policy.
package struct FleetConfiguration: Sendable {
    /// One per replica.
    package var replicas = Array(repeating: EngineParameters(), count: Study.replicas)
    /// Share of the arrivals by gateway; they need not sum to 1.
    package var gatewayShares = [1.0]
    /// Who sends what.
    package var streams: [RequestStream]
    /// Objectives by class.
    package var objectives = [ClassObjective()]
    /// Weights by tenant.
    package var tenantWeights = [1.0]
    /// How the gateways admit, where an operator has written it down; objectives and weights above
    /// are then those in it.
    package var admission: ConfiguredAdmission?
    /// What goes wrong.
    package var faults: [Fault] = []
    /// How often each gateway reads each replica's gauges; nil where there are no metrics.
    package var scrapeInterval: Nanoseconds? = .seconds(1)
    /// Whether the gateways are told the number of slots, which is also what metrics would tell.
    package var tellsSlots = true
    /// Whether the gateways see how prompts begin.
    package var tellsPrefixes = true
    /// Whether the gateways may look past the head of their queue for a prompt whose prefix is
    /// where there is room.
    package var looksAhead = true
    /// What a run does before it counts.
    package var warmUp = Study.warmUp
    /// What a run counts.
    package var measured = Study.measured
    /// Start of all randomness.
    package var seed: UInt64 = 1

    package init(streams: [RequestStream]) { self.streams = streams }

    /// When the counted part begins, as an instant of the run.
    package var measuredFrom: Instant { Fleet.start + warmUp }
    /// When it ends.
    package var measuredTo: Instant { measuredFrom + measured }
}
