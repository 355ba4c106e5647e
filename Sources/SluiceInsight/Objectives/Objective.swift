import SluiceTime

/// What is measured of an exchange: the label `sli`.
package enum Indicator: String, CaseIterable, Sendable {
    /// Whether the request was served at all.
    case availability
    /// Client-visible time to the first token, `t7 − t1`; event streams only.
    case ttft
    /// Response time, `t9 − t1`; all but event streams.
    case response
    /// Mean time per output token after the first; event streams only.
    case tpot
    /// Whether an answer that had begun came to its proper end.
    case completeness

    /// Whether the indicator is a time, which needs a threshold.
    package var isTime: Bool {
        switch self {
        case .ttft, .response, .tpot: true
        case .availability, .completeness: false
        }
    }
}

/// What share of which exchanges shall be good: one row of `objectives` in the configuration.
package struct Objective: Sendable, Equatable {
    /// Objectives at most.
    package static let countMax = 32
    /// Objectives times the classes each covers at most: each has counters for all models.
    package static let pairsMax = 63
    /// The period that budgets are for: 30 days.
    package static let period = Nanoseconds.seconds(30 * 86_400)
    /// Bad events in the short window before an alert may fire, unless configured.
    package static let badEventsDefault = 20

    /// The label `slo`; unique.
    package var name: String
    package var indicator = Indicator.availability
    /// Share of good events: 0.5 … 0.99999.
    package var target = 0.999
    /// The longest time that is good; only where ``Indicator/isTime``.
    package var threshold: Nanoseconds?
    /// Added to the threshold of `ttft` for each thousand tokens of prompt.
    package var perThousandPromptTokens = Nanoseconds.zero
    /// Names of the classes it is for; empty: all.
    package var classes: [String] = []
    /// Names of the models it is for; empty: all.
    package var models: [String] = []
    /// Bad events in the short window before an alert may fire: 1 … 10,000.
    package var badEventsMin = Objective.badEventsDefault

    package init(name: String) { self.name = name }

    /// The share of events that may be bad.
    package var budget: Double { 1 - target }

    /// Whether it is for exchanges of this class.
    package func covers(class name: String) -> Bool { classes.isEmpty || classes.contains(name) }
}

/// What objectives follow from a class where none are configured.
package struct ClassObjectives: Sendable {
    package var name: String
    package var timeToFirstToken: Nanoseconds?
    package var perThousandPromptTokens: Nanoseconds
    package var timePerToken: Nanoseconds?

    package init(
        name: String, timeToFirstToken: Nanoseconds?, perThousandPromptTokens: Nanoseconds,
        timePerToken: Nanoseconds?
    ) {
        self.name = name
        self.timeToFirstToken = timeToFirstToken
        self.perThousandPromptTokens = perThousandPromptTokens
        self.timePerToken = timePerToken
    }
}

extension Objective {
    /// The objectives where the configuration names none: 99.9 % of all requests served and of all
    /// answers complete; of each class that has `ttft_slo` or `tpot_slo`, 95 % of its streams within.
    package static func derived(from classes: [ClassObjectives]) -> [Objective] {
        var list = [Objective(name: "availability")]
        for one in classes {
            let suffix = classes.count == 1 ? "" : "-\(one.name)"
            if let threshold = one.timeToFirstToken {
                var objective = Objective(name: "ttft\(suffix)")
                objective.indicator = .ttft
                objective.target = 0.95
                objective.threshold = threshold
                objective.perThousandPromptTokens = one.perThousandPromptTokens
                objective.classes = [one.name]
                list.append(objective)
            }
            if let threshold = one.timePerToken {
                var objective = Objective(name: "tpot\(suffix)")
                objective.indicator = .tpot
                objective.target = 0.95
                objective.threshold = threshold
                objective.classes = [one.name]
                list.append(objective)
            }
        }
        var completeness = Objective(name: "completeness")
        completeness.indicator = .completeness
        return list + [completeness]
    }
}
