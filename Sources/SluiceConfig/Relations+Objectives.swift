import SluiceExchange
import SluiceInsight
import SluiceTime

/// Objectives that could never be missed, or whose alerts could never fire.
extension Relations {
    mutating func checkObjectives() {
        guard let objectives = settings.objectives else { return }
        let facts = settings.objectiveFacts
        var names: [String: String] = [:]
        for (index, objective) in objectives.enumerated() {
            let path = "objectives[\(index)]"
            if !objective.name.isEmpty {
                checkUnique(
                    objective.name, "\(path).name", &names, "is the name of another objective")
            }
            // Of an objective with an error of its own nothing more is known.
            guard !context.error.issues.contains(where: { $0.path.hasPrefix(path) }) else {
                continue
            }
            for flaw in ObjectiveFlaw.all(of: objective, facts) { report(flaw, objective, path) }
        }
        let classes = settings.classes.map(\.name)
        let pairs = ObjectivePlan.pairCount(objectives, classes: classes)
        if pairs > Objective.pairsMax {
            report(
                "objectives", "with \(classes.count) classes they make \(pairs) pairs",
                "Allowed: at most \(Objective.pairsMax) pairs of objective and class, each has counters for every model. Give objectives `classes`."
            )
        }
        let named = ObjectivePlan.modelNames(of: objectives).count
        if named > ObjectiveKeys.namesMax {
            report(
                "objectives", "name \(named) models",
                "Allowed: together at most \(ObjectiveKeys.namesMax), as many as have a label of their own."
            )
        }
        for (bounds, what) in [
            (settings.responseBounds, "response"), (settings.tokenBounds, "tpot"),
        ] where bounds.count > SettingsKeys.objectivesMax {
            report(
                "objectives", "have \(bounds.count) thresholds for \(what)",
                "Allowed: at most \(SettingsKeys.objectivesMax), each is a bucket of every histogram."
            )
        }
    }

    private mutating func report(_ flaw: ObjectiveFlaw, _ objective: Objective, _ path: String) {
        let sli = objective.indicator.rawValue
        let threshold = objective.threshold.map { DurationText.text($0) } ?? ""
        switch flaw {
        case .burnOutOfReach(let rule, let burnMax, let targetMin):
            report(
                "\(path).target",
                "with \(shown(objective.target)) the alert on a burn of \(shown(rule.factor)) can never fire",
                "Were every request bad, the budget would burn \(shown(burnMax)) times as fast as it may. Allowed with this alert: at least \(shown(targetMin))."
            )
        case .thresholdMissing:
            report(
                path, "`\(sli)` needs a threshold", "Say which time is still good: threshold: 2s.")
        case .thresholdUnused:
            report(
                "\(path).threshold", "`\(threshold)` is given for `\(sli)`, which is no time",
                "Remove it, or use ttft, response or tpot.")
        case .perPromptUnused:
            report(
                "\(path).threshold_per_1k_prompt_tokens", "is given for `\(sli)`",
                "Only the time to the first token grows with the prompt: sli: ttft.")
        case .beyondHistogram(let last):
            report(
                "\(path).threshold",
                "`\(threshold)` is above the last bucket of its histogram (\(DurationText.text(last)))",
                "Nobody would see how near it is: choose a shorter one.")
        case .beyondTimeouts(let limit):
            report(
                "\(path).threshold",
                "`\(threshold)` can never be missed: the gateway gives up after \(DurationText.text(limit))",
                sli == "tpot"
                    ? "That is timeouts.stream_idle\(place("timeouts.stream_idle")): choose a shorter threshold."
                    : "That is timeouts.first_content\(place("timeouts.first_content")) after the longest queue_wait_max: choose a shorter threshold."
            )
        case .unknownClass(let index):
            let known = settings.classes.map(\.name)
            let name = objective.classes[index]
            let near = Suggestion.nearest(to: name, among: known)
            report(
                "\(path).classes[\(index)]",
                "\(quoted(name)) is not one of the classes\(place("classes"))",
                (near.map { "Did you mean \($0)? " } ?? "")
                    + "Allowed: \(known.joined(separator: ", ")).")
        case .unknownModel(let index):
            report(
                "\(path).models[\(index)]",
                "no pool serves \(quoted(objective.models[index])), so nothing would ever be counted",
                "Add it to the `models` of a pool, or remove it here.")
        }
    }

    /// At most five digits behind the point.
    private func shown(_ number: Double) -> String {
        RenderedValue.number((number * 100_000).rounded() / 100_000).json()
    }
}

extension Configuration {
    /// Objectives that would follow from the classes and are left out.
    static func objectiveWarnings(_ settings: GatewaySettings) -> [String] {
        guard settings.objectives == nil else { return [] }
        return settings.derivedObjectives.useless.map { objective in
            let threshold = objective.threshold.map { DurationText.text($0) } ?? ""
            return
                "objective \(objective.name) (\(threshold)) is left out: the gateway's own time limits pass before it can be missed."
        }
    }
}
