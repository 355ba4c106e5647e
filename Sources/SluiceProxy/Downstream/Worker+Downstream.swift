import Glibc
import SluiceBytes
import SluiceExchange
import SluiceHTTP
import SluiceReactor
import SluiceTelemetry
import SluiceTime

/// A client's connection: bytes in, requests out of them, bytes out, and its end.
extension Worker {
    /// An edge on a client's connection.
    func downstreamEvent(_ d: UInt32, _ event: PollEvent) {
        guard downstreams[d].take(event) != .closed else { return }
        if isTLS, downstreams[d].isHandshaking && !continueHandshake(downstream: d) { return }
        if event.isClosing && downstreams[d].stage == .responding {
            clientLeft(d, isReset: event.isBroken)
            return
        }
        if event.isWritable && downstreams[d].isBlocked { writable(d) }
        if downstreams[d].isReadable { advance(d) }
    }

    /// Goes on until the connection waits for something or has closed.
    func advance(_ d: UInt32) {
        while true {
            switch downstreams[d].stage {
            case .receivingHead:
                if downstreams[d].input.isEmpty {
                    guard read(d) else { return }
                }
                if !downstreams[d].headStarted.isSet {
                    downstreams[d].headStarted = now
                    setDeadline(d, now + settings.timeouts.head)
                }
                switch downstreams[d].parseHead(into: &requestHead.value) {
                case .needMore: guard read(d) else { return }
                case .complete: beginExchange(d)
                case .failed(let error): refuseUnparsed(d, error)
                }
            case .receivingBody:
                if downstreams[d].input.isEmpty {
                    guard read(d) else { return }
                    setDeadline(d, now + settings.timeouts.bodyIdle)
                }
                takeBody(d)
            case .discardingBody:
                if downstreams[d].input.isEmpty {
                    guard read(d) else { return }
                }
                dropBody(d)
            case .lingering:
                guard read(d) else { return }
                let count = downstreams[d].input.count
                downstreams[d].lingeredBytes &+= count
                downstreams[d].consumeInput(count, pool)
                if downstreams[d].lingeredBytes > DownstreamConnection.lingerBytesMax {
                    close(downstream: d)
                }
            case .responding, .closed:
                return
            }
        }
    }

    /// Reads once; false when there is nothing now, or the connection has ended.
    private func read(_ d: UInt32) -> Bool {
        guard downstreams[d].isReadable else { return false }
        switch downstreams[d].receive(pool) {
        case .bytes(_, let isDrained):
            if isDrained && !downstreams[d].isPeerClosed { downstreams[d].isReadable = false }
            return true
        case .wouldBlock:
            downstreams[d].isReadable = false
            return false
        case .end:
            readEnded(d, isReset: false)
            return false
        case .failed(let error):
            readEnded(d, isReset: error == ECONNRESET)
            return false
        }
    }

    private func readEnded(_ d: UInt32, isReset: Bool) {
        downstreams[d].isReadable = false
        downstreams[d].isPeerClosed = true
        if downstreams[d].exchange != noSlot {
            clientLeft(d, isReset: isReset)
        } else {
            close(downstream: d)
        }
    }

    /// Sends what is queued; false when the connection is gone.
    @discardableResult func flush(_ d: UInt32) -> Bool {
        guard downstreams[d].stage != .closed else { return false }
        guard write(d) else {
            downstreams[d].isPeerClosed = true
            if downstreams[d].exchange != noSlot {
                clientLeft(d, isReset: true)
            } else {
                close(downstream: d)
            }
            return false
        }
        return true
    }

    /// Writes what is queued, counted for the exchange; false when the connection is broken.
    @inline(__always) func write(_ d: UInt32) -> Bool {
        let before = downstreams[d].output.count
        let isOpen = downstreams[d].flush(pool, now: now)
        let e = downstreams[d].exchange
        if e != noSlot {
            exchanges[e].record.bytesOut &+= UInt64(before - downstreams[d].output.count)
        }
        return isOpen
    }

    /// The socket takes bytes again.
    private func writable(_ d: UInt32) {
        let since = downstreams[d].blockedSince
        let e = downstreams[d].exchange
        guard flush(d) else { return }
        guard e != noSlot else {
            if downstreams[d].stage == .lingering && downstreams[d].output.isEmpty {
                finishWriting(d)
            }
            return
        }
        guard exchanges.isInUse(e) else { return }
        // A part that was taken ends a wait as the whole does: a slow reader's many add up.
        let until = downstreams[d].isBlocked ? downstreams[d].blockedSince : now
        exchanges[e].blocked(for: until - since)
        written(e)
    }

    /// Ends the connection after its answer: our FIN, then silence from the client, then close.
    func closeGracefully(_ d: UInt32) {
        guard downstreams[d].stage != .closed else { return }
        downstreams[d].stage = .lingering
        downstreams[d].headStarted = .unset
        if downstreams[d].output.isEmpty { finishWriting(d) }
        setDeadline(d, now + DownstreamConnection.lingerMax)
        if downstreams[d].isPeerClosed { close(downstream: d) }
    }

    private func finishWriting(_ d: UInt32) {
        // TLS: FIN without close_notify would make a whole answer look cut. Where the socket is too
        // full even for that the next edge tells, or the linger's deadline.
        downstreams[d].isBlocked =
            !downstreams[d].transport.closeNotify() && downstreams[d].transport.tlsError == nil
        if downstreams[d].isBlocked { return }
        downstreams[d].transport.shutdownWriting()
    }

    /// Closes now; the slot is freed at the end of the turn.
    func close(downstream d: UInt32) {
        guard downstreams[d].stage != .closed else { return }
        downstreams[d].stage = .closed
        graveyard.append(downstreams.token(.downstream, d))
    }

    /// After an answer: the next request on the same connection, or its end.
    func nextRequest(_ d: UInt32) {
        downstreams[d].exchange = noSlot
        guard downstreams[d].stage == .responding else { return }
        if downstreams[d].closesAfterAnswer {
            closeGracefully(d)
            return
        }
        if downstreams[d].bodyLeft > 0 {
            discardBody(d)
        } else {
            awaitRequest(d)
        }
        if downstreams[d].isReadable || !downstreams[d].input.isEmpty {
            ready.append(downstreams.token(.downstream, d))
        }
    }

    /// The next head may come.
    @inline(__always) func awaitRequest(_ d: UInt32) {
        downstreams[d].stage = .receivingHead
        downstreams[d].headStarted = .unset
        downstreams[d].parser.reset()
        rest(downstream: d)
    }

    /// Gives a connection the time in which its next request may begin.
    ///
    /// That is not none when draining: its client was promised, by an answer that began before or by
    /// the accepted connection, that it may send, and a request may be on its way. The answer to
    /// that one says close.
    func rest(downstream d: UInt32) {
        let idle = settings.timeouts.keepAliveIdle
        setDeadline(d, now + (isListenerClosed ? min(idle, DownstreamConnection.drainRest) : idle))
    }

    // MARK: Refusals before there is an exchange

    /// Answers a request that could not be read; nothing of it reaches anybody.
    private func refuseUnparsed(_ d: UInt32, _ error: RequestError) {
        shard.parseError(.downstream, error: error.index)
        refuseUnknown(d, Refusal(error, Reason(error), limits: settings.limits))
    }

    /// Answers a client of whose request nothing is known.
    func refuseUnknown(_ d: UInt32, _ refusal: Refusal) {
        let e = openExchange(d, .unknown, .none)
        refuse(e, refusal)
    }
}

extension DownstreamConnection {
    /// Parses the head at the front of the input.
    mutating func parseHead(into head: inout RequestHead) -> HeadStep<RequestError> {
        parser.parse(input, into: &head)
    }
}

extension Reason {
    /// The reason that goes with a request that could not be read.
    init(_ error: RequestError) {
        self =
            switch error.status {
            case 405: .methodNotAllowed
            case 413: .bodyTooLarge
            case 414: .targetTooLong
            case 417: .expectationFailed
            case 431: .headTooLarge
            case 501: .notImplemented
            case 505: .versionNotSupported
            default: .badRequest
            }
    }
}
