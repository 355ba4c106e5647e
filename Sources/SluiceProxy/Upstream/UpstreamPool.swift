import SluiceReactor
import SluiceTime
import SluiceTraffic

/// The idle connections of one worker to one replica: a list through their slots, newest first.
///
/// The newest is taken, so that the rest grow old and are closed before the peer does it.
struct UpstreamPool {
    var newest = noSlot
    var oldest = noSlot
    var count = 0
    /// The generation of the replica in this slot that the list belongs to.
    var generation = UInt32.max
    /// How long a connection may idle: below the peer's own limit (uvicorn: 5 s).
    var idleMax = Self.idleMaxDefault

    static let idleMaxDefault = Nanoseconds.seconds(4)
    /// Idle connections kept per replica and worker at most.
    static let countMax = 1_024

    /// A connection comes to the front; answers which was there, and nil where there are too many.
    mutating func add(_ slot: UInt32) -> UInt32? {
        guard count < Self.countMax else { return nil }
        let next = newest
        newest = slot
        if oldest == noSlot { oldest = slot }
        count += 1
        return next
    }

    /// A connection between these neighbours is gone.
    mutating func removed(next: UInt32, previous: UInt32) {
        if next == noSlot { oldest = previous }
        if previous == noSlot { newest = next }
        count -= 1
    }
}

/// The lists of all replicas, by pool and replica slot: no hashing on a request's way.
struct UpstreamPools {
    /// At the place of pool and slot; in place, for a list changes twice with every request.
    private let lists: SlotScratch<UpstreamPool>

    init(pools: Int) {
        lists = SlotScratch(capacity: max(1, pools) * ReplicaPool.replicasMax) { UpstreamPool() }
    }

    @inline(__always)
    private func place(_ key: ReplicaKey) -> UInt32 {
        precondition(key.slot < ReplicaPool.replicasMax)
        let place = UInt32(truncatingIfNeeded: key.pool &* ReplicaPool.replicasMax &+ key.slot)
        lists.reach(place)
        return place
    }

    /// The list in a replica's slot, whosever it is; empty where there is none yet.
    @inline(__always)
    subscript(key: ReplicaKey) -> UpstreamPool {
        _read { yield lists[place(key)] }
        nonmutating _modify { yield &lists[place(key)] }
    }

    /// The replicas that have a list.
    var keys: [ReplicaKey] {
        (0..<UInt32(lists.count)).compactMap { place in
            let generation = lists[place].generation
            let (pool, slot) = Int(place).quotientAndRemainder(
                dividingBy: ReplicaPool.replicasMax)
            return generation == .max
                ? nil : ReplicaKey(pool: pool, slot: slot, generation: generation)
        }
    }
}

extension Worker {
    /// Makes the list of a slot that of this replica; false where the replica is gone.
    @inline(__always) private func openList(_ key: ReplicaKey) -> Bool {
        idle[key].generation == key.generation || openNewList(key)
    }

    @inline(never) private func openNewList(_ key: ReplicaKey) -> Bool {
        let generation = idle[key].generation
        guard directory.value.endpoint(key) != nil else { return false }
        if generation != .max {
            dropIdle(of: ReplicaKey(pool: key.pool, slot: key.slot, generation: generation))
        }
        var opened = UpstreamPool()
        opened.generation = key.generation
        idle[key] = opened
        return true
    }

    /// An idle connection to the replica that may carry another request, taken out of the pool.
    func takeIdle(_ key: ReplicaKey) -> UInt32? {
        guard openList(key) else { return nil }
        while let (u, idleMax) = takeNewest(of: &idle[key]) {
            progress.with(key.pool) { $0.connectionsChanged(slot: key.slot, open: 0, idle: -1) }
            if upstreams[u].use(again: now, idleMax: idleMax) { return u }
            close(upstream: u)
        }
        return nil
    }

    /// Takes the connection at the front out of a list; answers how long it may have idled, too.
    @inline(__always)
    private func takeNewest(of list: inout UpstreamPool) -> (u: UInt32, idleMax: Nanoseconds)? {
        let u = list.newest
        if u == noSlot { return nil }
        let next = upstreams[u].unlink().next
        if next != noSlot { upstreams[next].idlePrevious = noSlot }
        list.removed(next: next, previous: noSlot)
        return (u, list.idleMax)
    }

    /// Puts a connection that has finished its exchange back.
    func putIdle(_ u: UInt32) {
        let key = upstreams[u].replica
        guard openList(key), !isDraining || !isStopping, let next = idle[key].add(u) else {
            close(upstream: u)
            return
        }
        upstreams[u].rest(before: next, since: now)
        if next != noSlot { upstreams[next].idlePrevious = u }
        progress.with(key.pool) { $0.connectionsChanged(slot: key.slot, open: 0, idle: 1) }
        if sweepTimer == TimerWheel.none {
            sweepTimer = timers.value.schedule(Self.sweepToken, at: now + Self.sweepInterval)
        }
    }

    /// Takes an idle connection out of its list.
    func unlinkIdle(_ u: UInt32) {
        let (key, next, previous) = upstreams[u].unlink()
        if next != noSlot { upstreams[next].idlePrevious = previous }
        if previous != noSlot { upstreams[previous].idleNext = next }
        idle[key].removed(next: next, previous: previous)
        progress.with(key.pool) { $0.connectionsChanged(slot: key.slot, open: 0, idle: -1) }
    }

    /// The peer's own keep-alive limit, where it says one, less a second.
    func learnKeepAlive(_ key: ReplicaKey, seconds: Int) {
        guard openList(key) else { return }
        let limit = Nanoseconds.seconds(Int64(max(1, min(seconds, 3_600)))) - .seconds(1)
        idle[key].idleMax = max(.milliseconds(500), limit)
    }

    /// Closes connections that have idled too long; goes on while there are any.
    func sweepIdle() {
        sweepTimer = TimerWheel.none
        var left = 0
        for key in idle.keys {
            while true {
                let list = idle[key]
                let u = list.oldest
                guard u != noSlot, now - upstreams[u].idleSince >= list.idleMax else { break }
                unlinkIdle(u)
                close(upstream: u)
            }
            left += idle[key].count
        }
        if left > 0 {
            sweepTimer = timers.value.schedule(Self.sweepToken, at: now + Self.sweepInterval)
        }
    }

    /// Closes all idle connections to a replica and forgets it.
    func dropIdle(of key: ReplicaKey) {
        while true {
            let u = idle[key].newest
            if u == noSlot { break }
            unlinkIdle(u)
            close(upstream: u)
        }
        idle[key] = UpstreamPool()
    }
}
