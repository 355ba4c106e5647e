import SluiceBytes
import SluiceExchange
import SluiceReactor
import SluiceTelemetry
import SluiceTime
import SluiceTraffic

/// The steps of a request's way, each as far as it concerns the exchange alone.
///
/// A step is one call with the exchange looked up once: every look into the worker's table checks
/// that the slot is in use.
extension Exchange {
    /// Fills in what every record has.
    mutating func begin(
        _ route: Route, from connection: inout DownstreamConnection, classIndex: UInt8,
        now: Instant,
        random: inout Xoshiro
    ) {
        record.route = route
        record.classIndex = classIndex
        record.started = connection.headStarted.isSet ? connection.headStarted : now
        // The head may have taken its time.
        record.startedUnixNanoseconds =
            MonotonicClock.realtimeNanoseconds()
            &- (now.nanoseconds &- record.started.nanoseconds)
        record.client = connection.client
        RequestIdentity.make(
            unixMilliseconds: UInt64(clamping: record.startedUnixNanoseconds / 1_000_000),
            random: random.next(), random.next(), into: &record.requestID)
        // Ours, and what is taken over in its place: see ``RequestIdentity/isAcceptable(_:)``.
        record.isRequestIDPlain = true
    }

    /// The last byte of the request has come (`t1`); answers from where, and where it goes.
    mutating func received(at now: Instant) -> (downstream: UInt32, route: Route) {
        record.received = now
        record.bytesIn = UInt64(max(0, bodyCount))
        return (downstream, record.route)
    }

    /// The request has been judged and has its pool, where it waits from now on.
    mutating func enter(pool: Int, model: UInt16, adapter: UInt16) {
        traffic = pool
        record.poolIndex = Int16(pool)
        record.modelIndex = model
        record.phase = .queued
        arrival.modelIndex = Int(model)
        arrival.adapter = adapter
    }

    /// Fills in what the gate wants to know besides the body; answers the caller's deadline, where it
    /// has set one, and whether its tenant has a quota.
    mutating func completeArrival(now: Instant) -> (deadline: Deadline?, isMetered: Bool) {
        arrival.received = record.received
        arrival.tag = record.requestID.tail()
        arrival.isRepeated = record.clientRetryCount > 0
        guard callerLimit > .zero else { return (nil, isMetered) }
        callerDeadline = now + callerLimit
        arrival.deadline = callerDeadline
        return (callerDeadline, isMetered)
    }

    /// An attempt begins (`t2`, if it is the first); answers whether it is.
    mutating func bind(_ permit: consuming Permit, now: Instant) -> Bool {
        lastReplica = permit.replica
        excluded.insert(permit.replica)
        self.permit = consume permit
        attempts += 1
        isRequestSent = false
        bodySent = 0
        record.phase = .connecting
        guard !record.admitted.isSet else { return false }
        record.admitted = now
        return true
    }

    /// The last byte of the request has gone to the replica (`t3`), which has until `deadline`.
    mutating func sent(at now: Instant, until deadline: Instant) {
        isRequestSent = true
        record.sent = now
        record.phase = .relaying
        upstreamDeadline = deadline
    }

    /// The final head of the answer has come (`t4`).
    mutating func answered(status: Int, at now: Instant) {
        record.answered = now
        record.upstreamStatus = UInt16(status)
        // Of the answer alone: our `100 Continue` is none of it.
        record.bytesOut = 0
        isHeadParsed = true
    }

    /// Nothing more of the answer will come; answers whether its proper end is missing.
    mutating func answerEnded(
        _ payload: inout ByteBuffer, _ readers: inout ExchangeReaders
    ) -> Bool {
        upstreamDeadline = .never
        holdDeadline = .never
        finishPayload(&payload, &readers)
        return lacksTerminalEvent
    }

    /// Whether the connection may carry another exchange, as far as this one says.
    var allowsReuse: Bool { mutating get { upstreamKeepsAlive && isRequestSent } }

    /// The replica's part is over; answers what it says of the replica.
    mutating func leaveUpstream(
        _ readers: inout ExchangeReaders, lostItsEnd: Bool
    ) -> PermitEnd {
        // Where the end is lost the exchange must not end well with its last byte.
        isUpstreamDone = !lostItsEnd
        upstream = noSlot
        takeUsage(&readers)
        return lostItsEnd ? .failed : answerVerdict
    }

    /// The client's full socket has held us back for so long.
    mutating func blocked(for time: Nanoseconds) {
        record.blocked += time
        blockedInGap += time
    }

    /// The exchange is over (`t9`).
    mutating func end(_ outcome: Outcome, _ reason: Reason, at now: Instant) {
        if !record.received.isSet { record.received = now }
        record.ended = now
        record.outcome = outcome
        record.reason = reason
        switch outcome {
        case .clientGone: record.status = 499
        case .ok, .clientError, .shed, .upstreamClientError, .upstreamFailed, .streamError,
            .truncated, .streamTimeout, .clientStalled, .drained, .gatewayError:
            if record.status == 0 { record.status = record.upstreamStatus }
        }
    }
}
