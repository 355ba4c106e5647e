import Testing

@testable import SluiceTraffic

@Suite("replicas tried")
struct ReplicaIDsTests {
    private func id(_ slot: UInt32) -> ReplicaID { ReplicaID(slot: slot, generation: 1) }

    @Test("one is taken out again, the others stay in order, and there is room for another")
    func remove() {
        var ids = ReplicaIDs()
        for slot in 0..<4 { ids.insert(id(UInt32(slot))) }
        ids.remove(id(1))
        ids.remove(id(9))
        #expect((0..<ids.count).map { ids[$0].slot } == [0, 2, 3])
        #expect(!ids.contains(id(1)))
        ids.insert(id(7))
        #expect((0..<ids.count).map { ids[$0].slot } == [0, 2, 3, 7])
    }
}
