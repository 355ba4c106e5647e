import SluiceReactor
import SluiceTelemetry
import SluiceTime
import SluiceTraffic

// Control thread only.

/// The pages about admission, as JSON: who waits, what was decided, what would be.
enum AdmissionPages {
    /// Tenants of a class that `/queue` names at most: those with most waiting.
    static let tenantsMax = 10
    /// Decisions that `/decisions` shows where it is not told how many.
    static let decisionsDefault = 50

    // MARK: /admission

    /// `/admission`: the mode of each pool.
    static func modes(_ control: ControlLoop) -> String {
        let pools = control.shared.pools.map { traffic -> String in
            let admission = traffic.snapshot(now: control.loop.now).admission
            return PageJSON.block(
                1,
                [
                    ("pool", PageJSON.quoted(traffic.name)),
                    ("mode", PageJSON.quoted(admission.mode.rawValue)),
                    ("configured", PageJSON.quoted(admission.configuredMode.rawValue)),
                    ("has_objective", hasObjective(control) ? "true" : "false"),
                ])
        }
        return PageJSON.block(0, [("pools", PageJSON.list(pools, ", "))]) + "\n"
    }

    /// Without an objective there is nothing to carry out.
    static func hasObjective(_ control: ControlLoop) -> Bool {
        control.inForce.classes.contains { $0.timeToFirstToken != nil }
    }

    // MARK: /queue

    /// `/queue`: of each pool and class who waits, for how long yet, and what that comes from.
    static func queue(_ control: ControlLoop) -> String {
        let pools = control.shared.pools.map { pool($0, control) }
        return PageJSON.block(0, [("pools", PageJSON.list(pools, ", "))]) + "\n"
    }

    private static func pool(_ traffic: ReplicaPool, _ control: ControlLoop) -> String {
        let snapshot = traffic.snapshot(now: control.loop.now)
        let tenants = traffic.waitingTenants(most: tenantsMax)
        let admission = snapshot.admission
        let classes = zip(admission.classes, tenants).map { row, tenants in
            PageJSON.block(
                3,
                [
                    ("class", PageJSON.quoted(row.name)), ("length", "\(row.length)"),
                    ("oldest_seconds", PageJSON.number(row.oldest.seconds)),
                    ("predicted_wait_seconds", PageJSON.number(row.predictedWait)),
                    ("bound_seconds", PageJSON.number(row.bound)),
                    (
                        "tenants",
                        PageJSON.list(
                            tenants.map {
                                PageJSON.object([
                                    ("tenant", PageJSON.quoted($0.name)),
                                    ("length", "\($0.length)"),
                                ])
                            })
                    ),
                ])
        }
        return PageJSON.block(
            1,
            [
                ("pool", PageJSON.quoted(traffic.name)),
                ("mode", PageJSON.quoted(admission.mode.rawValue)),
                ("admits_by_prediction", admission.isActive ? "true" : "false"),
                ("length", "\(snapshot.queueLength)"),
                ("length_max", "\(admission.limits.queueLengthMax)"),
                ("bytes", "\(snapshot.queueBytes)"),
                ("bytes_max", "\(admission.limits.queueBytesMax)"),
                ("in_flight", "\(snapshot.inflight)"),
                ("capacity_requests", PageJSON.number(admission.capacity)),
                ("demand_replicas", PageJSON.number(admission.demandReplicas)),
                ("drain_per_second", PageJSON.number(admission.drainRate)),
                ("bias", PageJSON.number(admission.bias)),
                ("estimates", estimates(admission)),
                ("classes", PageJSON.list(classes, ", ")),
            ])
    }

    private static func estimates(_ admission: AdmissionSnapshot) -> String {
        PageJSON.block(
            2,
            [
                ("completions", "\(admission.completions)"),
                ("may_refuse", admission.mayJudge ? "true" : "false"),
                ("output_tokens", PageJSON.number(admission.outputTokens)),
                ("seconds_at_replica", PageJSON.number(admission.residence)),
                ("stream_share", PageJSON.number(admission.streamShare)),
                (
                    "microseconds_per_prompt_token",
                    PageJSON.number(admission.promptTime * 1e6)
                ),
                ("engine_delay_seconds", PageJSON.number(admission.engineDelay)),
            ])
    }

    // MARK: /decisions

    /// `/decisions`: the newest first.
    ///
    /// - Parameter request: an id as answered in `x-request-id`; its last eight bytes are compared.
    static func decisions(
        _ traffic: ReplicaPool, newest n: Int, request: String?, _ control: ControlLoop
    ) -> String {
        var rows = traffic.decisions(newest: request == nil ? n : .max)
        if let request {
            let wanted = tag(request)
            rows = Array(rows.filter { $0.entry.tag == wanted }.prefix(n))
        }
        let items = rows.map { decision($0, control) }
        return PageJSON.block(
            0,
            [
                ("pool", PageJSON.quoted(traffic.name)),
                ("decisions", PageJSON.list(items, ", ")),
            ]) + "\n"
    }

    /// ``Arrival/tag`` of an id.
    static func tag(_ request: String) -> UInt64 {
        var word: UInt64 = 0
        for (place, byte) in request.utf8.suffix(8).enumerated() {
            word |= UInt64(byte) << UInt64(8 * place)
        }
        return word
    }

    private static func text(tag: UInt64) -> String {
        var bytes: [UInt8] = []
        for place in 0..<8 {
            let byte = UInt8(truncatingIfNeeded: tag >> UInt64(8 * place))
            if byte != 0 { bytes.append(byte) }
        }
        return String(decoding: bytes, as: UTF8.self)
    }

    private static func decision(_ row: DecisionRow, _ control: ControlLoop) -> String {
        let age = control.loop.now - row.entry.at
        let clock = Double(MonotonicClock.realtimeNanoseconds()) * 1e-9
        return PageJSON.block(
            1,
            [
                ("time", PageJSON.number(clock - age.seconds)),
                ("age_seconds", PageJSON.number(age.seconds)),
                (
                    "request_id_ends",
                    row.entry.tag == 0 ? "null" : PageJSON.quoted(text(tag: row.entry.tag))
                ),
            ] + facts(row, control, depth: 1))
    }

    /// What `/decisions` and `/route` have in common.
    private static func facts(
        _ row: DecisionRow, _ control: ControlLoop, depth: Int
    ) -> [(String, String)] {
        let names = control.registry.nameTables
        let tenants = control.registry.tenants.policies
        let tenant =
            Int(row.entry.tenant) < tenants.count ? tenants[Int(row.entry.tenant)].name : "gone"
        let isRefused = row.entry.verdict == .refused
        let shed = row.entry.shed.map { PageJSON.quoted($0.label.description) } ?? "null"
        return [
            ("verdict", PageJSON.quoted(row.entry.verdict.label.description)),
            ("reason", isRefused ? shed : "null"),
            ("would_be_refused", isRefused ? "null" : shed),
            ("class", PageJSON.quoted(names.className(row.entry.classIndex))),
            ("tenant", PageJSON.quoted(tenant)),
            ("prompt_tokens", PageJSON.number(Double(row.entry.promptTokens))),
            ("output_tokens", PageJSON.number(Double(row.entry.outputTokens))),
            (
                "predicted_wait_seconds",
                PageJSON.number(row.entry.predictedWait < 0 ? nil : Double(row.entry.predictedWait))
            ),
            ("waited_seconds", PageJSON.number(Double(row.entry.waited))),
            (
                "replica",
                row.entry.routing == nil ? "null" : PageJSON.quoted(row.replicaName ?? "gone")
            ),
            ("routing", row.entry.routing.map { PageJSON.quoted($0.label.description) } ?? "null"),
            ("candidates", PageJSON.list(row.candidates.map { candidate($0, depth + 2) }, ", ")),
        ]
    }

    private static func candidate(_ row: RouteCandidate, _ depth: Int) -> String {
        PageJSON.block(
            depth,
            [
                ("replica", PageJSON.quoted(row.name)),
                ("why_not", row.obstacle.map { PageJSON.quoted($0.label.description) } ?? "null"),
                ("score", PageJSON.number(row.score)),
                ("predicted_ttft_seconds", PageJSON.number(row.predictedTime)),
                ("state", PageJSON.quoted(row.state.label.description)),
                ("in_flight", "\(row.inflight)"), ("limit", "\(row.limit)"),
                ("pending", "\(row.pending)"),
                ("pending_prompt_tokens", PageJSON.number(row.pendingTokens)),
                ("others", PageJSON.number(row.others)),
                ("signal_age_seconds", PageJSON.number(row.signalAge?.seconds)),
                ("slots", PageJSON.number(row.slots)),
                ("microseconds_per_prompt_token", PageJSON.number(row.promptTime * 1e6)),
                ("step_milliseconds", PageJSON.number(row.stepTime * 1e3)),
                ("token_milliseconds", PageJSON.number(row.tokenTime * 1e3)),
                ("cached_prompt_tokens", PageJSON.number(row.cachedTokens)),
            ])
    }

    // MARK: /route

    /// `/route`: what would become of a request.
    static func route(_ arrival: Arrival, _ traffic: ReplicaPool, _ control: ControlLoop) -> String
    {
        let row = traffic.dryRun(arrival, now: control.loop.now)
        return PageJSON.block(
            0, [("pool", PageJSON.quoted(traffic.name))] + facts(row, control, depth: -1)) + "\n"
    }
}
