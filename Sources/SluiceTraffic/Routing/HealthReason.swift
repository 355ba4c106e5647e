/// Why a replica is in its state; the `reason` label of `sluice_replica_transitions_total`.
package enum HealthReason: UInt8, CaseIterable, Sendable {
    /// Beginning, and the ways up.
    case starting, joined, probeSucceeded, requestSucceeded, slowStartDone
    /// The ways down by failure.
    case connectRefused, healthUnavailable, consecutiveFailures, failureShare, trialFailed
    /// Progress and its absence.
    case noProgress, heartbeatFlat, progress, streamsGone
    /// What the replica says of itself.
    case unauthorized, asleep, awake
    /// What operators and configuration want.
    case cordoned, uncordoned, removed, restored

    /// The metric label.
    package var label: StaticString {
        switch self {
        case .starting: "starting"
        case .joined: "joined"
        case .probeSucceeded: "probe_succeeded"
        case .requestSucceeded: "request_succeeded"
        case .slowStartDone: "slow_start_done"
        case .connectRefused: "connect_refused"
        case .healthUnavailable: "health_503"
        case .consecutiveFailures: "consecutive_failures"
        case .failureShare: "failure_share"
        case .trialFailed: "trial_failed"
        case .noProgress: "no_progress"
        case .heartbeatFlat: "heartbeat_flat"
        case .progress: "progress"
        case .streamsGone: "streams_gone"
        case .unauthorized: "unauthorized"
        case .asleep: "asleep"
        case .awake: "awake"
        case .cordoned: "cordoned"
        case .uncordoned: "uncordoned"
        case .removed: "removed"
        case .restored: "restored"
        }
    }
}
