import SluiceExchange

extension Configuration {
    /// A few lines for `sluice check` and the start of `serve`: who listens where, who serves what.
    ///
    /// Replicas beyond ``summaryReplicasMax`` of a pool are counted, not listed.
    package var summary: String {
        let scheme = settings.tls == nil ? "http" : "https"
        let workers = settings.workers.map { "\($0)" } ?? "one per CPU"
        var lines = [
            "clients  \(scheme)://\(settings.listen) (workers: \(workers))",
            "status   \(settings.status ?? "off")",
            "admin    \(settings.admin ?? "off")",
        ]
        switch settings.accessLog {
        case .off: lines.append("log      off")
        case .standardOutput: lines.append("log      stdout")
        case .file(let path): lines.append("log      \(path)")
        }
        if let path = settings.arrivalTrace { lines.append("trace    \(path)") }
        if let endpoint = settings.tracing.endpoint { lines.append("traces   \(endpoint)") }
        if settings.classes.contains(where: { $0.timeToFirstToken != nil }) {
            let classes = settings.classes.map { one in
                one.name + (one.timeToFirstToken.map { " (ttft \(DurationText.text($0)))" } ?? "")
            }
            lines.append("classes  \(classes.joined(separator: ", "))")
        }
        for pool in settings.pools {
            let models = pool.models + pool.aliases
            lines.append(
                "pool     \(pool.name): "
                    + (models.isEmpty
                        ? "models as the replicas report them" : models.joined(separator: ", ")))
            if let name = pool.replicaDNS {
                lines.append("           every address of \(name)")
            }
            for replica in pool.replicas.prefix(Self.summaryReplicasMax) {
                lines.append("           \(replica.url)" + (replica.name.map { " (\($0))" } ?? ""))
            }
            let rest = pool.replicas.count - Self.summaryReplicasMax
            if rest > 0 { lines.append("           … and \(rest) more") }
        }
        lines += warnings.map { "warning: \($0)" }
        return lines.map { $0 + "\n" }.joined()
    }

    /// Replicas of a pool listed by ``summary``.
    static let summaryReplicasMax = 8
}
