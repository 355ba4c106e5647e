import SluiceTime

extension MetricShard {
    /// Counts the exchange as offered: at `t1`, or when it is refused earlier.
    ///
    /// From here on the record's model, route and class must not change.
    package func received(_ record: inout ExchangeRecord) {
        if record.phase == .receiving { record.phase = .queued }
        moved(&record)
    }

    /// Tells the shard that the record's phase may have moved forward.
    ///
    /// Call it whenever ``ExchangeRecord/phase`` was changed; skipped phases are counted too.
    package func moved(_ record: inout ExchangeRecord) {
        guard record.countedPhase < record.phase, record.phase != .finished else { return }
        count(through: record.phase, &record)
    }

    /// Moves an exchange that is not finished back to the queue: its replica failed, or was full.
    package func returned(_ record: inout ExchangeRecord) {
        moved(&record)
        guard record.countedPhase > .queued else { return }
        count(through: .relaying, &record)
        let key = SeriesKey(.returned, record.modelIndex, 0, UInt16(record.classIndex & 15))
        count(key, orReduced: key)
        record.phase = .queued
        record.countedPhase = .queued
    }

    private func count(through phase: Phase, _ record: inout ExchangeRecord) {
        let model = record.modelIndex
        let classIndex = UInt16(record.classIndex & 15)
        if !record.isCounted {
            record.isCounted = true
            let route = UInt16(record.route.rawValue)
            let reduced = UInt16(Route.unknown.rawValue)
            count(
                SeriesKey(.received, model, route, classIndex),
                orReduced: SeriesKey(.received, model, reduced, classIndex))
        }
        if record.countedPhase < .connecting, phase >= .connecting {
            let key = SeriesKey(.connecting, model, 0, classIndex)
            count(key, orReduced: key)
        }
        if record.countedPhase < .relaying, phase >= .relaying {
            let key = SeriesKey(.relaying, model, 0, classIndex)
            count(key, orReduced: key)
        }
        record.countedPhase = phase
    }

    /// Counts everything there is to say about an exchange, at `t9`, exactly once.
    package func finished(_ record: inout ExchangeRecord) {
        moved(&record)
        let phase = record.endPhase
        if !record.isCounted { count(through: phase, &record) }
        countOutcome(&record, phase)
        observeTimes(&record)
        observeVolume(&record)
        if !record.traceID.isEmpty { keepExemplars(record) }
    }

    private func countOutcome(_ record: inout ExchangeRecord, _ phase: Phase) {
        var labels = FinishedLabels(record, phase: phase)
        let key = labels.key
        labels.route = .unknown
        labels.method = .other
        labels.code = 0
        labels.reason = .none
        count(key, orReduced: labels.key)
        if let tenant = Self.tenantLabel(record.tenantIndex) {
            count(SeriesKey(.tenantRequests, tenant, UInt16(record.outcome.rawValue)))
        }
        if record.clientRetryCount > 0 {
            count(
                SeriesKey(
                    .clientRetries, record.modelIndex, UInt16(min(3, record.clientRetryCount))))
        }
        if let time = ExchangeRecord.span(
            from: record.clientGoneSeen, to: record.upstreamClosed)
        {
            observe(SeriesKey(.abort), .short, time)
        }
    }

    private func observeTimes(_ record: inout ExchangeRecord) {
        let model = record.modelIndex
        let classIndex = UInt16(record.classIndex & 15)
        if let time = record.receiveTime {
            observe(SeriesKey(.receive, model), .short, time)
        }
        guard let duration = record.duration else { return }
        observe(
            SeriesKey(
                .duration, model, classIndex, record.isStream ? 1 : 0,
                d: UInt16(record.outcome.result.rawValue)), .duration, duration)
        guard record.isStream else { return }
        if let time = record.timeToFirstToken {
            observe(SeriesKey(.firstToken, model, classIndex), .firstToken, time)
            let stages = record.stageTimes
            for stage in 0..<4 {
                observe(SeriesKey(.stage, model, UInt16(stage)), .short, stages[stage])
            }
            if let (time, isUsage) = record.timePerOutputToken {
                observe(SeriesKey(.timePerToken, model, isUsage ? 1 : 0), .token, time)
            }
            let arrived = ExchangeRecord.span(from: record.sent, to: record.firstContentArrived)
            if record.replicaIndex >= 0, let arrived {
                observe(
                    SeriesKey(.upstreamLatency, UInt16(truncatingIfNeeded: record.replicaIndex), 1),
                    .coarse, arrived)
            }
        } else if let result = record.unmetWait {
            observe(
                SeriesKey(.firstTokenWait, model, classIndex, UInt16(result.rawValue)),
                .firstToken, duration)
        }
    }

    private func observeVolume(_ record: inout ExchangeRecord) {
        let model = record.modelIndex
        if record.bytesIn > 0 { observe(SeriesKey(.bodyBytes), .bytes, record.bytesIn) }
        if record.blocked.count > 0 { observe(SeriesKey(.blocked), .short, record.blocked) }
        if record.networkShare.count >= 0 {
            observe(SeriesKey(.networkShare), .short, record.networkShare)
        }
        if record.tokensMax >= 0 {
            observe(
                SeriesKey(.requestTokensMax, model), .tokens, UInt64(record.tokensMax))
        }
        if record.cachedTokens > 0 {
            count(SeriesKey(.cachedTokens, model), UInt64(record.cachedTokens))
        }
        if record.promptTokens >= 0 {
            let tokens = UInt64(record.promptTokens)
            count(SeriesKey(.promptTokens, model), tokens)
            observe(SeriesKey(.requestPromptTokens, model, 1), .tokens, tokens)
            countTenant(record.tenantIndex, 0, tokens)
        } else if record.promptTokensEstimated >= 0 {
            // Those refused, abandoned or without usage: left out, overload would shorten prompts.
            observe(
                SeriesKey(.requestPromptTokens, model, 0), .tokens,
                UInt64(record.promptTokensEstimated))
        }
        let isUsage = record.generationTokens >= 0
        let generated =
            isUsage ? UInt64(record.generationTokens) : UInt64(record.contentEvents)
        if isUsage {
            count(SeriesKey(.generationTokens, model), generated)
            countTenant(record.tenantIndex, 1, generated)
        }
        if isUsage || generated > 0 {
            observe(
                SeriesKey(.requestGenerationTokens, model, isUsage ? 1 : 0), .tokens,
                generated)
        }
        if generated > 0, let cause = record.wasteCause {
            count(SeriesKey(.wasted, model, UInt16(cause.rawValue)), generated)
        }
    }

    private func countTenant(_ tenant: Int16, _ kind: UInt16, _ tokens: UInt64) {
        guard let tenant = Self.tenantLabel(tenant) else { return }
        count(SeriesKey(.tenantTokens, tenant, kind), tokens)
    }

    /// The index that series of a tenant are counted by: one for all beyond the bound of labels.
    @inline(__always)
    private static func tenantLabel(_ tenant: Int16) -> UInt16? {
        tenant < 0 ? nil : UInt16(min(Int(tenant), NameTables.tenantLabelsMax))
    }
}

extension ExchangeRecord {
    /// The phase in which the exchange ended.
    package var endPhase: Phase {
        phase == .finished ? countedPhase : max(phase, countedPhase)
    }

    /// How the wait of a stream without content ended; nil where nobody waited.
    package var unmetWait: WaitResult? {
        guard isStream, firstContentWritten.nanoseconds == 0 else { return nil }
        return switch outcome {
        case .clientGone, .clientStalled: .abandoned
        case .shed: reason == .expired || reason == .deadline ? .expired : nil
        case .upstreamFailed, .streamError, .truncated, .streamTimeout, .drained, .gatewayError:
            .failed
        case .ok, .clientError, .upstreamClientError: nil
        }
    }

    /// Whose fault it is that generated tokens went to nobody; nil where they did not.
    package var wasteCause: WasteCause? {
        switch outcome {
        case .clientGone, .clientStalled: .clientGone
        case .drained: .drain
        case .ok, .clientError, .shed, .upstreamClientError, .upstreamFailed, .streamError,
            .truncated, .streamTimeout, .gatewayError:
            nil
        }
    }
}
