import SluiceReactor
import SluiceTime

/// The idle connections of one worker to one replica: a list through their slots, newest first.
///
/// The newest is taken, so that the rest grow old and are closed before the peer does it.
struct UpstreamPool {
    var newest = noSlot
    var oldest = noSlot
    var count = 0
    /// How long a connection may idle: below the peer's own limit (uvicorn: 5 s).
    var idleMax = Self.idleMaxDefault

    static let idleMaxDefault = Nanoseconds.seconds(4)
    /// Idle connections kept per replica and worker at most.
    static let countMax = 1_024
}

extension Worker {
    /// An idle connection to the replica that may carry another request, taken out of the pool.
    func takeIdle(_ key: ReplicaKey) -> UInt32? {
        while let list = idle[key], list.newest != noSlot {
            let u = list.newest
            unlinkIdle(u)
            let idleTime = now - upstreams[u].idleSince
            // A FIN shows as an edge before this turn ends; a look at the socket is worth its system
            // call only where there was time for one to arrive unseen.
            let isQuiet = idleTime < .milliseconds(50) || upstreams[u].transport.isQuiet()
            if idleTime < list.idleMax && isQuiet && !upstreams[u].isPeerClosed {
                upstreams[u].isReused = true
                upstreams[u].bytesBefore =
                    upstreams[u].transport.wireBytesWritten ?? upstreams[u].bytesWritten
                upstreams[u].parser.reset()
                return u
            }
            close(upstream: u)
        }
        return nil
    }

    /// Puts a connection that has finished its exchange back.
    func putIdle(_ u: UInt32) {
        let key = upstreams[u].replica
        var list = idle[key] ?? UpstreamPool()
        guard list.count < UpstreamPool.countMax, !isDraining || !isStopping else {
            close(upstream: u)
            return
        }
        upstreams[u].stage = .idle
        upstreams[u].exchange = noSlot
        upstreams[u].idleSince = now
        upstreams[u].idlePrevious = noSlot
        upstreams[u].idleNext = list.newest
        if list.newest != noSlot { upstreams[list.newest].idlePrevious = u }
        list.newest = u
        if list.oldest == noSlot { list.oldest = u }
        list.count += 1
        idle[key] = list
        if sweepTimer == TimerWheel.none {
            sweepTimer = timers.value.schedule(Self.sweepToken, at: now + Self.sweepInterval)
        }
    }

    func unlinkIdle(_ u: UInt32) {
        let key = upstreams[u].replica
        guard var list = idle[key] else { return }
        let (next, previous) = (upstreams[u].idleNext, upstreams[u].idlePrevious)
        if next != noSlot {
            upstreams[next].idlePrevious = previous
        } else {
            list.oldest = previous
        }
        if previous != noSlot { upstreams[previous].idleNext = next } else { list.newest = next }
        upstreams[u].idleNext = noSlot
        upstreams[u].idlePrevious = noSlot
        list.count -= 1
        idle[key] = list
    }

    /// The peer's own keep-alive limit, where it says one, less a second.
    func learnKeepAlive(_ key: ReplicaKey, seconds: Int?) {
        guard let seconds else { return }
        let limit = Nanoseconds.seconds(Int64(max(1, min(seconds, 3_600)))) - .seconds(1)
        idle[key, default: UpstreamPool()].idleMax = max(.milliseconds(500), limit)
    }

    /// Closes connections that have idled too long; goes on while there are any.
    func sweepIdle() {
        sweepTimer = TimerWheel.none
        var left = 0
        for key in idle.keys {
            while let list = idle[key], list.oldest != noSlot,
                now - upstreams[list.oldest].idleSince >= list.idleMax
            {
                let u = list.oldest
                unlinkIdle(u)
                close(upstream: u)
            }
            left += idle[key]?.count ?? 0
        }
        if left > 0 {
            sweepTimer = timers.value.schedule(Self.sweepToken, at: now + Self.sweepInterval)
        }
    }

    /// Closes all idle connections to a replica and forgets it.
    func dropIdle(of key: ReplicaKey) {
        while let list = idle[key], list.newest != noSlot {
            let u = list.newest
            unlinkIdle(u)
            close(upstream: u)
        }
        idle[key] = nil
    }
}
