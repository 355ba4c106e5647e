import SluiceReactor
import Testing

@Suite struct SlotScratchTests {
    @Test func `a slot's value is made once and stays`() {
        var made = 0
        do {
            let scratch = SlotScratch<Int>(capacity: 8) {
                made += 1
                return -made
            }
            scratch.reach(0)
            scratch[0] = 7
            // Slots are reached in any order; those below are made with them.
            scratch.reach(5)
            scratch.reach(3)
            scratch.reach(0)
            #expect(made == 6)
            #expect(scratch[0] == 7 && scratch[3] == -4 && scratch[5] == -6)
        }
        final class Held {}
        weak var held: Held?
        do {
            let scratch = SlotScratch<Held>(capacity: 2) { Held() }
            scratch.reach(1)
            held = scratch[1]
            #expect(held != nil)
        }
        #expect(held == nil)
    }

    @Test func `a list lends its objects and keeps them`() {
        final class Counter { var count = 0 }
        weak var first: Counter?
        do {
            let list = ObjectList([Counter(), Counter()])
            list.with(0) { first = $0 }
            for _ in 0..<3 { list.with(1) { $0.count += 1 } }
            #expect(list.with(1) { $0.count } == 3)
            #expect(first?.count == 0)
        }
        #expect(first == nil)
    }
}
