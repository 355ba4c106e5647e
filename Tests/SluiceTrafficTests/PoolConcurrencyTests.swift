import SluiceBytes
import SluiceTime
import Testing

@testable import SluiceTraffic

@Suite struct PoolConcurrencyTests {
    @Test func `four workers on one pool leave nothing behind`() async {
        var limits = AdmissionLimits()
        limits.replicaInflightMax = 3
        let pool = ReplicaPool(name: "m", workers: 4, limits: limits, seed: 1)
        let start = Instant(nanoseconds: 1_000_000_000_000)
        _ = pool.update(
            replicas: ["a", "b"].map { ReplicaDescriptor(name: $0, key: $0) }, now: start)
        await withTaskGroup(of: Void.self) { group in
            for worker in 0..<4 {
                group.addTask { Self.work(pool, worker: worker, start: start) }
            }
        }
        // Whoever finished last may have granted to one who was done.
        var left = 1
        while left > 0 {
            left = 0
            for worker in 0..<4 {
                pool.takeGrants(worker: worker, now: start) { grant in
                    left += 1
                    Self.finish(grant, start)
                }
            }
        }
        let snapshot = pool.snapshot(now: start)
        #expect(snapshot.inflight == 0)
        #expect(snapshot.queueLength == 0)
        #expect(snapshot.leakedPermits == 0)
        #expect(snapshot.dispatched == snapshot.finished)
    }

    private static func work(_ pool: ReplicaPool, worker: Int, start: Instant) {
        var random = SplitMix64(seed: UInt64(worker))
        var held: [Held] = []
        for step in 0..<5_000 {
            let now = start + .microseconds(Int64(step))
            let verdict = pool.arrive(
                Arrival(), worker: worker, token: UInt64(step), now: now, dice: random.next())
            switch consume verdict {
            case .dispatch(let permit): held.append(Held(permit))
            case .wait(let ticket, _, _):
                if step % 3 == 0 { _ = pool.cancel(ticket, now: now) }
            case .shed: break
            }
            if held.count > 1 { held.removeFirst().release(now: now) }
            pool.takeGrants(worker: worker, now: now) { grant in finish(grant, now) }
            if worker == 0, step % 50 == 0 { _ = pool.tick(now: now) }
        }
        for one in held { one.release(now: start) }
    }

    private static func finish(_ grant: consuming Grant, _ now: Instant) {
        switch consume grant {
        case .dispatch(_, let permit): _ = permit.release(.success, now: now)
        case .shed: break
        }
    }
}
