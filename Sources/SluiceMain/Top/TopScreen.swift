import SluiceBench
import SluiceTime

/// Turns what was heard into lines of text: a whole screen, or a line where output is no terminal.
struct TopScreen {
    let admin: String
    let text: ScreenText

    /// With the blanks between them 91 columns.
    private static let widths = [22, 12, 9, 8, 6, 7, 7, 5, 7]
    /// Of them what there is room for in 80 columns: not those of others and those that failed.
    private static let narrowColumns = [0, 1, 2, 3, 5, 6, 7]
    private static let bars = Array("▁▂▃▄▅▆▇█")
    private static let findingsMax = 3
    private static let labelWidth = 24
    private static let valueWidth = 10
    /// From this width on there is room for why a replica is in its state.
    private static let wideColumns = 112
    /// From this height on there is room for what the time in queues is made of.
    private static let tallRows = 28
    /// From this height on there is room for objectives and decisions.
    private static let highRows = 42
    private static let decisionsMax = 3

    /// Lines that fill a screen and are never more, nor wider, than it has room for.
    ///
    /// - Parameter silence: what is wrong with the connection, where something is.
    func lines(_ feed: TopFeed, silence: String?, columns: Int, rows: Int) -> [String] {
        guard let state = feed.state else {
            return [text.bold("sluice top  \(admin)"), silence ?? "connecting", "", "[q] quit"]
        }
        var lines = [header(state, feed, silence)]
        lines += (state.problems).prefix(4).map { text.bad("! " + $0) }
        if state.problems.count > 4 {
            lines.append(text.bad("! and \(state.problems.count - 4) more: see /readyz"))
        }
        lines += state.objectives.filter { !$0.firing.isEmpty }.map {
            text.bad(
                "! objective \($0.slo): \(($0.firingTexts ?? $0.firing).joined(separator: "; "))")
        }
        lines += (state.diagnosis ?? []).prefix(Self.findingsMax).map(finding)
        lines +=
            [""] + charts(feed, state, columns: columns, isTall: rows >= Self.tallRows) + [""]
            + classes(state)
        let shed = state.sheds.map { "\($0.reason) \($0.count)" }.joined(separator: ", ")
        lines += ["refused in the last minute: " + (shed.isEmpty ? "nobody" : shed)]
        if rows >= Self.highRows {
            lines += [""] + state.objectives.map(objective)
            lines += [""] + state.decisions.prefix(Self.decisionsMax).map(decision)
        }
        lines.append("")
        let room = max(2, rows - 2 - lines.count - 1)
        lines += replicas(state, columns, room: room)
        return (lines.prefix(max(1, rows - 2)) + [text.dim("[q] quit")])
            .map { ScreenText.cut($0, columns) }
    }

    /// A cause, whose, and what speaks most for it.
    private func finding(_ finding: TopFeed.State.Finding) -> String {
        let whom = finding.replica ?? "pool \(finding.pool)"
        let evidence = finding.evidence.prefix(2).map(\.text).joined(separator: ", ")
        let line = "→ \(whom): \(finding.title) (\(finding.confidence))"
        return (finding.confidence == "certain" ? text.bad(line) : text.fair(line))
            + "  " + text.dim(evidence)
    }

    private func header(_ state: TopFeed.State, _ feed: TopFeed, _ silence: String?) -> String {
        var parts = [text.bold("sluice top  \(admin)") + "  \(state.version)"]
        if let silence {
            parts.append(text.bad(silence))
        } else if state.draining {
            parts.append(text.fair("draining"))
        } else if !state.ready {
            parts.append(text.bad("not ready"))
        } else {
            let isPanic = state.pools.contains { $0.panic }
            parts.append(isPanic ? text.bad("ready, in panic") : text.good("ready"))
        }
        if feed.restarts > 0 { parts.append(text.fair("restarted ×\(feed.restarts)")) }
        return parts.joined(separator: "  ")
    }

    private func objective(_ row: TopFeed.State.Objective) -> String {
        func share(_ value: Double?) -> String {
            value.map { Figure.fixed($0 * 100, 2) + " %" } ?? "–"
        }
        func burn(_ value: Double?) -> String { value.map { Figure.fixed($0, 1) } ?? "–" }
        let line =
            "objective \(Figure.left(row.slo, 20)) good in 5 min \(share(row.good)) of"
            + " \(share(row.target)), burn \(burn(row.burn)), in 1 h \(burn(row.burnLong))"
        return row.firing.isEmpty ? (row.burn ?? 0 > 1 ? text.fair(line) : line) : text.bad(line)
    }

    private func decision(_ row: TopFeed.State.Decision) -> String {
        let why = row.reason ?? row.routing ?? "–"
        let line =
            "\(Figure.right(Self.span(row.ageSeconds), 8)) ago  \(Figure.left(row.verdict, 11))"
            + " \(Figure.left(why, 14)) \(Figure.left(row.class, 12))"
            + " waited \(Self.span(row.waitedSeconds))" + (row.replica.map { ", \($0)" } ?? "")
        return row.verdict == "refused" ? text.fair(line) : line
    }

    // MARK: Over time

    private func charts(
        _ feed: TopFeed, _ state: TopFeed.State, columns: Int, isTall: Bool
    ) -> [String] {
        let width = max(10, columns - Self.labelWidth - Self.valueWidth - 2)
        let objective = state.objectiveSeconds
        func chart(_ label: String, _ column: String, _ value: String, _ mark: (String) -> String)
            -> String
        {
            chart(label, feed.column(column), value, mark)
        }
        func chart(
            _ label: String, _ values: [Double?], _ value: String, _ mark: (String) -> String
        ) -> String {
            let line = Self.sparks(values.suffix(width))
            return Figure.left(label, Self.labelWidth) + mark(Figure.right(value, Self.valueWidth))
                + "  " + line
        }
        let wait = feed.newest("ttft_wait_p99")
        let isLate = wait.flatMap { wait in objective.map { wait > $0 } } ?? false
        let refused = feed.newest("refused") ?? 0
        let failed = feed.newest("failed") ?? 0
        var lines = [
            chart("answered /s", "served", Self.rate(feed.newest("served")), { $0 }),
            chart("refused /s", "refused", Self.rate(refused), refused > 0 ? text.fair : { $0 }),
            chart("failed /s", "failed", Self.rate(failed), failed > 0 ? text.bad : { $0 }),
            chart(
                "first token or none p99", "ttft_wait_p99", Self.span(wait),
                isLate ? text.bad : { $0 }),
        ]
        if let objective {
            let part = feed.newest("in_objective")
            lines.append(
                chart(
                    "within \(Self.span(objective))", "in_objective",
                    part.map { Figure.fixed($0 * 100, 1) + " %" } ?? "–",
                    part.map { $0 < 0.99 } ?? false ? text.bad : { $0 }))
        }
        let queues = feed.sum("queue_mean", "engine_queue_mean")
        lines.append(
            chart("time in queues, mean", queues, Self.span(queues.last ?? nil), { $0 }))
        if isTall {
            for (label, column) in [
                ("  of it in the engines", "engine_queue_mean"),
                ("wait here p99", "queue_wait_p99"),
            ] {
                lines.append(chart(label, column, Self.span(feed.newest(column)), { $0 }))
            }
        }
        return lines + [
            chart("gap of tokens p99", "itl_p99", Self.span(feed.newest("itl_p99")), { $0 }),
            chart("waiting here", "queue_length", Self.rate(feed.newest("queue_length")), { $0 }),
            chart("at replicas", "in_flight", Self.rate(feed.newest("in_flight")), { $0 }),
            chart(
                "goodput tokens /s", "goodput_tokens", Self.rate(feed.newest("goodput_tokens")),
                { $0 }),
            chart("tokens /s", "tokens", Self.rate(feed.newest("tokens")), { $0 }),
        ]
    }

    /// A character a second; blank where nothing was measured.
    static func sparks(_ values: ArraySlice<Double?>) -> String {
        let most = values.reduce(0) { max($0, $1 ?? 0) }
        return String(
            values.map { value -> Character in
                guard let value else { return " " }
                guard value > 0, most > 0 else { return "·" }
                return bars[min(7, max(0, Int(value / most * 7.999)))]
            })
    }

    // MARK: Tables

    private func classes(_ state: TopFeed.State) -> [String] {
        state.pools.flatMap { pool in
            pool.classes.map { row in
                let name = state.pools.count > 1 ? "\(pool.pool)/\(row.name)" : row.name
                var line = "class \(Figure.left(name, 18)) \(row.length) waiting"
                if row.length > 0 { line += ", the oldest for \(Self.span(row.oldestSeconds))" }
                line += ", a newcomer for \(Self.span(row.predictedWaitSeconds))"
                if let bound = row.boundSeconds {
                    line += " (refused above \(Self.span(bound)))"
                    if row.predictedWaitSeconds > bound { line = text.fair(line) }
                }
                return line + (pool.mode == "enforce" ? "" : "  admission: \(pool.mode)")
            }
        }
    }

    private func replicas(_ state: TopFeed.State, _ columns: Int, room: Int) -> [String] {
        let isWide = columns >= Self.wideColumns
        let isNarrow = columns < Self.widths.reduce(Self.widths.count - 1, +)
        let head = Self.row(
            isNarrow, "replica", "state", "in flight", "may hold", "others", "waiting", "running",
            "KV", "failed")
        var lines = [text.bold(head + (isWide ? "  since, why" : ""))]
        for row in state.replicas.prefix(room - 1) {
            let isFresh = !row.signalStale && row.state != "dead"
            let name = state.pools.count > 1 ? "\(row.pool)/\(row.name)" : row.name
            let line = Self.row(
                isNarrow, name, row.state, "\(row.inFlight)", "\(row.limit)",
                Figure.fixed(row.others, 0),
                Self.whole(isFresh ? row.queueDepth : nil),
                Self.whole(isFresh ? row.running : nil),
                (isFresh ? row.kvUsageRatio : nil).map { Figure.fixed($0 * 100, 0) + "%" } ?? "–",
                "\(row.failed)")
            let why = isWide ? "  \(Self.span(row.sinceSeconds)), \(row.why)" : ""
            lines.append(text.coloured(line + why, state: row.state))
        }
        if state.replicas.count > room - 1 {
            lines[lines.count - 1] = text.dim("and \(state.replicas.count - room + 2) more")
        }
        return lines
    }

    // MARK: Where output is no terminal

    /// The state of things in a line.
    func line(_ feed: TopFeed, silence: String?) -> String {
        guard let state = feed.state, silence == nil else { return silence ?? "connecting" }
        let ready = state.replicas.count { $0.state == "ready" }
        var parts = [
            state.draining ? "draining" : state.ready ? "ready" : "not ready",
            "\(Self.rate(feed.newest("served"))) answered/s",
            "\(Self.rate(feed.newest("refused"))) refused/s",
            "\(Self.rate(feed.newest("failed"))) failed/s",
            "first token \(Self.span(feed.newest("ttft_p50"))) p50",
            "\(Self.span(feed.newest("ttft_p99"))) p99",
            "\(Self.span(feed.newest("ttft_wait_p99"))) p99 with those who got none",
            "\(Self.rate(feed.newest("queue_length"))) waiting",
            "\(Self.rate(feed.newest("in_flight"))) in flight",
            "\(Self.rate(feed.newest("tokens"))) tokens/s",
            "\(ready) of \(state.replicas.count) replicas ready",
        ]
        parts += state.problems.prefix(2)
        parts += (state.diagnosis ?? []).prefix(1).map { "\($0.replica ?? $0.pool): \($0.title)" }
        return parts.joined(separator: "  ")
    }

    // MARK: Text

    private static func row(_ isNarrow: Bool, _ texts: String...) -> String {
        let columns = isNarrow ? narrowColumns : Array(widths.indices)
        return columns.map { index in
            index < 2
                ? Figure.left(ScreenText.cut(texts[index], widths[index]), widths[index])
                : Figure.right(texts[index], widths[index])
        }.joined(separator: " ")
    }

    private static func span(_ seconds: Double?) -> String {
        guard let seconds else { return "–" }
        guard seconds < 120 else {
            let isHours = seconds >= 7_200
            return Figure.fixed(seconds / (isHours ? 3_600 : 60), 0) + (isHours ? " h" : " min")
        }
        return Figure.span(.seconds(clamping: seconds))
    }

    private static func rate(_ value: Double?) -> String {
        value.map { Figure.fixed($0, $0 == $0.rounded() || $0 >= 10 ? 0 : 1) } ?? "–"
    }

    private static func whole(_ value: Double?) -> String {
        value.map { Figure.fixed($0, 0) } ?? "–"
    }
}
