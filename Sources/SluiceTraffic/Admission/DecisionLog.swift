import SluiceTime

/// Something the gate decided about one request; plain bytes, for one is written per request.
package struct DecisionEntry: Sendable {
    /// What it came to.
    package enum Verdict: UInt8, Sendable {
        /// Sent at once.
        case dispatched
        /// Put into the queue.
        case queued
        /// Sent after a wait.
        case granted
        /// Refused, on arrival or later.
        case refused

        /// As `/decisions` spells it.
        package var label: StaticString {
            switch self {
            case .dispatched: "dispatched"
            case .queued: "queued"
            case .granted: "granted"
            case .refused: "refused"
            }
        }
    }

    /// When.
    package var at = Instant.unset
    /// The last eight bytes of the request's id, the first of them lowest; 0: not known.
    package var tag: UInt64 = 0
    /// Where it went; meaningful with ``routing``.
    package var replica = ReplicaID(slot: .max, generation: .max)
    /// As estimated.
    package var promptTokens: Float = 0
    package var outputTokens: Float = 0
    /// The wait that was predicted, seconds; negative: none was.
    package var predictedWait: Float = -1
    /// The wait so far, seconds.
    package var waited: Float = 0
    /// Its candidates: place in the log's samples plus one; 0: they were not kept.
    var sample: UInt32 = 0
    package var tenant: UInt16 = 0
    package var classIndex: UInt8 = 0
    package var verdict = Verdict.queued
    /// Why it was refused; with another verdict: why it would have been, had verdicts been carried out.
    package var shed: ShedReason?
    /// Why it went where it did; nil: it went nowhere.
    package var routing: RoutingReason?
}

/// A decision as pages show it.
package struct DecisionRow: Sendable {
    package var entry: DecisionEntry
    /// What the decision was made from; empty where that was not kept.
    package var candidates: [RouteCandidate]
    /// The replica's name; nil where it went nowhere, or the replica is gone.
    package var replicaName: String?
}

/// The decisions of late of one pool: a ring that never grows.
///
/// Candidates are kept with each refusal and with one of ``sampling`` others: they cost a walk over
/// all replicas.
struct DecisionLog: Sendable {
    /// Decisions kept; a power of two.
    static let rowsMax: UInt64 = 256
    /// One of so many dispatches is kept with its candidates.
    static let sampling: UInt64 = 16

    private var entries = [DecisionEntry](repeating: DecisionEntry(), count: Int(rowsMax))
    private var samples: [[RouteCandidate]] = []
    private var sampled: UInt32 = 0
    private var count: UInt64 = 0

    /// Whether the next decision is kept with its candidates, if it is no refusal.
    var samplesNext: Bool { count & (Self.sampling - 1) == 0 }

    mutating func append(_ entry: DecisionEntry) {
        entries[Int(truncatingIfNeeded: count & (Self.rowsMax - 1))] = entry
        count &+= 1
    }

    /// Of the last 256 decisions none has candidates that are older than the last 256 kept.
    mutating func append(_ entry: DecisionEntry, _ candidates: [RouteCandidate]) {
        var entry = entry
        let place = Int(sampled & UInt32(Self.rowsMax - 1))
        if place < samples.count { samples[place] = candidates } else { samples.append(candidates) }
        entry.sample = UInt32(place + 1)
        sampled &+= 1
        append(entry)
    }

    /// The newest `n`, newest first, with their candidates.
    func newest(_ n: Int) -> [(DecisionEntry, [RouteCandidate])] {
        let n = min(max(0, n), Int(min(count, Self.rowsMax)))
        return (0..<n).map { age in
            let index = (count &- 1 &- UInt64(age)) & (Self.rowsMax - 1)
            let entry = entries[Int(index)]
            return (entry, entry.sample == 0 ? [] : samples[Int(entry.sample) - 1])
        }
    }
}
