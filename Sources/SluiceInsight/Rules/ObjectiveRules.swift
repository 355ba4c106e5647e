/// Recording rules and burn-rate alerts of the objectives.
///
/// Windows are recorded once for all objectives, of each model and class (`scope="class"`) and over all
/// of them (`scope="all"`); the alerts of each objective compare them with its own thresholds.
enum ObjectiveRules {
    private static let labels = "\(PromQL.place), slo, sli, model_name, class"
    private static let allLabels = "\(PromQL.place), slo, sli"

    static func groups(_ objectives: [Objective]) -> [RuleGroup] {
        guard !objectives.isEmpty else { return [] }
        let quick: [Window] = [.fiveMinutes, .tenMinutes, .halfHour, .hour, .sixHours]
        let pages = BurnRule.all.filter { $0.long != .threeDays }
        let tickets = BurnRule.all.filter { $0.long == .threeDays }
        return [
            RuleGroup(
                name: "sluice-objectives", interval: nil,
                rules: quick.flatMap { recordings($0.rawValue) }
                    + objectives.flatMap { objective in pages.map { burn($0, objective) } }),
            // Looking back over days costs; nobody waits for it.
            RuleGroup(
                name: "sluice-objectives-days", interval: "2m",
                rules: [Window.threeDays.rawValue, "30d"].flatMap { recordings($0) }
                    + objectives.map(budget)
                    + objectives.flatMap { objective in tickets.map { burn($0, objective) } }),
        ]
    }

    private static func recordings(_ window: String) -> [PrometheusRule] {
        let metric = "sluice_slo_events_total"
        return [("bad", "{result=\"bad\"}"), ("all", "")].flatMap { name, selector in
            let series = "sluice:slo_\(name):increase\(window)"
            return [
                PrometheusRule.recording(
                    name: series,
                    expression: "sum by (\(labels)) (increase(\(metric)\(selector)[\(window)]))",
                    labels: [("scope", "class")]),
                .recording(
                    name: series,
                    expression: "sum by (\(allLabels)) (\(series){scope=\"class\"})",
                    labels: [("scope", "all")]),
            ]
        }
    }

    /// What is left of the budget of 30 days: 1 is all of it, below 0 it is overspent.
    private static func budget(_ objective: Objective) -> PrometheusRule {
        let selector = "{slo=\(PromQL.quoted(objective.name))}"
        return .recording(
            name: "sluice:slo_budget_remaining:ratio30d",
            expression: """
                1 - sluice:slo_bad:increase30d\(selector)
                  / sluice:slo_all:increase30d\(selector)
                  / \(PromQL.number(objective.budget))
                """, labels: [("slo", objective.name)])
    }

    private static func burn(_ rule: BurnRule, _ objective: Objective) -> PrometheusRule {
        let selector = "{slo=\(PromQL.quoted(objective.name))}"
        let limit = PromQL.number(rule.factor * objective.budget)
        func share(_ window: Window) -> String {
            "sluice:slo_bad:increase\(window.rawValue)\(selector)"
                + " / sluice:slo_all:increase\(window.rawValue)\(selector)"
        }
        let short = rule.short.rawValue
        let target = PromQL.number(objective.target * 100)
        return .alert(
            AlertRule(
                "SluiceErrorBudgetBurn\(rule.name.prefix(1).uppercased())\(rule.name.dropFirst())",
                """
                \(share(rule.long)) > \(limit)
                and
                \(share(rule.short)) > \(limit)
                and (
                  sluice:slo_bad:increase\(short)\(selector) >= \(objective.badEventsMin)
                  or (
                    sluice:slo_bad:increase10m\(selector) >= \(BurnVerdict.outageEventsMin)
                    and
                    sluice:slo_bad:increase10m\(selector) >= 0.999 * sluice:slo_all:increase10m\(selector)
                  )
                )
                """, rule.severity, labels: [("slo", objective.name)],
                summary:
                    "{{ $labels.slo }}: the error budget burns \(pace(rule)) than it may",
                description:
                    "{{ $value | humanizePercentage }} of the requests of the last \(rule.long.rawValue) were bad"
                    + " (model {{ or $labels.model_name \"any\" }}, class {{ or $labels.class \"any\" }}); the objective asks for"
                    + " \(target) % good\(threshold(objective)). At this pace \(rule.budgetPercent) % of the"
                    + " budget of 30 days go in \(rule.long.rawValue)."))
    }

    private static func pace(_ rule: BurnRule) -> String {
        rule.factor > 1 ? "more than \(PromQL.number(rule.factor)) times faster" : "faster"
    }

    private static func threshold(_ objective: Objective) -> String {
        guard let threshold = objective.threshold else { return "" }
        return ", within \(PromQL.number(threshold.seconds)) s"
    }
}
