/// The flags of `sluice serve` as given, not yet checked.
package struct ServeFlags: Sendable, Equatable {
    /// `--config`: the YAML file.
    package var config: String?
    /// What errors about the file as a whole begin with: how the operator named it.
    package var configOrigin = "--config"
    package var listen: String?
    package var admin: String?
    package var status: String?
    package var workers: String?
    package var tlsCertificate: String?
    package var tlsKey: String?
    package var accessLog: String?
    package var arrivalTrace: String?
    package var firstTokenObjective: String?
    /// `--otlp-endpoint`: `tracing.endpoint`.
    package var traceEndpoint: String?
    /// `--replica`, repeated: one pool called `default`.
    package var replicas: [String] = []
    package var replicaDNS: String?
    /// `--model`, repeated: what the pool of the flags serves.
    package var models: [String] = []

    package init() {}

    /// Whether the flags describe a pool.
    var hasPool: Bool { !replicas.isEmpty || replicaDNS != nil || !models.isEmpty }

    /// The flags as a tree, so that values are checked as those of a file are.
    ///
    /// - Parameter file: what the file says; a pool there and a pool here contradict each other.
    func overrides(over file: SourceNode, into error: inout ConfigurationError) -> SourceNode {
        let single: [(key: String, flag: String, text: String?)] = [
            ("listen", "--listen", listen), ("status", "--status", status),
            ("admin", "--admin", admin), ("workers", "--workers", workers),
            ("access_log", "--access-log", accessLog),
            ("arrival_trace", "--arrival-trace", arrivalTrace),
            ("ttft_slo", "--ttft-slo", firstTokenObjective),
        ]
        var entries = single.compactMap { key, flag, text in text.map { entry(key, flag, $0) } }
        let tls = [
            tlsCertificate.map { entry("cert_file", "--tls-cert", $0) },
            tlsKey.map { entry("key_file", "--tls-key", $0) },
        ].compactMap { $0 }
        if let first = tls.first {
            entries.append(
                .init(
                    key: "tls", origin: first.origin,
                    value: SourceNode(.mapping(tls), at: first.origin)))
        }
        if let traceEndpoint {
            let endpoint = entry("endpoint", "--otlp-endpoint", traceEndpoint)
            entries.append(
                .init(
                    key: "tracing", origin: endpoint.origin,
                    value: SourceNode(.mapping([endpoint]), at: endpoint.origin)))
        }
        guard hasPool else { return SourceNode(.mapping(entries), at: .unstated) }
        let flag = !replicas.isEmpty ? "--replica" : replicaDNS != nil ? "--replica-dns" : "--model"
        if let pools = file["pools"] {
            error.add(
                ConfigurationIssue(
                    .flag(flag), "",
                    "contradicts the pools of the file (\(pools.origin.description))",
                    advice:
                        "Either the file names the replicas, or the flags do: remove \(flag), or remove `pools` from the file."
                ))
            return SourceNode(.mapping(entries), at: .unstated)
        }
        if replicas.isEmpty, replicaDNS == nil {
            error.add(
                ConfigurationIssue(
                    .flag("--model"), "", "is given without --replica or --replica-dns",
                    advice: "Say who serves the model: --replica http://HOST:8000."))
            return SourceNode(.mapping(entries), at: .unstated)
        }
        entries.append(pools(flag))
        return SourceNode(.mapping(entries), at: .unstated)
    }

    private func entry(_ key: String, _ flag: String, _ text: String) -> SourceNode.Entry {
        .init(key: key, origin: .flag(flag), value: .text(text, at: .flag(flag)))
    }

    private func pools(_ flag: String) -> SourceNode.Entry {
        var pool = [entry("name", flag, Self.poolName)]
        let lists: [(key: String, flag: String, texts: [String])] = [
            ("models", "--model", models), ("replicas", "--replica", replicas),
        ]
        for (key, flag, texts) in lists where !texts.isEmpty {
            let origin = Origin.flag(flag)
            let items = texts.map { SourceNode.text($0, at: origin) }
            pool.append(
                .init(key: key, origin: origin, value: SourceNode(.list(items), at: origin)))
        }
        if let replicaDNS { pool.append(entry("replica_dns", "--replica-dns", replicaDNS)) }
        let origin = Origin.flag(flag)
        let list = SourceNode(.list([SourceNode(.mapping(pool), at: origin)]), at: origin)
        return .init(key: "pools", origin: origin, value: list)
    }

    /// Name of the pool that flags describe.
    package static let poolName = "default"
}
