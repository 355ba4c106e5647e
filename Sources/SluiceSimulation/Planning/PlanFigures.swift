import SluiceTime
import SluiceTraffic

/// What a plan's table says of all requests, or of those of one class.
package struct GroupFigures: Equatable, Sendable {
    /// Attempts that came.
    package var offered = 0
    package var served = 0
    /// Refused, by reason, in the order of ``ShedReason``; those that are 0 are left out.
    package var refused: [RefusalCount] = []
    /// Whose client gave up before the first token.
    package var abandoned = 0
    /// Ended by the loss of their replica.
    package var cut = 0
    /// Share within the objectives, of those let in and not refused later.
    package var goodOfAdmitted = 1.0
    /// Share within the objectives, of all that came.
    package var goodOfOffered = 1.0
    /// Seconds to the first token of those that got one, at 50, 90 and 99 %; nil without any.
    package var firstToken: Quantiles?
    /// Mean seconds per output token of those served.
    package var tokenGap: Quantiles?
}

/// How many were refused for one reason.
package struct RefusalCount: Equatable, Sendable {
    package var reason: ShedReason
    package var count: Int
}

/// Three quantiles of something.
package struct Quantiles: Equatable, Sendable {
    package var median: Double
    package var ninetieth: Double
    package var ninetyNinth: Double

    /// Nil where there are no values.
    init?(_ values: Percentiles) {
        guard values.count > 0 else { return nil }
        median = values.value(at: 0.5)
        ninetieth = values.value(at: 0.9)
        ninetyNinth = values.value(at: 0.99)
    }
}

/// What came and what became of it in a part of the counted time.
package struct TimeBin: Equatable, Sendable {
    /// Its middle, in seconds since the start of the counted part.
    package var middle: Double
    /// Attempts a second.
    package var offered: Double
    /// Those within the objectives, a second.
    package var good: Double
    package var refused: Double
    /// Seconds to the first token that one in a hundred exceeds; nil where nobody got one.
    package var firstToken: Double?
}

/// One line of a plan: a policy at a load.
package struct PlanFigures: Equatable, Sendable {
    /// Bins of the time line at most.
    package static let binsMax = 60

    package let policy: PolicyKind
    package let load: PlannedLoad
    /// What counted of the run.
    package let measured: Nanoseconds
    /// Arrivals a second that were asked for; retries come on top.
    package let asked: Double
    /// Attempts a second.
    package let offeredPerSecond: Double
    package let servedPerSecond: Double
    /// Work within the objectives as a share of the whole fleet's capacity.
    package let goodput: Double
    package let all: GroupFigures
    /// By class.
    package let classes: [GroupFigures]
    package let bins: [TimeBin]

    /// Reads the figures of a run.
    package init(
        policy: PolicyKind, load: PlannedLoad, asked: Double, _ result: RunResult,
        of capacity: Capacity
    ) {
        self.policy = policy
        self.load = load
        self.asked = asked
        measured = result.configuration.measured
        let span = max(result.configuration.measured.seconds, 1e-9)
        all = Self.group(result) { _ in true }
        classes = result.configuration.objectives.indices.map { index in
            Self.group(result) { $0.classIndex == index }
        }
        offeredPerSecond = Double(all.offered) / span
        servedPerSecond = Double(all.served) / span
        goodput = result.goodWork() / max(capacity.workPerSecond, 1e-9)
        bins = Self.bins(result)
    }

    private static func group(
        _ result: RunResult, where holds: (RequestRecord) -> Bool
    ) -> GroupFigures {
        var figures = GroupFigures()
        var reasons: [ShedReason: Int] = [:]
        var gaps: [Double] = []
        for record in result.came() where holds(record) {
            figures.offered += 1
            switch record.outcome {
            case .served:
                figures.served += 1
                if let gap = record.meanTokenGap { gaps.append(gap.seconds) }
            case .refused, .expired: reasons[record.refusal ?? .overload, default: 0] += 1
            case .abandoned: figures.abandoned += 1
            case .cut, .lost: figures.cut += 1
            case .waiting, .inFlight: break
            }
        }
        figures.refused = ShedReason.allCases.compactMap { reason in
            reasons[reason].map { RefusalCount(reason: reason, count: $0) }
        }
        figures.goodOfAdmitted = result.goodShareOfAdmitted(where: holds)
        figures.goodOfOffered = result.goodShareOfOffered(where: holds)
        figures.firstToken = Quantiles(result.firstTokenTimes(where: holds))
        figures.tokenGap = Quantiles(Percentiles(gaps))
        return figures
    }

    /// Bins of whole seconds, as few seconds each as ``binsMax`` allows.
    private static func bins(_ result: RunResult) -> [TimeBin] {
        let seconds = max(1, Int(result.configuration.measured.seconds))
        let width = (seconds + binsMax - 1) / binsMax
        return stride(from: 0, to: seconds, by: width).map { begin in
            let from = Nanoseconds.seconds(Int64(begin))
            let to = Nanoseconds.seconds(Int64(min(begin + width, seconds)))
            let came = result.came(from: from, to: to)
            let span = (to - from).seconds
            func rate(_ holds: (RequestRecord) -> Bool) -> Double {
                Double(came.count(where: holds)) / span
            }
            let times = result.firstTokenTimes(from: from, to: to)
            return TimeBin(
                middle: from.seconds + span / 2, offered: rate { _ in true },
                good: rate { $0.isGood(result.configuration.objectives[$0.classIndex]) },
                refused: rate { $0.outcome == .refused || $0.outcome == .expired },
                firstToken: times.count == 0 ? nil : times.value(at: 0.99))
        }
    }
}
