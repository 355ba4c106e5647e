import SluiceBytes
import SluiceTime
import SluiceTraffic

/// The cost of a decision: what a pool of 64 replicas does for one request, with a thousand tenants
/// waiting. For counting instructions; the clock is moved by hand.
package enum Decisions {
    /// Replicas of the pool.
    package static let replicas = 64
    /// Tenants, each with ``backlog`` requests waiting.
    package static let tenants = 1_000
    /// Requests of a tenant that wait, at least.
    package static let backlog = 2

    /// A dispatched request; a class, because an array holds no noncopyable values.
    private final class Held {
        var permit: Permit?
        init(_ permit: consuming Permit) { self.permit = consume permit }
    }

    /// Ends a request, hands its slot to the next and lets another arrive, so many times.
    ///
    /// - Parameter note: called before the first and after each.
    /// - Returns: grants; less than `count` only where slots were not passed on.
    package static func run(_ count: Int, note: () -> Void = {}) -> Int {
        var policy = AdmissionPolicy()
        // Nobody is refused: each decision goes all the way.
        policy.classes = [ClassPolicy(name: "standard", timeToFirstToken: .seconds(3_600))]
        policy.tenants = (0..<tenants).map { TenantPolicy(name: "t\($0)") }
        policy.slotsMax = Study.slots
        var limits = AdmissionLimits()
        limits.queueLengthMax = 4 * tenants * backlog
        let pool = ReplicaPool(
            name: "decisions", workers: 1, limits: limits, policy: policy, seed: 1)
        var now = Fleet.start
        let ids = pool.update(
            replicas: (0..<replicas).map { ReplicaDescriptor(name: "r\($0)", key: "r\($0)") },
            now: now
        ).ids.compactMap { $0 }
        for id in ids { _ = pool.observe(id, .probe(.healthy), now: now) }
        var generator = SplitMix64(seed: 1)
        var held: [Held] = []
        var arrived = 0
        func arrive() -> Held? {
            let arrival = Arrival(promptTokens: 600, tenantIndex: arrived % tenants)
            arrived += 1
            let verdict = pool.arrive(
                arrival, worker: 0, token: UInt64(arrived), now: now, dice: generator.next())
            switch consume verdict {
            case .dispatch(let permit): return Held(permit)
            case .wait: return nil
            case .shed: return nil
            }
        }
        while let one = arrive() { held.append(one) }
        for _ in 0..<tenants * backlog { _ = arrive() }
        _ = pool.tick(now: now)

        var granted = 0
        note()
        for _ in 0..<count {
            now = now + .microseconds(100)
            let place = Int(generator.next() % UInt64(held.count))
            if let permit = held[place].permit.take() {
                _ = permit.release(.success, Service(outputTokens: 200), now: now)
            }
            if let grant = pool.takeGrant(worker: 0, now: now) {
                switch consume grant {
                case .dispatch(_, let permit):
                    held[place].permit = consume permit
                    granted += 1
                case .shed: break
                }
            }
            _ = arrive()
            note()
        }
        for one in held {
            if let permit = one.permit.take() { _ = permit.release(.ignored, now: now) }
        }
        while let grant = pool.takeGrant(worker: 0, now: now) {
            switch consume grant {
            case .dispatch(_, let permit): _ = permit.release(.ignored, now: now)
            case .shed: break
            }
        }
        return granted
    }
}
