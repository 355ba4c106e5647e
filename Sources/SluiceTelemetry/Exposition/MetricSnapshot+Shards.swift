// How received, finished and in flight agree while workers keep counting.
//
// For one model and class let R be received, C those that went on from queued to connecting, L
// those that went on to relaying, B those that went from there back to queued, F(q), F(c), F(r)
// those that finished from each phase. An exchange adds to R before C before L, to B before the
// next C, and to its F at last. Here each shard is read the other way round: all F, then B, then L,
// then C, then R. So whatever was counted in between,
//     relaying = L − B − F(r) ≥ 0,  connecting = C − L − F(c) ≥ 0,  queued = R − C + B − F(q),
// and their sum is R − F exactly, of the very numbers the page shows. No lock, no wait. One that
// went back and on again between the readings of B and C is counted twice on its way, which is
// what `queued` then lacks.

extension MetricSnapshot {
    /// Adds everything the shards have counted.
    package mutating func add(_ shards: [MetricShard], names: NameTables) {
        var counters: [SeriesKey: UInt64] = [:]
        var histograms: [SeriesKey: HistogramValue] = [:]
        var lost: UInt64 = 0
        for shard in shards {
            for families in Self.readOrder {
                shard.visit(families) { key, slot in
                    guard let series = key.series else { return }
                    if let scale = series.scale {
                        shard.addHistogram(
                            slot, native: hasNative,
                            to: &histograms[key, default: HistogramValue(shard.scales[scale])])
                    } else {
                        counters[key, default: 0] &+= shard.counter(slot)
                    }
                }
            }
            addPlain(shard, names)
            for (place, exemplar) in shard.exemplars.all() {
                histograms[place.series]?.add(exemplar, bucket: place.bucket)
            }
            lost &+= shard.lost
        }
        var expansion = SeriesExpansion(names: names)
        for (key, value) in counters { expansion.add(key, value, to: &self) }
        for (key, value) in histograms { expansion.add(key, value, to: &self) }
        expansion.addInFlight(to: &self)
        add(.metricsLost, count: lost)
    }

    private static let readOrder: [Set<ShardSeries>] = {
        let ordered: [ShardSeries] = [.finished, .returned, .relaying, .connecting, .received]
        return ordered.map { [$0] } + [Set(ShardSeries.allCases).subtracting(ordered)]
    }()

    private mutating func addPlain(_ shard: MetricShard, _ names: NameTables) {
        add(.logLinesDropped, count: shard.counter(.logDropped))
        add(.acceptPaused, Double(shard.counter(.acceptPausedNanoseconds)) / 1e9)
        add(.dnsErrors, count: shard.counter(.dnsErrors))
        add(.leakedPermits, count: shard.counter(.leakedPermits))
        for model in 0...Int(ModelTable.other) {
            let events = shard.contentEvents(model: model)
            if events > 0 {
                add(.contentEvents, [names.models.name(UInt16(model))], count: events)
            }
        }
    }
}

/// Turns packed keys into samples with labels, several families from one key where they follow.
private struct SeriesExpansion {
    let names: NameTables
    /// Requests by model and class and phase: queued, connecting, relaying.
    private var inFlight: [[String]: [Int64]] = [:]

    init(names: NameTables) { self.names = names }

    mutating func add(_ key: SeriesKey, _ value: UInt64, to snapshot: inout MetricSnapshot) {
        guard let series = key.series else { return }
        switch series {
        case .received:
            let route = Route(rawValue: UInt8(truncatingIfNeeded: key.b)) ?? .unknown
            snapshot.add(
                .requestsReceived, [model(key.a), route.text, className(key.c)], count: value)
            move(value, key, to: 0)
        case .connecting: move(value, key, from: 0, to: 1)
        case .relaying: move(value, key, from: 1, to: 2)
        case .returned: move(value, key, from: 2, to: 0)
        case .finished: addFinished(key, value, to: &snapshot)
        case .clientRetries:
            let attempt = key.b >= 3 ? "3plus" : String(key.b)
            snapshot.add(.clientRetries, [model(key.a), attempt], count: value)
        case .promptTokens: snapshot.add(.promptTokens, [model(key.a)], count: value)
        case .cachedTokens: snapshot.add(.promptTokensCached, [model(key.a)], count: value)
        case .generationTokens: snapshot.add(.generationTokens, [model(key.a)], count: value)
        case .wasted:
            snapshot.add(
                .wastedTokens, [model(key.a), text(WasteCause.self, key.b, \.label)], count: value)
        case .tenantRequests:
            snapshot.add(
                .tenantRequests, [tenant(key.a), text(Outcome.self, key.b, \.label)], count: value)
        case .tenantTokens:
            snapshot.add(
                .tenantTokens, [tenant(key.a), key.b == 0 ? "prompt" : "generation"], count: value)
        case .upstreamRequests:
            addReplica(.upstreamRequests, key, String(key.b), value, to: &snapshot)
        case .connectErrors:
            addReplica(
                .upstreamConnectErrors, key, text(Reason.self, key.b, \.label), value,
                to: &snapshot)
        case .upstreamTimeouts:
            addReplica(
                .upstreamTimeouts, key, text(UpstreamStage.self, key.b, \.label), value,
                to: &snapshot)
        case .staleKeepalive: addReplica(.staleKeepalive, key, nil, value, to: &snapshot)
        case .routing:
            addReplica(
                .routingDecisions, key, name(key.b, in: names.routingReasons), value,
                to: &snapshot)
        case .retries:
            snapshot.add(
                .retries,
                [
                    pool(key.c), text(Reason.self, key.a, \.label),
                    text(EventResult.self, key.b, \.label),
                ], count: value)
        case .poison: snapshot.add(.poisonRequests, [pool(key.a)], count: value)
        case .connections: addSided(.connectionsTotal, key, value, to: &snapshot)
        case .handshakes: addSided(.tlsHandshakes, key, value, to: &snapshot)
        case .parseErrors:
            let isDownstream = key.a == UInt16(ConnectionSide.downstream.rawValue)
            let errors = isDownstream ? names.requestErrors : names.responseErrors
            snapshot.add(
                .httpParseErrors,
                [text(ConnectionSide.self, key.a, \.label), name(key.b, in: errors)], count: value)
        case .scrapes:
            snapshot.add(
                .scrapes, [pool(key.b), text(ScrapeResult.self, key.a, \.label)], count: value)
        case .scrapeBadSamples: snapshot.add(.scrapeBadSamples, [pool(key.a)], count: value)
        case .configReloads:
            snapshot.add(.configReloads, [text(EventResult.self, key.a, \.label)], count: value)
        case .duration, .firstToken, .firstTokenWait, .stage, .receive, .timePerToken, .gap,
            .requestPromptTokens, .requestGenerationTokens, .requestTokensMax, .bodyBytes,
            .blocked, .networkShare, .abort, .upstreamLatency, .loopLag, .scrapeDuration,
            .queueWait, .predictedWait, .predictionError:
            assertionFailure("a histogram among the counters")
        }
    }

    mutating func add(_ key: SeriesKey, _ value: HistogramValue, to snapshot: inout MetricSnapshot)
    {
        guard let series = key.series else { return }
        switch series {
        case .duration:
            let result = text(ExchangeResult.self, key.d, \.label)
            let isStream = key.c == 1
            snapshot.add(
                .requestDuration,
                [model(key.a), className(key.b), isStream ? "true" : "false", result], value)
            if !isStream, key.d == UInt16(ExchangeResult.served.rawValue) {
                snapshot.add(.response, [model(key.a), className(key.b)], value)
            }
        case .firstToken:
            snapshot.add(.timeToFirstToken, [model(key.a), className(key.b)], value)
            snapshot.add(.firstTokenWait, [model(key.a), className(key.b), "delivered"], value)
        case .firstTokenWait:
            snapshot.add(
                .firstTokenWait,
                [model(key.a), className(key.b), text(WaitResult.self, key.c, \.label)], value)
        case .stage:
            snapshot.add(.ttftStage, [model(key.a), text(Stage.self, key.b, \.label)], value)
        case .receive: snapshot.add(.requestReceive, [model(key.a)], value)
        case .timePerToken:
            snapshot.add(.timePerOutputToken, [model(key.a), source(key.b)], value)
        case .gap: snapshot.add(.interTokenLatency, [model(key.a)], value)
        case .requestPromptTokens:
            let source = key.b == 1 ? "usage" : "estimate"
            snapshot.add(.requestPromptTokens, [model(key.a), source], value)
        case .requestGenerationTokens:
            snapshot.add(.requestGenerationTokens, [model(key.a), source(key.b)], value)
        case .requestTokensMax: snapshot.add(.requestParamsMaxTokens, [model(key.a)], value)
        case .bodyBytes: snapshot.add(.requestBodyBytes, value)
        case .blocked: snapshot.add(.downstreamBlocked, value)
        case .networkShare: snapshot.add(.downstreamRTT, value)
        case .abort: snapshot.add(.abortPropagation, value)
        case .upstreamLatency:
            guard names.replicasInUse <= Self.latencyReplicasMax,
                let replica = names.replica(Int32(key.a))
            else { return }
            snapshot.add(
                .upstreamLatency,
                [replica.pool, replica.name, text(UpstreamStage.self, key.b, \.label)], value)
        case .loopLag: snapshot.add(.eventLoopLag, [String(key.a)], value)
        case .scrapeDuration: snapshot.add(.scrapeDuration, [pool(key.a)], value)
        case .queueWait:
            snapshot.add(
                .queueWait,
                [pool(key.a), className(key.b), text(QueueResult.self, key.c, \.label)], value)
        case .predictedWait:
            snapshot.add(.predictedWait, [pool(key.a), className(key.b)], value)
        case .predictionError:
            snapshot.add(
                .predictionError,
                [pool(key.a), className(key.b), key.c == 0 ? "over" : "under"], value)
        case .received, .finished, .connecting, .relaying, .returned, .clientRetries,
            .promptTokens, .cachedTokens, .generationTokens, .wasted, .tenantRequests,
            .tenantTokens,
            .upstreamRequests, .connectErrors, .upstreamTimeouts, .retries, .staleKeepalive,
            .routing, .connections, .parseErrors, .handshakes, .scrapes, .scrapeBadSamples, .poison,
            .configReloads:
            assertionFailure("a counter among the histograms")
        }
    }

    mutating func addInFlight(to snapshot: inout MetricSnapshot) {
        let phases: [Phase] = [.queued, .connecting, .relaying]
        for (labels, var counts) in inFlight {
            for index in [2, 1] where counts[0] < 0 {
                let twice = min(counts[index], -counts[0])
                counts[index] -= twice
                counts[0] += twice
            }
            for (index, phase) in phases.enumerated() {
                snapshot.add(
                    .requestsInFlight, labels + [phase.label.description],
                    count: UInt64(max(0, counts[index])))
            }
        }
    }

    private mutating func addFinished(
        _ key: SeriesKey, _ value: UInt64, to snapshot: inout MetricSnapshot
    ) {
        guard let labels = FinishedLabels(key) else { return }
        let model = model(labels.model)
        let className = className(UInt16(labels.classIndex))
        snapshot.add(
            .requests,
            [
                model, labels.route.text, labels.method.label.description, String(labels.code),
                labels.outcome.label.description, className,
            ], count: value)
        switch labels.phase {
        case .receiving, .queued: move(value, key: [model, className], from: 0)
        case .connecting: move(value, key: [model, className], from: 1)
        case .relaying, .finished: move(value, key: [model, className], from: 2)
        }
        if labels.outcome == .shed {
            snapshot.add(
                .shed, [model, className, labels.reason.label.description], count: value)
        }
        if labels.outcome == .clientGone {
            snapshot.add(
                .clientDisconnects, [model, labels.phase.label.description], count: value)
        }
    }

    private mutating func move(
        _ value: UInt64, _ key: SeriesKey, from: Int? = nil, to: Int? = nil
    ) {
        move(value, key: [model(key.a), className(key.c)], from: from, to: to)
    }

    private mutating func move(
        _ value: UInt64, key: [String], from: Int? = nil, to: Int? = nil
    ) {
        let value = Int64(truncatingIfNeeded: value)
        if let from { inFlight[key, default: [0, 0, 0]][from] &-= value }
        if let to { inFlight[key, default: [0, 0, 0]][to] &+= value }
    }

    private func addReplica(
        _ metric: Metric, _ key: SeriesKey, _ label: String?, _ value: UInt64,
        to snapshot: inout MetricSnapshot
    ) {
        guard value > 0, let replica = names.replica(Int32(key.a)) else { return }
        snapshot.add(
            metric, [replica.pool, replica.name] + (label.map { [$0] } ?? []), count: value)
    }

    private func addSided(
        _ metric: Metric, _ key: SeriesKey, _ value: UInt64, to snapshot: inout MetricSnapshot
    ) {
        snapshot.add(
            metric,
            [text(ConnectionSide.self, key.a, \.label), text(EventResult.self, key.b, \.label)],
            count: value)
    }

    /// With more replicas than this, histograms of each are not shown: twenty lines apiece.
    private static let latencyReplicasMax = 64

    private func pool(_ index: UInt16) -> String { names.poolName(Int16(bitPattern: index)) }
    private func model(_ index: UInt16) -> String { names.models.name(index) }
    private func className(_ index: UInt16) -> String {
        names.className(UInt8(truncatingIfNeeded: index))
    }
    private func tenant(_ index: UInt16) -> String { names.tenantLabel(index) }
    private func source(_ index: UInt16) -> String { index == 1 ? "usage" : "events" }
    private func name(_ index: UInt16, in table: [String]) -> String {
        table.indices.contains(Int(index)) ? table[Int(index)] : "other"
    }
    private func text<Label: RawRepresentable>(
        _ type: Label.Type, _ raw: UInt16, _ label: KeyPath<Label, StaticString>
    ) -> String where Label.RawValue == UInt8 {
        guard let value = Label(rawValue: UInt8(truncatingIfNeeded: raw)) else { return "other" }
        return value[keyPath: label].description
    }
}

extension Route {
    fileprivate var text: String { label.description }
}
