import SluiceBytes
import SluiceExchange
import SluiceTelemetry
import SluiceTime
import SluiceTraffic
import SluiceVLLM

/// The signals whose absence is worth a series: what routing and diagnosis read.
enum PageSignals {
    static let shown = Signal.allCases
}

/// The pages about replicas, as JSON.
enum ReplicasPage {
    /// `/replicas`: state, why, queue depth, running, KV, in flight, signal age, missing signals.
    static func render(_ control: ControlLoop) -> String {
        var pools: [String] = []
        let now = control.loop.now
        for (index, traffic) in control.shared.pools.enumerated() {
            let snapshot = traffic.snapshot(now: now)
            let rows = snapshot.replicas.map { row -> String in
                let agent = control.registry.agents.first { $0.pool == index && $0.id == row.id }
                return block(
                    3,
                    [
                        ("name", quoted(row.name)),
                        ("url", quoted(agent.map { $0.endpoint.url.origin } ?? row.key)),
                        ("state", quoted(row.state.label.description)),
                        ("why", quoted(row.why.label.description)),
                        ("since_seconds", number((now - row.since).seconds)),
                        ("in_flight", "\(row.inflight)"),
                        ("others", number(row.others)),
                        ("queue_depth", number(row.signalAge == nil ? nil : row.waiting)),
                        ("running", number(row.signalAge == nil ? nil : row.running)),
                        ("kv_usage_ratio", number(row.kvUsage)),
                        ("signal_age_seconds", number(row.signalAge?.seconds)),
                        ("signal_stale", row.isStale ? "true" : "false"),
                        ("last_scrape", quoted(agent?.lastScrape ?? "gone")),
                        ("tls_problem", agent?.tlsProblem.map(quoted) ?? "null"),
                        ("missing_signals", missing(agent?.metrics)),
                        ("vllm_version", agent?.version.map(quoted) ?? "null"),
                        ("models", list(agent?.models?.map { quoted($0.id) } ?? [])),
                        ("dispatched", "\(row.dispatched)"), ("failed", "\(row.failed)"),
                        ("weight", number(row.weight)),
                    ])
            }
            pools.append(
                block(
                    1,
                    [
                        ("pool", quoted(traffic.name)),
                        ("panic", snapshot.isPanicking ? "true" : "false"),
                        ("in_flight", "\(snapshot.inflight)"),
                        ("queue_length", "\(snapshot.queueLength)"),
                        ("queue_bytes", "\(snapshot.queueBytes)"),
                        ("queue_oldest_seconds", number(snapshot.queueOldest.seconds)),
                        ("leaked_permits", "\(snapshot.leakedPermits)"),
                        ("replicas", list(rows, ", ")),
                    ]))
        }
        return block(0, [("pools", list(pools, ", "))]) + "\n"
    }

    /// `/readyz`: ready or not, and what is wrong either way.
    static func readiness(_ control: ControlLoop) -> String {
        object([
            ("ready", control.shared.isReady() ? "true" : "false"),
            ("problems", list(problems(control).map(quoted))),
        ]) + "\n"
    }

    /// What keeps the gateway or a replica from serving, a sentence each.
    static func problems(_ control: ControlLoop) -> [String] {
        var problems: [String] = []
        if control.isDraining { problems.append("draining") }
        for (index, traffic) in control.shared.pools.enumerated() {
            let snapshot = traffic.snapshot(now: control.loop.now)
            let up = snapshot.replicas.count { $0.state.acceptsNewWork }
            if snapshot.replicas.isEmpty {
                let names = namesToLookUp(control.shared.settings.pools[index])
                problems.append(
                    "pool \(traffic.name): no replica: no address is known of \(names); "
                        + "the log says why")
                continue
            }
            if snapshot.isPanicking {
                problems.append(
                    "pool \(traffic.name): panic: most of its replicas were taken out for failing, "
                        + "so requests go to all that accept connections")
            } else if up == 0 {
                problems.append(
                    "pool \(traffic.name): none of \(snapshot.replicas.count) replicas takes requests"
                )
            }
            for row in snapshot.replicas where !row.state.acceptsNewWork {
                problems.append("replica \(row.name): \(row.state.label) (\(row.why.label))")
            }
        }
        return problems
    }

    /// What has to be looked up before a pool has a replica.
    private static func namesToLookUp(_ settings: PoolSettings) -> String {
        ([settings.replicaDNS].compactMap { $0 } + settings.replicas.map(\.url))
            .joined(separator: ", ")
    }

    private static func missing(_ metrics: ReplicaMetrics?) -> String {
        guard let metrics else { return "null" }
        return list(
            Signal.allCases.filter { metrics.missing.contains($0) }
                .map { quoted($0.label.description) })
    }

    private static func number(_ value: Double?) -> String {
        guard let value, value.isFinite else { return "null" }
        if value.magnitude < 1e15, value == value.rounded() { return "\(Int64(value))" }
        return "\((value * 1_000).rounded() / 1_000)"
    }

    private static func object(_ members: [(String, String)]) -> String {
        "{" + members.map { "\"\($0.0)\":\($0.1)" }.joined(separator: ",") + "}"
    }

    /// An object with a line for each member, indented by `depth` steps: people read this page too.
    private static func block(_ depth: Int, _ members: [(String, String)]) -> String {
        let margin = "\n" + String(repeating: "  ", count: depth)
        return "{" + members.map { "\(margin)  \"\($0.0)\": \($0.1)" }.joined(separator: ",")
            + margin + "}"
    }

    private static func list(_ items: [String], _ separator: String = ",") -> String {
        "[" + items.joined(separator: separator) + "]"
    }

    private static func quoted(_ text: String) -> String {
        var buffer = ByteBuffer()
        let bytes = Array(text.utf8)
        AccessLogFormatter.appendEscaped(bytes.span, into: &buffer)
        return "\"\(buffer.text())\""
    }
}
