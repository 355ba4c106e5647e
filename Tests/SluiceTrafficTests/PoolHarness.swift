import SluiceBytes
import SluiceTime

@testable import SluiceTraffic

/// A pool with a hand-moved clock and a seeded generator.
final class PoolHarness {
    let pool: ReplicaPool
    var now = Instant(nanoseconds: 1_000_000_000_000)
    var random = SplitMix64(seed: 42)
    var ids: [ReplicaID] = []
    private var nextToken: UInt64 = 1

    /// What an arrival came to, storable.
    enum Arrived {
        case held(Held)
        case waits(QueueTicket, token: UInt64)
        case shed(ShedReason, retryAfter: Nanoseconds?)
    }

    init(
        replicas: Int = 2, workers: Int = 4, limits: AdmissionLimits = AdmissionLimits(),
        policy: AdmissionPolicy = AdmissionPolicy(), leakPolicy: ReplicaPool.LeakPolicy = .stop
    ) {
        pool = ReplicaPool(
            name: "m", workers: workers, limits: limits, policy: policy, seed: 7,
            leakPolicy: leakPolicy)
        update(replicas)
    }

    func update(_ count: Int) { update((0..<count).map { "r\($0)" }) }

    func update(_ names: [String]) {
        let update = pool.update(
            replicas: names.map { ReplicaDescriptor(name: $0, key: $0) }, now: now)
        ids = update.ids.compactMap { $0 }
    }

    func tick() { _ = pool.tick(now: now) }

    func advance(_ span: Nanoseconds) { now = now + span }

    func arrive(
        _ arrival: Arrival = Arrival(), worker: Int = 0, retrying: ReplicaIDs? = nil
    ) -> Arrived {
        let token = nextToken
        nextToken += 1
        let verdict = pool.arrive(
            arrival, worker: worker, token: token, retrying: retrying, now: now,
            dice: random.next())
        switch consume verdict {
        case .dispatch(let permit): return .held(Held(permit))
        case .wait(let ticket, _, _): return .waits(ticket, token: token)
        case .shed(let shed): return .shed(shed.reason, retryAfter: shed.retryAfter)
        }
    }

    /// Arrives and must be dispatched at once.
    func dispatch(retrying: ReplicaIDs? = nil) -> Held? {
        if case .held(let held) = arrive(retrying: retrying) { return held }
        return nil
    }

    /// All messages of a worker: tokens granted and expired.
    func grants(worker: Int = 0) -> (granted: [(UInt64, Held)], expired: [(UInt64, ShedReason)]) {
        var granted: [(UInt64, Held)] = []
        var expired: [(UInt64, ShedReason)] = []
        pool.takeGrants(worker: worker, now: now) { grant in
            switch consume grant {
            case .dispatch(let token, let permit): granted.append((token, Held(permit)))
            case .shed(let token, let shed): expired.append((token, shed.reason))
            }
        }
        return (granted, expired)
    }

    /// Serves who is granted a slot, one after the other: the tokens, in that order.
    func serveInTurn() -> [UInt64] {
        var order: [UInt64] = []
        while let (token, held) = grants().granted.first {
            order.append(token)
            held.release(now: now)
        }
        return order
    }

    private var kept: [Held] = []

    /// Keeps a permit until ``settle()``.
    func keep(_ one: Held) { kept.append(one) }

    /// Gives back what was kept, and what is granted meanwhile, until nothing is left.
    func settle() {
        while !kept.isEmpty {
            for one in kept { one.release(.ignored, now: now) }
            kept = grants().granted.map(\.1)
        }
    }

    func observe(_ replica: Int, _ event: ReplicaEvent) {
        _ = pool.observe(ids[replica], event, now: now)
    }

    func state(_ replica: Int) -> ReplicaState? { pool.replicaState(ids[replica]) }

    var snapshot: PoolSnapshot { pool.snapshot(now: now) }

    /// Requests per replica that `count` arrivals come to.
    func spread(_ count: Int) -> [Int] {
        var held: [Held] = []
        var result = [Int](repeating: 0, count: ids.count)
        for _ in 0..<count {
            guard let one = dispatch() else { continue }
            if let index = ids.firstIndex(of: one.replica) { result[index] += 1 }
            held.append(one)
        }
        for one in held { one.release(.ignored, now: now) }
        return result
    }
}

/// A permit in a box that arrays can hold.
final class Held {
    private var permit: Permit?
    let replica: ReplicaID
    let reason: RoutingReason

    init(_ permit: consuming Permit) {
        replica = permit.replica
        reason = permit.reason
        self.permit = consume permit
    }

    func isMeant(by recall: Recall) -> Bool { permit?.isMeant(by: recall) ?? false }

    /// Its first output has come, if it has not before.
    func began(sent: Instant = .unset, now: Instant) {
        _ = permit?.outputBegan(sent: sent, now: now)
    }

    @discardableResult
    func release(
        _ end: PermitEnd = .success, _ service: Service = .unknown, now: Instant
    ) -> WakeSet {
        guard let permit = permit.take() else { return WakeSet() }
        return permit.release(end, service, now: now)
    }
}
