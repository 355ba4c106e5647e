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

    package var isFiring: Bool { hindrance == nil }

    /// Judges the windows of an objective by one rule.
    package init(_ rule: BurnRule, _ objective: Objective, _ windows: ErrorWindows) {
        self.rule = rule
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
