import Testing

@testable import SluiceTraffic

@Suite("What is believed to be in prefix caches")
struct PrefixBeliefsTests {
    private func replica(_ slot: UInt32) -> ReplicaID { ReplicaID(slot: slot, generation: 0) }

    @Test("the last four replicas of a key are remembered")
    func lastFour() {
        var beliefs = PrefixBeliefs()
        for slot in UInt32(0)..<6 { beliefs.remember(9, at: replica(slot), tokens: 100) }
        let known = beliefs.known(9)
        #expect((0..<6).map { known.tokens(at: $0, generation: 0) } == [0, 0, 100, 100, 100, 100])
        #expect(beliefs.tokens == 400)
        beliefs.remember(9, at: replica(3), tokens: 250)
        #expect(beliefs.known(9).tokens(at: 3, generation: 0) == 250)
        #expect(beliefs.tokens == 550)
        #expect(beliefs.known(8).count == 0)
        #expect(beliefs.known(0).count == 0)
    }

    @Test("what an answer contradicts, and what a restart empties, is forgotten")
    func forgets() {
        var beliefs = PrefixBeliefs()
        for key in UInt64(1)...3 {
            for slot in UInt32(0)..<2 { beliefs.remember(key, at: replica(slot), tokens: 100) }
        }
        beliefs.forget(2, at: replica(0))
        #expect(beliefs.known(2).count == 1)
        beliefs.forget(all: replica(1))
        #expect(beliefs.known(1).count == 1)
        #expect(beliefs.known(2).count == 0)
        #expect(beliefs.tokens == 200)
    }

    @Test("keys and tokens are bounded: what was not used for longest goes")
    func bounds() {
        var beliefs = PrefixBeliefs(keysMax: 3)
        for key in UInt64(1)...3 { beliefs.remember(key, at: replica(0), tokens: 100) }
        beliefs.remember(1, at: replica(0), tokens: 100)
        beliefs.remember(4, at: replica(0), tokens: 100)
        #expect(beliefs.known(2).count == 0)
        #expect(beliefs.known(1).count == 1)
        #expect((beliefs.count, beliefs.tokens) == (3, 300))
        beliefs.tokensMax = 250
        beliefs.remember(5, at: replica(0), tokens: 100)
        #expect((beliefs.count, beliefs.tokens) == (2, 200))
        #expect(beliefs.known(5).count == 1)
        // One key larger than all there may be is kept: it is what was sent last.
        beliefs.remember(6, at: replica(0), tokens: 1_000)
        #expect(beliefs.count == 1)
        for key in UInt64(0)..<500 { beliefs.remember(key, at: replica(1), tokens: 1) }
        #expect(beliefs.count == 3)
    }
}
