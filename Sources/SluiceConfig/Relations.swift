import SluiceExchange
import SluiceHTTP

/// The step *validate relations*: values that are each allowed and contradict each other.
struct Relations {
    let settings: GatewaySettings
    let tls: TLSDraft
    var context: ReadingContext

    /// Reports every contradiction into the context.
    mutating func check() {
        checkTLS()
        checkListeners()
        checkLimits()
        checkTracing()
        checkPools()
        checkClasses()
        checkObjectives()
        checkTenants()
    }

    mutating func report(_ path: String, _ problem: String, _ advice: String? = nil) {
        context.report(ValueProblem(problem, advice: advice), at: context.origin(path), path)
    }

    /// ` (line 7)`, ` (--listen)`: where the other side of a contradiction stands.
    func place(_ path: String) -> String {
        switch context.origins[path] {
        case .file(_, let line, _): " (line \(line))"
        case .environment(let name), .flag(let name): " (\(name))"
        case .unstated, nil: " (default)"
        }
    }

    private mutating func checkTLS() {
        let hasCertificate = context.origins["tls.cert_file"] != nil
        let hasKey = context.origins["tls.key_file"] != nil
        // Nil where a file was refused already.
        let files = (
            certificate: tls.certificateFile.map { quoted($0) + " " } ?? "",
            key: tls.keyFile.map { quoted($0) + " " } ?? ""
        )
        if hasCertificate, !hasKey {
            report(
                "tls.cert_file", "\(files.certificate)is given without tls.key_file",
                "A certificate is of no use without its private key: add tls.key_file (--tls-key).")
        }
        if hasKey, !hasCertificate {
            report(
                "tls.key_file", "\(files.key)is given without tls.cert_file",
                "Add the certificate that belongs to the key: tls.cert_file (--tls-cert).")
        }
        if context.origins["tls"] != nil, !hasCertificate, !hasKey {
            report(
                "tls", "names neither cert_file nor key_file", "For plain HTTP remove the key tls.")
        }
    }

    private mutating func checkListeners() {
        let named: [(path: String, text: String?)] = [
            ("listen", settings.listen), ("status", settings.status), ("admin", settings.admin),
        ]
        let listeners = named.compactMap { path, text in
            text.flatMap { text in
                (try? ListenAddress(text)).map { (path: path, text: text, address: $0) }
            }
        }
        for (index, later) in listeners.enumerated() {
            for earlier in listeners[..<index] where earlier.address.collides(with: later.address) {
                // Blame what somebody wrote, not a default.
                let isWritten = context.origins[later.path] != nil
                let (blamed, other) = isWritten ? (later, earlier) : (earlier, later)
                report(
                    blamed.path,
                    "\(quoted(blamed.text)) takes the address and port of `\(other.path)`, \(quoted(other.text))\(place(other.path))",
                    "Each listener needs a port of its own, or `off`.")
            }
        }
    }

    private mutating func checkLimits() {
        let limits = settings.limits
        if limits.targetBytesMax > limits.headBytesMax {
            let written = context.origins["limits.target_bytes_max"] != nil
            report(
                written ? "limits.target_bytes_max" : "limits.head_bytes_max",
                "target_bytes_max (\(ByteSizeText.text(limits.targetBytesMax))) exceeds head_bytes_max (\(ByteSizeText.text(limits.headBytesMax)))",
                "The target is a part of the head: raise head_bytes_max or lower target_bytes_max.")
        }
        if let all = limits.bodiesBytesMax, limits.bodyBytesMax > all {
            report(
                "limits.bodies_bytes_max",
                "\(quoted(ByteSizeText.text(all))) is below body_bytes_max (\(ByteSizeText.text(limits.bodyBytesMax)))\(place("limits.body_bytes_max"))",
                "One allowed body would never fit: raise bodies_bytes_max or lower body_bytes_max.")
        }
    }

    private mutating func checkTracing() {
        guard let file = settings.tracing.caFile, let endpoint = settings.tracing.endpoint,
            endpoint.hasPrefix("http://")
        else { return }
        report(
            "tracing.ca_file", "\(quoted(file)) is given for the http URL \(quoted(endpoint))",
            "No certificate is checked over http: write https:// or remove ca_file.")
    }

    private mutating func checkPools() {
        if settings.pools.isEmpty, context.origins["pools"] == nil || isEmptyList {
            context.error.add(
                ConfigurationIssue(
                    context.origin("pools"),
                    "pools", "there is nothing to forward to",
                    advice:
                        "Name a vLLM server: `pools: [{name: default, replicas: [http://127.0.0.1:8000]}]` in the file,\nor `sluice serve --replica http://127.0.0.1:8000`. `sluice demo` needs neither.",
                    hidesLine: context.origins["pools"] == nil))
        }
        var poolNames: [String: String] = [:]
        var models: [String: String] = [:]
        var names: [String: String] = [:]
        var urls: [String: String] = [:]
        for (index, pool) in settings.pools.enumerated() {
            let path = "pools[\(index)]"
            if !pool.name.isEmpty {
                checkUnique(pool.name, "\(path).name", &poolNames, "is the name of another pool")
            }
            for (number, model) in pool.models.enumerated() {
                checkModel(model, "\(path).models[\(number)]", pool, &models)
            }
            for (number, alias) in pool.aliases.enumerated() {
                checkModel(alias, "\(path).aliases[\(number)]", pool, &models)
            }
            checkReplicas(of: pool, path, &names, &urls)
        }
    }

    /// A model belongs to one pool, or is shared by pools that all have a weight.
    private mutating func checkModel(
        _ model: String, _ path: String, _ pool: PoolSettings, _ models: inout [String: String]
    ) {
        let sharers = settings.pools.filter {
            $0.models.contains(model) || $0.aliases.contains(model)
        }
        let isOnce = (pool.models + pool.aliases).count { $0 == model } == 1
        guard isOnce, sharers.count > 1, sharers.allSatisfy({ $0.weight != nil }) else {
            checkUnique(
                model, path, &models, "is already a model or alias",
                sharers.count > 1
                    ? "To share its requests among pools, give each of them a `weight`." : nil)
            return
        }
        if sharers.allSatisfy({ $0.weight == 0 }), models[model] == nil {
            report(
                path, "\(quoted(model)) is shared by pools that all have the weight 0",
                "Give at least one of them a weight above 0.")
        }
        models[model] = path
    }

    /// Whether `pools` is an empty list, not a list that was refused.
    private var isEmptyList: Bool { !context.error.issues.contains { $0.path == "pools" } }

    private mutating func checkReplicas(
        of pool: PoolSettings, _ path: String, _ names: inout [String: String],
        _ urls: inout [String: String]
    ) {
        let wasRefused = context.error.issues.contains {
            $0.path.hasPrefix("\(path).replica") || $0.path == path
        }
        if pool.replicas.isEmpty, pool.replicaDNS == nil, !wasRefused {
            report(
                path, "the pool \(quoted(pool.name)) has neither replicas nor replica_dns",
                "Add `replicas:` with at least one URL, or `replica_dns: http://name:8000`.")
        }
        for (index, replica) in pool.replicas.enumerated() {
            let path = "\(path).replicas[\(index)]"
            guard let url = try? HTTPURL(replica.url) else { continue }
            let key = url.authority.lowercased()
            checkUnique(
                key, "\(path).url", &urls, "is listed already",
                "Counted twice, it would get twice its share and its queue would be misjudged.")
            if let name = replica.name ?? (urls[key] == "\(path).url" ? url.authority : nil) {
                checkUnique(
                    name, replica.name == nil ? "\(path).url" : "\(path).name", &names,
                    "is the name of another replica")
            }
            if replica.caFile != nil, !replica.usesTLS {
                report(
                    "\(path).ca_file", "is given for the http URL \(quoted(replica.url))",
                    "No certificate is checked over http: write https:// or remove ca_file.")
            }
            if !replica.gpus.isEmpty, replica.gpuMetricsURL == nil {
                report(
                    "\(path).gpus", "says which GPUs, but there is no gpu_metrics_url",
                    "Add where dcgm-exporter is: gpu_metrics_url: http://HOST:9400/metrics.")
            }
            checkLoop(url, "\(path).url")
        }
        if let dns = pool.replicaDNS, let url = try? HTTPURL(dns),
            AddressText(url.host) != nil
        {
            report(
                "\(path).replica_dns", "\(quoted(dns)) has an address, not a name",
                "One fixed address belongs into `replicas`.")
        }
        if let file = pool.caFile, pool.replicaDNS?.hasPrefix("https://") != true,
            !pool.replicas.contains(where: \.usesTLS), !wasRefused
        {
            report(
                "\(path).ca_file",
                "\(quoted(file)) is given, but no replica of the pool has https://",
                "No certificate is checked over http: write https:// or remove ca_file.")
        }
    }

    /// A replica that is this gateway: every request would come back until connections run out.
    private mutating func checkLoop(_ url: HTTPURL, _ path: String) {
        let host = AddressText(url.host == "localhost" ? "127.0.0.1" : url.host)
        for (name, text) in [
            ("listen", settings.listen), ("status", settings.status), ("admin", settings.admin),
        ] {
            guard let text, let listener = try? ListenAddress(text), listener.port == url.port,
                let host
            else { continue }
            if listener.address == host || (listener.address.isWildcard && host.isLoopback) {
                report(
                    path,
                    "\(quoted(url.authority)) is this gateway's own `\(name)` address\(place(name))",
                    "Requests would go round in a circle: name the vLLM server's port.")
            }
        }
    }

    mutating func checkUnique(
        _ value: String, _ path: String, _ seen: inout [String: String], _ problem: String,
        _ advice: String? = nil
    ) {
        guard let first = seen[value] else {
            seen[value] = path
            return
        }
        report(path, "\(quoted(value)) \(problem): \(first)\(place(first))", advice)
    }
}
