/// What the users of one model have seen since start, as counts and sums: for a diagnosis, which
/// looks every second and needs means, not quantiles.
package struct ModelTotals: Sendable {
    package private(set) var received = 0.0
    package private(set) var finished = 0.0
    /// Refused by admission because capacity is contended: overload, a full queue, a wait too long.
    package private(set) var shed = 0.0
    /// Refused by admission because nothing serves.
    package private(set) var unserved = 0.0
    /// Ended by a fault of the upstream or ours, before or after the first token.
    package private(set) var failed = 0.0
    /// Streams whose client left before the first token.
    package private(set) var abandoned = 0.0
    /// Refused for the client's fault, by us or by the replica.
    package private(set) var clientErrors = 0.0
    /// Cut by us at the end of a drain.
    package private(set) var cut = 0.0
    /// Seconds to the first token, and those waited for none.
    package private(set) var firstToken = HistogramTotals()
    /// Seconds between two tokens.
    package private(set) var gap = HistogramTotals()
    /// Seconds of the stage `engine` of first tokens.
    package private(set) var engine = HistogramTotals()
    package private(set) var promptTokens = HistogramTotals()
    package private(set) var generatedTokens = HistogramTotals()
    /// Seconds from a request's last byte to its end.
    package private(set) var duration = HistogramTotals()

    /// Nothing yet.
    package init() {}

    private static let families: Set<ShardSeries> = [
        .received, .finished, .firstToken, .firstTokenWait, .gap, .stage, .requestPromptTokens,
        .requestGenerationTokens, .duration, .queueWait,
    ]

    /// Reads what the shards have counted; stops none of their owners.
    ///
    /// - Returns: by the index of the model, ``ModelTable/other`` the last; and seconds in the queue of
    ///   those that were sent, by the index of the pool.
    package static func read(
        _ shards: [MetricShard]
    ) -> (models: [ModelTotals], queueWaits: [Int: HistogramTotals]) {
        var models = Array(repeating: ModelTotals(), count: Int(ModelTable.other) + 1)
        var waits: [Int: HistogramTotals] = [:]
        for shard in shards {
            shard.visit(families) { key, slot in
                guard key.series != .queueWait else {
                    guard key.isOfSentRequests else { return }
                    waits[Int(key.a), default: HistogramTotals()] =
                        waits[Int(key.a), default: HistogramTotals()] + shard.totals(slot, .short)
                    return
                }
                models[min(Int(key.a), models.count - 1)].add(key, slot, of: shard)
            }
        }
        return (models, waits)
    }

    private mutating func add(_ key: SeriesKey, _ slot: Int, of shard: MetricShard) {
        switch key.series {
        case .received: received += Double(shard.counter(slot))
        case .finished: addFinished(key, Double(shard.counter(slot)))
        case .firstToken: firstToken = firstToken + shard.totals(slot, .firstToken)
        case .firstTokenWait:
            let totals = shard.totals(slot, .firstToken)
            firstToken = firstToken + totals
            if key.c == UInt16(WaitResult.abandoned.rawValue) { abandoned += totals.count }
        case .gap: gap = gap + shard.totals(slot, .token)
        case .stage:
            if key.b == UInt16(Stage.engine.rawValue) {
                engine = engine + shard.totals(slot, .short)
            }
        case .requestPromptTokens: promptTokens = promptTokens + shard.totals(slot, .tokens)
        case .requestGenerationTokens:
            generatedTokens = generatedTokens + shard.totals(slot, .tokens)
        case .duration: duration = duration + shard.totals(slot, .duration)
        default: break
        }
    }

    private mutating func addFinished(_ key: SeriesKey, _ count: Double) {
        guard let labels = FinishedLabels(key) else { return }
        finished += count
        switch labels.outcome {
        case .shed:
            switch labels.reason {
            case .overload, .full, .expired: shed += count
            case .noReplica: unserved += count
            default: break
            }
        case .clientError, .upstreamClientError: clientErrors += count
        case .upstreamFailed, .streamError, .truncated, .streamTimeout, .gatewayError:
            failed += count
        case .drained: cut += count
        case .ok, .clientStalled, .clientGone: break
        }
    }

    /// Adds what another model has come to between two readings of it.
    package mutating func add(_ now: ModelTotals, since earlier: ModelTotals) {
        received += now.received - earlier.received
        finished += now.finished - earlier.finished
        shed += now.shed - earlier.shed
        unserved += now.unserved - earlier.unserved
        failed += now.failed - earlier.failed
        abandoned += now.abandoned - earlier.abandoned
        clientErrors += now.clientErrors - earlier.clientErrors
        firstToken.add(now.firstToken, since: earlier.firstToken)
        gap.add(now.gap, since: earlier.gap)
        engine.add(now.engine, since: earlier.engine)
        promptTokens.add(now.promptTokens, since: earlier.promptTokens)
        generatedTokens.add(now.generatedTokens, since: earlier.generatedTokens)
        duration.add(now.duration, since: earlier.duration)
    }
}

extension MetricShard {
    /// Sum, in base units, and count of the histogram in `slot`.
    fileprivate func totals(_ slot: Int, _ scale: ScaleName) -> HistogramTotals {
        var histogram = HistogramValue(scales[scale])
        addHistogram(slot, to: &histogram)
        return HistogramTotals(sum: histogram.total, count: Double(histogram.count))
    }
}
