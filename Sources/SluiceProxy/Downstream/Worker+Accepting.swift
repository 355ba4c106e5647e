import SluiceReactor
import SluiceTelemetry
import SluiceTime

/// Clients come, until there is no room for more.
extension Worker {
    /// Accepts what waits, at most a batch: the listener is level-triggered and will say so again. Each
    /// TLS handshake takes as long as some twenty requests, which other clients would wait for.
    func acceptConnections() {
        acceptConnections(
            atMost: isTLS ? Self.handshakesBegunPerTurn : Self.connectionsAcceptedPerTurn)
    }

    private func acceptConnections(atMost count: Int) {
        for _ in 0..<count {
            guard !downstreams.isFull, shared.admitConnection() else {
                pauseAccepting()
                return
            }
            guard let accepted = listener?.accept() else {
                shared.connectionClosed()
                return
            }
            switch consume accepted {
            case .connection(let transport, let peer):
                let isLast = transport.descriptor >= acceptCeiling
                adopt(transport, peer)
                guard isLast else { continue }
                shared.note("accepting paused: what descriptors are left are for replicas")
                pauseAccepting(for: Self.ceilingPause)
                return
            case .wouldBlock:
                shared.connectionClosed()
                return
            case .exhausted(let error):
                shared.connectionClosed()
                shared.note("accepting paused: \(error)")
                pauseAccepting()
                return
            }
        }
    }

    private func adopt(_ transport: consuming Transport, _ peer: SocketAddress) {
        let descriptor = transport.descriptor
        let slot = downstreams.insert(
            DownstreamConnection(transport: transport, peer: peer, limits: headLimits))
        let token = downstreams.token(.downstream, slot)
        shard.connection(.downstream, .ok)
        guard (try? poller.add(descriptor, .stream, token)) != nil else {
            close(downstream: slot)
            return
        }
        guard startTLS(downstream: slot) else {
            close(downstream: slot)
            return
        }
        setDeadline(slot, now + settings.timeouts.head)
        if downstreams[slot].isHandshaking && !continueHandshake(downstream: slot) { return }
        // The request is often there already; the read costs nothing that the edge would not.
        downstreams[slot].isReadable = true
        advance(slot)
    }

    /// Out of connections or descriptors: no more interest, a timer to look again.
    private func pauseAccepting(for span: Nanoseconds = acceptPause) {
        guard let descriptor = listener?.descriptor, acceptTimer == TimerWheel.none else { return }
        poller.modify(descriptor, [], Self.listenerToken)
        acceptPausedSince = now
        acceptTimer = timers.value.schedule(Self.acceptToken, at: now + span)
    }

    func resumeAccepting() {
        acceptTimer = TimerWheel.none
        shard.acceptPaused(now - acceptPausedSince)
        guard let descriptor = listener?.descriptor else { return }
        guard DescriptorTable.hasRoom(below: acceptCeiling, with: descriptor) else {
            pauseAccepting(for: Self.ceilingPause)
            return
        }
        poller.modify(descriptor, .read, Self.listenerToken)
    }

    func closeListener() {
        isDraining = true
        guard listener != nil else { return }
        // Connections that the kernel has completed are still ours: closing now would reset them.
        acceptConnections(atMost: ListenerSocket.backlogMax)
        listener = nil
        isListenerClosed = true
        timers.value.cancel(&acceptTimer)
        for slot in downstreams.slotsInUse() where downstreams[slot].exchange == noSlot {
            if downstreams[slot].stage == .receivingHead && downstreams[slot].input.isEmpty {
                rest(downstream: slot)
            }
        }
    }
}
