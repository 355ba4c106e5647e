import SluiceTelemetry
import SluiceTime

/// What else is configured and says whether an objective can ever be missed.
package struct ObjectiveFacts: Sendable {
    /// Names of all classes.
    package var classes: [String]
    /// All models there can be; nil where replicas are asked for them.
    package var models: [String]?
    /// Longest time from sending a request to its first content: the gateway gives up then.
    package var firstContentMax: Nanoseconds
    /// Longest wait in any queue before that.
    package var queueWaitMax: Nanoseconds
    /// Longest pause within an answer.
    package var streamIdleMax: Nanoseconds

    package init(
        classes: [String], models: [String]?, firstContentMax: Nanoseconds,
        queueWaitMax: Nanoseconds, streamIdleMax: Nanoseconds
    ) {
        self.classes = classes
        self.models = models
        self.firstContentMax = firstContentMax
        self.queueWaitMax = queueWaitMax
        self.streamIdleMax = streamIdleMax
    }
}

/// Why an objective is refused: its alerts could never fire, or it says nothing.
package enum ObjectiveFlaw: Error, Equatable, Sendable {
    /// Even if all events were bad the budget would burn only so many times too fast.
    case burnOutOfReach(rule: BurnRule, burnMax: Double, targetMin: Double)
    /// An indicator that is a time has no threshold.
    case thresholdMissing
    /// An indicator that is no time has one.
    case thresholdUnused
    /// Only `ttft` grows with the prompt.
    case perPromptUnused
    /// Longer than the last bound of the histogram: no percentile can tell whether it is kept.
    case beyondHistogram(Nanoseconds)
    /// The gateway gives up before an exchange could be so slow.
    case beyondTimeouts(Nanoseconds)
    /// No such class.
    case unknownClass(Int)
    /// No pool serves the model: it never has an event.
    case unknownModel(Int)

    /// Whether an alert of the rule that needs the largest bad share could fire.
    private static func reach(_ objective: Objective) -> ObjectiveFlaw? {
        guard let rule = BurnRule.all.max(by: { $0.factor < $1.factor }),
            !rule.canFire(budget: objective.budget)
        else { return nil }
        // Rounded up to thousandths, so that the number named is allowed.
        let least = ((1 - 1 / rule.factor) * 1_000).rounded(.up) / 1_000
        return .burnOutOfReach(rule: rule, burnMax: 1 / objective.budget, targetMin: least)
    }

    /// All flaws of an objective.
    package static func all(
        of objective: Objective, _ facts: ObjectiveFacts
    ) -> [ObjectiveFlaw] {
        var flaws: [ObjectiveFlaw] = []
        if let flaw = reach(objective) { flaws.append(flaw) }
        if objective.perThousandPromptTokens > .zero, objective.indicator != .ttft {
            flaws.append(.perPromptUnused)
        }
        for (index, name) in objective.classes.enumerated() where !facts.classes.contains(name) {
            flaws.append(.unknownClass(index))
        }
        if let models = facts.models {
            for (index, name) in objective.models.enumerated() where !models.contains(name) {
                flaws.append(.unknownModel(index))
            }
        }
        guard let threshold = objective.threshold else {
            return objective.indicator.isTime ? flaws + [.thresholdMissing] : flaws
        }
        let scales = BucketScales()
        let limits: (bound: BucketScale, timeout: Nanoseconds?)
        switch objective.indicator {
        case .availability, .completeness: return flaws + [.thresholdUnused]
        case .ttft:
            limits = (scales.firstToken, facts.firstContentMax + facts.queueWaitMax)
        case .response: limits = (scales.duration, nil)
        case .tpot: limits = (scales.token, facts.streamIdleMax)
        }
        let last = Nanoseconds.seconds(clamping: limits.bound.bound(limits.bound.count - 1))
        if threshold > last { flaws.append(.beyondHistogram(last)) }
        if let timeout = limits.timeout, threshold >= timeout {
            flaws.append(.beyondTimeouts(timeout))
        }
        return flaws
    }
}
