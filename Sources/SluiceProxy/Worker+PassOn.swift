import SluiceBytes
import SluiceExchange
import SluiceHTTP
import SluiceReactor
import SluiceTime
import SluiceVLLM

/// The shortest way of an event: nearly all of a stream's differ from the one before in their text only,
/// and come alone in a chunk. Their bytes go on as they are, framing and all.
extension Worker {
    private enum Passing {
        case no, queued
        case atEndOfTurn
        case now(Sending)
    }

    /// Hands what has come to the client's buffer and has it sent, where it is nothing but known content
    /// events in chunks of their own; false for anything else, of which nothing is consumed.
    func passOn(_ u: UInt32, _ e: UInt32) -> Bool {
        let d = exchanges[e].downstream
        switch passOn(&upstreams[u], &exchanges[e], &readers[e], &downstreams[d]) {
        case .no: return false
        case .now(let sending): sent(e, d, sending)
        case .atEndOfTurn: sends.append(d)
        case .queued: break
        }
        return true
    }

    /// The same with the slots looked up once: a fifth of an event's instructions (measured).
    private func passOn(
        _ upstream: inout UpstreamConnection, _ exchange: inout Exchange,
        _ readers: inout ExchangeReaders, _ downstream: inout DownstreamConnection
    ) -> Passing {
        guard case .chunked = exchange.answerFraming, exchange.idPeek == nil,
            downstream.output.isEmpty
        else { return .no }
        let events = upstream.knownEvents(of: &exchange, &readers)
        guard events > 0 else { return .no }
        countContent(&exchange, events)
        renewIdle(&exchange)
        if downstream.output.hasStorage { pool.release(&downstream.output) }
        swap(&upstream.input, &downstream.output)
        guard isBusyTurn else { return .now(sendEvents(&exchange, &downstream)) }
        if downstream.isSendQueued { return .queued }
        downstream.isSendQueued = true
        return .atEndOfTurn
    }

    // MARK: What is counted of content events, on every way

    /// Content events are on their way to the client.
    func countContent(_ exchange: inout Exchange, _ events: Int) {
        noteProgress(&exchange, events)
        exchange.record.contentEvents &+= UInt32(truncatingIfNeeded: events)
        exchange.pendingContentEvents &+= events
        for _ in 0..<events { shard.contentEvent(model: exchange.record.modelIndex) }
    }

    /// Events of whatever kind have come from the replica, so many of them content.
    func noteProgress(_ exchange: inout Exchange, _ events: Int) {
        let (replica, stream) = (exchange.lastReplica, exchange.downstream)
        progress.with(exchange.traffic) {
            $0.eventArrived(from: replica, stream: stream, content: events, now: now)
        }
    }

    /// The engine has begun to answer: its prompt is no longer in the replica's backlog.
    func outputBegan(_ e: UInt32) {
        exchanges[e].isOutputTold = true
        let sent = exchanges[e].record.sent
        guard let wakes = exchanges[e].permit?.outputBegan(sent: sent, now: now) else { return }
        turnWakes.formUnion(wakes)
    }

    /// Content events have been taken by the client's socket.
    func contentWritten(_ exchange: inout Exchange) {
        exchange.pendingContentEvents = 0
        if !exchange.record.firstContentWritten.isSet {
            now = MonotonicClock.now()
            exchange.record.firstContentWritten = now
        } else {
            // A client that does not read makes no gap of the engine's: that time is `blocked`.
            let gap = now - exchange.record.lastContentWritten
            shard.observeGap(model: exchange.record.modelIndex, gap - exchange.blockedInGap)
        }
        exchange.blockedInGap = .zero
        exchange.record.lastContentWritten = now
    }
}
