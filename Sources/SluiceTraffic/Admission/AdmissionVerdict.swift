import SluiceTime

/// What becomes of a request that arrives.
package enum AdmissionVerdict: ~Copyable {
    /// Send it to the permit's replica now.
    case dispatch(Permit)
    /// Wait for a ``Grant`` in the worker's box, or cancel the ticket.
    case wait(QueueTicket)
    /// Refuse it; `retryAfter` is jittered upwards, 1 … 60 s.
    case shed(ShedReason, retryAfter: Nanoseconds?)
}
