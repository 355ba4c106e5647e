import SluiceTelemetry
import SluiceTime
import Testing

@testable import SluiceProxy

@Suite struct ReplicaNamesTests {
    private let start = Instant(nanoseconds: 1_000)

    private func name(_ text: String) -> ReplicaName { ReplicaName(pool: "p", name: text) }

    @Test func `a name keeps its index while it is in use, and for ten minutes after`() {
        var names = ReplicaNames()
        let a = names.index(of: name("a"), now: start)
        let b = names.index(of: name("b"), now: start)
        #expect((a, b) == (0, 1))
        names.note(inUse: [a], now: start)
        let almost = start + ReplicaNames.keptFor - .seconds(1)
        #expect(names.dropOld(now: almost).isEmpty)
        #expect(names.index(of: name("b"), now: almost) == b)
        names.note(inUse: [a, b], now: almost)
        #expect(names.dropOld(now: start + ReplicaNames.keptFor * 2).isEmpty)
    }

    @Test
    func `a name gone for ten minutes is dropped once, and its index rests before it is reused`() {
        var names = ReplicaNames()
        for text in ["a", "b"] { _ = names.index(of: name(text), now: start) }
        names.note(inUse: [1], now: start)
        let late = start + ReplicaNames.keptFor
        #expect(names.dropOld(now: late).map(\.name) == [name("a")])
        #expect(names.dropOld(now: late).isEmpty)
        #expect(names.names == [nil, name("b")])
        #expect(names.index(of: name("c"), now: late + .seconds(59)) == 2)
        #expect(names.index(of: name("d"), now: late + ReplicaNames.quietFor) == 0)
        #expect(names.names == [name("d"), name("b"), name("c")])
    }

    @Test func `names that come and go for ever need a bounded number of indexes`() {
        var names = ReplicaNames()
        var now = start
        for round in 0..<5_000 {
            let index = names.index(of: name("pod-\(round)"), now: now)
            names.note(inUse: [index], now: now)
            _ = names.dropOld(now: now)
            now = now + .seconds(30)
        }
        #expect(names.names.count < 32)
    }

    @Test func `beyond all indexes a name has none`() {
        var names = ReplicaNames()
        for round in 0..<ReplicaNames.countMax { _ = names.index(of: name("\(round)"), now: start) }
        #expect(names.index(of: name("one more"), now: start) == -1)
        #expect(names.index(of: name("7"), now: start) == 7)
    }
}
