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
    /// Its candidates: their number in the log's samples, from 1; 0: they were not kept.
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
/// Candidates cost a walk over all replicas. They are kept with each refusal, with each decision that
/// comes ``quiet`` or more after the one before it, and with one of ``sampling`` others.
struct DecisionLog: Sendable {
    /// Decisions kept; a power of two.
    static let entriesMax = 1_024
    /// Of them, the last that have candidates keep them; a power of two.
    static let samplesMax = 256
    /// One of so many dispatches is kept with its candidates; a power of two.
    static let sampling = 16
    /// Where nothing has been decided for so long, there is time for the candidates.
    static let quiet = Nanoseconds.milliseconds(10)

    private var entries = [DecisionEntry](repeating: DecisionEntry(), count: entriesMax)
    private var samples: [[RouteCandidate]] = []
    private var sampled: UInt32 = 0
    private var count = 0
    private var latest = Instant.unset

    /// Whether a decision made now is kept with its candidates, if it is no refusal.
    func samples(at now: Instant) -> Bool {
        count & (Self.sampling - 1) == 0 || now - latest >= Self.quiet
    }

    mutating func append(_ entry: DecisionEntry) {
        entries[count & (Self.entriesMax - 1)] = entry
        count &+= 1
        latest = entry.at
    }

    mutating func append(_ entry: DecisionEntry, _ candidates: [RouteCandidate]) {
        let place = Int(sampled) & (Self.samplesMax - 1)
        if place < samples.count { samples[place] = candidates } else { samples.append(candidates) }
        // Zero stands for none; after four thousand million one sample is not found.
        sampled &+= 1
        var entry = entry
        entry.sample = sampled
        append(entry)
    }

    /// The newest `n`, newest first, with their candidates.
    func newest(_ n: Int) -> [(DecisionEntry, [RouteCandidate])] {
        (0..<min(max(0, n), count, Self.entriesMax)).map { age in
            let entry = entries[(count - 1 - age) & (Self.entriesMax - 1)]
            guard entry.sample != 0, sampled &- entry.sample < UInt32(Self.samplesMax) else {
                return (entry, [])
            }
            return (entry, samples[Int(entry.sample &- 1) & (Self.samplesMax - 1)])
        }
    }

    /// Of the decisions kept, those that ended a request's wait; repeats at other replicas are none.
    var promptSizes: PromptSizes {
        var samples: [PromptSizes.Sample] = []
        samples.reserveCapacity(Self.entriesMax)
        for entry in entries.prefix(count) {
            switch entry.verdict {
            case .queued: continue
            case .dispatched, .granted, .refused: break
            }
            if entry.routing == .retry { continue }
            samples.append(
                PromptSizes.Sample(
                    tokens: entry.promptTokens, isServed: entry.verdict != .refused))
        }
        return PromptSizes(samples)
    }
}
