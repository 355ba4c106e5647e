import SluiceTime

/// A span over which events are looked at; the label `window`.
package enum Window: String, CaseIterable, Sendable {
    case fiveMinutes = "5m"
    case tenMinutes = "10m"
    case halfHour = "30m"
    case hour = "1h"
    case sixHours = "6h"
    case threeDays = "3d"

    /// Its length in seconds.
    package var seconds: Int64 {
        switch self {
        case .fiveMinutes: 300
        case .tenMinutes: 600
        case .halfHour: 1_800
        case .hour: 3_600
        case .sixHours: 21_600
        case .threeDays: 259_200
        }
    }

    package var span: Nanoseconds { .seconds(seconds) }
}

/// How urgent an alert is; the label `severity`.
package enum Severity: String, Sendable {
    /// Wakes somebody.
    case page
    /// Waits for working hours.
    case ticket
}

/// One multi-window burn-rate alert.
///
/// Burn is the bad share over the budget: 1 spends exactly the budget in ``Objective/period``. Both
/// windows have to burn: the long one says that it matters, the short one that it has not ended.
/// Source: Google, "The Site Reliability Workbook", chapter 5.
package struct BurnRule: Sendable, Equatable {
    /// `fast`, `slow` or `low`.
    package let name: String
    package let long: Window
    package let short: Window
    /// Part of the period's budget that is spent in the long window when the alert fires, percent.
    package let budgetPercent: Int
    package let severity: Severity

    /// 2 % of the budget in an hour, 5 % in six, 10 % in three days.
    package static let all = [
        BurnRule(name: "fast", long: .hour, short: .fiveMinutes, budgetPercent: 2, severity: .page),
        BurnRule(
            name: "slow", long: .sixHours, short: .halfHour, budgetPercent: 5, severity: .page),
        BurnRule(
            name: "low", long: .threeDays, short: .sixHours, budgetPercent: 10, severity: .ticket),
    ]

    /// The burn above which it fires: 14.4, 6 and 1.
    package var factor: Double {
        Double(budgetPercent) / 100 * Objective.period.seconds / long.span.seconds
    }

    /// Whether a total outage would make it fire: with a budget of 1 / factor or more it cannot.
    package func canFire(budget: Double) -> Bool { factor * budget < 1 }
}
