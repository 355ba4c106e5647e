import SluiceTime

/// One change of a replica's state, for the log and the transition counter.
package struct ReplicaTransition: Sendable {
    /// Who.
    package var replica: ReplicaID
    /// Its name at that time.
    package var name: String
    /// The state it left.
    package var from: ReplicaState
    /// The state it entered.
    package var to: ReplicaState
    /// Why.
    package var reason: HealthReason
    /// When.
    package var at: Instant
}
