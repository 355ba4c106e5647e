import SluiceTime
import Testing

@testable import SluiceSimulation

/// The baselines, by hand.
@Suite struct BaselineTests {
    static let start = Instant(nanoseconds: 1_000_000_000)

    static func context(replicas: Int = 3, slots: Int = 2) -> PolicyContext {
        PolicyContext(
            replicas: replicas, slots: slots, gateways: 1, objectives: [ClassObjective()],
            tenantWeights: [1], looksAhead: true, seed: 1, start: start)
    }

    static func request(_ token: Int, prefix: UInt64? = nil) -> PolicyRequest {
        PolicyRequest(
            token: token, classIndex: 0, tenant: 0, promptTokens: 100, outputTokensMax: 0,
            prefix: prefix.map { PrefixLink(key: $0, tokens: 50) }, answers: .stream,
            arrived: start)
    }

    /// Where a request goes that comes now; nil when it waits or is refused.
    static func arrive(
        _ policy: any GatewayPolicy, _ token: Int, prefix: UInt64? = nil, at now: Instant = start
    ) -> Int? {
        var decisions: [PolicyDecision] = []
        policy.arrive(request(token, prefix: prefix), now: now, into: &decisions)
        guard case .dispatch(let dispatched, let replica) = decisions.first else { return nil }
        #expect(dispatched == token)
        return replica
    }

    static func end(_ policy: any GatewayPolicy, _ token: Int, _ replica: Int, at now: Instant)
        -> [PolicyDecision]
    {
        var decisions: [PolicyDecision] = []
        policy.end(
            token, replica: replica, .finished(generated: 1, cachedTokens: 0), now: now,
            into: &decisions)
        return decisions
    }

    static func scrape(_ policy: any GatewayPolicy, _ loads: [Int]) {
        var decisions: [PolicyDecision] = []
        for (replica, load) in loads.enumerated() {
            policy.scrapeSent(replica, now: start)
            let reading = ReplicaReading(waiting: 0, running: load, cacheUsage: 0, iterations: 0)
            policy.scraped(replica, reading, now: start, into: &decisions)
        }
    }

    @Test func `round robin takes turns and leaves out who is down`() {
        let policy = PolicyKind.roundRobin.make(Self.context())
        let first = (0..<4).compactMap { Self.arrive(policy, $0) }
        #expect(Set(first.prefix(3)) == [0, 1, 2])
        #expect(first[3] == first[0])
        var decisions: [PolicyDecision] = []
        policy.replica(1, isUp: false, now: Self.start, into: &decisions)
        let rest = (4..<10).compactMap { Self.arrive(policy, $0) }
        #expect(rest.count == 6 && !rest.contains(1))
    }

    @Test func `least scraped herds until the next scrape; own requests in flight spread it`() {
        let blind = PolicyKind.leastScraped.make(Self.context())
        Self.scrape(blind, [5, 3, 4])
        #expect((0..<6).compactMap { Self.arrive(blind, $0) } == [1, 1, 1, 1, 1, 1])
        let exact = PolicyKind.leastInFlight.make(Self.context())
        Self.scrape(exact, [5, 3, 4])
        let spread = (0..<6).compactMap { Self.arrive(exact, $0) }
        #expect((0..<3).map { replica in spread.count { $0 == replica } } == [1, 3, 2])
    }

    @Test func `a prefix always goes to the same replica, many prefixes to all`() {
        let policy = PolicyKind.prefixHash.make(Self.context())
        let again = (0..<5).compactMap { Self.arrive(policy, $0, prefix: 42) }
        #expect(Set(again).count == 1)
        let many = (10..<100).compactMap { Self.arrive(policy, $0, prefix: UInt64($0)) }
        #expect(Set(many) == [0, 1, 2])
    }

    @Test func `behind full windows requests wait in order, and who would be late is dropped`() {
        let policy = PolicyKind.deadlineQueue.make(Self.context(replicas: 1))
        #expect(Self.arrive(policy, 0) == 0)
        #expect(Self.arrive(policy, 1) == 0)
        #expect(Self.arrive(policy, 2) == nil)
        #expect(Self.arrive(policy, 3, at: Self.start + .milliseconds(500)) == nil)
        #expect(policy.waiting == 2)
        // The second has waited 1.98 s by now and would need some 24 ms.
        let now = Self.start + .milliseconds(1_980)
        let decisions = Self.end(policy, 0, 0, at: now)
        #expect(decisions.count == 2)
        #expect(
            decisions.first == .refuse(token: 2, .expired, expired: true, retryAfter: .seconds(1)))
        #expect(decisions.last == .dispatch(token: 3, replica: 0))
        #expect(policy.waiting == 0)
        #expect(policy.inFlight(at: 0) == 2)
    }

    @Test func `a request whose client left is passed over`() {
        let policy = PolicyKind.deadlineQueue.make(Self.context(replicas: 1))
        for token in 0..<4 { _ = Self.arrive(policy, token) }
        var decisions: [PolicyDecision] = []
        policy.cancel(2, now: Self.start, into: &decisions)
        #expect(policy.waiting == 1)
        let next = Self.end(policy, 0, 0, at: Self.start + .milliseconds(10))
        #expect(next == [.dispatch(token: 3, replica: 0)])
    }

    @Test func `a static limit refuses at once`() {
        let policy = PolicyKind.staticLimit.make(Self.context(replicas: 1))
        #expect(Self.arrive(policy, 0) == 0)
        #expect(Self.arrive(policy, 1) == 0)
        var decisions: [PolicyDecision] = []
        policy.arrive(Self.request(2), now: Self.start, into: &decisions)
        #expect(decisions == [.refuse(token: 2, .full, expired: false, retryAfter: .seconds(1))])
        #expect(policy.waiting == 0)
    }

    @Test func `controlled delay drops after an interval above the target, then ever more often`() {
        var delay = ControlledDelay(target: .milliseconds(500), interval: .seconds(1))
        func drops(_ waited: Int64, at milliseconds: Int64) -> Bool {
            delay.drops(
                waited: .milliseconds(waited), now: Self.start + .milliseconds(milliseconds))
        }
        #expect(!drops(600, at: 0))
        #expect(!drops(600, at: 999))
        #expect(drops(600, at: 1_000))
        #expect(!drops(600, at: 1_900))
        #expect(drops(600, at: 2_000))
        // The second interval is 1/√2 s.
        #expect(!drops(600, at: 2_700))
        #expect(drops(600, at: 2_708))
        #expect(!drops(400, at: 2_800))
        #expect(!drops(600, at: 2_900))
    }
}
