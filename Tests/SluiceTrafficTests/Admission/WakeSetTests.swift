import Testing

@testable import SluiceTraffic

@Suite struct WakeSetTests {
    @Test func `it holds any of 64 workers and names them in order`() {
        var set = WakeSet()
        #expect(set.isEmpty)
        for worker in [63, 0, 7, 7] { set.insert(worker) }
        var other = WakeSet()
        other.insert(12)
        set.formUnion(other)
        var workers: [Int] = []
        set.forEach { workers.append($0) }
        #expect(workers == [0, 7, 12, 63])
        #expect(set.contains(63))
        #expect(!set.contains(1))
    }
}
