import SluiceBytes
import SluiceExchange
import SluiceReactor
import SluiceTelemetry
import SluiceTime
import SluiceTraffic

/// How exchanges end: each exactly once, here.
extension Worker {
    /// Answers with a status of our own; the replica, if any, is let go.
    ///
    /// What of the request has not been read is discarded within bounds and never parsed: the
    /// connection ends, lingering, with the answer.
    func refuse(_ e: UInt32, _ refusal: Refusal) {
        let d = exchanges[e].downstream
        abandonUpstream(e, .ignored, waited: .refused)
        if !exchanges[e].record.received.isSet {
            exchanges[e].record.received = now
            if exchanges[e].hasBody { downstreams[d].closesAfterAnswer = true }
        }
        exchanges[e].isHeadHeld = false
        downstreams[d].output.removeAll()
        pool.provide(&downstreams[d].output)
        if refusal.closes { downstreams[d].closesAfterAnswer = true }
        closeInTurn(&downstreams[d])
        let id = exchanges[e].record.requestID
        refusal.append(
            requestID: id.bytes,
            isHead: exchanges[e].record.method == .head,
            persistence: persistence(e, d),
            explanation: exchanges[e].isExplained ? explanation(e) : nil,
            unixSeconds: MonotonicClock.realtimeSeconds(),
            to: &downstreams[d].output)
        answerWith(e, d, status: refusal.status, refusal.outcome, refusal.reason)
    }

    /// Lets the answer that begins close its connection: every one where the gateway drains, else the
    /// last of ``GatewaySettings/Limits/requestsPerConnectionMax``.
    ///
    /// Clients that keep their connections would else stay for ever with the gateway that they found
    /// first, refused by one while another has room.
    @inline(__always) func closeInTurn(_ downstream: inout DownstreamConnection) {
        downstream.answers &+= 1
        let most = settings.limits.requestsPerConnectionMax
        guard isDraining || most > 0 && downstream.answers >= most else { return }
        downstream.closesAfterAnswer = true
    }

    /// What became of the exchange so far.
    func explanation(_ e: UInt32) -> Explanation {
        let record = exchanges[e].record
        let names = directory.value.names
        let until = record.admitted.isSet ? record.admitted : now
        return Explanation(
            replica: names.replica(record.replicaIndex)?.name,
            queue: record.received.isSet ? max(.zero, until - record.received) : .zero,
            className: names.className(record.classIndex),
            tenant: record.tenantIndex < 0 ? nil : names.tenantName(record.tenantIndex))
    }

    /// Answers with a page of our own.
    func answerOurselves(_ e: UInt32, _ answer: OwnAnswer) {
        let d = exchanges[e].downstream
        pool.provide(&downstreams[d].output)
        closeInTurn(&downstreams[d])
        let id = exchanges[e].record.requestID
        answer.append(
            requestID: id.bytes,
            isHead: exchanges[e].record.method == .head,
            persistence: persistence(e, d), unixSeconds: MonotonicClock.realtimeSeconds(),
            to: &downstreams[d].output)
        answerWith(e, d, status: answer.status, .ok, .none)
    }

    private func persistence(_ e: UInt32, _ d: UInt32) -> Persistence {
        Persistence(
            closes: downstreams[d].closesAfterAnswer, isHTTP11: exchanges[e].clientIsHTTP11)
    }

    private func answerWith(
        _ e: UInt32, _ d: UInt32, status: Int, _ outcome: Outcome, _ reason: Reason
    ) {
        exchanges[e].record.status = UInt16(status)
        exchanges[e].record.bytesOut = 0
        exchanges[e].record.reason = reason
        exchanges[e].ownOutcome = outcome
        exchanges[e].isAnswerBegun = true
        exchanges[e].isUpstreamDone = true
        downstreams[d].stage = .responding
        guard flush(d), exchanges.isInUse(e), downstreams[d].exchange == e else { return }
        if downstreams[d].output.isEmpty {
            end(e, outcome, reason)
        } else {
            arm(d, at: now + settings.timeouts.writeStall)
        }
    }

    /// Ends an answer abnormally: what the client has got must not look whole.
    func cut(_ e: UInt32, _ outcome: Outcome, _ reason: Reason) {
        let d = exchanges[e].downstream
        // What is framed already may still be read; only the proper end is withheld.
        if !downstreams[d].isBlocked { _ = write(d) }
        endUnfinished(e, outcome, reason)
    }

    /// Closes the client's connection without the end of its answer, and ends the exchange.
    ///
    /// In this order: an exchange that ends lets its connection end well, which is what makes an answer
    /// without a length whole.
    func endUnfinished(_ e: UInt32, _ outcome: Outcome, _ reason: Reason) {
        let d = exchanges[e].downstream
        if exchanges[e].answerFraming == .untilClose { downstreams[d].transport.resetOnClose() }
        close(downstream: d)
        end(e, outcome, reason)
    }

    /// The client has gone while its exchange is open: the replica must stop at once.
    func clientLeft(_ d: UInt32, isReset: Bool) {
        let e = downstreams[d].exchange
        if exchanges[e].isUpstreamDone && exchanges[e].ownOutcome != nil {
            end(e, exchanges[e].ownOutcome ?? .clientGone, exchanges[e].record.reason)
        } else {
            exchanges[e].record.clientGoneSeen = now
            end(e, .clientGone, isReset ? .clientReset : .clientClosed)
        }
        close(downstream: d)
    }

    /// Closes the exchange's connection to the replica and gives everything at it back.
    private func abandonUpstream(
        _ e: UInt32, _ end: PermitEnd, waited: QueueResult
    ) {
        if let ticket = exchanges[e].ticket.take() {
            if !exchanges[e].record.admitted.isSet {
                shard.waited(&exchanges[e].record, waited, now: now)
            }
            let cancelled = shared.pools[exchanges[e].traffic].cancel(ticket, now: now)
            turnWakes.formUnion(cancelled.wakes)
        }
        let u = exchanges[e].upstream
        if u != noSlot {
            exchanges[e].upstream = noSlot
            close(upstream: u)
            if exchanges[e].record.clientGoneSeen.isSet {
                // At once, not with the descriptor at the end of the turn: the engine works on for
                // as long as it does not know. By a clock of its own: the turn's stands still.
                upstreams[u].transport.finish()
                exchanges[e].record.upstreamClosed = MonotonicClock.now()
            }
        }
        releasePermit(e, end)
    }

    /// The one end of every exchange: the record is complete, everything is given back.
    func end(_ e: UInt32, _ outcome: Outcome, _ reason: Reason) {
        let d = exchanges[e].downstream
        if !exchanges[e].isUpstreamDone { abandonUpstream(e, .ignored, waited: .abandoned) }
        if exchanges[e].isUnanswered { endsToWait(e) }
        // A client that never went on reading, and was cut or left for it.
        if downstreams[d].isBlocked { exchanges[e].blocked(for: now - downstreams[d].blockedSince) }
        finish(&exchanges[e], &readers[e], of: d, outcome, reason)
        if exchanges[e].quotaTokens >= 0 { settleQuota(e) }
        exchanges.discard(e)
        nextRequest(d)
    }

    /// Completes the record, tells everybody who keeps it, and gives the buffers back.
    @inline(__always) private func finish(
        _ exchange: inout Exchange, _ readers: inout ExchangeReaders, of d: UInt32,
        _ outcome: Outcome, _ reason: Reason
    ) {
        exchange.end(outcome, reason, at: now)
        exchange.takeUsage(&readers)
        // One system call for each stream that has had content; other requests do without.
        if exchange.record.firstContentWritten.isSet, let info = downstreams[d].transport.info() {
            exchange.record.networkShare = info.roundTrip / 2
        }
        shard.finished(&exchange.record)
        objectives.record(&exchange.record)
        log.write(&exchange.record, now: now)
        trace.write(&exchange.record, now: now)
        if exchange.trace != nil { endTrace(&exchange) }
        releaseRequest(of: &exchange)
        pool.release(&exchange.partialEvent)
    }

    /// Gives the kept request back; nothing is retried any more.
    @inline(__always) func releaseRequest(of exchange: inout Exchange) {
        pool.release(&exchange.request)
        if exchange.reservedBytes > 0 {
            shared.bodies.release(exchange.reservedBytes)
            exchange.reservedBytes = 0
        }
    }
}
