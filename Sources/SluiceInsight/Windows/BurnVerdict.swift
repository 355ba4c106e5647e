import SluiceTime

/// Whether one alert of an objective fires now, and if not, why.
package struct BurnVerdict: Sendable, Equatable {
    /// What keeps an alert from firing.
    package enum Hindrance: String, Sendable {
        /// No event in one of the windows.
        case noEvents = "no_events"
        /// One of the windows burns less than the rule's factor.
        case slowBurn = "slow_burn"
        /// Both burn, of so few events that it may be chance.
        case fewEvents = "few_events"
    }

    /// Events that are enough where all of ten minutes were bad: a small model's outage pages too.
    package static let outageEventsMin: UInt64 = 5

    package let rule: BurnRule
    /// Nil without events.
    package let longBurn: Double?
    package let shortBurn: Double?
    /// Nil where the alert fires.
    package let hindrance: Hindrance?

    /// How much of the long window there has been since the start.
    package let longCovered: Nanoseconds

    package var isFiring: Bool { hindrance == nil }
    /// Whether the process is younger than the long window.
    package var isPartial: Bool { longCovered < rule.long.span }

    /// What the long window holds: "1h", or "the 12 s since the start (not yet 1h)".
    package var longText: String {
        guard isPartial else { return rule.long.rawValue }
        let covered = Unit.seconds.text(longCovered.seconds.rounded())
        return "the \(covered) since the start (not yet \(rule.long.rawValue))"
    }

    /// The alert's name, and how much of its long window there has been where that is not all.
    package var text: String { isPartial ? "\(rule.name), of \(longText)" : rule.name }

    /// Judges the windows of an objective by one rule.
    package init(_ rule: BurnRule, _ objective: Objective, _ windows: ErrorWindows) {
        self.rule = rule
        longCovered = windows.covered(by: rule.long)
        let short = windows.events(in: rule.short)
        let long = windows.events(in: rule.long)
        let budget = objective.budget
        longBurn = long.badShare.map { $0 / budget }
        shortBurn = short.badShare.map { $0 / budget }
        guard let longBurn, let shortBurn else {
            hindrance = .noEvents
            return
        }
        guard longBurn > rule.factor, shortBurn > rule.factor else {
            hindrance = .slowBurn
            return
        }
        let latest = windows.events(in: .tenMinutes)
        let isOutage =
            latest.good == 0 && latest.bad >= Self.outageEventsMin
            && windows.age >= Window.tenMinutes.span
        let isEnough = short.bad >= UInt64(objective.badEventsMin) || isOutage
        hindrance = isEnough ? nil : .fewEvents
    }
}
