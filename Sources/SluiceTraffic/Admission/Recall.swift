import SluiceTime

/// A request that waits in an engine which has turned out to be full: better taken back to the head of
/// the queue here, from where the next free slot of any replica is its.
///
/// Whoever holds its permit does so: ends it as ``PermitEnd/ignored``, closes the connection, by which
/// the engine forgets the request, and arrives anew as a retry.
package struct Recall: Sendable, Equatable {
    let flight: Int32
    let dispatched: Instant
}
