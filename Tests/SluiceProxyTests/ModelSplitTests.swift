import Testing

@testable import SluiceProxy

@Suite struct ModelSplitTests {
    private func split(_ weights: Double...) -> ModelSplit {
        var split = ModelSplit(pool: 0, weight: weights[0], sessionHeader: [])
        for (index, weight) in weights.enumerated().dropFirst() {
            split.add(pool: index, weight: weight)
        }
        return split
    }

    private func counts(
        _ split: ModelSplit, keys: Int = 20_000, isReady: (Int) -> Bool = { _ in true }
    ) -> [Int] {
        var counts = [Int](repeating: 0, count: split.pools.count)
        for key in 0..<keys { counts[split.pool(of: UInt64(key), isReady: isReady)] += 1 }
        return counts
    }

    @Test func `each pool has the part of its weight`() {
        let counts = counts(split(95, 5))
        #expect((900...1_100).contains(counts[1]))
        let three = self.counts(split(1, 2, 1))
        #expect((9_700...10_300).contains(three[1]) && (4_750...5_250).contains(three[0]))
    }

    @Test func `a key stays, and few move with a small change`() {
        let (before, after) = (split(95, 5), split(90, 10))
        var moved = 0
        for key in 0..<20_000 {
            let old = before.pool(of: UInt64(key)) { _ in true }
            let new = after.pool(of: UInt64(key)) { _ in true }
            #expect(old == before.pool(of: UInt64(key)) { _ in true })
            if old != new {
                moved += 1
                #expect(new == 1, "none goes back")
            }
        }
        #expect((900...1_100).contains(moved))
    }

    @Test func `a pool of weight 0 serves only when no other can`() {
        let reserve = split(1, 0)
        #expect(counts(reserve) == [20_000, 0])
        #expect(counts(reserve) { $0 == 1 } == [0, 20_000])
    }

    @Test func `the others share the part of one without replica by their weights`() {
        let counts = counts(split(60, 30, 10)) { $0 != 0 }
        #expect(counts[0] == 0)
        #expect((14_600...15_400).contains(counts[1]) && (4_600...5_400).contains(counts[2]))
    }

    @Test func `who is with a pool that serves does not move when another does not`() {
        let split = split(60, 30, 10)
        for key in 0..<2_000 {
            let usual = split.pool(of: UInt64(key)) { _ in true }
            let now = split.pool(of: UInt64(key)) { $0 != 1 }
            #expect(usual == 1 ? now != 1 : now == usual)
        }
    }

    @Test func `where no pool serves it is the usual one, which says so`() {
        let split = split(95, 5)
        for key in 0..<2_000 {
            let usual = split.pool(of: UInt64(key)) { _ in true }
            #expect(split.pool(of: UInt64(key)) { _ in false } == usual)
        }
    }

    @Test func `a pool that is added twice has its first weight`() {
        var split = split(1, 1)
        split.add(pool: 1, weight: 1_000)
        #expect((9_700...10_300).contains(counts(split)[0]))
    }
}
