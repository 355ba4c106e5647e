/// What a shard counts apart; the families with labels. At most 63: six bits of a key.
enum ShardSeries: UInt8, CaseIterable {
    // Zero is an empty slot.
    case received = 1
    case finished
    /// Exchanges that left the queue for a replica, those that began to relay, and those that went
    /// from there back to the queue; each as often as it happened.
    case connecting, relaying, returned
    case duration, firstToken, firstTokenWait, stage, receive, timePerToken, gap
    case clientRetries, promptTokens, cachedTokens, generationTokens, wasted
    case requestPromptTokens, requestGenerationTokens, requestTokensMax
    case bodyBytes, blocked, networkShare, abort
    case tenantRequests, tenantTokens
    case upstreamRequests, upstreamLatency, connectErrors, upstreamTimeouts, retries
    case staleKeepalive, routing
    case connections, parseErrors, handshakes, loopLag, scrapes, scrapeDuration, scrapeBadSamples,
        poison, configReloads
    case queueWait, predictedWait, predictionError

    /// Which bounds the family's histogram has; nil for a counter.
    var scale: ScaleName? {
        switch self {
        case .received, .finished, .connecting, .relaying, .returned, .clientRetries,
            .promptTokens, .cachedTokens, .generationTokens, .wasted, .tenantRequests,
            .tenantTokens,
            .upstreamRequests, .connectErrors, .upstreamTimeouts, .retries, .staleKeepalive,
            .routing, .connections, .parseErrors, .handshakes, .scrapes, .scrapeBadSamples, .poison,
            .configReloads:
            nil
        case .duration: .duration
        case .firstToken, .firstTokenWait: .firstToken
        case .stage, .receive, .blocked, .networkShare, .abort, .loopLag, .scrapeDuration,
            .queueWait, .predictedWait, .predictionError:
            .short
        case .timePerToken, .gap: .token
        case .requestPromptTokens, .requestGenerationTokens, .requestTokensMax: .tokens
        case .bodyBytes: .bytes
        case .upstreamLatency: .coarse
        }
    }
}

/// Which of ``BucketScales`` a histogram uses.
enum ScaleName: UInt8, CaseIterable {
    case firstToken, duration, short, token, coarse, tokens, bytes

    /// Whether its histograms, those of what users wait for, are kept in native buckets too.
    var isNative: Bool { self == .firstToken || self == .duration || self == .token }
}

extension BucketScales {
    subscript(name: ScaleName) -> BucketScale {
        switch name {
        case .firstToken: firstToken
        case .duration: duration
        case .short: short
        case .token: token
        case .coarse: coarse
        case .tokens: tokens
        case .bytes: bytes
        }
    }
}

/// A family and its label values in one word; what the values mean is up to the family.
struct SeriesKey: Hashable {
    let word: UInt64

    init(word: UInt64) { self.word = word }

    /// - Parameter d: ten bits; the others sixteen.
    @inline(__always)
    init(_ series: ShardSeries, _ a: UInt16 = 0, _ b: UInt16 = 0, _ c: UInt16 = 0, d: UInt16 = 0) {
        word =
            UInt64(series.rawValue) << 58 | UInt64(d & 0x3FF) << 48 | UInt64(c) << 32
            | UInt64(b) << 16 | UInt64(a)
    }

    var series: ShardSeries? { ShardSeries(rawValue: UInt8(word >> 58)) }
    var a: UInt16 { UInt16(truncatingIfNeeded: word) }
    var b: UInt16 { UInt16(truncatingIfNeeded: word >> 16) }
    var c: UInt16 { UInt16(truncatingIfNeeded: word >> 32) }
    var d: UInt16 { UInt16(truncatingIfNeeded: word >> 48) & 0x3FF }
}

/// The labels of a finished exchange, packed: what `sluice_requests_total` shows, and the phase and
/// reason that other families derive from the same counters.
struct FinishedLabels {
    var model: UInt16
    var route: Route
    var method: RequestMethod
    var classIndex: UInt8
    var code: UInt16
    var outcome: Outcome
    var phase: Phase
    var reason: Reason

    @inline(__always)
    var key: SeriesKey {
        SeriesKey(
            .finished, model,
            UInt16(route.rawValue) | UInt16(method.rawValue) << 5 | UInt16(classIndex & 15) << 9,
            min(code, 999) | UInt16(outcome.rawValue) << 10,
            d: UInt16(phase.rawValue) | UInt16(reason.rawValue) << 3)
    }

    @inline(__always)
    init(_ record: borrowing ExchangeRecord, phase: Phase) {
        model = record.modelIndex
        route = record.route
        method = record.method
        classIndex = record.classIndex
        code = record.status
        outcome = record.outcome
        self.phase = phase
        reason = record.outcome == .shed ? record.reason : .none
    }

    init?(_ key: SeriesKey) {
        guard let route = Route(rawValue: UInt8(key.b & 31)),
            let method = RequestMethod(rawValue: UInt8(key.b >> 5 & 15)),
            let outcome = Outcome(rawValue: UInt8(key.c >> 10 & 15)),
            let phase = Phase(rawValue: UInt8(key.d & 7)),
            let reason = Reason(rawValue: UInt8(key.d >> 3 & 63))
        else { return nil }
        model = key.a
        self.route = route
        self.method = method
        classIndex = UInt8(key.b >> 9 & 15)
        code = key.c & 1_023
        self.outcome = outcome
        self.phase = phase
        self.reason = reason
    }
}
