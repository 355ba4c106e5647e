import SluiceBytes
import SluiceReactor
import SluiceTelemetry
import SluiceTime
import SluiceTraffic

/// Everything on `/metrics`: the workers' shards, and what the control thread knows.
enum MetricsPage {
    /// Renders the page; reading stops no worker.
    static func render(_ control: ControlLoop, _ format: ExpositionFormat) -> [UInt8] {
        let shared = control.shared
        var snapshot = MetricSnapshot(native: format == .protobuf)
        snapshot.add(shared.shards + [control.shard], names: control.registry.nameTables)
        let now = control.loop.now
        for (index, traffic) in shared.pools.enumerated() {
            addPool(traffic.snapshot(now: now), index, control, to: &snapshot)
        }
        control.registry.forEachTransition { labels, count in
            snapshot.add(.replicaTransitions, labels, Double(count))
        }
        addObjectives(control, to: &snapshot)
        addGateway(control, to: &snapshot)
        addProcess(control, to: &snapshot)
        return Exposition.render(snapshot, format: format)
    }

    private static func addPool(
        _ pool: PoolSnapshot, _ index: Int, _ control: ControlLoop,
        to snapshot: inout MetricSnapshot
    ) {
        let settings = control.registry.pools[index]
        let name = settings.name
        let states = ReplicaState.allCases.map { $0.label.description }
        for state in ReplicaState.allCases {
            let count = pool.replicas.count { $0.state == state }
            snapshot.add(.poolReplicas, [name, state.label.description], Double(count))
        }
        let workers = control.shared.pools[index].progress
        snapshot.add(
            .oldestUnanswered, [name],
            control.shared.pools[index].oldestUnanswered(now: control.loop.now).seconds)
        snapshot.add(.poolPanic, [name], pool.isPanicking ? 1 : 0)
        snapshot.add(.retryBudgetRemaining, [name], Double(pool.retryBudgetRemaining))
        addAdmission(pool, name, control, to: &snapshot)
        snapshot.add(.leakedPermits, count: pool.leakedPermits)
        for row in pool.replicas where !isShadowed(row, in: pool) {
            let labels = [name, row.name]
            let agent = control.registry.agents.first { $0.pool == index && $0.id == row.id }
            snapshot.addOneHot(
                .replicaState, labels, current: row.state.label.description, of: states)
            snapshot.add(.replicaInflight, labels, Double(row.inflight))
            let counts = workers.map { $0.connectionCounts(slot: Int(row.id.slot)) }
            snapshot.add(
                .upstreamConnections, labels + ["active"],
                Double(counts.reduce(0) { $0 + $1.active }))
            snapshot.add(
                .upstreamConnections, labels + ["idle"], Double(counts.reduce(0) { $0 + $1.idle }))
            snapshot.add(.replicaWindow, labels, Double(row.limit))
            if row.capacityTokens > 0 {
                snapshot.add(.replicaCapacity, labels, row.capacityTokens)
            }
            snapshot.add(.replicaOthers, labels, row.others)
            if let age = row.signalAge {
                // A signal that never came is absent, not zero.
                snapshot.add(.replicaQueueDepth, labels, row.waiting)
                snapshot.add(.replicaRunning, labels, row.running)
                snapshot.add(.replicaSignalAge, labels, age.seconds)
            }
            if let usage = row.kvUsage { snapshot.add(.replicaKVUsage, labels, usage) }
            snapshot.add(
                .replicaInfo,
                labels + [agent?.endpoint.url.authority ?? "", agent?.version ?? "unknown"], 1)
            guard let missing = agent?.metrics?.missing else { continue }
            for signal in PageSignals.shown {
                snapshot.add(
                    .replicaSignalMissing, labels + [signal.label.description],
                    missing.contains(signal) ? 1 : 0)
            }
        }
    }

    private static func addAdmission(
        _ pool: PoolSnapshot, _ name: String, _ control: ControlLoop,
        to snapshot: inout MetricSnapshot
    ) {
        let admission = pool.admission
        for row in admission.classes {
            snapshot.add(.queueLength, [name, row.name], Double(row.length))
            snapshot.add(.queueOldest, [name, row.name], row.oldest.seconds)
            if let bound = row.bound { snapshot.add(.admissionBound, [name, row.name], bound) }
        }
        snapshot.add(.queueLimit, [name], Double(admission.limits.queueLengthMax))
        snapshot.add(.queueBytes, [name], Double(pool.queueBytes))
        snapshot.addOneHot(
            .admissionMode, [name], current: admission.mode.rawValue,
            of: AdmissionPolicy.Mode.allCases.map(\.rawValue))
        snapshot.add(.poolDemand, [name], admission.demandReplicas)
        snapshot.add(.poolCapacity, [name], admission.capacity)
        if let part = admission.utilization { snapshot.add(.poolUtilization, [name], part) }
        for (index, ratio) in admission.sizes.servedRatios.enumerated() {
            snapshot.add(.servedRatioByPromptSize, [name, String(index + 1)], ratio)
        }
        let names = control.registry.nameTables
        for (kind, count) in admission.shadowSheds.counts {
            snapshot.add(
                .shedShadow,
                [
                    names.models.name(kind.model), names.className(kind.classIndex),
                    kind.reason.label.description,
                ], count: count)
        }
    }

    /// Whether another row has the same name: a server that drains after its name has moved to
    /// another address. No two series may have the same labels.
    private static func isShadowed(_ row: ReplicaSnapshotRow, in pool: PoolSnapshot) -> Bool {
        guard row.state == .draining else { return false }
        return pool.replicas.contains { other in
            other.name == row.name && other.id != row.id
                && (other.state != .draining || other.since > row.since
                    || other.since == row.since && other.id.slot > row.id.slot)
        }
    }

    private static func addGateway(_ control: ControlLoop, to snapshot: inout MetricSnapshot) {
        let shared = control.shared
        snapshot.add(.buildInfo, [BuildInfo.version, BuildInfo.commit, BuildInfo.swift], 1)
        snapshot.add(.draining, control.isDraining ? 1 : 0)
        // There from the start, so that the first failure is an increase.
        for result in [EventResult.ok, .failed] {
            snapshot.add(.configReloads, [result.label.description], count: 0)
        }
        snapshot.add(.configReloadSuccessful, control.lastReload.isSuccessful ? 1 : 0)
        snapshot.add(.configReloadTimestamp, Double(control.lastReload.at / 1_000_000) / 1_000)
        snapshot.add(
            .connections, ["downstream"], Double(shared.connections.load(ordering: .relaxed)))
        snapshot.add(.connectionsMax, ["downstream"], Double(shared.settings.limits.connectionsMax))
        let upstream = shared.pools.flatMap(\.progress).reduce(0) { $0 + $1.connectionCount }
        snapshot.add(.connections, ["upstream"], Double(upstream))
        let workers = shared.mailboxes.count
        let perWorker = 2 * shared.settings.limits.connectionsPerWorker(of: workers)
        snapshot.add(.connectionsMax, ["upstream"], Double(workers * perWorker))
        if let tls = shared.serverTLS {
            snapshot.add(.tlsCertificateExpiry, ["data"], Double(tls.expiry))
        }
        let blocks = shared.bufferPools.reduce(0) { $0 + $1.blocksOut }
        snapshot.add(
            .buffersBytes, Double(shared.bodies.bytesUsed + blocks * BufferPool.blockBytes))
        snapshot.add(.buffersMaxBytes, Double(shared.bodies.bytesMax))
        let outboxes = shared.outboxes + shared.traceOutboxes
        let dropped = outboxes.reduce(0) { $0 + $1.linesDropped }
        snapshot.add(.logLinesDropped, count: UInt64(dropped))
        if let traces = shared.traces { addTraces(traces, to: &snapshot) }
    }

    private static func addTraces(_ traces: TraceQueue, to snapshot: inout MetricSnapshot) {
        let counts = traces.counts.now
        snapshot.add(.traceSpansExported, count: UInt64(counts.exported))
        for reason in TraceLoss.allCases {
            snapshot.add(
                .traceSpansDropped, [reason.label], count: UInt64(counts.dropped[reason.rawValue]))
        }
        snapshot.add(.traceExports, ["ok"], count: UInt64(counts.delivered))
        snapshot.add(.traceExports, ["failed"], count: UInt64(counts.failed))
        snapshot.add(.traceQueueSpans, Double(traces.spanCount))
    }

    /// The conventional `process_*` set. Source: proc_pid_stat(5), proc_pid_limits(5).
    private static func addProcess(_ control: ControlLoop, to snapshot: inout MetricSnapshot) {
        let cpu = MonotonicClock.cpuTime()
        snapshot.add(.processCPU, (cpu.user + cpu.system).seconds)
        guard let process = ProcessFigures.read() else { return }
        snapshot.add(.processOpenFDs, Double(process.openFiles))
        snapshot.add(.processMaxFDs, Double(process.maxFiles))
        snapshot.add(.processVirtualMemory, Double(process.virtualBytes))
        snapshot.add(.processResidentMemory, Double(process.residentBytes))
        snapshot.add(.processStartTime, process.startSeconds)
        snapshot.add(.processThreads, Double(process.threads))
    }
}
