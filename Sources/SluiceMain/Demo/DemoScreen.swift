import SluiceBench
import SluiceProxy
import SluiceTime

/// What one refresh of the demo shows, as values.
struct DemoView {
    var rows: [ReplicaRows.Row] = []
    /// Requests per second of each row, since the refresh before.
    var rates: [String: Double] = [:]
    /// Requests that wait in the gateway.
    var waiting = 0
    var isAdminSilent = false
    var figures = RecentRequests.Figures()
    var report: LoadReport?
    var rate: Double?
    var uptime = Nanoseconds.zero
    var events: [String] = []
    var isStopping = false
}

/// Turns a view into lines of text.
struct DemoScreen {
    /// Colours are used; not where output is no terminal or `NO_COLOR` is set.
    let isColoured: Bool
    /// Lines of the event list: the screen never grows.
    static let eventsShown = 5

    private static let widths = [8, 23, 13, 9, 8, 8, 6, 8, 7]

    /// What is printed once, above the table.
    static func introduction(
        data: String, admin: String?, replicas: [String], model: String, hasKeys: Bool
    ) -> String {
        let first = replicas.first ?? "http://REPLICA"
        let adminURL = admin.map { "http://\($0)" }
        var lines = [
            "sluice demo: \(replicas.count) simulated vLLM replicas behind one gateway",
            "",
            "  gateway   http://\(data)/v1",
            "  admin     \(adminURL ?? "off")   /replicas /metrics /readyz /config",
        ]
        for (index, url) in replicas.enumerated() {
            lines.append("  \(Figure.left(DemoReplicas.name(index), 9)) \(url)")
        }
        lines += [
            "",
            "In another terminal, stream an answer:",
            "  curl -N http://\(data)/v1/chat/completions -H 'content-type: application/json' \\",
            "    -d '{\"model\":\"\(model)\",\"stream\":true,\"max_tokens\":40,"
                + "\"messages\":[{\"role\":\"user\",\"content\":\"Hi\"}]}'",
            "Let a replica fail as vLLM does when its engine dies, hang, or be well again:",
            "  curl -X POST \(first)/sim/faults -d '{\"die\":true}'     # or '{\"hang\":true}'",
            "  curl -X DELETE \(first)/sim/faults",
        ]
        if let adminURL {
            lines += [
                "Take one out by hand (and back: uncordon), and see what is measured:",
                "  curl -X POST -H 'x-sluice-admin: 1' \(adminURL)/replicas/sim-2/cordon",
                "  curl -s \(adminURL)/metrics | grep '^sluice_requests_total'",
            ]
        }
        lines += [hasKeys ? "" : "Ctrl-C stops everything.", ""]
        return lines.joined(separator: "\n")
    }

    /// The live part.
    func lines(_ view: DemoView) -> [String] {
        let header = columns(
            "replica", "address", "state", "in flight", "waiting", "running", "KV", "req/s",
            "errors")
        var lines = [bold(header)]
        for row in view.rows {
            // What a dead replica said last is no longer so.
            let isKnown = !row.signalStale && row.state != "dead"
            let ratio = isKnown ? row.kvUsageRatio : nil
            let cache = ratio.map { Figure.fixed($0 * 100, 0) + " %" }
            let line = columns(
                row.name, String(row.url.dropFirst(row.url.hasPrefix("http://") ? 7 : 0)),
                row.state, "\(row.inFlight)", whole(isKnown ? row.queueDepth : nil),
                whole(isKnown ? row.running : nil), cache ?? "–",
                view.rates[row.name].map { Figure.fixed($0, 1) } ?? "–", "\(row.failed)")
            lines.append(coloured(line, row.state))
        }
        if view.rows.isEmpty {
            lines.append(view.isAdminSilent ? "the admin page does not answer" : "starting …")
        }
        lines.append("")
        lines += summary(view)
        lines.append("")
        lines += view.events.suffix(Self.eventsShown).map { dim($0) }
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
        var total = "so far    \(report.succeeded) answered   \(report.inFlight) under way"
        total += "   \(view.waiting) waiting in the gateway   \(report.failed) failed"
        if let worst = worst(report) { total += " (\(worst))" }
        return [
            "load      \(asked) asked/s   \(answered) answered/s   \(tokens) tokens/s   "
                + "first token \(median) p50, \(high) p99", total,
        ]
    }

    private func worst(_ report: LoadReport) -> String? {
        let most = report.failures.max { ($0.value, $1.key) < ($1.value, $0.key) }
        return most.map { "\($0.key) ×\($0.value)" }
    }

    /// The plain line, for what is no terminal.
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
        parts.append(view.isAdminSilent ? "admin page silent" : states.joined(separator: " "))
        return parts.joined(separator: "  ")
    }

    private func columns(_ texts: String...) -> String {
        zip(texts, Self.widths).enumerated().map { index, pair in
            index < 3 ? Figure.left(pair.0, pair.1) : Figure.right(pair.0, pair.1)
        }.joined(separator: " ")
    }

    private func whole(_ value: Double?) -> String { value.map { Figure.fixed($0, 0) } ?? "–" }

    private func bold(_ text: String) -> String { escaped(text, "1") }
    private func dim(_ text: String) -> String { escaped(text, "2") }

    private func coloured(_ text: String, _ state: String) -> String {
        switch state {
        case "ready": escaped(text, "32")
        case "warming", "busy", "draining", "cordoned", "sleeping": escaped(text, "33")
        default: escaped(text, "31")
        }
    }

    private func escaped(_ text: String, _ code: String) -> String {
        isColoured ? "\u{1B}[\(code)m\(text)\u{1B}[0m" : text
    }
}
