import SluiceTelemetry
import SluiceTime
import Testing

@testable import SluiceInsight

@Suite struct ErrorWindowsTests {
    private static let start = Instant(nanoseconds: 5_000_000_000)

    @Test(arguments: Window.allCases)
    func `a window forgets after its length, at most one slot early`(window: Window) {
        var windows = ErrorWindows(at: Self.start)
        windows.advance(to: Self.start, total: Events(good: 2, bad: 3))
        #expect(windows.events(in: window) == Events(good: 2, bad: 3))
        let slot: Int64 =
            switch window {
            case .fiveMinutes, .tenMinutes, .hour: 10
            case .halfHour, .sixHours: 60
            case .threeDays: 600
            }
        let kept = Self.start + .seconds(window.seconds - slot) + .milliseconds(slot * 1_000 - 1)
        windows.advance(to: kept, total: Events(good: 2, bad: 3))
        #expect(windows.events(in: window) == Events(good: 2, bad: 3))
        windows.advance(to: Self.start + window.span, total: Events(good: 2, bad: 3))
        #expect(windows.events(in: window) == Events())
        #expect(windows.sinceStart == Events(good: 2, bad: 3))
    }

    @Test func `a long pause empties every slot it passed`() {
        var windows = ErrorWindows(at: Self.start)
        for second in 0..<7_200 {
            let total = Events(good: UInt64(second), bad: 0)
            windows.advance(to: Self.start + .seconds(Int64(second)), total: total)
        }
        windows.advance(
            to: Self.start + .seconds(7_200 + 100 * 86_400), total: Events(good: 7_200, bad: 0))
        for window in Window.allCases {
            #expect(windows.events(in: window).good == 1, "\(window)")
        }
    }

    @Test func `time that goes back counts for now`() {
        var windows = ErrorWindows(at: Self.start)
        windows.advance(to: Self.start + .seconds(400), total: Events(good: 1))
        windows.advance(to: Self.start, total: Events(good: 2))
        #expect(windows.events(in: .fiveMinutes) == Events(good: 2))
        #expect(windows.age == .seconds(400))
    }

    @Test func `what a slot cannot hold is cut, not wrapped`() {
        var ring = CountRing(slotSeconds: 10, count: 3)
        ring.add(Events(good: .max, bad: 1), at: .zero)
        ring.add(Events(good: 5, bad: 1), at: .zero)
        #expect(ring.sum(newest: 3) == Events(good: UInt64(UInt32.max), bad: 2))
    }

    @Test func `the watch shows each class and all of them, and tells what begins and ends`() {
        var quick = Objective(name: "quick")
        quick.classes = ["a"]
        let plan = ObjectivePlan([Objective(name: "all"), quick], classes: ["a", "b"])
        var watch = ObjectiveWatch(plan, at: Self.start)
        #expect(watch.rows.map(\.classIndex) == [nil, 0, 1, 0])
        let counters = [ObjectiveCounters(plan), ObjectiveCounters(plan)]
        #expect(watch.advance(to: Self.start + .seconds(1), counters).isEmpty)
        for index in 0..<30 {
            var record = ExchangeRecord()
            record.route = .completions
            record.outcome = .upstreamFailed
            record.classIndex = 1
            counters[index % 2].record(&record)
        }
        let begun = watch.advance(to: Self.start + .seconds(2), counters)
        #expect(begun.count == 6)
        #expect(
            begun.contains {
                $0.hasPrefix(
                    "objective all, class b: the fast burn alert fires: over the 2 s since the start (not yet 1h)"
                )
            }, "\(begun)")
        #expect(watch.rows[0].windows.sinceStart == Events(bad: 30))
        #expect(watch.rows[1].windows.sinceStart == Events())
        #expect(watch.rows[0].firingSince[0] == Self.start + .seconds(2))
        let ended = watch.advance(to: Self.start + .seconds(400), counters)
        #expect(
            ended == [
                "objective all: the fast burn alert has ended",
                "objective all, class b: the fast burn alert has ended",
            ])
    }
}
