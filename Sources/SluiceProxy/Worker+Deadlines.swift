import SluiceExchange
import SluiceReactor
import SluiceTelemetry
import SluiceTime

// One timer per client connection serves every deadline of its request. Deadlines that move later –
// the usual case – move without touching the timer: it fires, finds nothing due, and is set anew.

extension Worker {
    /// Sets the deadline of the stages in which no exchange waits for a replica.
    @inline(__always) func setDeadline(_ d: UInt32, _ deadline: Instant) {
        if downstreams[d].isEarly(deadline) { setTimer(d, at: deadline) }
    }

    /// Makes sure that the timer fires at or before `deadline`.
    @inline(__always)
    func arm(_ d: UInt32, at deadline: Instant) {
        // Never, where there is no timer: then any deadline is earlier.
        if deadline < downstreams[d].timerAt { setTimer(d, at: deadline) }
    }

    private func setTimer(_ d: UInt32, at deadline: Instant) {
        guard downstreams[d].stage != .closed else { return }
        downstreams[d].timerAt = deadline
        if downstreams[d].timer == TimerWheel.none {
            downstreams[d].timer = timers.value.schedule(
                downstreams.token(.downstream, d), at: deadline)
        } else {
            timers.value.reschedule(downstreams[d].timer, at: deadline)
        }
    }

    /// Makes sure that the timer covers what the exchange waits for.
    func armExchange(_ e: UInt32) {
        arm(
            exchanges[e].downstream,
            at: min(
                exchanges[e].upstreamDeadline, exchanges[e].holdDeadline,
                exchanges[e].callerDeadline))
    }

    func timerFired(_ token: Token) {
        switch token.kind {
        case .downstream:
            guard downstreams.holds(token) else { return }
            downstreams[token.slot].timer = TimerWheel.none
            downstreams[token.slot].timerAt = .never
            checkDeadlines(token.slot)
        case .timer:
            if token == Self.sweepToken { sweepIdle() }
            if token == Self.acceptToken { resumeAccepting() }
        case .listener, .upstream, .mailbox, .signals, .server, .client, nil: break
        }
    }

    /// Acts on what is due and sets the timer for what comes next.
    private func checkDeadlines(_ d: UInt32) {
        switch downstreams[d].stage {
        case .closed: return
        case .receivingHead, .receivingBody, .lingering, .discardingBody:
            if downstreams[d].deadline > now {
                arm(d, at: downstreams[d].deadline)
            } else {
                stageExpired(d)
            }
        case .responding:
            let e = downstreams[d].exchange
            guard e != noSlot else { return }
            checkExchange(e, d)
        }
    }

    private func stageExpired(_ d: UInt32) {
        switch downstreams[d].stage {
        case .receivingHead where !downstreams[d].headStarted.isSet, .lingering, .closed,
            .responding:
            downstreams[d].transport.closeNotify()
            close(downstream: d)
        case .receivingHead:
            let e = openExchange(d, .unknown, .none)
            refuse(e, .requestTimeout("The request head did not arrive in time."))
        case .discardingBody: closeGracefully(d)
        case .receivingBody:
            refuse(
                downstreams[d].exchange,
                .requestTimeout("The request body did not arrive in time."))
        }
    }

    private func checkExchange(_ e: UInt32, _ d: UInt32) {
        var next = Instant.never
        if downstreams[d].isBlocked {
            let stall = downstreams[d].blockedSince + settings.timeouts.writeStall
            if stall <= now {
                end(e, .clientStalled, .writeStall)
                downstreams[d].transport.resetOnClose()
                close(downstream: d)
                return
            }
            next = min(next, stall)
        }
        if exchanges[e].callerDeadline <= now {
            exchanges[e].callerDeadline = .never
            // Content in time is what the caller asked for; how long the rest takes is not limited.
            if !exchanges[e].hasContent, !exchanges[e].isUpstreamDone {
                if exchanges[e].isAnswerBegun {
                    if exchanges[e].isEventStream { return cut(e, .streamTimeout, .deadline) }
                } else {
                    return refuse(e, .deadline)
                }
            }
        }
        if exchanges[e].holdDeadline <= now {
            exchanges[e].holdDeadline = .never
            releaseHead(e)
            guard exchanges.isInUse(e), downstreams[d].exchange == e else { return }
        }
        if exchanges[e].upstreamDeadline <= now {
            if upstreamExpired(e) { return }
        }
        guard exchanges.isInUse(e), downstreams[d].exchange == e else { return }
        next = min(
            next, exchanges[e].holdDeadline, exchanges[e].upstreamDeadline,
            exchanges[e].callerDeadline)
        if exchanges[e].ticket != nil || downstreams[d].isBlocked {
            // Queued: the pool's tick expires it; look again so that a stall is never missed.
            next = min(next, now + .seconds(1))
        }
        arm(d, at: next)
    }

    /// The answer has gone on: the replica has the idle limit anew, within what is left of the total.
    @inline(__always) func renewIdle(_ exchange: inout Exchange) {
        exchange.sawEventEnd = false
        exchange.upstreamDeadline = min(
            now + settings.timeouts.streamIdle, exchange.totalDeadline)
    }

    /// What the exchange waited for has not come; true when the exchange has changed its course.
    private func upstreamExpired(_ e: UInt32) -> Bool {
        exchanges[e].upstreamDeadline = .never
        if exchanges[e].awaitingCorroboration != nil {
            corroborationEnded(e)
            return true
        }
        let u = exchanges[e].upstream
        guard u != noSlot else { return false }
        if exchanges[e].totalDeadline <= now, exchanges[e].isAnswerBegun {
            totalPassed(e)
            return true
        }
        // A paused upstream is not late: the client is.
        if exchanges[e].isPaused {
            renewIdle(&exchanges[e])
            return false
        }
        let failure: UpstreamFailure =
            switch upstreams[u].stage {
            case .connecting: .connectTimeout
            case .active, .idle, .closed:
                exchanges[e].hasContent || exchanges[e].isAnswerBegun
                    ? .idleTimeout : .firstContentTimeout
            }
        shard.upstreamTimeout(replica: exchanges[e].record.replicaIndex, failure.stage)
        upstreamBroken(u, failure)
        return true
    }

    /// The answer, which has begun, has lasted as long as one may, whoever is slow; that says nothing
    /// of its replica.
    private func totalPassed(_ e: UInt32) {
        shard.upstreamTimeout(replica: exchanges[e].record.replicaIndex, .total)
        exchanges[e].traceFailure(.timeoutTotal, now: now)
        cut(e, .streamTimeout, .timeoutTotal)
    }
}
