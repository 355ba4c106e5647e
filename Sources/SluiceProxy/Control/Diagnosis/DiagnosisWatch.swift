import SluiceInsight
import SluiceTelemetry
import SluiceTime
import SluiceTraffic
import SluiceVLLM

// Control thread only.

/// Collects every second what a diagnosis is made from, and says in the log what is named.
final class DiagnosisWatch {
    static let interval = Nanoseconds.seconds(1)
    /// Lines of the log in one second.
    private static let linesMax = 8

    private unowned let control: ControlLoop
    private(set) var diagnosis = Diagnosis()
    /// When it began to look.
    let began: Instant
    /// What each model's users had seen a second ago, and since then those of each pool: a model that
    /// comes to a pool brings no past with it.
    private var models: [ModelTotals] = []
    private var users: [ModelTotals]

    init(_ control: ControlLoop) {
        self.control = control
        began = control.loop.now
        users = control.shared.pools.map { _ in ModelTotals() }
    }

    func tick() {
        let now = control.loop.now
        let (begun, ended) = diagnosis.advance(to: now, figures(now))
        for finding in begun.prefix(Self.linesMax) {
            let evidence = finding.evidence.map(\.text).joined(separator: ", ")
            control.shared.logger.warning(
                "diagnosis: \(finding.sentence) [\(finding.confidence.rawValue)]: \(evidence)")
        }
        for finding in ended.prefix(Self.linesMax) {
            control.shared.logger.notice("diagnosis: \(finding.sentence): no longer")
        }
        let more = max(0, begun.count - Self.linesMax) + max(0, ended.count - Self.linesMax)
        if more > 0 { control.shared.logger.warning("diagnosis: \(more) changes more: /diagnosis") }
    }

    private func figures(_ now: Instant) -> [PoolFigures] {
        let shared = control.shared
        let (totals, queueWaits) = ModelTotals.read(shared.shards)
        let directory = shared.currentDirectory()
        // Where nothing is known of the models, as without a model list, all are the only pool's.
        let labels = shared.pools.indices.map { index in
            shared.pools.count == 1
                ? Set(totals.indices.map { UInt16($0) }) : directory.labels(pool: index)
        }
        for (index, labels) in labels.enumerated() where !models.isEmpty {
            for label in labels { users[index].add(totals[Int(label)], since: models[Int(label)]) }
        }
        models = totals
        return shared.pools.indices.map { index in
            var pool = figures(of: index, now)
            pool.take(users[index], queueWaits[index] ?? HistogramTotals())
            pool.sharesModels = labels.indices.contains {
                $0 != index && !labels[$0].isDisjoint(with: labels[index])
            }
            return pool
        }
    }

    /// What pool and replicas say of themselves.
    private func figures(of index: Int, _ now: Instant) -> PoolFigures {
        let traffic = control.shared.pools[index]
        let snapshot = traffic.snapshot(now: now)
        var pool = PoolFigures(traffic.name, snapshot)
        pool.oldestUnanswered = traffic.oldestUnanswered(now: now).seconds
        // Of several classes the loosest: their users' figures are one.
        let classes = control.inForce.classes
        pool.firstTokenObjective = classes.compactMap { $0.timeToFirstToken?.seconds }.max()
        pool.timePerTokenObjective = classes.compactMap { $0.timePerToken?.seconds }.max()
        let settings = control.registry.pools[index]
        pool.gateways = Double(settings.admission.gateways ?? 1)
        var agents: [ReplicaID: ReplicaAgent] = [:]
        for agent in control.registry.agents where agent.pool == index { agents[agent.id] = agent }
        // One that leaves may have its name from one that has come in its place.
        for row in snapshot.replicas where row.state != .draining {
            var figures = ReplicaFigures(row, interval: settings.scrapeInterval, now: now)
            if let agent = agents[row.id] {
                figures.lastScrape = agent.lastScrape
                if let metrics = agent.metrics { figures.take(metrics) }
                figures.gpu = agent.gpus?.figures
            }
            pool.replicas.append(figures)
        }
        return pool
    }
}

extension ReplicaFigures {
    /// What its metrics say.
    fileprivate mutating func take(_ metrics: ReplicaMetrics) {
        heartbeat = metrics.iterationTokensCount
        preemptions = metrics.preemptions
        prefixQueries = metrics.prefixCacheQueries
        prefixHits = metrics.prefixCacheHits
        engineQueue = metrics.queueTime
        prefill = metrics.prefillTime
    }
}
