import SluiceExchange
import SluiceTelemetry
import SluiceTime
import SluiceTraffic

/// What becomes of requests that leave a replica before it has begun them: it is taken out of service,
/// or its engine is full.
extension Worker {
    /// Sends on what the replica has not begun and the retry rule lets move, the longest waiting
    /// first; the rest stays and is looked at again for as long as the replica is out.
    ///
    /// Of an ejected replica, whose engine may well work, only what it has not even got.
    func failOver(from replica: ReplicaID, pool index: Int) {
        let traffic = shared.pools[index]
        guard let state = traffic.replicaState(replica), state.losesUnstarted else { return }
        let unstarted = exchanges.slotsInUse()
            .filter { exchanges[$0].isUnstarted(at: replica, pool: index) }
            .sorted { exchanges[$0].record.received < exchanges[$1].record.received }
        for e in unstarted {
            // An earlier one's end may have given the slot to another request.
            guard exchanges.isInUse(e), exchanges[e].isUnstarted(at: replica, pool: index),
                traffic.hasOther(than: exchanges[e].excluded),
                mayMove(e, traffic, isWedged: state == .wedged)
            else { continue }
            leaveReplica(e)
        }
    }

    /// Asks the retry rule, and takes what it costs out of the budget.
    private func mayMove(_ e: UInt32, _ traffic: ReplicaPool, isWedged: Bool) -> Bool {
        let u = exchanges[e].upstream
        let acknowledged =
            u == noSlot || mayBeUnacknowledged(e)
            ? nil : upstreams[u].bytesAcknowledgedOfRequest()
        guard isWedged || acknowledged == 0 else { return false }
        var facts = exchanges[e].retryCase(.wedged, bytesAcknowledged: acknowledged)
        facts.isEnabled = settings.pools[exchanges[e].traffic].retries
        facts.budget = traffic.retryBudget(now: now)
        switch RetryRule.verdict(facts) {
        case .retrySameAllowed: return true
        case .retryOther:
            guard traffic.withdrawRetry(now: now) == .granted else { return false }
            exchanges[e].repeats += 1
            return true
        case .awaitCorroboration, .giveUp: return false
        }
    }

    /// Whether the request was sent so lately that no acknowledgement does not mean that it has not
    /// come: it may be held back for half a second (RFC 1122 section 4.2.3.2), and is for 40 ms on a
    /// connection in use (tcp(7), TCP_QUICKACK).
    private func mayBeUnacknowledged(_ e: UInt32) -> Bool {
        exchanges[e].isRequestSent && now - exchanges[e].record.sent <= .milliseconds(500)
    }

    private func leaveReplica(_ e: UInt32) {
        closeUnstarted(e)
        releasePermit(e, .failed)
        // What it has lost at the replica is no reason to refuse it: its wait begins anew.
        exchanges[e].arrival.received = now
        again(e, .wedged, excluding: exchanges[e].excluded)
    }

    /// Takes requests back from engines that are full and have not begun them, to the queue's head.
    ///
    /// What has begun meanwhile stays, and what may not be sent twice. The retry budget is not asked:
    /// the engine has done no work for them.
    func takeBack(_ recalls: [Recall], pool index: Int) {
        guard settings.pools[index].retries else { return }
        for e in exchanges.slotsInUse() {
            guard exchanges.isInUse(e), exchanges[e].traffic == index,
                exchanges[e].isMeant(by: recalls), exchanges[e].mayRetryRefusal
            else { continue }
            closeUnstarted(e)
            releasePermit(e, .ignored)
            exchanges[e].arrival.recalls &+= 1
            // Its replica is full, not ill: with the next free slot it may go there again.
            exchanges[e].excluded.remove(exchanges[e].lastReplica)
            again(e, .recalled, excluding: exchanges[e].excluded)
        }
    }

    /// Closes the connection, by which a replica that comes back, or is full, forgets the request.
    private func closeUnstarted(_ e: UInt32) {
        let u = exchanges[e].upstream
        exchanges[e].upstream = noSlot
        if u != noSlot { close(upstream: u) }
    }
}
