import SluiceExchange
import SluiceReactor
import SluiceTelemetry

/// TLS handshakes on both sides; above them, plain and TLS connections share every line.
extension Worker {
    /// Makes an accepted connection a TLS one where the listener is. False when it is of no use.
    func startTLS(downstream d: UInt32) -> Bool {
        guard let context = shared.serverTLS else { return true }
        guard (try? downstreams[d].transport.startTLS(server: context)) != nil else { return false }
        downstreams[d].isHandshaking = true
        return true
    }

    /// Makes a connection to a replica a TLS one where its URL says so.
    func startTLS(upstream u: UInt32, _ endpoint: ReplicaEndpoint) -> Bool {
        guard let context = endpoint.tls else { return true }
        do throws(TLSError) {
            try upstreams[u].transport.startTLS(client: context, host: endpoint.host)
        } catch {
            shared.note("replica \(endpoint.url.authority): \(error)")
            return false
        }
        upstreams[u].isHandshaking = true
        return true
    }

    /// Goes on with a client's handshake; true when it is done.
    func continueHandshake(downstream d: UInt32) -> Bool {
        switch downstreams[d].transport.handshake() {
        case .done:
            downstreams[d].isHandshaking = false
            // First bytes may have come with the last handshake message; no edge tells of them.
            downstreams[d].isReadable = true
            shard.handshake(.downstream, .ok)
            return true
        case .wantsRead, .wantsWrite: return false
        case .failed(let error):
            shard.handshake(.downstream, .failed)
            downstreams[d].isHandshaking = false
            if error == .handshake(host: nil, .plainHTTP) {
                refusePlain(d)
            } else {
                close(downstream: d)
            }
            return false
        }
    }

    /// HTTP without TLS: says so in the client's own terms, for a reset tells nobody what is wrong.
    private func refusePlain(_ d: UInt32) {
        downstreams[d].transport.abandonTLS()
        var refusal = Refusal(
            400, .badRequest, "This port speaks TLS; use https:// instead of http://.")
        refusal.closes = true
        refuseUnknown(d, refusal)
    }

    /// Goes on with the handshake at a replica; true when it is done.
    func continueHandshake(upstream u: UInt32) -> Bool {
        switch upstreams[u].transport.handshake() {
        case .done:
            upstreams[u].isHandshaking = false
            upstreams[u].isReadable = true
            upstreams[u].bytesBefore = upstreams[u].transport.wireBytesWritten ?? 0
            shard.handshake(.upstream, .ok)
            return true
        case .wantsRead, .wantsWrite: return false
        case .failed(let error):
            shard.handshake(.upstream, .failed)
            let name = directory.value.name(upstreams[u].replica)
            shared.note("TLS to replica \(name) failed: \(error)")
            upstreamBroken(u, .tlsFailed)
            return false
        }
    }
}
