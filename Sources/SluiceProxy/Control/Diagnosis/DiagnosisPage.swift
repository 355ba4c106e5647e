import SluiceInsight
import SluiceReactor
import SluiceTime

// Control thread only.

/// `/diagnosis`: what is wrong, and with `?against=SPAN` how that differs from some time ago.
enum DiagnosisPage {
    /// Findings on the live page, and on this one, at most.
    static let shownMax = 8
    static let findingsMax = 200

    /// - Parameter against: how far back to compare; nil: not at all.
    static func render(_ control: ControlLoop, against span: Nanoseconds?) -> String {
        let now = control.loop.now
        let found = control.diagnosis.diagnosis.findings
        let findings = found.prefix(findingsMax).map { finding($0, now) }
        var fields = [
            (
                "scope",
                PageJSON.quoted("what this gateway sees; of other gateways nothing is known here")
            ),
            ("window_seconds", "\(DiagnosisWindow.seconds)"),
            ("watched_seconds", PageJSON.number((now - control.diagnosis.began).seconds)),
            ("findings_left_out", "\(max(0, found.count - findingsMax))"),
            ("findings", PageJSON.list(findings, ", ")),
        ]
        if let span {
            let pools = control.shared.pools.compactMap { pool in
                control.diagnosis.diagnosis.comparison(of: pool.name, against: span)
                    .map { comparison(pool.name, $0, span) }
            }
            fields.append(("comparisons", PageJSON.list(pools, ", ")))
        }
        return PageJSON.block(0, fields) + "\n"
    }

    /// A finding on one line.
    static func finding(_ finding: Finding, _ now: Instant) -> String {
        let evidence = finding.evidence.map { evidence -> String in
            PageJSON.object([
                ("signal", PageJSON.quoted(evidence.signal)),
                ("value", PageJSON.number(evidence.value)),
                ("unit", PageJSON.quoted(evidence.unit.rawValue)),
                ("text", PageJSON.quoted(evidence.text)),
            ])
        }
        return PageJSON.object([
            ("cause", PageJSON.quoted(finding.cause.rawValue)),
            ("title", PageJSON.quoted(finding.cause.title)),
            ("pool", PageJSON.quoted(finding.pool)),
            ("replica", finding.replica.map { PageJSON.quoted($0) } ?? "null"),
            ("confidence", PageJSON.quoted(finding.confidence.rawValue)),
            ("since_seconds", PageJSON.number((now - finding.since).seconds)),
            ("seen_seconds", PageJSON.number((now - finding.seen).seconds)),
            ("evidence", PageJSON.list(evidence)),
            ("meaning", PageJSON.quoted(finding.cause.meaning)),
            ("next_steps", PageJSON.list(finding.cause.steps.map { PageJSON.quoted($0) })),
        ])
    }

    private static func comparison(
        _ pool: String, _ comparison: Comparison, _ span: Nanoseconds
    ) -> String {
        let rows = PoolPeriod.Figure.allCases.map { figure -> String in
            PageJSON.object([
                ("figure", PageJSON.quoted(figure.rawValue)),
                ("is_workload", figure.isWorkload ? "true" : "false"),
                ("unit", PageJSON.quoted(figure.unit.rawValue)),
                ("now", PageJSON.number(comparison.now[figure])),
                ("then", PageJSON.number(comparison.earlier?[figure])),
                ("ratio", PageJSON.number(comparison.ratio(figure))),
                ("has_changed", comparison.hasChanged(figure) ? "true" : "false"),
                ("text_now", text(comparison.now[figure], figure)),
                ("text_then", text(comparison.earlier?[figure], figure)),
            ])
        }
        return PageJSON.block(
            1,
            [
                ("pool", PageJSON.quoted(pool)),
                ("against_seconds", PageJSON.number(span.seconds)),
                ("kept_seconds", PageJSON.number(comparison.reach.seconds)),
                ("verdict", PageJSON.quoted(comparison.verdict.rawValue)),
                ("figures", PageJSON.list(rows, ", ")),
            ])
    }

    private static func text(_ value: Double?, _ figure: PoolPeriod.Figure) -> String {
        value.map { PageJSON.quoted(figure.unit.text($0)) } ?? "null"
    }

    /// "90s", "10m", "1h", "1d", "1w": 1 minute … 8 days; nil for anything else.
    static func span(_ text: String) -> Nanoseconds? {
        guard let unit = text.last, let number = Int64(text.dropLast()), number > 0 else {
            return nil
        }
        let seconds: Int64
        switch unit {
        case "s": seconds = 1
        case "m": seconds = 60
        case "h": seconds = 3_600
        case "d": seconds = 86_400
        case "w": seconds = 604_800
        default: return nil
        }
        let (total, isOver) = number.multipliedReportingOverflow(by: seconds)
        guard !isOver, total >= 60, total <= 8 * 86_400 else { return nil }
        return .seconds(total)
    }
}
