import SluiceBytes
import SluiceExchange
import SluiceReactor
import SluiceTelemetry
import SluiceTime

/// A connection to a replica: its beginning, its edges, its end.
extension Worker {
    /// Starts a connection; nil when none can be made (no descriptor, no route).
    func connect(to endpoint: ReplicaEndpoint, _ key: ReplicaKey, for e: UInt32) -> UInt32? {
        guard !upstreams.isFull,
            let transport = try? Transport.connect(
                to: endpoint.address, userTimeout: settings.timeouts.writeStall)
        else { return nil }
        let descriptor = transport.descriptor
        let u = upstreams.insert(
            UpstreamConnection(
                transport: transport, replica: key, exchange: e, limits: headLimits))
        progress.with(key.pool) { $0.connectionsChanged(slot: key.slot, open: 1) }
        if !startTLS(upstream: u, endpoint)
            || (try? poller.add(descriptor, .stream, upstreams.token(.upstream, u))) == nil
        {
            shard.connection(.upstream, .failed)
            close(upstream: u)
            return nil
        }
        return u
    }

    /// An edge on a replica's connection.
    func upstreamEvent(_ u: UInt32, _ event: PollEvent) {
        switch upstreams[u].take(event) {
        case .connecting:
            // A handshake waits for the replica's bytes, too.
            guard event.isWritable || event.isClosing || upstreams[u].isHandshaking else { return }
            connected(u)
        case .active:
            if event.isWritable && upstreams[u].isBlocked { sendOn(u) }
            pump(u)
        case .idle:
            guard event.isReadable || event.isClosing else { return }
            if !event.isClosing, upstreams[u].transport.isTLS, upstreams[u].transport.isQuiet() {
                // A session ticket, a key update: TLS's own affair.
                upstreams[u].isReadable = false
                return
            }
            // Nothing may come on an idle connection: FIN, or stray bytes that are nobody's answer.
            unlinkIdle(u)
            close(upstream: u)
        case .closed:
            return
        }
    }

    /// The socket takes more of the request. What has come of an answer is read first: a replica that
    /// refuses a body unread closes after it, and no write says why.
    private func sendOn(_ u: UInt32) {
        pump(u)
        if upstreams[u].stage == .active && upstreams[u].isBlocked { sendRequest(u) }
    }

    private func connected(_ u: UInt32) {
        if let error = upstreams[u].transport.connectError() {
            upstreamBroken(u, UpstreamFailure(connect: error))
            return
        }
        // A replica that refuses the handshake closes with an alert, which says why.
        if upstreams[u].isPeerClosed && !upstreams[u].isHandshaking {
            upstreamBroken(u, .connectFailed)
            return
        }
        if upstreams[u].isHandshaking && !continueHandshake(upstream: u) { return }
        // Who speaks before anything was asked answers nobody.
        guard upstreams[u].isClean else {
            upstreamBroken(u, upstreams[u].isPeerClosed ? .connectFailed : .spokeFirst)
            return
        }
        shard.connection(.upstream, .ok)
        sendRequest(u)
    }

    /// The connection is of no more use to its exchange: close it, let the retry rule decide.
    func upstreamBroken(_ u: UInt32, _ failure: UpstreamFailure) {
        let e = upstreams[u].exchange
        let tells = failure != .reset || upstreams[u].isResetOfUnread
        let acknowledged = tells ? upstreams[u].bytesAcknowledgedOfRequest() : nil
        if upstreams[u].isReused, acknowledged == 0 {
            shard.staleKeepalive(replica: exchanges[e].record.replicaIndex)
        }
        exchanges[e].upstream = noSlot
        close(upstream: u)
        if failure.isBeforeRequest {
            shard.connection(.upstream, failure.connectResult)
            shard.connectError(replica: exchanges[e].record.replicaIndex, failure.reason)
            shared.observeConnectFailure(exchanges[e].traffic, exchanges[e].lastReplica, failure)
        }
        attemptFailed(e, failure, bytesAcknowledged: acknowledged)
    }

    /// Closes now; the slot is freed at the end of the turn.
    func close(upstream u: UInt32) {
        guard upstreams[u].stage != .closed else { return }
        // Not after half a request, which must not look whole. Nothing on a plain connection.
        if upstreams[u].output.isEmpty && !upstreams[u].isBlocked {
            upstreams[u].transport.closeNotify()
        }
        upstreams[u].stage = .closed
        upstreams[u].exchange = noSlot
        let key = upstreams[u].replica
        progress.with(key.pool) { $0.connectionsChanged(slot: key.slot, open: -1) }
        graveyard.append(upstreams.token(.upstream, u))
    }
}

extension UpstreamConnection {
    /// Whether a reset before any acknowledgement means that nothing was read. On a connection in use it
    /// does not: the acknowledgement is delayed by up to 40 ms (tcp(7), TCP_QUICKACK), and a replica that
    /// resets meanwhile never sends it. After a rest it is what the end of its keep-alive looks like.
    fileprivate var isResetOfUnread: Bool { !isReused || hasRested }

    /// Bytes of the present request that the peer has acknowledged; nil where the kernel cannot say.
    ///
    /// `tcpi_bytes_acked` counts the SYN as one. Source: tcp(7).
    func bytesAcknowledgedOfRequest() -> Int? {
        // What a TLS handshake has sent is none of it.
        if case .connecting = stage { return 0 }
        guard let info = transport.info() else { return nil }
        let before = bytesBefore &+ 1
        return info.bytesAcknowledged <= before ? 0 : Int(clamping: info.bytesAcknowledged - before)
    }
}
