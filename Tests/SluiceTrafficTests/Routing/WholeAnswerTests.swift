import SluiceTime
import Testing

@testable import SluiceTraffic

/// Pools whose answers are no streams: nothing shows when an engine begins to answer.
@Suite struct WholeAnswerTests {
    private func harness(slots: Int? = nil) -> PoolHarness {
        var policy = AdmissionPolicy()
        policy.slotsMax = slots
        policy.classes = [ClassPolicy(name: "standard", timeToFirstToken: .milliseconds(500))]
        return PoolHarness(replicas: 1, policy: policy)
    }

    /// Has answers of that length come back, one at a time.
    private func serve(
        _ harness: PoolHarness, isStream: Bool, _ time: Nanoseconds, tokens: Int = 1
    ) {
        for _ in 0..<20 {
            guard case .held(let one) = harness.arrive(Arrival(isStream: isStream)) else {
                continue
            }
            harness.advance(time)
            one.release(.success, Service(outputTokens: tokens), now: harness.now)
        }
    }

    /// Sends as many as go for 20 s, and reads pages on which so many wait; nobody is answered.
    private func fill(_ harness: PoolHarness, pageWaiting: Double?, isStream: Bool = false) -> Int {
        var held: [Held] = []
        for step in 0..<80 {
            harness.advance(.milliseconds(250))
            held += harness.grants().granted.map(\.1)
            while case .held(let one) = harness.arrive(Arrival(isStream: isStream)) {
                held.append(one)
            }
            if let pageWaiting {
                harness.observe(
                    0,
                    .scrape(
                        LoadScrape(
                            waiting: pageWaiting, running: Double(held.count) - pageWaiting,
                            heartbeat: Double(step))))
            }
            harness.tick()
        }
        for one in held { harness.keep(one) }
        harness.settle()
        #expect(harness.snapshot.inflight == 0)
        return held.count
    }

    @Test func `a window grows while pages say that nobody waits in the engine`() {
        let known = harness()
        serve(known, isStream: false, .seconds(1))
        #expect(fill(known, pageWaiting: 0) > 64)
        // Without pages nobody knows; nor is a window known to be too small where some wait.
        let blind = harness()
        serve(blind, isStream: false, .seconds(1))
        #expect(fill(blind, pageWaiting: nil) <= 32)
        let full = harness()
        serve(full, isStream: false, .seconds(1))
        #expect(fill(full, pageWaiting: 20) <= 32)
    }

    @Test func `a window grows to the slots that were told, and no further`() {
        let told = harness(slots: 100)
        serve(told, isStream: false, .seconds(1))
        #expect((100...105).contains(fill(told, pageWaiting: nil)))
    }

    @Test func `what comes free within a tenth of the objective is sent ahead`() {
        let limit = { (harness: PoolHarness) in
            harness.tick()
            return harness.snapshot.replicas[0].limit
        }
        let (short, long, streams) = (harness(slots: 4), harness(slots: 4), harness(slots: 4))
        serve(short, isStream: false, .milliseconds(10))
        #expect((23...24).contains(limit(short)))
        serve(long, isStream: false, .milliseconds(300))
        #expect(limit(long) == 4)
        serve(streams, isStream: true, .milliseconds(10))
        #expect(limit(streams) == 4 + 8)
    }

    @Test(arguments: [1, 100])
    func `how many run is how many can where answers have many tokens`(tokens: Int) {
        let harness = harness()
        serve(harness, isStream: false, .milliseconds(300), tokens: tokens)
        for step in 0..<10 {
            harness.advance(.seconds(1))
            let waiting = step < 2 ? 9.0 : 0
            harness.observe(
                0, .scrape(LoadScrape(waiting: waiting, running: 8, heartbeat: Double(step))))
            harness.tick()
        }
        let slots = harness.snapshot.replicas[0].slots
        #expect(tokens > 8 ? slots == 8 : slots > 12, "\(slots)")
    }
}
