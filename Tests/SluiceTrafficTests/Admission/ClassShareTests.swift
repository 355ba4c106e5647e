import SluiceTime
import Testing

@testable import SluiceTraffic

/// What a class gets whatever is more urgent.
@Suite struct ClassShareTests {
    private let slots = 4

    private func harness(maxShare: Double) -> PoolHarness {
        var policy = AdmissionPolicy()
        policy.slotsMax = slots
        let urgent = ClassPolicy(name: "urgent", timeToFirstToken: .seconds(8))
        var batch = ClassPolicy(name: "batch", timeToFirstToken: nil)
        batch.minShare = 0.1
        batch.maxShare = maxShare
        batch.queueWaitMax = .seconds(3_600)
        policy.classes = [urgent, batch]
        return PoolHarness(replicas: 1, policy: policy)
    }

    /// Serves for so many seconds, a request each, with somebody of each of these classes waiting at all
    /// times; answers how many of each were granted a slot.
    private func serve(_ harness: PoolHarness, _ classes: [Int], seconds: Int) -> [Int] {
        var counts = [0, 0]
        var tokens: [UInt64: Int] = [:]
        var held: [(Held, Int)] = []
        for _ in 0..<seconds {
            for index in classes {
                while tokens.values.count(where: { $0 == index }) < 3 {
                    var isShed = false
                    switch harness.arrive(Arrival(classIndex: index)) {
                    case .held(let one): held.append((one, index))
                    case .waits(_, let token): tokens[token] = index
                    case .shed: isShed = true
                    }
                    if isShed { break }
                }
            }
            harness.advance(.seconds(1))
            if !held.isEmpty { held.removeFirst().0.release(.success, now: harness.now) }
            harness.tick()
            for (token, one) in harness.grants().granted {
                let index = tokens.removeValue(forKey: token) ?? 0
                counts[index] += 1
                held.append((one, index))
            }
        }
        for (one, _) in held { harness.keep(one) }
        harness.settle()
        return counts
    }

    @Test(arguments: [1, 0.5])
    func `the least share holds beside an overload, whatever part of a window it may fill`(
        maxShare: Double
    ) {
        let harness = harness(maxShare: maxShare)
        let counts = serve(harness, [0, 1], seconds: 200)
        #expect(counts[0] + counts[1] > 150)
        #expect((12...30).contains(counts[1]), "\(counts)")
    }

    @Test func `what a class was served in a quiet night is forgotten by day`() {
        let harness = harness(maxShare: 1)
        #expect(serve(harness, [1], seconds: 600)[1] > 500)
        // After a minute or so in which it is owed nothing.
        _ = serve(harness, [0, 1], seconds: 60)
        #expect(serve(harness, [0, 1], seconds: 100)[1] >= 6)
    }
}
