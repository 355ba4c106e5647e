import SluiceTime

/// What admission knows of a request.
package struct Arrival: Sendable {
    /// Prompt size in tokens, estimated without a tokenizer.
    package var promptTokensEstimate: Int
    /// Output tokens the request may ask for; 0 where it does not say.
    package var outputTokensMax: Int
    /// Priority class, 0 the most urgent.
    package var classIndex: Int
    /// Bytes of body held for it.
    package var bodyBytes: Int
    /// The caller's own deadline; the queue's bound applies besides.
    package var deadline: Deadline
    /// Which of the pool's models.
    package var modelIndex: Int

    package init(
        promptTokensEstimate: Int = 0, outputTokensMax: Int = 0, classIndex: Int = 0,
        bodyBytes: Int = 0, deadline: Deadline = .never, modelIndex: Int = 0
    ) {
        self.promptTokensEstimate = promptTokensEstimate
        self.outputTokensMax = outputTokensMax
        self.classIndex = classIndex
        self.bodyBytes = bodyBytes
        self.deadline = deadline
        self.modelIndex = modelIndex
    }
}

/// Bounds of a pool that hold whatever the admission algorithm decides.
package struct AdmissionLimits: Sendable {
    /// Requests waiting at most; 1 … 1,048,576. Beyond, memory for bodies rules anyway.
    package var queueLengthMax = 1_024
    /// Bytes of waiting bodies at most.
    package var queueBytesMax = 256 << 20
    /// Longest wait; a client that waits longer has mostly given up.
    package var queueWaitMax = Nanoseconds.seconds(30)
    /// Requests in flight per replica at most; vLLM queues what exceeds its own slots.
    package var replicaInflightMax = 1_024

    package init() {}
}

/// What becomes of a request that arrives.
package enum AdmissionVerdict: ~Copyable {
    /// Send it to the permit's replica now.
    case dispatch(Permit)
    /// Wait for a ``Grant`` in the worker's box, or cancel the ticket.
    case wait(QueueTicket)
    /// Refuse it; `retryAfter` is jittered upwards, 1 … 60 s.
    case shed(ShedReason, retryAfter: Nanoseconds?)
}

/// Why a request was refused; equal to metric label and `x-sluice-reason`.
package enum ShedReason: UInt8, CaseIterable, Sendable {
    /// The wait queue is at its bound.
    case full
    /// Waited as long as our own bound allows.
    case expired
    /// Waited until the caller's own deadline.
    case deadline
    /// No replica is there that could serve it.
    case noReplica
    /// The pool is going away.
    case draining

    /// The metric label and header value.
    package var label: StaticString {
        switch self {
        case .full: "full"
        case .expired: "expired"
        case .deadline: "deadline"
        case .noReplica: "no_replica"
        case .draining: "draining"
        }
    }

    /// The status it is answered with: 429 where capacity is contended, 503 where none is.
    package var status: Int {
        switch self {
        case .full, .expired: 429
        case .deadline: 504
        case .noReplica, .draining: 503
        }
    }
}

/// A place in a pool's wait queue; a stale one is recognised.
package struct QueueTicket: Hashable, Sendable {
    package let slot: UInt32
    package let generation: UInt32
}

/// What a cancel found; the wake set is for workers whose requests got the freed slot.
package struct Cancellation: Sendable {
    package enum Verdict: Sendable {
        /// It still waited; nothing will come for its token.
        case removed
        /// A grant or expiry was on its way and is undone, its slot given back; nothing will come.
        case withdrawn
        /// Its grant or expiry was handed over before: the permit's holder releases it.
        case alreadyDelivered
    }
    package var verdict: Verdict
    package var wakes: WakeSet
}

/// What the queue tells a worker about one of its waiting requests.
package enum Grant: ~Copyable {
    /// Send it now.
    case dispatch(token: UInt64, permit: Permit)
    /// It waited too long: ``ShedReason/expired`` or ``ShedReason/deadline``.
    case expired(token: UInt64, reason: ShedReason, retryAfter: Nanoseconds?)
}

/// Workers whose box went from empty to not empty: write their eventfd, after the lock is released.
package struct WakeSet: Sendable, Equatable {
    /// Bit w is worker w.
    package private(set) var bits: UInt64 = 0

    package init() {}

    package var isEmpty: Bool { bits == 0 }

    package func contains(_ worker: Int) -> Bool { bits >> UInt64(worker) & 1 == 1 }

    package mutating func insert(_ worker: Int) { bits |= 1 << UInt64(worker) }

    package mutating func formUnion(_ other: WakeSet) { bits |= other.bits }

    /// Calls `body` with each worker, ascending.
    package func forEach(_ body: (Int) -> Void) {
        var rest = bits
        while rest != 0 {
            body(rest.trailingZeroBitCount)
            rest &= rest &- 1
        }
    }
}
