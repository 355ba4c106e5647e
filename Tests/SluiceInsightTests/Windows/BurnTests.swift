import SluiceTime
import Testing

@testable import SluiceInsight

/// Target T17: what pages, when, and when it ends; the clock is moved by hand, a second at a time.
@Suite struct BurnTests {
    /// A process that has served so many requests a second for as long as it has run.
    struct Service {
        var now = Instant(nanoseconds: 1_000_000_000)
        var windows: ErrorWindows
        let objective: Objective
        private var total = Events()
        private var owed = 0.0

        init(target: Double = 0.999, badEventsMin: Int = 20) {
            var objective = Objective(name: "o")
            objective.target = target
            objective.badEventsMin = badEventsMin
            self.objective = objective
            windows = ErrorWindows(at: now)
        }

        func isFiring(_ rule: String) -> Bool { verdict(rule).isFiring }

        func verdict(_ rule: String) -> BurnVerdict {
            let found = BurnRule.all.first { $0.name == rule } ?? BurnRule.all[0]
            return BurnVerdict(found, objective, windows)
        }

        /// Serves for so long, looking every `step` seconds; stops earlier where `until` holds.
        ///
        /// - Returns: seconds served.
        @discardableResult
        mutating func serve(
            seconds: Int, step: Int = 1, perSecond: Int = 50, badShare: Double,
            until: (Service) -> Bool = { _ in false }
        ) -> Int {
            for second in stride(from: step, through: seconds, by: step) {
                let requests = perSecond * step
                owed += Double(requests) * badShare
                let bad = UInt64(owed)
                owed -= Double(bad)
                total.bad += bad
                total.good += UInt64(requests) - min(bad, UInt64(requests))
                now = now + .seconds(Int64(step))
                windows.advance(to: now, total: total)
                if until(self) { return second }
            }
            return seconds
        }
    }

    private static func anyFires(_ service: Service) -> Bool {
        BurnRule.all.contains { service.isFiring($0.name) }
    }

    @Test func `factors are those of the workbook`() {
        #expect(BurnRule.all.map { ($0.factor * 10).rounded() / 10 } == [14.4, 6, 1])
    }

    @Test func `a total outage pages after 52 s`() {
        var service = Service()
        service.serve(seconds: 3_700, badShare: 0)
        let time = service.serve(seconds: 600, badShare: 1) { $0.isFiring("fast") }
        #expect((37...67).contains(time), "after \(time) s")
    }

    @Test(arguments: [(0.99, 519), (0.95, 2_592)])
    func `a looser target pages later, as the budget says`(target: Double, expected: Int) {
        var service = Service(target: target)
        service.serve(seconds: 3_700, badShare: 0)
        let time = service.serve(seconds: 3_600, badShare: 1) { $0.isFiring("fast") }
        #expect(abs(time - expected) <= 15, "after \(time) s")
    }

    @Test func `a burn of 0.9 never alerts, however long`() {
        var service = Service()
        let time = service.serve(seconds: 4 * 86_400, step: 60, perSecond: 20, badShare: 0.000_9) {
            Self.anyFires($0)
        }
        #expect(time == 4 * 86_400, "after \(time) s")
    }

    @Test func `pages end soon after recovery`() {
        var service = Service()
        service.serve(seconds: 3_700, badShare: 0)
        service.serve(seconds: 1_800, badShare: 1)
        #expect(service.isFiring("fast") && service.isFiring("slow"))
        let fast = service.serve(seconds: 3_600, badShare: 0) { !$0.isFiring("fast") }
        #expect(fast <= 320, "1 h/5 m after \(fast) s")
        let slow = fast + service.serve(seconds: 3_600, badShare: 0) { !$0.isFiring("slow") }
        #expect(slow <= 1_820 && slow > fast, "6 h/30 m after \(slow) s")
    }

    @Test func `a slow burn is a ticket and no page`() {
        var service = Service()
        service.serve(seconds: 86_400, step: 60, perSecond: 20, badShare: 0.002)
        #expect(service.isFiring("low"))
        #expect(service.verdict("slow").hindrance == .slowBurn)
        #expect(service.verdict("fast").hindrance == .slowBurn)
    }

    @Test func `a few bad requests in a quiet hour wake nobody`() {
        var service = Service()
        service.serve(seconds: 3_600, perSecond: 0, badShare: 0)
        #expect(service.verdict("fast").hindrance == .noEvents)
        service.serve(seconds: 19, perSecond: 1, badShare: 1)
        service.serve(seconds: 1, perSecond: 1, badShare: 0)
        #expect(service.verdict("fast").hindrance == .fewEvents)
        service.serve(seconds: 1, perSecond: 1, badShare: 1)
        #expect(service.isFiring("fast"))
    }

    @Test func `the outage of a small model pages once ten minutes were bad`() {
        var service = Service()
        // One request every two minutes: five in ten.
        for _ in 0..<5 {
            service.serve(seconds: 1, perSecond: 1, badShare: 1)
            service.serve(seconds: 119, perSecond: 0, badShare: 0)
        }
        #expect(service.verdict("fast").hindrance == .fewEvents)
        service.serve(seconds: 1, perSecond: 1, badShare: 1)
        #expect(service.verdict("fast").isFiring)
        // One good answer, and it is an outage no more.
        service.serve(seconds: 1, perSecond: 1, badShare: 0)
        #expect(service.verdict("fast").hindrance == .fewEvents)
    }

    @Test func `just after a start the windows hold what there was, and say how much that is`() {
        var service = Service()
        let time = service.serve(seconds: 60, badShare: 1) { $0.isFiring("fast") }
        #expect(time == 1)
        service.serve(seconds: 11, badShare: 1)
        #expect(service.verdict("fast").isPartial)
        #expect(service.verdict("fast").text == "fast, of the 12 s since the start (not yet 1h)")
        service.serve(seconds: 78, badShare: 1)
        #expect(service.windows.covered(by: .hour) == .seconds(90))
        #expect(service.windows.covered(by: .fiveMinutes) == .seconds(90))
        service.serve(seconds: 3_600, badShare: 0)
        #expect(service.windows.covered(by: .hour) == .seconds(3_600))
        #expect(service.windows.covered(by: .sixHours) == .seconds(3_690))
    }
}
