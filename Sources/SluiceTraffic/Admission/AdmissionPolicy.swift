import SluiceTime

/// Who may enter a pool, and how long anybody may wait there.
///
/// Without a class that has an objective admission is off: requests are dispatched at once, and only
/// the static bounds of ``AdmissionLimits`` hold. Source: docs/admission.md.
package struct AdmissionPolicy: Sendable, Equatable {
    /// Classes at most.
    package static let classesMax = 8
    /// Tenants at most, the anonymous one included.
    package static let tenantsMax = 1_024

    /// Whether verdicts are carried out.
    package enum Mode: String, Sendable, CaseIterable {
        /// Requests wait for a slot, or are refused.
        case enforce
        /// Requests go as if admission were off; what would have been refused is counted.
        case shadow
        /// Requests go at once.
        case off
    }

    /// Whether verdicts are carried out.
    package var mode = Mode.enforce
    /// Most urgent first: 1 … ``classesMax``.
    package var classes = [ClassPolicy(name: "standard")]
    /// Who shares the pool; the first stands for all whose key is not known. 1 … ``tenantsMax``.
    package var tenants = [TenantPolicy(name: "anonymous")]
    /// `--max-num-seqs` of the replicas; nil: learned, from a guess that is high on purpose.
    package var slotsMax: Int?
    /// Gateways in front of the same replicas, this one included; nil: unknown. 1 … 1,000.
    package var gateways: Int?
    /// Whether nobody but this gateway sends to the replicas.
    package var isExclusive = false
    /// Whether a request whose home has room may pass the head of its line, whose home has none; off
    /// only to show what that is worth.
    package var looksAhead = true
    /// How long requests wait while no replica is up, for pools that scale from zero; zero: not at
    /// all.
    package var noReplicaWait = Nanoseconds.zero

    package init() {}

    /// Whether requests wait in the gateway for a slot, and may be refused for the wait.
    @inline(__always) package var isActive: Bool {
        mode == .enforce && classes.contains { $0.timeToFirstToken != nil }
    }

    /// The tightest objective of all classes, in seconds; nil where none has one.
    package var tightestObjective: Double? {
        classes.compactMap { $0.timeToFirstToken?.seconds }.min()
    }

    /// The tightest objective for the time per output token, in seconds; nil: the guard is off.
    package var tightestTimePerToken: Double? {
        classes.compactMap { $0.timePerToken?.seconds }.min()
    }
}

/// One priority class. Source: docs/admission.md, *Classes, tenants, shares*.
package struct ClassPolicy: Sendable, Equatable {
    /// What becomes of a prompt so long that it cannot meet its objective on an idle fleet.
    package enum LongPrompt: String, Sendable, CaseIterable {
        /// Served after all others, outside the objective.
        case bestEffort = "best_effort"
        /// Refused as ``ShedReason/infeasible``.
        case refuse
    }

    /// Header value and metric label.
    package var name: String
    /// Objective for the client-visible time to the first token; nil: none, bounded by count, bytes
    /// and ``queueWaitMax`` alone.
    package var timeToFirstToken: Nanoseconds?
    /// Added to the objective for each thousand tokens of prompt.
    package var perThousandPromptTokens = Nanoseconds.zero
    /// Objective for the mean time per output token; nil: not guarded.
    package var timePerToken: Nanoseconds?
    /// Part of a replica's window the class may fill: 0.05 … 1.
    package var maxShare = 1.0
    /// Part of the service it gets whatever is more urgent: 0 … 1, together at most 1.
    package var minShare = 0.0
    /// Longest wait of a class without objective.
    package var queueWaitMax = Nanoseconds.seconds(600)
    /// What becomes of prompts that cannot meet the objective.
    package var longPrompt = LongPrompt.bestEffort

    /// The objective for a prompt of so many tokens, in seconds; nil: none.
    package func objective(promptTokens: Double) -> Double? {
        timeToFirstToken.map {
            $0.seconds + perThousandPromptTokens.seconds * promptTokens / 1_000
        }
    }

    package init(name: String, timeToFirstToken: Nanoseconds? = nil) {
        self.name = name
        self.timeToFirstToken = timeToFirstToken
    }

    /// The classes in force where objectives are wanted and none are listed: critical, standard and
    /// batch with 2, 5 and 20 s.
    package static var usual: [ClassPolicy] {
        var standard = ClassPolicy(name: "standard", timeToFirstToken: .seconds(5))
        standard.minShare = 0.05
        var batch = ClassPolicy(name: "batch", timeToFirstToken: .seconds(20))
        batch.minShare = 0.05
        batch.maxShare = 0.8
        return [ClassPolicy(name: "critical", timeToFirstToken: .seconds(2)), standard, batch]
    }
}

/// One tenant's share of a pool.
package struct TenantPolicy: Sendable, Equatable {
    /// Metric label.
    package var name: String
    /// Service relative to other tenants: 0.01 … 100.
    package var weight = 1.0

    package init(name: String, weight: Double = 1) {
        self.name = name
        self.weight = weight
    }
}
