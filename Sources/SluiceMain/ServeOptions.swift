import ArgumentParser
import SluiceConfig

/// Refuses what is given more than once and may be once: the last would win, and nobody would know.
private func requireOne(_ options: [(flag: String, values: [String])]) throws {
    for (flag, values) in options where values.count > 1 {
        let given = values.map { "'\($0)'" }.joined(separator: ", ")
        throw ValidationError(
            "\(flag) is given \(values.count) times: \(given). Keep one of them; none silently wins."
        )
    }
}

/// Flags that say which replicas there are; `serve` and `doctor` take the same.
struct ReplicaOptions: ParsableArguments {
    @Option(help: ArgumentHelp("The YAML file; flags override what it says.", valueName: "file"))
    var config: [String] = []

    @Option(
        help: ArgumentHelp(
            "A vLLM server, http://host:port; repeat it for more.", valueName: "url"))
    var replica: [String] = []

    @Option(
        help: ArgumentHelp(
            "All addresses of this name are replicas, http://name:port.", valueName: "url"))
    var replicaDns: [String] = []

    @Option(
        help: ArgumentHelp(
            "Model that the replicas serve; repeat it for more. (default: what they report)",
            valueName: "name"))
    var model: [String] = []

    func validate() throws {
        try requireOne([("--config", config), ("--replica-dns", replicaDns)])
    }

    /// The flags as the configuration takes them.
    var flags: ServeFlags {
        var flags = ServeFlags()
        flags.config = config.last
        flags.replicas = replica
        flags.replicaDNS = replicaDns.last
        flags.models = model
        return flags
    }
}

/// Flags that make settings.
struct ServeOptions: ParsableArguments {
    @OptionGroup var replicas: ReplicaOptions

    @Option(
        help: ArgumentHelp("Where clients connect. (default: 0.0.0.0:8080)", valueName: "ip:port"))
    var listen: [String] = []

    @Option(
        help: ArgumentHelp(
            "Listener of operators, or off. (default: 127.0.0.1:9801)", valueName: "ip:port"))
    var admin: [String] = []

    @Option(
        help: ArgumentHelp(
            "Read-only listener for probes and Prometheus, or off. (default: off)",
            valueName: "ip:port"))
    var status: [String] = []

    @Option(
        parsing: .unconditionalSingleValue,
        help: ArgumentHelp("Worker threads, 1 … 64, or auto. (default: auto)", valueName: "count"))
    var workers: [String] = []

    @Option(
        help: ArgumentHelp("PEM file with certificate and chain for clients.", valueName: "file"))
    var tlsCert: [String] = []

    @Option(help: ArgumentHelp("PEM file with its private key.", valueName: "file"))
    var tlsKey: [String] = []

    @Option(
        help: ArgumentHelp(
            "Where access log lines go: off, stdout or a path. (default: stdout)",
            valueName: "where"))
    var accessLog: [String] = []

    @Option(
        help: ArgumentHelp(
            "File for the shapes of requests, replayed by `sluice simulate --trace`. (default: off)",
            valueName: "file"))
    var arrivalTrace: [String] = []

    @Option(
        help: ArgumentHelp(
            "OTLP/HTTP receiver to which traces go, such as http://127.0.0.1:4318. (default: off)",
            valueName: "url"))
    var otlpEndpoint: [String] = []

    @Option(
        parsing: .unconditionalSingleValue,
        help: ArgumentHelp(
            "Objective for the time to the first token, such as 500ms: requests that would miss it are refused. (default: none)",
            valueName: "span"))
    var ttftSlo: [String] = []

    func validate() throws {
        try requireOne([
            ("--listen", listen), ("--admin", admin), ("--status", status), ("--workers", workers),
            ("--tls-cert", tlsCert), ("--tls-key", tlsKey), ("--access-log", accessLog),
            ("--arrival-trace", arrivalTrace), ("--otlp-endpoint", otlpEndpoint),
            ("--ttft-slo", ttftSlo),
        ])
    }

    /// The flags as the configuration takes them.
    var flags: ServeFlags {
        var flags = replicas.flags
        flags.listen = listen.last
        flags.admin = admin.last
        flags.status = status.last
        flags.workers = workers.last
        flags.tlsCertificate = tlsCert.last
        flags.tlsKey = tlsKey.last
        flags.accessLog = accessLog.last
        flags.arrivalTrace = arrivalTrace.last
        flags.firstTokenObjective = ttftSlo.last
        flags.traceEndpoint = otlpEndpoint.last
        return flags
    }
}
