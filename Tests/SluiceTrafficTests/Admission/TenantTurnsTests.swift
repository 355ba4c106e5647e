import SluiceBytes
import Testing

@testable import SluiceTraffic

@Suite("Tenants' turns")
struct TenantTurnsTests {
    /// Serves `count` requests of `cost` tokens among tenants that always have one waiting.
    private func serve(_ turns: inout TenantTurns, _ count: Int, cost: (Int) -> Double) -> [Int] {
        var served = [Int](repeating: 0, count: 8)
        for _ in 0..<count {
            guard let tenant = turns.next() else { return served }
            served[tenant] += 1
            turns.charge(tenant, cost(tenant))
        }
        return served
    }

    @Test("equal weights get equal tokens, not equal requests")
    func equalTokens() {
        var turns = TenantTurns(weights: [1, 1])
        turns.add(0)
        turns.add(1)
        let served = serve(&turns, 400) { $0 == 0 ? 100 : 300 }
        #expect(abs(served[0] - 300) <= 2)
        #expect(abs(served[1] - 100) <= 2)
    }

    @Test("four times the weight is four times the tokens")
    func weights() {
        var turns = TenantTurns(weights: [4, 1])
        turns.add(0)
        turns.add(1)
        let served = serve(&turns, 500) { _ in 100 }
        #expect(abs(served[0] - 400) <= 4)
    }

    @Test("who comes back starts with those who wait: idling earns no credit")
    func lift() {
        var turns = TenantTurns(weights: [1, 1])
        turns.add(0)
        _ = serve(&turns, 1_000) { _ in 100 }
        turns.add(1)
        let served = serve(&turns, 100) { _ in 100 }
        #expect(abs(served[0] - served[1]) <= 2)
        // Nobody waits: the next to come starts at what was served last, not at nothing.
        turns.remove(0)
        turns.remove(1)
        #expect(turns.next() == nil)
        #expect(turns.backlog == 0)
        turns.add(1)
        turns.add(0)
        let again = serve(&turns, 100) { _ in 100 }
        #expect(abs(again[0] - again[1]) <= 2)
    }

    @Test("of a heavy tenant's backlog only as much is ahead of a light one as goes before it")
    func ahead() {
        var turns = TenantTurns(weights: [1, 1, 3])
        for _ in 0..<100 { turns.add(0) }
        #expect(turns.ahead(of: 0) == 100)
        #expect(turns.ahead(of: 1) == 1)
        turns.add(1)
        turns.add(1)
        #expect(turns.ahead(of: 1) == 5)
        #expect(turns.ahead(of: 2) == 1.0 / 3 + 1.0 / 3)
    }

    @Test("tenants leave and come in any order")
    func anyOrder() {
        var turns = TenantTurns(weights: [Double](repeating: 1, count: 5))
        for tenant in [3, 1, 4, 1, 0] { turns.add(tenant) }
        #expect(turns.count == 4)
        turns.remove(3)
        turns.remove(1)
        #expect((turns.backlog(of: 1), turns.backlog(of: 3), turns.backlog) == (1, 0, 3))
        #expect(turns.longest().map { [0, 1, 4].contains($0) } == true)
        turns.setWeights([2, 2, 2, 2, 2, 2])
        turns.add(5)
        #expect(turns.count == 4)
    }

    @Test("what is ahead is the same by levels, for equal weights, and by walking")
    func levels() {
        var even = TenantTurns(weights: [Double](repeating: 1, count: 12))
        // The last never waits: its weight only keeps the levels from being used.
        var walked = TenantTurns(weights: [Double](repeating: 1, count: 11) + [2])
        var random = SplitMix64(seed: 3)
        var backlog = [Int](repeating: 0, count: 11)
        for _ in 0..<20_000 {
            let tenant = Int(random.next(upperBound: UInt64(11)))
            if backlog[tenant] > 0, random.next(upperBound: UInt64(2)) == 0 {
                backlog[tenant] -= 1
                even.remove(tenant)
                walked.remove(tenant)
            } else {
                backlog[tenant] += 1
                even.add(tenant)
                walked.add(tenant)
            }
            let asked = Int(random.next(upperBound: UInt64(11)))
            #expect(even.ahead(of: asked) == walked.ahead(of: asked))
        }
    }
}
