import SluiceTime

/// What becomes of a request that arrives.
package enum AdmissionVerdict: ~Copyable {
    /// Send it to the permit's replica now.
    case dispatch(Permit)
    /// Wait for a ``Grant`` in the worker's box, or cancel the ticket. `predicted` is negative where
    /// nothing was predicted; `wakes` are workers whose less urgent requests had to make room.
    case wait(QueueTicket, predicted: Nanoseconds, wakes: WakeSet)
    /// Refuse it.
    case shed(Shed)
}

/// A refusal, and what may be said to help.
package struct Shed: Sendable, Equatable {
    package var reason: ShedReason
    /// When a retry makes sense, jittered upwards, 1 … 60 s; nil where that is not known.
    package var retryAfter: Nanoseconds?
    /// The wait that was predicted; negative where none was.
    package var predictedWait: Nanoseconds

    package init(
        _ reason: ShedReason, retryAfter: Nanoseconds? = nil,
        predictedWait: Nanoseconds = Nanoseconds(-1)
    ) {
        self.reason = reason
        self.retryAfter = retryAfter
        self.predictedWait = predictedWait
    }
}
