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
                return PageJSON.block(
                    3,
                    [
                        ("name", PageJSON.quoted(row.name)),
                        ("url", PageJSON.quoted(agent.map { $0.endpoint.url.origin } ?? row.key)),
                        ("state", PageJSON.quoted(row.state.label.description)),
                        ("why", PageJSON.quoted(row.why.label.description)),
                        ("since_seconds", PageJSON.number((now - row.since).seconds)),
                        ("in_flight", "\(row.inflight)"),
                        ("others", PageJSON.number(row.others)),
                        ("queue_depth", PageJSON.number(row.signalAge == nil ? nil : row.waiting)),
                        ("running", PageJSON.number(row.signalAge == nil ? nil : row.running)),
                        ("kv_usage_ratio", PageJSON.number(row.kvUsage)),
                        ("signal_age_seconds", PageJSON.number(row.signalAge?.seconds)),
                        ("signal_stale", row.isStale ? "true" : "false"),
                        ("last_scrape", PageJSON.quoted(agent?.lastScrape ?? "gone")),
                        ("tls_problem", agent?.tlsProblem.map(PageJSON.quoted) ?? "null"),
                        ("missing_signals", missing(agent?.metrics)),
                        ("gpus", agent?.gpus.map(gpus) ?? "null"),
                        ("vllm_version", agent?.version.map(PageJSON.quoted) ?? "null"),
                        (
                            "models",
                            PageJSON.list(agent?.models?.map { PageJSON.quoted($0.id) } ?? [])
                        ),
                        ("dispatched", "\(row.dispatched)"), ("failed", "\(row.failed)"),
                        ("weight", PageJSON.number(row.weight)),
                    ])
            }
            pools.append(
                PageJSON.block(
                    1,
                    [
                        ("pool", PageJSON.quoted(traffic.name)),
                        ("panic", snapshot.isPanicking ? "true" : "false"),
                        ("in_flight", "\(snapshot.inflight)"),
                        ("queue_length", "\(snapshot.queueLength)"),
                        ("queue_bytes", "\(snapshot.queueBytes)"),
                        ("queue_oldest_seconds", PageJSON.number(snapshot.queueOldest.seconds)),
                        ("admission_mode", PageJSON.quoted(snapshot.admission.mode.rawValue)),
                        (
                            "admission_mode_configured",
                            PageJSON.quoted(snapshot.admission.configuredMode.rawValue)
                        ),
                        ("leaked_permits", "\(snapshot.leakedPermits)"),
                        ("replicas", PageJSON.list(rows, ", ")),
                    ]))
        }
        return PageJSON.block(0, [("pools", PageJSON.list(pools, ", "))]) + "\n"
    }

    /// `/readyz`: ready or not, and what is wrong either way.
    static func readiness(_ control: ControlLoop) -> String {
        PageJSON.object([
            ("ready", control.shared.isReady() ? "true" : "false"),
            ("problems", PageJSON.list(problems(control).map(PageJSON.quoted))),
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

    private static func gpus(_ agent: GPUAgent) -> String {
        let figures = agent.figures
        let faults = figures?.faults.map { fault in
            PageJSON.object([("gpu", PageJSON.quoted(fault.gpu)), ("xid", "\(fault.xid)")])
        }
        return PageJSON.object([
            ("last_scrape", PageJSON.quoted(agent.lastScrape)),
            ("count", "\(figures?.count ?? 0)"),
            ("utilization_ratio", PageJSON.number(figures?.utilization)),
            ("slowest_clock_hertz", PageJSON.number(figures?.clock)),
            ("hottest_celsius", PageJSON.number(figures?.temperature)),
            ("power_watts", PageJSON.number(figures?.power)),
            ("fullest_memory_ratio", PageJSON.number(figures?.memoryUsage)),
            ("held_down", figures?.isHeldDown.map { $0 ? "true" : "false" } ?? "null"),
            ("faults", PageJSON.list(faults ?? [])),
        ])
    }

    private static func missing(_ metrics: ReplicaMetrics?) -> String {
        guard let metrics else { return "null" }
        return PageJSON.list(
            Signal.allCases.filter { metrics.missing.contains($0) }
                .map { PageJSON.quoted($0.label.description) })
    }
}
