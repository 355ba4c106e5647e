import SluiceBytes
import SluiceExchange
import SluiceReactor
import SluiceTraffic
import SluiceVLLM

/// A response lives in the memory of the replica that made it, and nowhere else: only there it can be
/// read and cancelled (`/v1/responses/{id}`), and continued (`previous_response_id`).
extension Worker {
    // MARK: Learning

    /// The head of an answer to `POST /v1/responses` has come: look for the id, if it is kept at all.
    func beginOwnership(_ e: UInt32, status: Int) {
        guard status == 200, exchanges[e].isStored else { return }
        exchanges[e].idPeek = Pinned(ResponseIDPeek(isStream: exchanges[e].isEventStream))
    }

    /// Looks through the piece of the answer that is in `payload`.
    func learnOwner(_ e: UInt32) {
        guard let peek = exchanges[e].idPeek else { return }
        peek.value.take(payload.value)
        guard peek.value.isOver else { return }
        exchanges[e].idPeek = nil
        guard let key = peek.value.key else { return }
        let owner = ResponseOwners.Owner(
            pool: exchanges[e].traffic, model: exchanges[e].record.modelIndex,
            replica: exchanges[e].lastReplica)
        shared.responses.withLock { $0.remember(key, owner, now: now) }
    }

    // MARK: Asking

    /// Whose response a request is about.
    func findOwner(_ e: UInt32) -> BodyVerdict {
        let key = exchanges[e].responseKey()
        guard let owner = shared.responses.withLock({ $0.owner(key, now: now) }) else {
            return .refuse(.unknownResponse)
        }
        exchanges[e].owner = owner.replica
        return .pool(Int(owner.pool), model: owner.model)
    }

    /// The replica that made the response which this request continues, where that is known and the
    /// model is of the same pool; nil lets the router choose, and the replica say what it knows.
    func previousOwner(_ e: UInt32, pool: Int) -> ReplicaID? {
        guard let range = readers[e].peek.facts.previousResponse, !range.isEmpty else { return nil }
        let key = exchanges[e].responseKey(at: range)
        guard let owner = shared.responses.withLock({ $0.owner(key, now: now) }),
            Int(owner.pool) == pool
        else { return nil }
        return owner.replica
    }

    /// Asks for a slot at the one replica that can answer.
    ///
    /// - Parameter retrying: as in ``askToEnter(_:retrying:)``.
    func askToEnter(_ e: UInt32, at owner: ReplicaID, retrying: ReplicaIDs?) {
        if retrying?.contains(owner) == true {
            refuse(e, .responseOwnerDown)
            return
        }
        let traffic = shared.pools[exchanges[e].traffic]
        guard
            let verdict = traffic.arrive(
                exchanges[e].arrival, at: owner, now: now, random: &random.value)
        else {
            refuse(e, .responseGone)
            return
        }
        carryOut(e, verdict)
    }
}

extension Exchange {
    /// What a response is remembered by, of the id in the request's path.
    mutating func responseKey() -> UInt64 {
        let bytes = request.bytes
        let pathEnd = bytes.firstIndex(of: 0x3F, from: 0, to: targetCount)
        return ResponseOwners.key(
            bytes.extracting(RouteTable.match(bytes, 0..<pathEnd).responseID))
    }

    /// What a response is remembered by, of the id in the body at `range`.
    mutating func responseKey(at range: Range<Int>) -> UInt64 {
        let start = bodyStart
        return ResponseOwners.key(
            request.bytes.extracting(start + range.lowerBound..<start + range.upperBound))
    }
}

extension ResponseIDPeek {
    fileprivate mutating func take(_ piece: borrowing ByteBuffer) { feed(piece.bytes) }

    /// What the response is remembered by; nil where no id was found.
    fileprivate var key: UInt64? { id.isEmpty ? nil : ResponseOwners.key(id) }
}
