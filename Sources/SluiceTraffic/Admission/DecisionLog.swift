import SluiceTime

/// Something the gate decided about one request.
package struct DecisionRow: Sendable {
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
    package var at: Instant
    /// The last eight bytes of the request's id, the first of them lowest; 0: not known.
    package var tag: UInt64
    package var verdict: Verdict
    /// Why it was refused; with another verdict: why it would have been, had verdicts been carried out.
    package var shed: ShedReason?
    package var classIndex: UInt8
    package var tenant: UInt16
    /// As estimated.
    package var promptTokens: Float
    package var outputTokens: Float
    /// The wait that was predicted, seconds; negative: none was.
    package var predictedWait: Float = -1
    /// The wait so far, seconds.
    package var waited: Float = 0
    /// Where it went, and why there.
    package var replica: ReplicaID?
    package var routing: RoutingReason?
    /// What the decision was made from; empty where it was not sampled.
    package var candidates: [RouteCandidate] = []
    /// The replica's name; filled in when the row is read.
    package var replicaName: String?
}

/// The decisions of late of one pool: a ring that never grows.
///
/// Candidates are kept with each refusal and with one of ``sampling`` others: they cost a walk over
/// all replicas.
struct DecisionLog: Sendable {
    /// Decisions kept.
    static let rowsMax = 256
    /// One of so many dispatches is kept with its candidates.
    static let sampling: UInt64 = 16

    private var rows: [DecisionRow] = []
    private(set) var count: UInt64 = 0

    /// Whether the next decision is kept with its candidates, if it is no refusal.
    var samplesNext: Bool { count % Self.sampling == 0 }

    mutating func append(_ row: DecisionRow) {
        if rows.count < Self.rowsMax {
            rows.append(row)
        } else {
            rows[Int(count % UInt64(Self.rowsMax))] = row
        }
        count &+= 1
    }

    /// The newest `n`, newest first.
    func newest(_ n: Int) -> [DecisionRow] {
        let n = min(max(0, n), rows.count)
        return (0..<n).map { rows[Int((count &- 1 &- UInt64($0)) % UInt64(Self.rowsMax))] }
    }
}
