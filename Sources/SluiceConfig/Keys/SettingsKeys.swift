import SluiceExchange
import SluiceTime

/// The table of all keys: what the file may say, in the order of sluice.yaml.
///
/// Computed, not stored: key paths are not `Sendable`, and a table is read a few times per process.
enum SettingsKeys {
    /// Pools at most; each is a label value of the metrics.
    static let poolsMax = 64
    /// Replicas of a pool at most.
    static let replicasMax = 1_024
    /// Model names and aliases of a pool at most.
    static let modelsMax = 64
    /// CIDR blocks at most; each request is compared with all.
    static let blocksMax = 256
    /// Objectives at most; each is a bucket of every histogram of first tokens.
    static let objectivesMax = 16

    static var top: [Key<GatewayDraft>] {
        [
            .scalar(
                "listen", \.settings.listen, .address(word: nil),
                "Where clients connect: IP:PORT. `[::]:8080` takes IPv4 and IPv6.",
                parse: { text, _ throws(ValueProblem) in
                    _ = try ListenAddress(text)
                    return text
                }, show: { .text($0) }),
            listener(
                "status", \.settings.status,
                "Read-only listener for probes and Prometheus (/livez, /readyz, /metrics): IP:PORT, or off."
            ),
            listener(
                "admin", \.settings.admin,
                "Listener of operators (status paths, /replicas, /config, cordon): IP:PORT, or off. It has no authentication: keep it on loopback."
            ),
            .section(
                "tls", \.tls, tls, fresh: TLSDraft(),
                "TLS of the data listener; without it clients speak plain HTTP. Both files are needed."
            ).hidingWhen { $0.tls.isEmpty },
            .integer(
                "workers", \.settings.workers, 1...64, orNil: "auto",
                "Worker threads; auto is the number of CPUs allowed by affinity and cgroup quota."),
            .scalar(
                "access_log", \.settings.accessLog,
                .text(
                    "off, stdout, or a path with a /, such as ./access.log",
                    pattern: "^(off|stdout|.*/.*)$"),
                "Where one JSON line per request goes: off, stdout, or the path of a file.",
                parse: readAccessLog, show: showAccessLog),
            .scalar(
                "arrival_trace", \.settings.arrivalTrace,
                .text("off, or a path with a /, such as ./arrivals.csv", pattern: "^(off|.*/.*)$"),
                "File for one line per request with its shape only (when it came, lengths), for `sluice simulate --trace`: off, or a path.",
                parse: readArrivalTrace, show: { .text($0 ?? "off") }),
            TracingKeys.section,
            .list(
                "trusted_proxies", \.settings.trustedProxies,
                .text(AddressBlockText.form, pattern: "^[0-9a-fA-F:.]+(/[0-9]{1,3})?$"),
                max: blocksMax,
                "Peers whose X-Forwarded-*, x-envoy-expected-rq-timeout-ms and x-gateway-inference-* are believed: CIDR blocks.",
                parse: { text, _ throws(ValueProblem) in
                    try AddressBlockText.check(text)
                    return text
                }, show: { .text($0) }),
            .boolean(
                "admin_routes", \.settings.allowsAdminRoutes,
                "Whether vLLM's own admin and development routes (/sleep, /load_lora_adapter, …) are forwarded."
            ),
            .list(
                "ttft_objectives", \.settings.timeToFirstTokenObjectives,
                .duration(objectiveRange, word: nil), max: objectivesMax,
                "Objectives for the time to the first token; each becomes a bucket bound of its histograms.",
                parse: { text, _ throws(ValueProblem) in
                    let value = try DurationText.parse(text)
                    try checkRange(value, objectiveRange, text)
                    return value
                }, show: { .text(DurationText.text($0)) }),
            AdmissionKeys.firstTokenObjective,
            AdmissionKeys.classes,
            AdmissionKeys.defaultClass,
            ObjectiveKeys.list,
            AdmissionKeys.tenants,
            .section(
                "limits", \.settings.limits, limits, fresh: GatewaySettings.Limits(),
                "Bounds on what is held for clients."),
            .section(
                "timeouts", \.settings.timeouts, timeouts, fresh: GatewaySettings.Timeouts(),
                "How long each phase of an exchange may last."),
            PoolKeys.list,
        ]
    }

    static var objectiveRange: ClosedRange<Nanoseconds> {
        .milliseconds(1) ... .seconds(3_600)
    }

    private static func listener(
        _ name: String, _ target: WritableKeyPath<GatewayDraft, String?>, _ summary: String
    ) -> Key<GatewayDraft> {
        .scalar(
            name, target, .address(word: "off"), summary,
            parse: { text, _ throws(ValueProblem) -> String? in
                if text == "off" { return nil }
                _ = try ListenAddress(text)
                return text
            }, show: { .text($0 ?? "off") })
    }

    private static var tls: [Key<TLSDraft>] {
        [
            .optionalText(
                "cert_file", \.certificateFile, .text("the name of a PEM file", pattern: nil),
                "PEM file with the certificate and its chain, leaf first."
            ) { text, origin throws(ValueProblem) in
                try FileCheck.check(text, origin, .certificate)
            },
            .optionalText(
                "key_file", \.keyFile, .text("the name of a PEM file", pattern: nil),
                "PEM file with the private key of the certificate."
            ) { text, origin throws(ValueProblem) in
                try FileCheck.check(text, origin, .privateKey)
            },
        ]
    }

    private static var limits: [Key<GatewaySettings.Limits>] {
        [
            .size(
                "head_bytes_max", \.headBytesMax, 1_024...262_144,
                "Bytes of a request or response head; beyond: 431."),
            .integer(
                "fields_max", \.fieldsMax, 1...100, "Field lines of a head; beyond: 431."),
            .size(
                "target_bytes_max", \.targetBytesMax, 64...65_536,
                "Bytes of a request target (path and query); beyond: 414."),
            .size(
                "body_bytes_max", \.bodyBytesMax, 0...(1 << 30),
                "Bytes of a request body; beyond: 413."),
            .automaticSize(
                "bodies_bytes_max", \.bodiesBytesMax, (1 << 20)...(1 << 40),
                "Bytes of all request bodies held at once; beyond: 503 gateway_memory. auto is 40 % of the cgroup's memory, else 1GiB."
            ),
            .integer(
                "connections_max", \.connectionsMax, 1...1_000_000,
                "Client connections of all workers together."),
            .integer(
                "requests_per_connection_max", \.requestsPerConnectionMax, 0...1_000_000_000,
                "The answer to the last of so many closes a connection, so that clients spread over several gateways; 0: no limit."
            ),
            .size(
                "relay_high_water_bytes", \.relayHighWaterBytes, 4_096...(16 << 20),
                "Bytes of one response held for a slow reader before its replica is no longer read."
            ),
        ]
    }

    private static var timeouts: [Key<GatewaySettings.Timeouts>] {
        let least = Nanoseconds.milliseconds(10)
        let day = Nanoseconds.seconds(86_400)
        let hour = Nanoseconds.seconds(3_600)
        return [
            .duration(
                "head", \.head, least...hour,
                "From the first byte of a request to the end of its head; beyond: 408."),
            .duration(
                "body_idle", \.bodyIdle, least...hour,
                "Between two reads of a request body; beyond: 408."),
            .duration(
                "keep_alive_idle", \.keepAliveIdle, least...hour,
                "How long a client connection may rest between requests."),
            .duration(
                "connect", \.connect, least ... .seconds(60),
                "To open a connection to a replica; beyond: another replica."),
            .duration(
                "first_content", \.firstContent, least...day,
                "From sending a request to the replica to its first content; beyond: 504."),
            .duration(
                "stream_idle", \.streamIdle, least...day,
                "Between two events of a stream, or two reads of another response; beyond: it is cut."
            ),
            .duration(
                "stream_total", \.streamTotal, least...day,
                "From the first content of a stream, or the head of another response, to its end; beyond: it is cut."
            ),
            .duration(
                "write_stall", \.writeStall, least...hour,
                "How long a client may take no byte of its response; beyond: it is cut."),
            .duration(
                "head_hold_max", \.headHoldMax, .zero ... .seconds(600),
                "How long an event stream's head waits for its first event, so that a late failure can still be an error answer; 0s never holds."
            ),
            .duration(
                "drain_delay", \.drainDelay, .zero...hour,
                "From SIGTERM to closing the listeners; readiness fails at once."),
            .duration(
                "drain_max", \.drainMax, .zero...day,
                "From closing the listeners to cutting what is left."),
        ]
    }

    private static func readAccessLog(
        _ text: String, _ origin: Origin
    ) throws(ValueProblem) -> GatewaySettings.AccessLog {
        switch text {
        case "off": return .off
        case "stdout": return .standardOutput
        case let path:
            guard path.contains("/") else {
                let near = Suggestion.nearest(to: path, among: ["off", "stdout"])
                throw ValueProblem(
                    "\(quoted(path)) is neither off nor stdout, nor a path with a /",
                    advice: near.map { "Did you mean \($0)?" } ?? "For a file write ./\(path).")
            }
            let file = FileCheck.resolved(path, origin)
            try FileCheck.checkAppendable(file)
            return .file(file)
        }
    }

    private static func readArrivalTrace(
        _ text: String, _ origin: Origin
    ) throws(ValueProblem) -> String? {
        if text == "off" { return nil }
        guard text.contains("/") else {
            throw ValueProblem(
                "\(quoted(text)) is neither off nor a path with a /",
                advice: "For a file write ./\(text).")
        }
        let file = FileCheck.resolved(text, origin)
        try FileCheck.checkAppendable(file)
        return file
    }

    private static func showAccessLog(_ log: GatewaySettings.AccessLog) -> RenderedValue? {
        switch log {
        case .off: .text("off")
        case .standardOutput: .text("stdout")
        case .file(let path): .text(path)
        }
    }
}

/// Settings while they are read: what is there only as a pair may be half there.
struct GatewayDraft: Equatable {
    var settings = GatewaySettings()
    var tls = TLSDraft()
    /// The short form of one class.
    var firstTokenObjective: Nanoseconds?

    init() {}

    init(_ settings: GatewaySettings) {
        self.settings = settings
        tls = TLSDraft(
            certificateFile: settings.tls?.certificateFile, keyFile: settings.tls?.keyFile)
    }
}

/// Certificate and key, each perhaps missing.
struct TLSDraft: Equatable {
    var certificateFile: String?
    var keyFile: String?

    var isEmpty: Bool { certificateFile == nil && keyFile == nil }
}

extension Key {
    /// The same key, not shown while `isHidden` holds.
    func hidingWhen(_ isHidden: @escaping (Root) -> Bool) -> Key {
        Key(
            name: name, form: form, summary: summary, isRequired: isRequired,
            statesDefault: statesDefault, assign: assign,
            show: { [show] root in isHidden(root) ? nil : show(root) })
    }

    /// The same key, not to be left out.
    func required() -> Key {
        Key(
            name: name, form: form, summary: summary, isRequired: true, statesDefault: false,
            assign: assign, show: show)
    }
}
