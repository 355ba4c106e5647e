import SluiceTime
import Testing

@testable import SluiceTraffic

@Suite struct ResponseOwnersTests {
    private let start = Instant(nanoseconds: 1_000_000_000_000)

    private func owner(_ slot: UInt32) -> ResponseOwners.Owner {
        ResponseOwners.Owner(pool: 1, model: 2, replica: ReplicaID(slot: slot, generation: 0))
    }

    private func key(_ id: String) -> UInt64 { ResponseOwners.key(Array(id.utf8).span) }

    @Test func `a response is found for a day, at and just over`() {
        var owners = ResponseOwners()
        owners.remember(key("resp_a"), owner(7), now: start)
        #expect(owners.owner(key("resp_a"), now: start) == owner(7))
        let last = start + ResponseOwners.ageMax - Nanoseconds(1)
        #expect(owners.owner(key("resp_a"), now: last) == owner(7))
        #expect(owners.owner(key("resp_a"), now: last + Nanoseconds(1)) == nil)
        #expect(owners.owner(key("resp_b"), now: start) == nil)
    }

    @Test func `a full memory forgets the oldest, one for one`() {
        var owners = ResponseOwners(countMax: 3)
        for number in 0..<8 {
            owners.remember(key("r\(number)"), owner(UInt32(number)), now: start)
            let known = (0..<8).filter { owners.owner(key("r\($0)"), now: start) != nil }
            #expect(known == Array(max(0, number - 2)...number))
        }
    }

    @Test func `of two responses with one id the later counts`() {
        var owners = ResponseOwners(countMax: 2)
        owners.remember(key("mine"), owner(1), now: start)
        owners.remember(key("mine"), owner(2), now: start)
        owners.remember(key("other"), owner(3), now: start)
        #expect(owners.owner(key("mine"), now: start) == owner(2))
        #expect(owners.owner(key("other"), now: start) == owner(3))
    }

    // MARK: The slot at the owner

    @Test func `a request for one replica goes there past the queue, whatever its state`() {
        let harness = PoolHarness(replicas: 2)
        for event in [ReplicaEvent.connectFailed, .connectFailed, .connectFailed, .cordon] {
            harness.observe(1, event)
            let held = harness.arrive(at: harness.ids[1])
            #expect(held?.replica == harness.ids[1] && held?.reason == .owner)
            held?.release(now: harness.now)
        }
        #expect(harness.snapshot.inflight == 0)
    }

    @Test func `one that drains still answers, one that is gone does not`() {
        let harness = PoolHarness(replicas: 2)
        let both = [harness.dispatch(), harness.dispatch()]
        let leaving = harness.ids[1]
        harness.update(["r0"])
        let last = harness.arrive(at: leaving)
        #expect(last?.replica == leaving)
        for held in both { held?.release(now: harness.now) }
        #expect(harness.pool.replicaState(leaving) == .draining)
        last?.release(now: harness.now)
        #expect(harness.arrive(at: leaving) == nil)
    }

    @Test func `the bound on requests at a replica holds here too`() {
        var limits = AdmissionLimits()
        limits.replicaInflightMax = 1
        let harness = PoolHarness(replicas: 1, limits: limits)
        let held = harness.dispatch()
        #expect(harness.arrive(at: harness.ids[0]) == nil)
        held?.release(now: harness.now)
        let next = harness.arrive(at: harness.ids[0])
        #expect(next != nil)
        next?.release(now: harness.now)
    }
}

extension PoolHarness {
    /// A slot at this replica; nil where it is refused or the replica is gone.
    fileprivate func arrive(at replica: ReplicaID) -> Held? {
        guard let verdict = pool.arrive(Arrival(), at: replica, now: now, random: &random) else {
            return nil
        }
        if case .dispatch(let permit) = consume verdict { return Held(permit) }
        return nil
    }
}
