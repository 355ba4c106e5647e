import SluiceInsight
import SluiceReactor
import SluiceTelemetry
import SluiceTime
import SluiceTraffic

// Control thread only.

/// What the live page shows of the present, as JSON on one line, and how a point of the past is
/// written.
enum DashboardState {
    /// Decisions shown.
    static let decisionsMax = 12
    /// Replicas shown, of all pools: a page for people. Those that do not serve come first.
    static let replicasMax = 200

    /// What a row of ``row(_:)`` holds, in order: grows at the end only, since readers outlive gateways.
    static let columns = [
        "at", "served", "refused", "failed", "abandoned", "tokens", "goodput_tokens", "ttft_p50",
        "ttft_p99",
        "ttft_wait_p99", "itl_p99", "queue_wait_p99", "in_objective", "queue_length", "in_flight",
        "queue_mean", "engine_queue_mean",
    ]

    /// A point, in the order of ``columns``.
    static func row(_ point: HistoryPoint) -> String {
        let times = [
            point.firstTokenMedian, point.firstToken99, point.firstTokenWait99, point.gap99,
            point.queueWait99,
        ]
        let rates = [
            point.served, point.refused, point.failed, point.abandoned, point.tokens,
            point.goodputTokens,
        ]
        let cells =
            ["\(point.at)"] + rates.map { PageJSON.number($0) }
            + times.map { microseconds($0) } + [microseconds(point.inObjective)]
            + ["\(point.queueLength)", "\(point.inFlight)"]
            + [microseconds(point.queueMean), microseconds(point.engineQueueMean)]
        return PageJSON.list(cells)
    }

    /// Rounded to millionths.
    private static func microseconds(_ value: Double?) -> String {
        value.map { "\(($0 * 1e6).rounded() / 1e6)" } ?? "null"
    }

    /// The objective for the first token, seconds; nil where there is none, or not one for all: of
    /// classes with several objectives, of prompts that have more time the longer they are, and of an
    /// objective that came with a reload and is no bound of the histogram, no single number says how
    /// many are met.
    static func objective(_ control: ControlLoop) -> Double? {
        let classes = control.inForce.classes
        guard let first = classes.first, let objective = first.timeToFirstToken?.seconds,
            classes.allSatisfy({
                $0.timeToFirstToken == first.timeToFirstToken
                    && $0.perThousandPromptTokens == .zero
            })
        else { return nil }
        let scale = control.shared.scales.firstToken
        let isBound = (0..<scale.count).contains { abs(scale.bound($0) - objective) < 1e-9 }
        return isBound ? objective : nil
    }

    /// All that is not of the past.
    static func render(_ control: ControlLoop, _ history: History) -> String {
        let now = control.loop.now
        let pools = control.shared.pools.map { ($0, $0.snapshot(now: now)) }
        let sheds = history.recentSheds.map {
            PageJSON.object([
                ("reason", PageJSON.quoted($0.reason.label.description)), ("count", "\($0.count)"),
            ])
        }
        return PageJSON.object([
            ("version", PageJSON.quoted(BuildInfo.version)),
            ("now", PageJSON.number(Double(MonotonicClock.realtimeNanoseconds()) * 1e-9)),
            ("columns", PageJSON.list(columns.map(PageJSON.quoted))),
            ("ready", control.shared.isReady() ? "true" : "false"),
            ("draining", control.isDraining ? "true" : "false"),
            (
                "problems",
                PageJSON.list(
                    ReplicasPage.problems(control).prefix(replicasMax).map(PageJSON.quoted))
            ),
            ("objective_seconds", PageJSON.number(objective(control))),
            ("shed_window_seconds", "\(History.shedWindowSeconds)"),
            ("sheds", PageJSON.list(sheds)),
            (
                "diagnosis",
                PageJSON.list(
                    control.diagnosis.diagnosis.findings.prefix(DiagnosisPage.shownMax)
                        .map { DiagnosisPage.finding($0, now) })
            ),
            ("pools", PageJSON.list(pools.map { pool($0.0, $0.1) })),
            ("replicas", PageJSON.list(replicas(pools, control))),
            ("objectives", PageJSON.list(objectives(control))),
            ("decisions", PageJSON.list(decisions(control))),
        ])
    }

    private static func pool(_ traffic: ReplicaPool, _ snapshot: PoolSnapshot) -> String {
        let admission = snapshot.admission
        let classes = admission.classes.map {
            PageJSON.object([
                ("class", PageJSON.quoted($0.name)), ("length", "\($0.length)"),
                ("oldest_seconds", PageJSON.number($0.oldest.seconds)),
                ("predicted_wait_seconds", PageJSON.number($0.predictedWait)),
                ("bound_seconds", PageJSON.number($0.bound)),
            ])
        }
        return PageJSON.object([
            ("pool", PageJSON.quoted(traffic.name)),
            ("panic", snapshot.isPanicking ? "true" : "false"),
            ("mode", PageJSON.quoted(admission.mode.rawValue)),
            ("configured_mode", PageJSON.quoted(admission.configuredMode.rawValue)),
            ("in_flight", "\(snapshot.inflight)"),
            ("capacity_requests", PageJSON.number(admission.capacity)),
            ("demand_replicas", PageJSON.number(admission.demandReplicas)),
            ("classes", PageJSON.list(classes)),
        ])
    }

    /// Of each objective what all its classes together have come to; `/slo` has the rest.
    private static func objectives(_ control: ControlLoop) -> [String] {
        let watch = control.watch
        var shown = Set<Int>()
        return watch.rows.filter { shown.insert($0.objective).inserted }.map { row in
            let objective = watch.plan.objectives[row.objective]
            func burn(_ window: Window) -> String {
                PageJSON.number(
                    row.windows.events(in: window).badShare.map { $0 / objective.budget })
            }
            let lately = row.windows.events(in: .fiveMinutes)
            let firing = row.verdicts.filter(\.isFiring)
            return PageJSON.object([
                ("slo", PageJSON.quoted(objective.name)),
                ("sli", PageJSON.quoted(objective.indicator.rawValue)),
                ("target", microseconds(objective.target)),
                ("threshold_seconds", PageJSON.number(objective.threshold?.seconds)),
                ("good_5m", microseconds(lately.badShare.map { 1 - $0 })),
                ("events_5m", "\(lately.count)"), ("burn_5m", burn(.fiveMinutes)),
                ("burn_1h", burn(.hour)),
                ("covered_seconds", PageJSON.number(row.windows.age.seconds)),
                ("firing", PageJSON.list(firing.map { PageJSON.quoted($0.rule.name) })),
                ("firing_texts", PageJSON.list(firing.map { PageJSON.quoted($0.text) })),
            ])
        }
    }

    private static func replicas(
        _ pools: [(ReplicaPool, PoolSnapshot)], _ control: ControlLoop
    ) -> [String] {
        var rows: [(isServing: Bool, text: String)] = []
        for (traffic, snapshot) in pools {
            for row in snapshot.replicas {
                let isHeard = row.signalAge != nil
                let text = PageJSON.object([
                    ("pool", PageJSON.quoted(traffic.name)), ("name", PageJSON.quoted(row.name)),
                    ("state", PageJSON.quoted(row.state.label.description)),
                    ("why", PageJSON.quoted(row.why.label.description)),
                    ("since_seconds", PageJSON.number((control.loop.now - row.since).seconds)),
                    ("in_flight", "\(row.inflight)"), ("limit", "\(row.limit)"),
                    ("others", PageJSON.number(row.others)),
                    ("queue_depth", PageJSON.number(isHeard ? row.waiting : nil)),
                    ("running", PageJSON.number(isHeard ? row.running : nil)),
                    ("kv_usage_ratio", PageJSON.number(row.kvUsage)),
                    ("signal_age_seconds", PageJSON.number(row.signalAge?.seconds)),
                    ("signal_stale", row.isStale ? "true" : "false"),
                    ("failed", "\(row.failed)"),
                ])
                rows.append((row.state.acceptsNewWork, text))
            }
        }
        let ordered = rows.filter { !$0.isServing } + rows.filter(\.isServing)
        return ordered.prefix(replicasMax).map(\.text)
    }

    /// The newest of all pools first.
    private static func decisions(_ control: ControlLoop) -> [String] {
        let names = control.registry.nameTables
        var rows: [(at: Instant, text: String)] = []
        for traffic in control.shared.pools {
            for row in traffic.decisions(newest: decisionsMax) {
                let entry = row.entry
                let shed = entry.shed.map { PageJSON.quoted($0.label.description) } ?? "null"
                let text = PageJSON.object([
                    ("age_seconds", PageJSON.number((control.loop.now - entry.at).seconds)),
                    ("verdict", PageJSON.quoted(entry.verdict.label.description)),
                    ("reason", shed),
                    ("class", PageJSON.quoted(names.className(entry.classIndex))),
                    ("prompt_tokens", PageJSON.number(Double(entry.promptTokens))),
                    (
                        "predicted_wait_seconds",
                        PageJSON.number(
                            entry.predictedWait < 0 ? nil : Double(entry.predictedWait))
                    ),
                    ("waited_seconds", PageJSON.number(Double(entry.waited))),
                    (
                        "replica",
                        entry.routing == nil ? "null" : PageJSON.quoted(row.replicaName ?? "gone")
                    ),
                    (
                        "routing",
                        entry.routing.map { PageJSON.quoted($0.label.description) } ?? "null"
                    ),
                ])
                rows.append((entry.at, text))
            }
        }
        return rows.sorted { $0.at > $1.at }.prefix(decisionsMax).map(\.text)
    }
}
