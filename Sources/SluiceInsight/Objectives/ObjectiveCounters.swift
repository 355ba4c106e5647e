import SluiceTelemetry
import Synchronization

// One per worker. Only its owner writes, with plain loads and stores (relaxed atomics); the control
// thread reads at any time.

/// Good and bad events of every objective, class and model, in memory that never grows: 65 KB.
package final class ObjectiveCounters: Sendable {
    /// Requests and tokens of good exchanges, behind the cells of all pairs.
    private let goodputBase = Objective.pairsMax * ObjectivePlan.pairCells

    // The plan's own, held here: reaching through the plan would cost a look and a retain each.
    private let entries: [ObjectivePlan.Entry]
    private let starts: [Int]
    private let routes = ObjectivePlan.routes
    private let cells = InlineArray<8_320, Atomic<UInt64>> { _ in Atomic(0) }

    /// Counters at zero.
    package init(_ plan: ObjectivePlan) {
        assert(goodputBase + ObjectivePlan.pairCells == 8_320)
        entries = plan.entries
        starts = plan.starts
    }

    /// Judges a finished exchange by every objective it falls under, and counts it.
    package func record(_ record: inout ExchangeRecord) {
        let figures = record.figures()
        guard routes & figures.routeBit != 0 else { return }
        let (model, classIndex) = (figures.model, figures.classIndex)
        var isGood = figures.isServed
        var next = classIndex < starts.count &- 1 ? starts[classIndex] : entries.count
        let end = classIndex < starts.count &- 1 ? starts[classIndex &+ 1] : entries.count
        while next < end {
            if entries[next].covers(model) {
                let cell = entries[next].base &+ 2 &* model
                switch entries[next].criterion.judge(figures) {
                case .outside: break
                case .good: bump(cell)
                case .bad:
                    isGood = false
                    bump(cell &+ 1)
                }
            }
            next &+= 1
        }
        guard isGood else { return }
        bump(goodputBase &+ 2 &* model)
        bump(goodputBase &+ 2 &* model &+ 1, figures.generatedTokens)
    }

    @inline(__always)
    private func bump(_ cell: Int, _ n: UInt64 = 1) {
        cells[cell].store(cells[cell].load(ordering: .relaxed) &+ n, ordering: .relaxed)
    }

    /// What was counted for a pair of the plan and a model.
    package func events(pair: Int, model: Int) -> Events {
        let cell = pair * ObjectivePlan.pairCells + 2 * model
        return Events(
            good: cells[cell].load(ordering: .relaxed),
            bad: cells[cell + 1].load(ordering: .relaxed))
    }

    /// Exchanges of the model that ended well by every objective, and tokens generated in them.
    package func goodput(model: Int) -> (requests: UInt64, tokens: UInt64) {
        let cell = goodputBase + 2 * model
        return (
            cells[cell].load(ordering: .relaxed), cells[cell + 1].load(ordering: .relaxed)
        )
    }
}

/// Good and bad exchanges.
package struct Events: Equatable, Sendable {
    package var good: UInt64
    package var bad: UInt64

    package init(good: UInt64 = 0, bad: UInt64 = 0) {
        self.good = good
        self.bad = bad
    }

    package var count: UInt64 { good &+ bad }
    /// Nil where there are none.
    package var badShare: Double? { count == 0 ? nil : Double(bad) / Double(count) }

    package static func + (a: Events, b: Events) -> Events {
        Events(good: a.good &+ b.good, bad: a.bad &+ b.bad)
    }
    /// What has been added since `b`.
    static func - (a: Events, b: Events) -> Events {
        Events(good: a.good &- b.good, bad: a.bad &- b.bad)
    }
}
