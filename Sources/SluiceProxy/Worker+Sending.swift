import SluiceBytes
import SluiceExchange
import SluiceReactor
import SluiceTime

/// What a turn of several edges has for clients goes out at its end, after all reads: whoever is on the
/// other side wakes once for all of it and not between any two writes. A twentieth of an event's CPU
/// where there are many (measured); requests to replicas gain nothing by it and go out at once.
extension Worker {
    /// Bytes that wait for the end of the turn at most.
    static let queuedBytesMax = 8_192

    /// Has what is in the client's buffer sent: in this turn, and at once where that gains nothing.
    func sendSoon(_ e: UInt32, _ d: UInt32) {
        guard isBusyTurn, downstreams[d].output.count <= Self.queuedBytesMax else {
            sendAnswer(e, d)
            return
        }
        if downstreams[d].isSendQueued { return }
        downstreams[d].isSendQueued = true
        sends.append(d)
    }

    /// Sends everything that waits for it; what that leads to may make more.
    func sendQueued() {
        // No slot changes hands before the turn is over.
        var index = 0
        while index < sends.count {
            let d = sends[index]
            index += 1
            downstreams[d].isSendQueued = false
            let e = downstreams[d].exchange
            if e != noSlot { sendEvents(e, d) }
        }
        sends.removeAll(keepingCapacity: true)
    }

    /// Sends events under way with the slots looked up once, or anything else with care.
    private func sendEvents(_ e: UInt32, _ d: UInt32) {
        sent(e, d, sendEvents(&exchanges[e], &downstreams[d]))
    }

    /// What a write of events came to.
    enum Sending { case sent, blocked, broken, other }

    @inline(__always) func sent(_ e: UInt32, _ d: UInt32, _ sending: Sending) {
        switch sending {
        case .sent: break
        case .blocked:
            arm(d, at: now + settings.timeouts.writeStall)
            written(e)
        case .broken: flush(d)
        case .other: if !downstreams[d].output.isEmpty { sendAnswer(e, d) }
        }
    }

    @inline(__always) func sendEvents(
        _ exchange: inout Exchange, _ downstream: inout DownstreamConnection
    ) -> Sending {
        guard exchange.pendingContentEvents > 0, !exchange.isUpstreamDone, !downstream.isBlocked,
            !downstream.output.isEmpty
        else { return .other }
        guard case .wrote(let count) = downstream.transport.write(from: &downstream.output) else {
            return .broken
        }
        exchange.record.bytesOut &+= UInt64(count)
        if downstream.output.isEmpty {
            pool.release(&downstream.output)
            contentWritten(&exchange)
            return .sent
        }
        downstream.isBlocked = true
        downstream.blockedSince = now
        return .blocked
    }
}
