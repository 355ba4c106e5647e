import SluiceBytes
import SluiceExchange
import SluiceReactor
import SluiceTelemetry
import SluiceTime
import SluiceTraffic

/// From the gate to a replica's connection.
extension Worker {
    /// Asks the pool's gate; the verdict is carried out at once.
    ///
    /// - Parameter retrying: replicas that must not be tried again; nil for a first attempt.
    func askToEnter(_ e: UInt32, retrying: ReplicaIDs?) {
        if let owner = exchanges[e].owner {
            askToEnter(e, at: owner, retrying: retrying)
            return
        }
        let token = exchanges.token(.downstream, e).bits
        pools.with(exchanges[e].traffic) { traffic in
            let verdict = traffic.arrive(
                exchanges[e].arrival, worker: index, token: token, retrying: retrying, now: now,
                dice: random.value.next())
            carryOut(e, verdict)
        }
    }

    /// Does what the gate said.
    @inline(__always) func carryOut(_ e: UInt32, _ verdict: consuming AdmissionVerdict) {
        switch consume verdict {
        case .dispatch(let permit): dispatch(e, permit)
        case .wait(let ticket, let predicted, let wakes):
            turnWakes.formUnion(wakes)
            exchanges[e].ticket = ticket
            notePrediction(e, predicted)
        case .shed(let shed): refuse(e, shed)
        }
    }

    /// Refuses what admission does not let in, whether the body has been read or not.
    func refuse(_ e: UInt32, _ shed: Shed) {
        notePrediction(e, shed.predictedWait)
        if !exchanges[e].record.admitted.isSet {
            shard.waited(&exchanges[e].record, .refused, now: now)
        }
        let status = directory.value.overloadStatus(pool: exchanges[e].traffic)
        refuse(e, Refusal(shed, overloadStatus: status))
    }

    /// Keeps the first wait that is predicted for a request; negative: none is.
    private func notePrediction(_ e: UInt32, _ predicted: Nanoseconds) {
        guard predicted >= .zero, exchanges[e].record.predictedWait < .zero else { return }
        exchanges[e].record.predictedWait = predicted
        shard.predictedWait(&exchanges[e].record)
    }

    /// Takes what the queues have for this worker.
    func takeGrants() {
        for traffic in shared.pools {
            while let grant = traffic.takeGrant(worker: index, now: now) {
                switch consume grant {
                case .dispatch(let bits, let permit):
                    let token = Token(bits: bits)
                    if exchanges.holds(token) {
                        exchanges[token.slot].ticket = nil
                        dispatch(token.slot, permit)
                    } else {
                        turnWakes.formUnion(permit.release(.ignored, now: now))
                    }
                case .shed(let bits, let shed):
                    let token = Token(bits: bits)
                    if exchanges.holds(token) {
                        exchanges[token.slot].ticket = nil
                        refuse(token.slot, shed)
                    }
                }
            }
        }
    }

    /// Binds the exchange to the permit's replica and sends the request, on an idle connection where
    /// there is one.
    private func dispatch(_ e: UInt32, _ permit: consuming Permit) {
        let replica = permit.replica
        let pool = exchanges[e].traffic
        let reason = permit.reason
        if exchanges[e].bind(permit, now: now) {
            shard.waited(&exchanges[e].record, .dispatched, now: now)
        }
        let key = ReplicaKey(
            pool: pool, slot: Int(replica.slot), generation: replica.generation)
        guard let endpoint = directory.value.endpoint(key) ?? newEndpoint(key) else {
            attemptFailed(e, .connectFailed)
            return
        }
        let suffix = RequestIdentity.attemptSuffix(random: random.value.next())
        exchanges[e].attempted(at: endpoint, suffix: suffix, now: now, random: &random.value)
        shard.routed(replica: endpoint.recordIndex, reason: reason.rawValue)
        guard let u = takeIdle(key) ?? connect(to: endpoint, key, for: e) else {
            attemptFailed(e, .connectFailed)
            return
        }
        exchanges[e].asksForLoad =
            asksForReports && settings.pools[pool].orca && asksForLoad(e, replica)
        compose(&exchanges[e], e, on: &upstreams[u], u, endpoint, suffix: suffix)
        if upstreams[u].stage == .connecting {
            shard.moved(&exchanges[e].record)
            exchanges[e].upstreamDeadline = now + settings.timeouts.connect
        } else {
            sendRequest(u)
        }
        guard exchanges.isInUse(e), exchanges[e].upstream == u else { return }
        armExchange(e)
    }

    /// Binds the exchange to a connection and puts the request into its buffer.
    @inline(__always) private func compose(
        _ exchange: inout Exchange, _ e: UInt32, on upstream: inout UpstreamConnection, _ u: UInt32,
        _ endpoint: ReplicaEndpoint, suffix: UInt64
    ) {
        exchange.upstream = u
        upstream.exchange = e
        pool.provide(&upstream.output)
        exchange.composeRequest(for: endpoint, suffix: suffix, into: &upstream.output)
    }

    /// A replica that the worker's own directory does not have yet.
    @inline(never)
    private func newEndpoint(_ key: ReplicaKey) -> ReplicaEndpoint? {
        adoptDirectory()
        return directory.value.endpoint(key)
    }

    /// Writes what is left of the request; `t3` when the last byte is out.
    func sendRequest(_ u: UInt32) {
        let e = upstreams[u].exchange
        let asksForStream = readers[e].peek.facts.isStream
        guard send(&exchanges[e], on: &upstreams[u], asksForStream: asksForStream) else {
            upstreamBroken(u, .reset)
            return
        }
        if settings.timeouts.firstContent < settings.timeouts.connect { armExchange(e) }
    }

    /// False when the connection is broken.
    @inline(__always) private func send(
        _ exchange: inout Exchange, on upstream: inout UpstreamConnection, asksForStream: Bool
    ) -> Bool {
        upstream.stage = .active
        guard exchange.send(on: &upstream, pool) else { return false }
        if exchange.isAnswerBegun {
            // The answer's own deadlines hold; nothing is sent a second time.
            if !upstream.isBlocked {
                exchange.isRequestSent = true
                releaseRequest(of: &exchange)
            }
        } else if upstream.isBlocked || exchange.isRequestSent {
            exchange.upstreamDeadline = now + settings.timeouts.writeStall
        } else {
            exchange.sent(at: now, until: now + settings.timeouts.firstContent)
            beginProgress(&exchange, asksForStream: asksForStream)
        }
        shard.moved(&exchange.record)
        return true
    }

    /// An attempt has failed and its connection is gone: again, or an answer, or a cut.
    func attemptFailed(_ e: UInt32, _ failure: UpstreamFailure, bytesAcknowledged: Int? = nil) {
        shard.moved(&exchanges[e].record)
        exchanges[e].traceFailure(failure.reason, now: now)
        // What a failed connect says of the replica was told when it was seen.
        let end: PermitEnd =
            failure == .engineRefused ? .refused : failure.isBeforeRequest ? .ignored : .failed
        releasePermit(e, end)
        if exchanges[e].isAnswerBegun {
            cut(e, failure.outcomeAfterAnswerBegan, failure.reason)
            return
        }
        // Whatever is decided, and however late: the client gets no head of this attempt.
        exchanges[e].holdDeadline = .never
        let traffic = shared.pools[exchanges[e].traffic]
        var facts = exchanges[e].retryCase(
            failure.attempt, bytesAcknowledged: bytesAcknowledged)
        facts.isEnabled = settings.pools[exchanges[e].traffic].retries
        facts.budget = traffic.retryBudget(now: now)
        decide(e, failure, facts)
    }

    private func decide(_ e: UInt32, _ failure: UpstreamFailure, _ facts: RetryCase) {
        let traffic = shared.pools[exchanges[e].traffic]
        switch RetryRule.verdict(facts) {
        case .retrySameAllowed:
            again(
                e, failure.reason,
                excluding: failure.isBeforeRequest ? exchanges[e].excluded : ReplicaIDs())
        case .retryOther:
            guard traffic.withdrawRetry(now: now) == .granted else {
                giveUp(e, failure, .budgetSpent)
                return
            }
            exchanges[e].repeats += 1
            // An engine that is full is not ill: where there is no other, it waits for a slot of this.
            if failure == .engineRefused, !traffic.hasOther(than: exchanges[e].excluded) {
                exchanges[e].excluded.remove(exchanges[e].lastReplica)
            }
            again(e, failure.reason, excluding: exchanges[e].excluded)
        case .awaitCorroboration(let wait):
            exchanges[e].awaitingCorroboration = failure
            exchanges[e].upstreamDeadline = now + wait
            armExchange(e)
            shared.corroborate(exchanges[e].lastReplica, pool: exchanges[e].traffic)
        case .giveUp(_, let why):
            giveUp(e, failure, why)
        }
    }

    /// The wait for a replica's death is over, one way or the other.
    func corroborationEnded(_ e: UInt32) {
        guard let failure = exchanges[e].awaitingCorroboration else { return }
        exchanges[e].awaitingCorroboration = nil
        let traffic = shared.pools[exchanges[e].traffic]
        var facts = exchanges[e].retryCase(failure.attempt, bytesAcknowledged: nil)
        facts.isEnabled = settings.pools[exchanges[e].traffic].retries
        facts.budget = traffic.retryBudget(now: now)
        let isDead =
            switch traffic.replicaState(exchanges[e].lastReplica) {
            case .dead, nil: true
            default: false
            }
        facts.isDeathCorroborated = isDead
        if isDead {
            exchanges[e].deaths += 1
            facts.deaths = exchanges[e].deaths
        }
        decide(e, failure, facts)
    }

    /// Forgets the attempt, whose connection and permit are gone, and asks for another replica.
    func again(_ e: UInt32, _ reason: Reason, excluding: ReplicaIDs) {
        exchanges[e].record.retries &+= 1
        exchanges[e].traceRetry(reason, now: now)
        // The failed attempt's head, still here: the client gets one head, that of the answer.
        downstreams[exchanges[e].downstream].output.removeAll()
        exchanges[e].resetAnswer(&readers[e])
        shard.retried(pool: Int16(exchanges[e].traffic), reason, .ok)
        shard.returned(&exchanges[e].record)
        askToEnter(e, retrying: excluding)
    }

    private func giveUp(_ e: UInt32, _ failure: UpstreamFailure, _ why: RetryRefusal) {
        var refusal = failure.refusal
        shard.retried(pool: Int16(exchanges[e].traffic), failure.reason, .refused)
        switch why {
        case .poison:
            shared.pools[exchanges[e].traffic].rememberPoison(exchanges[e].bodyHash, now: now)
            shared.hasPoison.store(true, ordering: .relaxed)
            shard.poisoned(pool: Int16(exchanges[e].traffic))
            refusal = .poison
        case .answerBegun, .retriesOff, .attemptsSpent, .budgetSpent, .timedOut, .notRepeatable,
            .deathNotCorroborated:
            break
        }
        refuse(e, refusal)
    }

    /// Whether the request is one that two replicas have died on.
    @inline(__always) func isPoison(_ e: UInt32) -> Bool {
        shared.hasPoison.load(ordering: .relaxed) && isRemembered(e)
    }

    private func isRemembered(_ e: UInt32) -> Bool {
        let traffic = shared.pools[exchanges[e].traffic]
        return traffic.isPoison(exchanges[e].bodyHash, now: now)
    }

    /// Gives the replica's slot back, exactly once per dispatch.
    func releasePermit(_ e: UInt32, _ end: PermitEnd) {
        if let permit = takePermit(&exchanges[e]) {
            turnWakes.formUnion(permit.release(end, exchanges[e].service, now: now))
        }
    }

    @inline(__always) private func takePermit(_ exchange: inout Exchange) -> Permit? {
        endProgress(&exchange)
        return exchange.permit.take()
    }
}
