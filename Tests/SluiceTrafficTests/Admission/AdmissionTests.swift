import SluiceTime
import Testing

@testable import SluiceTraffic

/// One replica with one slot and an objective: who enters, waits, is refused.
@Suite struct AdmissionTests {
    private func pool(
        classes: [ClassPolicy], slots: Int = 1, replicas: Int = 1,
        limits: AdmissionLimits = AdmissionLimits()
    ) -> PoolHarness {
        var policy = AdmissionPolicy()
        policy.classes = classes
        policy.slotsMax = slots
        return PoolHarness(replicas: replicas, limits: limits, policy: policy)
    }

    private static let two = ClassPolicy(name: "critical", timeToFirstToken: .seconds(2))
    private static var batch: ClassPolicy {
        var batch = ClassPolicy(name: "batch", timeToFirstToken: .seconds(20))
        batch.minShare = 0.05
        return batch
    }

    private func waits(_ arrived: PoolHarness.Arrived) -> UInt64? {
        if case .waits(_, let token) = arrived { return token }
        return nil
    }

    /// Sixty answers of so many tokens at 10 ms each: enough to be judged by.
    private func teach(_ harness: PoolHarness, seconds: Double = 1) {
        for _ in 0..<60 {
            let held = harness.dispatch()
            harness.advance(.seconds(clamping: seconds))
            held?.release(now: harness.now)
            _ = harness.pool.tick(now: harness.now)
        }
    }

    @Test func `a cold start refuses nobody for a prediction`() {
        let harness = pool(classes: [Self.two])
        let held = harness.dispatch()
        for _ in 0..<50 { #expect(waits(harness.arrive()) != nil) }
        held?.release(.ignored, now: harness.now)
        for (_, held) in harness.grants().granted { held.release(.ignored, now: harness.now) }
    }

    @Test func `who would wait too long is refused, who would be first in line is not`() {
        let harness = pool(classes: [Self.two])
        teach(harness)
        let held = harness.dispatch()
        let first = waits(harness.arrive())
        #expect(first != nil)
        guard case .shed(let reason, let retryAfter) = harness.arrive() else {
            Issue.record("the second in line would wait for two answers")
            return
        }
        #expect(reason == .overload)
        #expect(retryAfter.map { $0 >= .seconds(1) && $0 <= .seconds(60) } == true)
        held?.release(now: harness.now)
        for (_, held) in harness.grants().granted { held.release(now: harness.now) }
        #expect(harness.snapshot.inflight == 0)
    }

    @Test func `a wait ends in time for three quarters of the objective, as expired`() {
        let harness = pool(classes: [Self.two])
        let held = harness.dispatch()
        let token = waits(harness.arrive())
        harness.advance(.milliseconds(1_400))
        _ = harness.pool.tick(now: harness.now)
        #expect(harness.grants().expired.isEmpty)
        harness.advance(.milliseconds(150))
        _ = harness.pool.tick(now: harness.now)
        let expired = harness.grants().expired
        #expect(expired.map(\.0) == [token])
        #expect(expired.first?.1 == .expired)
        held?.release(now: harness.now)
    }

    @Test(arguments: [false, true])
    func `what engines add to one request in twenty ends waits earlier`(isRare: Bool) {
        let harness = pool(classes: [Self.two])
        for number in 0..<200 {
            let held = harness.dispatch()
            harness.advance(isRare && number % 20 == 5 ? .milliseconds(500) : .milliseconds(30))
            held?.began(now: harness.now)
            // So long that nothing is sent ahead.
            harness.advance(.seconds(2))
            harness.tick()
            held?.release(now: harness.now)
        }
        let held = harness.dispatch()
        let token = waits(harness.arrive())
        harness.advance(.milliseconds(1_250))
        harness.tick()
        #expect(harness.grants().expired.map(\.0) == (isRare ? [token] : []))
        held?.release(.ignored, now: harness.now)
        for (_, held) in harness.grants().granted { held.release(.ignored, now: harness.now) }
    }

    @Test func `the caller's own deadline ends a wait as its own`() {
        let harness = pool(classes: [Self.two])
        let held = harness.dispatch()
        _ = harness.arrive(Arrival(deadline: harness.now + .milliseconds(500)))
        harness.advance(.milliseconds(501))
        _ = harness.pool.tick(now: harness.now)
        #expect(harness.grants().expired.first?.1 == .deadline)
        held?.release(now: harness.now)
    }

    @Test
    func
        `a prompt that takes longer than its objective is refused for good where its class says so`()
    {
        var strict = Self.two
        strict.longPrompt = .refuse
        let harness = pool(classes: [strict])
        guard
            case .shed(let reason, let retryAfter) = harness.arrive(Arrival(promptTokens: 100_000))
        else {
            Issue.record("ten seconds of prompt do not fit two")
            return
        }
        #expect(reason == .infeasible)
        #expect(retryAfter == nil)
    }

    @Test func `a guess is no reason to refuse a prompt for good, what was seen is`() {
        var strict = Self.two
        strict.longPrompt = .refuse
        let harness = pool(classes: [strict])
        // Two seconds by the guess that a pool begins with, and by what it sees.
        let long = Arrival(promptTokens: 20_000)
        for _ in 0..<16 {
            guard case .held(let one) = harness.arrive(long) else {
                Issue.record("nobody has seen how long it takes")
                return
            }
            let sent = harness.now
            harness.advance(.seconds(2))
            one.began(sent: sent, now: harness.now)
            one.release(now: harness.now)
            harness.tick()
        }
        guard case .shed(let reason, _) = harness.arrive(long) else {
            Issue.record("two seconds of prompt do not fit two")
            return
        }
        #expect(reason == .infeasible)
    }

    @Test func `elsewhere it is served after all others`() {
        let harness = pool(classes: [Self.two, Self.batch])
        let held = harness.dispatch()
        let long = waits(harness.arrive(Arrival(promptTokens: 100_000)))
        let short = waits(harness.arrive())
        held?.release(now: harness.now)
        let first = harness.grants().granted
        #expect(first.map(\.0) == [short])
        first.first?.1.release(now: harness.now)
        let second = harness.grants().granted
        #expect(second.map(\.0) == [long])
        second.first?.1.release(now: harness.now)
    }

    @Test
    func `in a full queue the newest of the least urgent makes room, and nobody for an equal`() {
        var limits = AdmissionLimits()
        limits.queueLengthMax = 2
        let harness = pool(classes: [Self.two, Self.batch], limits: limits)
        let held = harness.dispatch()
        let older = waits(harness.arrive(Arrival(classIndex: 1)))
        let newer = waits(harness.arrive(Arrival(classIndex: 1)))
        #expect(waits(harness.arrive(Arrival(classIndex: 0))) != nil)
        let refused = harness.grants().expired
        #expect(refused.map(\.0) == [newer])
        #expect(refused.first?.1 == .full)
        guard case .shed(.full, _) = harness.arrive(Arrival(classIndex: 1)) else {
            Issue.record("batch evicts no batch")
            return
        }
        held?.release(now: harness.now)
        let order = harness.serveInTurn()
        #expect(order.count == 2)
        #expect(order.last == older)
    }

    @Test func `nobody makes room in vain`() {
        var limits = AdmissionLimits()
        limits.queueBytesMax = 100
        let harness = pool(classes: [Self.two, Self.batch], limits: limits)
        let held = harness.dispatch()
        #expect(waits(harness.arrive(Arrival(classIndex: 0, bodyBytes: 50))) != nil)
        #expect(waits(harness.arrive(Arrival(classIndex: 1, bodyBytes: 40))) != nil)
        // Without batch there is room for 50.
        guard case .shed(.full, _) = harness.arrive(Arrival(classIndex: 0, bodyBytes: 51)) else {
            Issue.record("101 bytes do not fit")
            return
        }
        #expect(harness.grants().expired.isEmpty)
        #expect(waits(harness.arrive(Arrival(classIndex: 0, bodyBytes: 50))) != nil)
        #expect(harness.grants().expired.map(\.1) == [.full])
        held?.release(now: harness.now)
        #expect(harness.serveInTurn().count == 2)
    }

    @Test func `a retry goes before all who wait`() {
        let harness = pool(classes: [Self.two])
        let held = harness.dispatch()
        let first = waits(harness.arrive())
        let retry = waits(harness.arrive(retrying: ReplicaIDs()))
        held?.release(now: harness.now)
        let granted = harness.grants().granted
        #expect(granted.map(\.0) == [retry])
        granted.first?.1.release(now: harness.now)
        let next = harness.grants().granted
        #expect(next.map(\.0) == [first])
        next.first?.1.release(now: harness.now)
    }

    @Test func `an engine's refusal narrows its window`() {
        let harness = pool(classes: [Self.two], slots: 64)
        let before = harness.snapshot.replicas[0].window
        let held = harness.dispatch()
        held?.release(.refused, now: harness.now)
        #expect(harness.snapshot.replicas[0].window < before)
    }

    @Test func `a request is pending until its end, exactly once, when no output comes`() {
        let harness = pool(classes: [Self.two], slots: 64)
        let held = [harness.dispatch(), harness.dispatch()]
        #expect(harness.snapshot.replicas[0].pending == 2)
        held[0]?.release(.failed, now: harness.now)
        #expect(harness.snapshot.replicas[0].pending == 1)
        held[1]?.release(.ignored, now: harness.now)
        #expect(harness.snapshot.replicas[0].pending == 0)
    }

    @Test func `who has less time goes before those who came first`() {
        let harness = pool(classes: [Self.two])
        let held = harness.dispatch()
        let short = waits(harness.arrive(Arrival(promptTokens: 10)))
        let long = waits(harness.arrive(Arrival(promptTokens: 8_000)))
        held?.release(now: harness.now)
        let granted = harness.grants().granted
        #expect(granted.map(\.0) == [long])
        granted.first?.1.release(now: harness.now)
        let next = harness.grants().granted
        #expect(next.map(\.0) == [short])
        next.first?.1.release(now: harness.now)
    }

    @Test(arguments: [(8_000, true), (800, false)])
    func `a long prompt goes before a short one whose time is up a little earlier`(
        tokens: Int, isFirst: Bool
    ) {
        let harness = pool(classes: [Self.two])
        let held = harness.dispatch()
        let short = waits(harness.arrive(Arrival(promptTokens: 10)))
        // The time that it takes, by the first guess, and a little more.
        harness.advance(.seconds(clamping: Double(tokens) * PoolState.promptTimeLeast + 0.05))
        let long = waits(harness.arrive(Arrival(promptTokens: tokens)))
        held?.release(now: harness.now)
        var order: [UInt64?] = []
        for _ in 0..<2 {
            for (token, one) in harness.grants().granted {
                order.append(token)
                one.release(now: harness.now)
            }
        }
        #expect(order == (isFirst ? [long, short] : [short, long]))
    }

    // MARK: Who is not refused for a prediction

    @Test func `one per two replicas may wait whatever is predicted`() {
        let harness = pool(classes: [Self.two], replicas: 4)
        for index in 0..<4 { harness.observe(index, .probe(.healthy)) }
        teach(harness, seconds: 8)
        for _ in 0..<4 { if let held = harness.dispatch() { harness.keep(held) } }
        #expect(harness.snapshot.inflight == 4)
        // Every two seconds a slot comes free: all of the objective.
        #expect(waits(harness.arrive()) != nil)
        #expect(waits(harness.arrive()) != nil)
        guard case .shed(.overload, _) = harness.arrive() else {
            Issue.record("the third in line would wait six seconds")
            return
        }
        harness.settle()
    }

    // MARK: Shares

    /// Grants to the less urgent of two classes, of the first 40 while both wait.
    private func grantsToBatch(minShare: Double) -> Int {
        var batch = Self.batch
        batch.minShare = minShare
        let harness = pool(classes: [Self.two, batch])
        var urgent: Set<UInt64> = []
        let first = harness.dispatch()
        for _ in 0..<60 {
            if let token = waits(harness.arrive(Arrival(classIndex: 0))) { urgent.insert(token) }
            _ = harness.arrive(Arrival(classIndex: 1))
        }
        var granted: [UInt64] = []
        first?.release(.ignored, now: harness.now)
        while granted.count < 40, let (token, held) = harness.grants().granted.first {
            granted.append(token)
            held.release(.ignored, now: harness.now)
        }
        for (_, held) in harness.grants().granted { harness.keep(held) }
        harness.settle()
        #expect(granted.count == 40)
        return granted.count { !urgent.contains($0) }
    }

    @Test func `a class gets its least share of the service whatever is more urgent, and no more`()
    {
        #expect(grantsToBatch(minShare: 0) == 0)
        #expect((3...5).contains(grantsToBatch(minShare: 0.1)))
        #expect((9...11).contains(grantsToBatch(minShare: 0.25)))
    }

    /// Requests of a class with half of the window that a replica of ten slots takes, and then of
    /// the other, with answers of so many seconds.
    private func fill(answers seconds: Double) -> (batch: Int, critical: Int) {
        var batch = Self.batch
        batch.maxShare = 0.5
        let harness = pool(classes: [Self.two, batch], slots: 10)
        teach(harness, seconds: seconds)
        func held(_ classIndex: Int) -> Int {
            (0..<20).count { _ in
                guard case .held(let one) = harness.arrive(Arrival(classIndex: classIndex)) else {
                    return false
                }
                harness.keep(one)
                _ = harness.pool.tick(now: harness.now)
                return true
            }
        }
        let counts = (held(1), held(0))
        harness.settle()
        return counts
    }

    @Test func `a class fills its greatest share of a window and leaves the rest to the others`() {
        let counts = fill(answers: 20)
        #expect(counts.batch == 5)
        #expect(counts.critical == 5)
    }

    @Test func `where the next slot is near at once, no slot is kept free for anybody`() {
        #expect(fill(answers: 0.5).batch >= 10)
    }
}
