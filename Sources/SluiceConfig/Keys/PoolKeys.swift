import SluiceExchange
import SluiceHTTP
import SluiceInsight
import SluiceTime

/// Keys of pools and replicas.
enum PoolKeys {
    /// `pools`: a list of mappings.
    static var list: Key<GatewayDraft> {
        .sections(
            "pools", \.settings.pools, pool, max: SettingsKeys.poolsMax,
            fresh: PoolSettings(name: ""),
            "One pool per model: the replicas that serve it and how they are treated.")
    }

    static var pool: [Key<PoolSettings>] {
        let least = Nanoseconds.milliseconds(10)
        return [
            .scalar(
                "name", \.name, nameForm,
                "Name of the pool in metrics and pages; unique.", parse: readName,
                show: { .text($0) }
            ).required(),
            .list(
                "models", \.models, modelForm, max: SettingsKeys.modelsMax,
                "Model names that clients ask for; empty: what the replicas report in /v1/models.",
                parse: readModel, show: { .text($0) }),
            .list(
                "aliases", \.aliases, modelForm, max: SettingsKeys.modelsMax,
                "Further names of the model. They are not rewritten: the replica must know them too (--served-model-name).",
                parse: readModel, show: { .text($0) }),
            .optionalNumber(
                "weight", \.weight, 0...1_000,
                "Part of the requests for models that other pools with a weight serve too; without it a model belongs to one pool."
            ),
            replicas,
            .optionalText(
                "replica_dns", \.replicaDNS, .text(HTTPURL.form, pattern: urlPattern),
                "http://name:port: all addresses of the name are replicas, added and removed live."
            ) { text, _ throws(ValueProblem) in
                try ReplicaURLText.read(text)
                return bare(text)
            },
            .duration(
                "dns_interval", \.dnsInterval, .seconds(1) ... .seconds(3_600),
                "Between two look-ups of replica_dns."),
            apiKeyFile(
                \.apiKeyFile,
                "File with vLLM's --api-key for replicas that name none of their own; sent as a bearer token instead of the client's."
            ),
            caFile(
                \.caFile,
                "PEM file of the CA of https replicas that name none of their own; without it the system's."
            ),
            .duration(
                "scrape_interval", \.scrapeInterval, .milliseconds(100) ... .seconds(300),
                "Between two reads of a replica's /metrics."),
            .duration(
                "scrape_timeout", \.scrapeTimeout, least ... .seconds(60),
                "For one read of a replica's /metrics."),
            .boolean(
                "retries", \.retries,
                "Whether a request that no client byte depends on yet is tried on a second replica."
            ),
            .choice(
                "usage", \.usage,
                "Token counts of streams: inject asks the replica and hides the extra event, observe reads what comes by itself, off reads nothing."
            ),
            .boolean(
                "engine_priority", \.enginePriority,
                "Whether the class is written into the body as `priority` (0 for the first class), for replicas with --scheduling-policy priority; a client's own value is overwritten."
            ),
            .boolean(
                "orca", \.orca,
                "Whether replicas are asked with requests for their load (endpoint-load-metrics), at most once a second each: fresher than /metrics, and not free for them."
            ),
            .integer(
                "replica_inflight_max", \.replicaInflightMax, 1...65_536,
                "Requests at one replica at once; the rest waits in the gateway."),
            .integer(
                "queue_length_max", \.queueLengthMax, 0...1_000_000,
                "Requests that wait in the gateway; beyond: 429 full."),
            .size(
                "queue_bytes_max", \.queueBytesMax, 0...(1 << 40),
                "Bytes of bodies that wait in the gateway."),
            .duration(
                "queue_wait_max", \.queueWaitMax, .zero ... .seconds(3_600),
                "Longest wait in the gateway; beyond: 429 expired."),
            .duration(
                "wedged_after", \.wedgedAfter, .seconds(1) ... .seconds(600),
                "A replica with work, without progress and with a flat heartbeat for so long is taken out."
            ),
            .section(
                "admission", \.admission, AdmissionKeys.pool, fresh: PoolAdmissionSettings(),
                "How the pool admits where classes have objectives."),
        ]
    }

    static var replica: [Key<ReplicaSettings>] {
        [
            .scalar(
                "url", \.url, .text(HTTPURL.form, pattern: urlPattern),
                "http://host:port or https://host:port of a vLLM server, without a path.",
                parse: { text, _ throws(ValueProblem) in
                    try ReplicaURLText.read(text)
                    return bare(text)
                }, show: { .text($0) }
            ).required(),
            .optionalText(
                "name", \.name, nameForm,
                "Name of the replica in metrics and pages; without it host:port.",
                check: { text, origin throws(ValueProblem) in try readName(text, origin) }),
            pageURL(
                "metrics_url", \.metricsURL,
                "Where the replica's metrics are, when not at /metrics of its URL."),
            pageURL(
                "gpu_metrics_url", \.gpuMetricsURL,
                "Where dcgm-exporter tells of the GPUs of the replica's host; the diagnosis reads it."
            ),
            .list(
                "gpus", \.gpus, gpuForm, max: GPUFigures.gpusMax,
                "Which of the host's GPUs are the replica's, by index or UUID; empty: all.",
                parse: readGPU, show: { .text($0) }),
            .number(
                "weight", \.weight, 0.01...100,
                "Share of load relative to the other replicas of the pool."),
            apiKeyFile(
                \.apiKeyFile,
                "File with this replica's --api-key, sent as a bearer token instead of the client's."
            ),
            caFile(\.caFile, "PEM file of the CA that signed this replica's certificate."),
        ]
    }

    private static func pageURL(
        _ name: String, _ target: WritableKeyPath<ReplicaSettings, String?>, _ summary: String
    ) -> Key<ReplicaSettings> {
        .optionalText(
            name, target,
            .text("\(HTTPURL.form)/PATH", pattern: "^https?://[^/?#@]+(/[^#]*)?$"), summary
        ) { text, _ throws(ValueProblem) in
            try ReplicaURLText.read(text, allowsPath: true)
            return text
        }
    }

    private static let gpuForm = ValueForm.either(
        .integer(0...999, word: nil), .text("a UUID", pattern: "^[0-9A-Za-z-]{1,64}$"))

    private static func readGPU(_ text: String, _ origin: Origin) throws(ValueProblem) -> String {
        guard GPUFigures.isName(text) else {
            throw ValueProblem("\(quoted(text)) is no GPU: an index as 0 or a UUID as GPU-5f…")
        }
        return text
    }

    /// `replicas`: each a mapping, or just its URL.
    private static var replicas: Key<PoolSettings> {
        let form = ValueForm.list(
            .either(
                .text(HTTPURL.form, pattern: urlPattern),
                .section(replica.map { $0.description(fresh: ReplicaSettings(url: "")) })),
            max: SettingsKeys.replicasMax)
        return Key(
            name: "replicas", form: form,
            summary: "The vLLM servers of the pool, each a URL or a mapping with url.",
            statesDefault: false,
            assign: { node, path, root, context in
                guard let nodes = readList(node, path, SettingsKeys.replicasMax, &context) else {
                    return
                }
                root.replicas = nodes.enumerated().map { index, node in
                    let below = "\(path)[\(index)]"
                    context.origins[below] = node.origin
                    var settings = ReplicaSettings(url: "")
                    var mapping = node
                    if case .scalar = node.content {
                        mapping = SourceNode(
                            .mapping([.init(key: "url", origin: node.origin, value: node)]),
                            at: node.origin)
                    }
                    readMapping(mapping, below, replica, into: &settings, &context)
                    return settings
                }
            },
            show: { .list($0.replicas.map { showMapping($0, replica) }) })
    }

    private static let urlPattern = "^https?://[^/?#@]+/?$"
    static let nameForm = ValueForm.text(
        "1 … 64 letters, digits and . _ : - [ ]", pattern: #"^[A-Za-z0-9._:\[\]-]{1,64}$"#)
    static let modelForm = ValueForm.text(
        "1 … 256 printable characters without spaces", pattern: "^[!-~]{1,256}$")

    private static func apiKeyFile<Root>(
        _ target: WritableKeyPath<Root, String?>, _ summary: String
    ) -> Key<Root> {
        .optionalText(
            "api_key_file", target, .text("the name of a file", pattern: nil), summary
        ) { text, origin throws(ValueProblem) in
            try FileCheck.check(text, origin, .apiKey)
        }
    }

    private static func caFile<Root>(
        _ target: WritableKeyPath<Root, String?>, _ summary: String
    ) -> Key<Root> {
        .optionalText(
            "ca_file", target, .text("the name of a PEM file", pattern: nil), summary
        ) { text, origin throws(ValueProblem) in
            try FileCheck.check(text, origin, .authority)
        }
    }

    /// A URL without the slash that people add.
    private static func bare(_ text: String) -> String {
        text.hasSuffix("/") ? String(text.dropLast()) : text
    }

    static func readName(_ text: String, _ origin: Origin) throws(ValueProblem) -> String {
        let isAllowed = text.utf8.allSatisfy { byte in
            (48...57).contains(byte) || (65...90).contains(byte) || (97...122).contains(byte)
                || "._:-[]".utf8.contains(byte)
        }
        guard isAllowed, (1...64).contains(text.utf8.count) else {
            throw ValueProblem("\(quoted(text)) is not a name")
        }
        return text
    }

    static func readModel(_ text: String, _ origin: Origin) throws(ValueProblem) -> String {
        guard text.utf8.allSatisfy({ $0 > 32 && $0 < 127 }), (1...256).contains(text.utf8.count)
        else { throw ValueProblem("\(quoted(text)) is not a model name") }
        return text
    }
}
