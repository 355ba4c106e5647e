import SluiceTime

/// One change of a replica's state, for the log and the transition counter.
package struct ReplicaTransition: Sendable {
    package var replica: ReplicaID
    package var name: String
    package var from: ReplicaState
    package var to: ReplicaState
    package var reason: HealthReason
    package var at: Instant
}
