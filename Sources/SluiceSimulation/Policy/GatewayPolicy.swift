import SluiceTime
import SluiceTraffic

/// What a gateway knows of a request when it comes.
package struct PolicyRequest: Sendable {
    /// The fleet's name for it, in every later call.
    package let token: Int
    /// Priority class, 0 the most urgent.
    package let classIndex: Int
    /// Whose it is.
    package let tenant: Int
    /// Prompt tokens, as if estimated perfectly.
    package let promptTokens: Int
    /// What it may generate at most (`max_tokens`); 0 where it does not say.
    package let outputTokensMax: Int
    /// The beginning it shares with others, if any.
    package let prefix: PrefixLink?
    /// How its answer comes.
    package let answers: AnswerKind
    /// When it came, which for one that was lost and comes again is before now.
    package let arrived: Instant
    /// The replica it was lost on, when it comes again by the retry rule.
    package var lostOn: Int?
    /// How often its gateway has taken it back from a replica that was full.
    package var recalls: UInt8 = 0

    package var isRecalled: Bool { recalls > 0 }
}

/// What a scrape of one replica said.
package struct ReplicaReading: Equatable, Sendable {
    /// `vllm:num_requests_waiting`.
    package let waiting: Int
    /// `vllm:num_requests_running`.
    package let running: Int
    /// `vllm:kv_cache_usage_perc`, 0…1.
    package let cacheUsage: Double
    /// `vllm:iteration_tokens_total_count`.
    package let iterations: Int
}

/// How a dispatched request ended at its replica.
package enum DispatchEnd: Equatable, Sendable {
    /// Whole, with its usage.
    case finished(generated: Int, cachedTokens: Int)
    /// Its client left.
    case abandoned
    /// The replica went away, before or after its first output.
    case lost
}

/// What a policy says of one request; a request of which nothing has been said waits.
package enum PolicyDecision: Equatable, Sendable {
    /// Send it to this replica now.
    case dispatch(token: Int, replica: Int)
    /// Take it back from its replica, which has not begun it; then it arrives again.
    case recall(token: Int)
    /// Refuse it; `expired` where it waited first.
    case refuse(token: Int, ShedReason, expired: Bool, retryAfter: Nanoseconds?)
}

/// What a pool's part of a configuration says about admission.
package struct ConfiguredAdmission: Sendable {
    /// Classes, tenants and what is told about the replicas.
    package var policy: AdmissionPolicy
    /// Bounds of the queue.
    package var limits: AdmissionLimits

    package init(policy: AdmissionPolicy, limits: AdmissionLimits) {
        self.policy = policy
        self.limits = limits
    }
}

/// What the fleet knows of itself that a gateway may be told.
package struct PolicyContext: Sendable {
    /// Replicas, up and not yet there.
    package var replicas: Int
    /// Slots of each, where the configuration says so.
    package var slots: Int?
    /// KV cache of each in tokens, where metrics say so.
    package var cacheTokens: Int?
    /// Gateways in front of the fleet, where the configuration says so.
    package var gateways: Int
    /// Objectives by class.
    package var objectives: [ClassObjective]
    /// Weights by tenant.
    package var tenantWeights: [Double]
    /// How the gateway admits, where an operator has written it down; then objectives and weights
    /// are those in it.
    package var admission: ConfiguredAdmission?
    /// Whether affinity may look past the head of the queue.
    package var looksAhead: Bool
    /// Start of the policy's own randomness.
    package var seed: UInt64
    /// When the gateway starts.
    package var start: Instant
}

/// One gateway's admission and routing, as the fleet drives it.
///
/// The calls come in the order of time; each may decide about any request that waits, by appending
/// to `decisions`. What is decided is carried out at the same instant.
package protocol GatewayPolicy: AnyObject {
    /// A request has come.
    func arrive(_ request: PolicyRequest, now: Instant, into decisions: inout [PolicyDecision])
    /// A dispatched stream gave its first output.
    func firstOutput(
        _ token: Int, replica: Int, now: Instant, into decisions: inout [PolicyDecision])
    /// A step of a replica ended, as one turn of a worker's loop sees it: that many events came on
    /// this gateway's streams there, and the oldest of them had this gap (nil on a first output).
    func outputs(replica: Int, events: Int, gap: Nanoseconds?, now: Instant)
    /// A dispatched request ended.
    func end(
        _ token: Int, replica: Int, _ end: DispatchEnd, now: Instant,
        into decisions: inout [PolicyDecision])
    /// The client of a waiting request left.
    func cancel(_ token: Int, now: Instant, into decisions: inout [PolicyDecision])
    /// A scrape leaves for a replica; its snapshot is taken now.
    func scrapeSent(_ replica: Int, now: Instant)
    /// A scrape is back.
    func scraped(
        _ replica: Int, _ reading: ReplicaReading, now: Instant,
        into decisions: inout [PolicyDecision])
    /// A replica came up, or was lost; after a loss the requests that were there end.
    func replica(
        _ replica: Int, isUp: Bool, now: Instant, into decisions: inout [PolicyDecision])
    /// Time passed: every ``Fleet/tick``.
    func tick(now: Instant, into decisions: inout [PolicyDecision])
    /// Requests dispatched to a replica and not ended, by the policy's own account.
    func inFlight(at replica: Int) -> Int
    /// Requests that wait, by the policy's own account.
    var waiting: Int { get }
}
