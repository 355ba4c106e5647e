import SluiceBench
import SluiceTime

/// Turns a view into lines of text: a whole screen, or a line where output is no terminal.
struct DemoScreen {
    let addresses: DemoAddresses
    let text: ScreenText

    /// Widths of the columns of the table: with the blanks between them 79, for 80 columns.
    private static let widths = [7, 15, 11, 9, 7, 7, 4, 5, 6]
    /// From this width on there is room for why a replica is in its state.
    private static let wideColumns = 110
    /// Lines of the event list: as many as there is room for, within these.
    private static let eventsShown = 3...10

    // MARK: A whole screen

    /// Lines that fill a screen and are never more, nor wider, than it has room for.
    ///
    /// What can be tried comes as far as it fits; addresses, table and the last events come first.
    func lines(_ view: DemoView, columns: Int, rows: Int) -> [String] {
        let table = self.table(view, isWide: columns >= Self.wideColumns)
        let top = header(view) + [""] + table + [""] + summary(view)
        // Behind the time of an event.
        let events = view.events.flatMap { ScreenText.wrapped($0, columns, indent: 8) }
            .suffix(Self.eventsShown.upperBound)
        // The cursor takes the last line; the footer and a blank line come before it.
        var room = rows - 1 - top.count - 2 - min(events.count, Self.eventsShown.lowerBound)
        var hints: [String] = []
        for block in self.hints where block.count < room {
            hints += [""] + block
            room -= block.count + 1
        }
        // A blank line before the events, if there is one to spare.
        let isSpaced = room > 0 && !events.isEmpty
        let eventRoom = max(0, rows - 1 - top.count - hints.count - 2 - (isSpaced ? 1 : 0))
        var lines = top + hints + (isSpaced ? [""] : [])
        lines += events.suffix(eventRoom).map { text.dim($0) } + ["", view.footer]
        return lines.suffix(max(1, rows - 1)).map { ScreenText.cut($0, columns) }
    }

    private func header(_ view: DemoView) -> [String] {
        [
            text.bold(
                "sluice demo: \(addresses.replicas.count) simulated vLLM replicas, one gateway")
                + "   \(Figure.fixed(view.uptime.seconds, 0)) s",
            "gateway  http://\(addresses.data)/v1",
            "admin    \(addresses.admin.map { "\($0)  (a page for browsers)" } ?? "off")",
        ]
    }

    /// What can be tried in another terminal, most telling first; no line is wider than 79.
    private var hints: [[String]] {
        let first = addresses.replicas.first ?? "http://REPLICA"
        var hints = [
            [
                "Stream an answer, in another terminal:",
                "  curl -N http://\(addresses.data)/v1/chat/completions \\",
                "    -H 'content-type: application/json' \\",
                "    -d '{\"model\":\"\(DemoReplicas.model)\",\"stream\":true,\"max_tokens\":40,",
                "         \"messages\":[{\"role\":\"user\",\"content\":\"Hi\"}]}'",
            ],
            [
                "Let sim-1's engine die as vLLM's does (or \"hang\"), and be well again:",
                "  curl -X POST \(first)/sim/faults -d '{\"die\":true}'",
                "  curl -X DELETE \(first)/sim/faults",
            ],
        ]
        if let admin = addresses.admin {
            hints.append([
                "Take one out of service by hand (and back: uncordon); see what is measured:",
                "  curl -X POST -H 'x-sluice-admin: 1' \\",
                "    \(admin)/replicas/sim-2/cordon",
                "  curl -s \(admin)/metrics | grep '^sluice_requests_total'",
            ])
        }
        return hints
    }

    // MARK: The table

    private func table(_ view: DemoView, isWide: Bool) -> [String] {
        var lines = [
            text.bold(
                row(
                    "replica", "address", "state", "in flight", "waiting", "running", "KV", "req/s",
                    "errors") + (isWide ? "  since, why" : ""))
        ]
        for replica in view.rows {
            // What a dead replica said last is no longer so.
            let isKnown = !replica.signalStale && replica.state != "dead"
            let ratio = isKnown ? replica.kvUsageRatio : nil
            let address =
                replica.url.hasPrefix("http://") ? String(replica.url.dropFirst(7)) : replica.url
            let line = row(
                replica.name, address, replica.state, "\(replica.inFlight)",
                whole(isKnown ? replica.queueDepth : nil), whole(isKnown ? replica.running : nil),
                ratio.map { Figure.fixed($0 * 100, 0) + "%" } ?? "–",
                view.rates[replica.name].map { Figure.fixed($0, 1) } ?? "–", "\(replica.failed)")
            let since = "  \(Figure.fixed(replica.sinceSeconds, 0)) s, \(replica.why)"
            lines.append(text.coloured(line + (isWide ? since : ""), state: replica.state))
        }
        if view.rows.isEmpty {
            lines.append(
                addresses.admin == nil
                    ? "(what the table shows comes from the admin listener, which is off)"
                    : view.isAdminSilent ? "the admin page does not answer" : "starting …")
        }
        return lines
    }

    private func summary(_ view: DemoView) -> [String] {
        guard let report = view.report else {
            return ["no load (--no-load): the gateway is yours   waiting in it \(view.waiting)"]
        }
        let figures = view.figures
        let asked = Figure.fixed(view.rate ?? 0, 1)
        let answered = Figure.fixed(figures.requestsPerSecond, 1)
        let tokens = Figure.fixed(figures.tokensPerSecond, 0)
        let median = Figure.span(figures.firstTokenMedian)
        let high = Figure.span(figures.firstToken99)
        var total = "so far   \(report.succeeded) answered, \(report.failed) failed"
        if let worst = worst(report) { total += " (\(worst))" }
        return [
            "load     \(asked) asked/s, \(answered) answered/s, \(tokens) tokens/s, "
                + "\(report.inFlight) under way",
            "latency  first token \(median) p50, \(high) p99; "
                + "\(view.waiting) waiting in the gateway",
            total,
        ]
    }

    private func worst(_ report: LoadReport) -> String? {
        let most = report.failures.max { ($0.value, $1.key) < ($1.value, $0.key) }
        return most.map { "\($0.key) ×\($0.value)" }
    }

    // MARK: Where output is no terminal

    /// What is printed once, before the first line.
    var introduction: String {
        var lines = [
            "sluice demo: \(addresses.replicas.count) simulated vLLM replicas behind one gateway",
            "",
            "  gateway   http://\(addresses.data)/v1",
            "  admin     " + (addresses.admin.map { "\($0)   (a page for browsers)" } ?? "off"),
        ]
        for (index, url) in addresses.replicas.enumerated() {
            lines.append("  \(Figure.left(DemoReplicas.name(index), 9)) \(url)")
        }
        for block in hints { lines += [""] + block }
        return (lines + ["", "Ctrl-C stops everything.", ""]).joined(separator: "\n")
    }

    /// The state of things in a line.
    func line(_ view: DemoView) -> String {
        let states = view.rows.map { "\($0.name)=\($0.state)/\($0.inFlight)" }
        var parts = ["[\(Figure.fixed(view.uptime.seconds, 0)) s]"]
        if let report = view.report {
            let figures = view.figures
            parts.append("\(Figure.fixed(figures.requestsPerSecond, 1)) req/s")
            parts.append("\(Figure.fixed(figures.tokensPerSecond, 0)) tok/s")
            parts.append("first token \(Figure.span(figures.firstTokenMedian)) p50")
            parts.append("\(Figure.span(figures.firstToken99)) p99")
            parts.append("answered \(report.succeeded)  failed \(report.failed)")
        }
        if view.isAdminSilent { parts.append("admin page silent") }
        return (parts + states).joined(separator: "  ")
    }

    // MARK: Text

    private func row(_ texts: String...) -> String {
        zip(texts, Self.widths).enumerated().map { index, pair in
            index < 3 ? Figure.left(pair.0, pair.1) : Figure.right(pair.0, pair.1)
        }.joined(separator: " ")
    }

    private func whole(_ value: Double?) -> String { value.map { Figure.fixed($0, 0) } ?? "–" }
}
