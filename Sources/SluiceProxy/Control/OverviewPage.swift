import SluiceTime
import SluiceTraffic

/// `/` of the admin and the status listener: what there is, for a person who has only the port.
///
/// Nothing runs in the browser: the page loads itself anew every ``refreshSeconds``, and what may
/// come from a peer (versions, names, certificates' texts) is escaped.
enum OverviewPage {
    /// A page and what it is, in the order of the list.
    typealias Link = (path: String, about: String)

    static let statusLinks: [Link] = [
        ("/livez", "200 while every worker turns its loop"),
        ("/readyz", "200 while clients may come, and what is wrong"),
        ("/metrics", "Prometheus text; OpenMetrics or protobuf on request"),
    ]
    static let adminLinks =
        statusLinks + [
            ("/dashboard", "what users see, live: first tokens, queue, replicas, refusals"),
            ("/replicas", "every pool and replica: state, why, load, as JSON"),
            ("/replicas/NAME/metrics", "what a replica's own metrics say now, typed: ?prefix="),
            ("/queue", "who waits, for how long yet, and what that is predicted from"),
            ("/decisions", "the latest decisions of a pool: ?pool= &n= &request="),
            ("/route", "what would become of a request now: ?pool= &class= &prompt_tokens="),
            ("/diagnosis", "what is wrong, why, and what to do: ?against=1d compares"),
            ("/slo", "objectives, error windows since the start, burn alerts"),
            ("/admission", "whether each pool's verdicts are carried out"),
            ("/config", "the settings in force, as JSON; no secrets"),
        ]
    /// What a POST does on the admin listener.
    static let actions: [Link] = [
        ("/replicas/NAME/cordon", "send a replica nothing new"),
        ("/replicas/NAME/uncordon", "and take it back"),
        (
            "/admission?pool=P&mode=M",
            "enforce verdicts, only count them (shadow), or neither (off)"
        ),
        ("/reload", "read the configuration file again, as SIGHUP does"),
        ("/drain", "end the gateway as SIGTERM does"),
    ]
    static let refreshSeconds = 2
    /// No script, no frame, nothing from elsewhere.
    static let fields = [
        ("cache-control", "no-store"), ("x-content-type-options", "nosniff"),
        ("content-security-policy", "default-src 'none'; style-src 'unsafe-inline'"),
    ]

    /// The list of pages for those who asked with curl.
    static func text(isAdmin: Bool) -> String {
        func line(_ method: String, _ link: Link) -> String {
            let margin = String(repeating: " ", count: max(1, 28 - link.path.utf8.count))
            return method + link.path + margin + link.about
        }
        var lines = (isAdmin ? adminLinks : statusLinks).map { line("GET   ", $0) }
        if isAdmin {
            lines += actions.map { line("POST  ", $0) }
            lines.append("A POST needs the field \(AdminPages.postField): 1")
        }
        return lines.map { $0 + "\n" }.joined()
    }

    /// The page for a browser.
    static func html(_ control: ControlLoop, isAdmin: Bool) -> String {
        let problems = ReplicasPage.problems(control)
        let isReady = control.shared.isReady()
        var parts = [
            """
            <!doctype html><html lang="en"><head><meta charset="utf-8">
            <meta name="viewport" content="width=device-width"><title>Sluice</title>
            <meta http-equiv="refresh" content="\(refreshSeconds)">
            <style>\(style)</style></head><body>
            <h1>Sluice \(escaped(BuildInfo.version))</h1>
            <p class="\(isReady ? "good" : "bad")">\(isReady ? "ready" : "not ready")</p>
            """
        ]
        if !problems.isEmpty {
            parts.append("<ul>" + problems.map { "<li>\(escaped($0))</li>" }.joined() + "</ul>")
        }
        if isAdmin { parts += control.shared.pools.indices.map { pool($0, control) } }
        parts.append("<h2>Pages</h2><table>")
        for link in isAdmin ? adminLinks : statusLinks {
            // A path with a NAME in it leads nowhere; the replicas' own names do.
            let isPattern = link.path.contains("NAME")
            let path = isPattern ? link.path : anchor(link.path, to: link.path)
            parts.append("<tr><td>\(path)</td><td>\(escaped(link.about))</td></tr>")
        }
        parts.append("</table>")
        if let admin = control.admin?.address, isAdmin {
            parts.append("<h2>Actions, with curl</h2><table>")
            for action in actions {
                parts.append(
                    "<tr><td><code>curl -X POST -H '\(AdminPages.postField): 1' "
                        + "'http://\(admin)\(escaped(action.path))'</code></td>"
                        + "<td>\(escaped(action.about))</td></tr>"
                )
            }
            parts.append("</table>")
        }
        return parts.joined(separator: "\n") + "\n</body></html>\n"
    }

    private static func pool(_ index: Int, _ control: ControlLoop) -> String {
        let now = control.loop.now
        let traffic = control.shared.pools[index]
        let snapshot = traffic.snapshot(now: now)
        guard !snapshot.replicas.isEmpty else {
            return "<h2>Pool \(escaped(traffic.name))</h2><p class=\"bad\">no replica</p>"
        }
        var lines = [
            "<h2>Pool \(escaped(traffic.name))\(snapshot.isPanicking ? " – panic" : "")</h2>",
            "<p>\(snapshot.inflight) in flight, \(snapshot.queueLength) waiting in the gateway"
                + (snapshot.queueLength > 0
                    ? ", the oldest for \(span(snapshot.queueOldest))" : "") + "</p>",
            mode(snapshot.admission),
            "<table><tr>"
                + [
                    "replica", "state", "why", "since", "in flight", "others", "queue", "running",
                    "KV", "scraped", "dispatched", "failed", "vLLM", "models",
                ].map { "<th>\($0)</th>" }.joined() + "</tr>",
        ]
        for row in snapshot.replicas {
            let agent = control.registry.agents.first { $0.pool == index && $0.id == row.id }
            let isHeard = row.signalAge != nil
            let why = [row.why.label.description, agent?.tlsProblem].compactMap { $0 }
            let scraped = row.signalAge.map { "\(span($0)) ago\(row.isStale ? ", stale" : "")" }
            let cells = [
                row.state.label.description, why.joined(separator: ": "),
                span(now - row.since), "\(row.inflight)", count(row.others),
                isHeard ? count(row.waiting) : "–", isHeard ? count(row.running) : "–",
                row.kvUsage.map { count($0 * 100) + " %" } ?? "–",
                scraped ?? agent?.lastScrape ?? "–", "\(row.dispatched)", "\(row.failed)",
                agent?.version ?? "–",
                (agent?.models ?? []).prefix(3).map(\.id).joined(separator: ", "),
            ]
            let mark =
                row.state == .ready ? "good" : row.state.acceptsNewWork ? "fair" : "bad"
            lines.append(
                "<tr class=\"\(mark)\"><td>\(anchor(row.name, to: ReplicaMetricsPage.path(of: row.name)))</td>"
                    + cells.map { "<td>\(escaped($0))</td>" }.joined() + "</tr>")
        }
        return lines.joined(separator: "\n") + "\n</table>"
    }

    private static func mode(_ admission: AdmissionSnapshot) -> String {
        let isOrdered = admission.mode != admission.configuredMode
        return "<p\(isOrdered ? " class=\"fair\"" : "")>admission: \(admission.mode.rawValue)"
            + (isOrdered
                ? ", by an operator's order; configured: \(admission.configuredMode.rawValue)" : "")
            + "</p>"
    }

    private static let style = """
        :root{color-scheme:light dark}body{font:14px/1.5 system-ui,sans-serif;margin:1.5em}\
        h1{font-size:1.3em}h2{font-size:1.05em;margin:1.5em 0 .3em}p{margin:.2em 0}\
        table{border-collapse:collapse}td,th{text-align:left;padding:.15em 1em .15em 0;\
        white-space:nowrap;vertical-align:top}td:nth-child(3){white-space:normal}td,th{\
        font-variant-numeric:tabular-nums}th{border-bottom:1px solid}\
        tr a{color:inherit}.good{color:#1a8a3a}.fair{color:#a66a00}.bad{color:#cc2936}
        """

    private static func count(_ value: Double) -> String {
        value.isFinite && value.magnitude < 1e15 ? "\(Int64(value.rounded()))" : "–"
    }

    private static func span(_ span: Nanoseconds) -> String {
        let seconds = Int64(max(0, span.seconds))
        switch seconds {
        case ..<120: return "\(seconds) s"
        case ..<7_200: return "\(seconds / 60) min"
        default: return "\(seconds / 3_600) h"
        }
    }

    private static func anchor(_ text: String, to path: String) -> String {
        "<a href=\"\(escaped(path))\">\(escaped(text))</a>"
    }

    private static func escaped(_ text: String) -> String {
        text.reduce(into: "") { result, character in
            switch character {
            case "&": result += "&amp;"
            case "<": result += "&lt;"
            case ">": result += "&gt;"
            case "\"": result += "&quot;"
            default: result.append(character)
            }
        }
    }
}
