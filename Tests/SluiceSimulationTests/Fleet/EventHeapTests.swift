import SluiceBytes
import SluiceTime
import Testing

@testable import SluiceSimulation

/// The order in which things happen.
@Suite struct EventHeapTests {
    @Test func `events come by time, and those of one instant in the order they were put in`() {
        var heap = EventHeap()
        var generator = SplitMix64(seed: 5)
        for number in 0..<1_000 {
            let at = Instant(nanoseconds: Int64(generator.next() % 50))
            heap.insert(.fault(number), at: at)
        }
        var last = (at: Instant(nanoseconds: -1), number: -1)
        var count = 0
        while let (at, event) = heap.popFirst() {
            guard case .fault(let number) = event else { continue }
            #expect(at > last.at || at == last.at && number > last.number)
            last = (at, number)
            count += 1
        }
        #expect(count == 1_000)
        #expect(heap.isEmpty)
    }
}
