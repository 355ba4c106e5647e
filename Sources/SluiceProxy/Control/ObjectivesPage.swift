import SluiceInsight
import SluiceTime

/// `/slo`: every objective with what this process has seen of it since its start.
///
/// Honest about that: a window that the process is too young for says how much of it there has been.
enum ObjectivesPage {
    static func render(_ control: ControlLoop) -> String {
        let watch = control.watch
        let now = control.loop.now
        let objectives = watch.plan.objectives.indices.map { objective($0, watch, now) }
        let age = watch.rows.first?.windows.age ?? .zero
        return PageJSON.block(
            0,
            [
                (
                    "scope",
                    PageJSON.quoted(
                        "this process since its start; budgets over 30 days are Prometheus's (sluice rules)"
                    )
                ),
                ("covered_seconds", PageJSON.number(age.seconds)),
                ("firing", "\(firing(watch))"),
                ("objectives", PageJSON.list(objectives, ", ")),
            ]) + "\n"
    }

    /// Alerts that fire.
    private static func firing(_ watch: ObjectiveWatch) -> Int {
        watch.rows.reduce(0) { $0 + $1.verdicts.count(where: \.isFiring) }
    }

    private static func objective(
        _ index: Int, _ watch: ObjectiveWatch, _ now: Instant
    ) -> String {
        let objective = watch.plan.objectives[index]
        let rows = watch.rows.filter { $0.objective == index }
        let models = objective.models.map { PageJSON.quoted($0) }
        return PageJSON.block(
            1,
            [
                ("slo", PageJSON.quoted(objective.name)),
                ("sli", PageJSON.quoted(objective.indicator.rawValue)),
                ("target", "\(objective.target)"),
                ("threshold_seconds", PageJSON.number(objective.threshold?.seconds)),
                (
                    "threshold_seconds_per_1k_prompt_tokens",
                    PageJSON.number(objective.perThousandPromptTokens.seconds)
                ),
                ("models", models.isEmpty ? "\"all\"" : PageJSON.list(models)),
                ("bad_events_min", "\(objective.badEventsMin)"),
                (
                    "rows",
                    PageJSON.list(rows.map { self.row($0, objective, watch.plan, now) }, ", ")
                ),
            ])
    }

    private static func row(
        _ row: ObjectiveWatch.Row, _ objective: Objective, _ plan: ObjectivePlan, _ now: Instant
    ) -> String {
        let total = row.windows.sinceStart
        let alerts = zip(row.verdicts, row.firingSince).map { alert($0, $1, now) }
        return PageJSON.block(
            2,
            [
                (
                    "class",
                    PageJSON.quoted(row.classIndex.map { plan.classes[$0] } ?? "all")
                ),
                ("good_since_start", "\(total.good)"), ("bad_since_start", "\(total.bad)"),
                (
                    "windows",
                    PageJSON.list(
                        Window.allCases.map { window($0, row.windows, objective) }, ", ")
                ),
                ("alerts", PageJSON.list(alerts, ", ")),
            ])
    }

    private static func window(
        _ window: Window, _ windows: ErrorWindows, _ objective: Objective
    ) -> String {
        let events = windows.events(in: window)
        let covered = windows.covered(by: window)
        return PageJSON.object([
            ("window", PageJSON.quoted(window.rawValue)),
            ("covered_seconds", PageJSON.number(covered.seconds)),
            ("is_partial", covered < window.span ? "true" : "false"),
            ("good", "\(events.good)"), ("bad", "\(events.bad)"),
            ("bad_ratio", events.badShare.map { "\($0)" } ?? "null"),
            ("burn_rate", PageJSON.number(events.badShare.map { $0 / objective.budget })),
        ])
    }

    private static func alert(
        _ verdict: BurnVerdict, _ since: Instant, _ now: Instant
    ) -> String {
        PageJSON.object([
            ("alert", PageJSON.quoted(verdict.rule.name)),
            ("severity", PageJSON.quoted(verdict.rule.severity.rawValue)),
            ("burn_above", PageJSON.number(verdict.rule.factor)),
            ("long", PageJSON.quoted(verdict.rule.long.rawValue)),
            ("short", PageJSON.quoted(verdict.rule.short.rawValue)),
            ("long_covered_seconds", PageJSON.number(verdict.longCovered.seconds)),
            ("is_partial", verdict.isPartial ? "true" : "false"),
            ("long_burn", PageJSON.number(verdict.longBurn)),
            ("short_burn", PageJSON.number(verdict.shortBurn)),
            ("firing", verdict.isFiring ? "true" : "false"),
            (
                "firing_seconds",
                since.isSet ? PageJSON.number((now - since).seconds) : "null"
            ),
            ("why_not", verdict.hindrance.map { PageJSON.quoted($0.rawValue) } ?? "null"),
        ])
    }
}
