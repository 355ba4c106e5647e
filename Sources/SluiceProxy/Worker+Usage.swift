import SluiceBytes
import SluiceExchange
import SluiceTelemetry
import SluiceTime
import SluiceTraffic
import SluiceVLLM

/// Whether the engines of a pool take a request that was made to ask for usage.
struct UsageKnowledge {
    enum State: UInt8 { case unknown, taken, refused }

    private(set) var state = State.unknown
    private var since = Instant.unset
    /// Engines are replaced: what they have refused is asked for again then.
    private static let refusedSpan = Nanoseconds.seconds(600)

    /// What is known now.
    mutating func current(now: Instant) -> State {
        if state == .refused, now - since > Self.refusedSpan { state = .unknown }
        return state
    }

    mutating func learn(_ new: State, now: Instant) {
        state = new
        since = now
    }
}

/// Where a request's body was made to ask for usage, so that it can be undone.
struct UsageEdit {
    /// Offset in the body of what was written, -1: nothing was.
    private var start: Int32 = -1
    private var count: UInt8 = 0
    /// Bytes of what stood there.
    private var replaced: UInt8 = 0
    /// The request went out again as the client wrote it.
    private(set) var isUndone = false
    /// Who had refused it before.
    private(set) var refusedBy = ReplicaID(slot: .max, generation: .max)

    init() {}

    init(_ edit: UsageInjection.Edit) {
        start = Int32(clamping: edit.range.lowerBound)
        count = UInt8(clamping: edit.text.utf8CodeUnitCount)
        replaced = UInt8(clamping: edit.range.count)
    }

    var isMade: Bool { start >= 0 }

    /// Restores the client's bytes in `body`, which begins at `bodyStart`.
    mutating func undo(in body: inout ByteBuffer, bodyStart: Int, refusedBy replica: ReplicaID) {
        isUndone = true
        refusedBy = replica
        let start = bodyStart + Int(start)
        // What can stand there: nothing, null or false.
        body.replace(
            start..<start + Int(count), with: replaced == 0 ? "" : replaced == 4 ? "null" : "false")
    }
}

/// Engines that answer 400 to a request because it asks for usage: it goes out once more as the client
/// wrote it, and if they take it so the pool is not asked for usage again.
///
/// Which of a body's faults a 400 is about is not looked for in its text: what the second answer says
/// decides. Engines that have once taken the field are never asked twice, so that a client's own
/// mistakes cost a second request until then only.
extension Worker {
    /// What is done about the usage of a request to a pool.
    func usageMode(_ pool: Int) -> UsageMode {
        let mode = settings.pools[pool].usage
        switch mode {
        case .observe, .off: return mode
        case .inject:
            usageKnowledge.reach(UInt32(pool))
            return usageKnowledge[UInt32(pool)].current(now: now) == .refused ? .observe : .inject
        }
    }

    /// The final head has come for a request that asked for usage, or did at first.
    ///
    /// - Returns: true where the attempt has ended with it.
    func usageAnswered(_ u: UInt32, _ e: UInt32, status: Int) -> Bool {
        let pool = UInt32(exchanges[e].traffic)
        let knowledge = usageKnowledge[pool].state
        if knowledge == .taken { return false }
        let isUndone = exchanges[e].usageEdit.isUndone
        if status < 300 {
            // Where they have refused it, one replica that takes it changes nothing; and what one has
            // refused and another takes may have been refused for something else.
            let isSure = !isUndone || exchanges[e].usageEdit.refusedBy == exchanges[e].lastReplica
            if knowledge == .unknown, isSure {
                usageKnowledge[pool].learn(isUndone ? .refused : .taken, now: now)
            }
            return false
        }
        guard status == 400, !isUndone, exchanges[e].mayRetryRefusal else { return false }
        exchanges[e].withdrawUsage()
        exchanges[e].upstream = noSlot
        close(upstream: u)
        releasePermit(e, .success)
        // Any replica will do, this one too.
        again(e, .upstreamStatus, excluding: ReplicaIDs())
        return true
    }
}

extension Exchange {
    /// The body asks for usage no more.
    mutating func withdrawUsage() {
        usageEdit.undo(in: &request, bodyStart: bodyStart, refusedBy: lastReplica)
        stripsUsage = false
    }
}
