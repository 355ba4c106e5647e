import SluiceBytes
import SluiceExchange
import SluiceHTTP
import SluiceReactor
import SluiceTelemetry
import SluiceTime
import SluiceTraffic

/// From a replica's bytes to the client's, in the loop turn in which they arrive.
extension Worker {
    /// Reads and relays until the socket is empty, the client's buffer is full, or a budget is spent.
    func pump(_ u: UInt32) {
        for _ in 0..<Self.readsPerTurn {
            guard let e = upstreams[u].readableExchange, !exchanges[e].isPaused else { return }
            switch upstreams[u].receive(pool) {
            case .bytes:
                if !exchanges[e].hasContent || !passOn(u, e) { relay(u, e) }
            case .wouldBlock:
                return
            case .end:
                upstreamEnded(u, e, .closedEarly)
                return
            case .failed:
                upstreamEnded(u, e, .reset)
                return
            }
        }
        if upstreams[u].readableExchange != nil {
            ready.append(upstreams.token(.upstream, u))
        }
    }

    /// The replica's connection has ended with an answer under way, or before one.
    private func upstreamEnded(_ u: UInt32, _ e: UInt32, _ failure: UpstreamFailure) {
        let endsProperly = exchanges[e].isHeadParsed && exchanges[e].answerBody.endsWithConnection
        guard failure == .closedEarly && endsProperly else {
            upstreamBroken(u, failure)
            return
        }
        answerComplete(u, e, reusable: false)
    }

    /// Takes the bytes that have come through head, framing and events, and sends what results.
    private func relay(_ u: UInt32, _ e: UInt32) {
        while !exchanges[e].isHeadParsed {
            switch upstreams[u].parseHead(into: &responseHead.value, exchanges[e].method) {
            case .needMore: return
            case .failed(let error):
                shard.parseError(.upstream, error: error.index)
                upstreamBroken(u, .malformed)
                return
            case .complete:
                let count = responseHead.value.byteCount
                if responseHead.value.status < 200 {
                    // Ours to the client was sent when the body was asked for.
                    upstreams[u].consumeInput(count, pool)
                    upstreams[u].parser.reset()
                    exchanges[e].interimAnswers += 1
                    if exchanges[e].interimAnswers > HeadLimits.interimAnswersMax {
                        upstreamBroken(u, .malformed)
                        return
                    }
                    continue
                }
                guard headArrived(u, e) else { return }
            }
        }
        let d = exchanges[e].downstream
        let progress = decode(&upstreams[u], &exchanges[e], &readers[e], &downstreams[d])
        if exchanges[e].isEventStream { observeEvents(e) }
        if exchanges[e].idPeek != nil { learnOwner(e) }
        switch progress {
        case .more:
            sendPayload(e, d)
            if exchanges.isInUse(e), exchanges[e].upstream == u {
                if exchanges[e].hasContent {
                    // Bytes within an event are no progress: one that never ends must not last.
                    if exchanges[e].sawEventEnd { renewIdle(&exchanges[e]) }
                } else if !exchanges[e].isEventStream {
                    renewIdle(&exchanges[e])
                    armExchange(e)
                }
                // Else the first-content limit stands: comments and preludes do not move it.
            }
        case .whole(let hasStray):
            answerComplete(u, e, reusable: !hasStray)
        case .firstEventIsError:
            errorBeforeContent(u, e)
        case .malformed(let error):
            shard.parseError(.upstream, error: error.responseIndex)
            sendPayload(e, d)
            if exchanges.isInUse(e), exchanges[e].upstream == u { upstreamBroken(u, .malformed) }
        }
    }

    /// Takes the framing off what has come. A body that the client gets as it is goes straight into its
    /// buffer, anything else into the payload.
    @inline(__always) private func decode(
        _ upstream: inout UpstreamConnection, _ exchange: inout Exchange,
        _ readers: inout ExchangeReaders, _ downstream: inout DownstreamConnection
    ) -> RelayProgress {
        guard exchange.passesBodyAsItIs else {
            return upstream.decode(into: &exchange, &readers, payload: &payload.value, pool)
        }
        pool.provide(&downstream.output)
        return upstream.decode(into: &exchange, &readers, payload: &downstream.output, pool)
    }

    /// The final head is here: refuse, or put the client's head into its buffer.
    ///
    /// - Returns: false when the attempt has ended with it.
    private func headArrived(_ u: UInt32, _ e: UInt32) -> Bool {
        let status = responseHead.value.status
        let d = noteAnswer(&exchanges[e], status: status)
        if let seconds = responseHead.value.keepAliveTimeoutSeconds {
            learnKeepAlive(upstreams[u].replica, seconds: seconds)
        }
        if status == 503 && exchanges[e].mayRetryRefusal {
            upstreamBroken(u, .engineRefused)
            return false
        }
        if exchanges[e].usageEdit.isMade, usageAnswered(u, e, status: status) { return false }
        // A client's own key may be wrong; that says nothing of the replica.
        if status == 401, exchanges[e].isSentWithOurKey {
            shared.observeUnauthorized(exchanges[e].traffic, exchanges[e].lastReplica)
        }
        if exchanges[e].asksForLoad { takeLoad(u, e) }
        if exchanges[e].isExplained {
            beginExplained(u, e, d, status: status)
        } else {
            beginAnswer(&upstreams[u], &exchanges[e], &downstreams[d], nil, status: status)
        }
        if exchanges[e].record.route == .responses { beginOwnership(e, status: status) }
        if exchanges[e].isHeadHeld { armExchange(e) }
        return true
    }

    /// Notes that the final head has come (`t4`); answers whose exchange it is.
    @inline(__always) private func noteAnswer(_ exchange: inout Exchange, status: Int) -> UInt32 {
        exchange.answered(status: status, at: now)
        shard.upstreamAnswered(
            replica: exchange.record.replicaIndex, status: UInt16(status),
            after: now - exchange.record.sent)
        return exchange.downstream
    }

    /// For the few that ask what became of them; by itself, so that others pass nothing on.
    @inline(never) private func beginExplained(
        _ u: UInt32, _ e: UInt32, _ d: UInt32, status: Int
    ) {
        let explanation = explanation(e)
        beginAnswer(&upstreams[u], &exchanges[e], &downstreams[d], explanation, status: status)
    }

    /// Puts the client's head into its buffer.
    @inline(__always) private func beginAnswer(
        _ upstream: inout UpstreamConnection, _ exchange: inout Exchange,
        _ downstream: inout DownstreamConnection, _ explanation: Explanation?, status: Int
    ) {
        pool.provide(&downstream.output)
        closeInTurn(&downstream)
        upstream.beginAnswer(
            of: &exchange, &responseHead.value, &keptAnswerHead.value, explanation: explanation,
            closes: &downstream.closesAfterAnswer, into: &downstream.output, pool)
        headProgressed(&exchange, status: status)
        // Of an event stream anew with its first content.
        exchange.totalDeadline = now + settings.timeouts.streamTotal
        if exchange.isEventStream && settings.timeouts.headHoldMax > .zero {
            exchange.isHeadHeld = true
            exchange.holdDeadline = now + settings.timeouts.headHoldMax
        }
    }

    /// Notes what the classifier saw in this read: tokens, the first content, the pool's progress.
    private func observeEvents(_ e: UInt32) {
        if exchanges[e].sawOutput, !exchanges[e].isOutputTold { outputBegan(e) }
        let events = exchanges[e].newContentEvents
        let hadContent = exchanges[e].hasContent
        guard events > 0 else {
            noteProgress(&exchanges[e], 0)
            return
        }
        exchanges[e].newContentEvents = 0
        if !hadContent {
            exchanges[e].hasContent = true
            endsToWait(e)
            // The only place where the deadline moves to an earlier time: the timer must know.
            exchanges[e].totalDeadline = now + settings.timeouts.streamTotal
            renewIdle(&exchanges[e])
            armExchange(e)
            now = MonotonicClock.now()
            exchanges[e].record.firstContentArrived = now
        }
        countContent(&exchanges[e], events)
    }

    /// Frames the payload and sends it, unless the head still waits for its first event.
    private func sendPayload(_ e: UInt32, _ d: UInt32) {
        if !payload.value.isEmpty {
            downstreams[d].appendPayload(
                payload.value, framing: exchanges[e].answerFraming, pool)
            payload.value.removeAll()
        }
        if exchanges[e].isHeadHeld {
            // Comments alone are no event: the engine may still refuse or die.
            let isFull = downstreams[d].output.count > Exchange.eventBytesMax
            guard exchanges[e].sawEvent || isFull else { return }
            exchanges[e].isHeadHeld = false
            exchanges[e].holdDeadline = .never
        }
        beginSending(e, d)
    }

    /// The hold has lasted long enough: the head goes alone, and nothing is retried from now on.
    func releaseHead(_ e: UInt32) {
        guard exchanges[e].isHeadHeld else { return }
        exchanges[e].isHeadHeld = false
        beginSending(e, exchanges[e].downstream)
    }

    /// Marks the answer as begun and has sent what is in the client's buffer.
    private func beginSending(_ e: UInt32, _ d: UInt32) {
        guard !downstreams[d].output.isEmpty else { return }
        if !exchanges[e].isAnswerBegun {
            if !exchanges[e].isEventStream { endsToWait(e) }
            exchanges[e].isAnswerBegun = true
            // Who answers before it has read the request may still read on.
            if exchanges[e].isRequestSent || exchanges[e].isUpstreamDone {
                releaseRequest(of: &exchanges[e])
            }
        }
        sendSoon(e, d)
    }

    /// Sends what is in the client's buffer.
    func sendAnswer(_ e: UInt32, _ d: UInt32) {
        guard !downstreams[d].isBlocked else {
            pauseIfFull(e, d)
            return
        }
        guard flush(d) else { return }
        if downstreams[d].isBlocked { arm(d, at: now + settings.timeouts.writeStall) }
        written(e)
    }

    /// Bytes have left for the client: clocks, resumption, the end.
    func written(_ e: UInt32) {
        let d = exchanges[e].downstream
        if downstreams[d].output.isEmpty {
            if exchanges[e].pendingContentEvents > 0 { contentWritten(&exchanges[e]) }
            if exchanges[e].isUpstreamDone {
                end(e, exchanges[e].finalOutcome, exchanges[e].record.reason)
                return
            }
        }
        if exchanges[e].isPaused,
            downstreams[d].output.count <= settings.limits.relayHighWaterBytes / 2
        {
            exchanges[e].isPaused = false
            progress.with(exchanges[e].traffic) { [replica = exchanges[e].lastReplica] in
                $0.endProbe(at: replica, stream: d)
            }
            renewIdle(&exchanges[e])
            armExchange(e)
            let u = exchanges[e].upstream
            if u != noSlot { ready.append(upstreams.token(.upstream, u)) }
        } else {
            pauseIfFull(e, d)
        }
    }

    private func pauseIfFull(_ e: UInt32, _ d: UInt32) {
        if downstreams[d].output.count > settings.limits.relayHighWaterBytes {
            exchanges[e].isPaused = true
        }
    }

    // MARK: The end of the answer

    /// The replica's part is over: its connection and its slot go back, the client gets the rest.
    private func answerComplete(_ u: UInt32, _ e: UInt32, reusable: Bool) {
        let d = exchanges[e].downstream
        let lostItsEnd = exchanges[e].answerEnded(&payload.value, &readers[e])
        if lostItsEnd && !exchanges[e].isAnswerBegun && !exchanges[e].sawEvent {
            // Not one event: the client has seen nothing, and need not see a cut.
            payload.value.removeAll()
            upstreamBroken(u, .closedEarly)
            return
        }
        if reusable && exchanges[e].allowsReuse && upstreams[u].isClean {
            putIdle(u)
        } else {
            upstreams[u].transport.closeNotify()
            close(upstream: u)
        }
        releasePermit(e, exchanges[e].leaveUpstream(&readers[e], lostItsEnd: lostItsEnd))
        if lostItsEnd {
            sendPayload(e, d)
            if exchanges.isInUse(e), downstreams[d].exchange == e {
                cut(e, .truncated, .closedEarly)
            }
            return
        }
        if endAnswer(&exchanges[e], &downstreams[d]) {
            end(e, exchanges[e].finalOutcome, exchanges[e].record.reason)
        } else {
            beginSending(e, d)
        }
    }

    /// Adds what is left of the answer and its proper end; answers whether that is nothing at all.
    @inline(__always) private func endAnswer(
        _ exchange: inout Exchange, _ downstream: inout DownstreamConnection
    ) -> Bool {
        exchange.isHeadHeld = false
        downstream.appendEnd(payload.value, framing: exchange.answerFraming, pool)
        payload.value.removeAll()
        return downstream.output.isEmpty
    }

    /// The stream's first event is an error and nothing has gone out: an honest status instead.
    private func errorBeforeContent(_ u: UInt32, _ e: UInt32) {
        let d = exchanges[e].downstream
        exchanges[e].upstream = noSlot
        close(upstream: u)
        releasePermit(e, .serverError)
        payload.value.removeAll()
        downstreams[d].output.removeAll()
        refuse(e, UpstreamFailure.errorEvent.refusal)
    }
}
