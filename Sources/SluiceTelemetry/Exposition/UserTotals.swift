/// What all clients together have seen since start, of every model, class and route: for pages that
/// show how things change, where a whole snapshot for every second would be too much.
package struct UserTotals: Sendable {
    /// Exchanges that have ended, by ``Outcome/result``.
    private var results = InlineArray<4, UInt64>(repeating: 0)
    /// Refusals by admission, by reason.
    package private(set) var sheds: [Reason: UInt64] = [:]
    /// `sluice_time_to_first_token_seconds`: those who got one.
    package private(set) var firstToken: HistogramValue
    /// `sluice_first_token_wait_seconds`: the same, and those who waited for none.
    package private(set) var firstTokenWait: HistogramValue
    /// `sluice_inter_token_latency_seconds`.
    package private(set) var gap: HistogramValue
    /// `sluice_queue_wait_seconds` of those that were sent: most refusals come at once.
    package private(set) var queueWait: HistogramValue
    /// Tokens generated for clients.
    package private(set) var generationTokens: UInt64 = 0

    /// Nothing yet.
    package init(_ scales: BucketScales) {
        firstToken = HistogramValue(scales.firstToken)
        firstTokenWait = HistogramValue(scales.firstToken)
        gap = HistogramValue(scales.token)
        queueWait = HistogramValue(scales.short)
    }

    /// Reads what the shards have counted; stops none of their owners.
    package init(_ shards: [MetricShard], _ scales: BucketScales) {
        self.init(scales)
        for shard in shards { shard.visit(Self.families) { add($0, $1, of: shard) } }
        firstTokenWait.add(firstToken)
    }

    private static let families: Set<ShardSeries> = [
        .finished, .firstToken, .firstTokenWait, .gap, .queueWait, .generationTokens,
    ]

    private mutating func add(_ key: SeriesKey, _ slot: Int, of shard: MetricShard) {
        switch key.series {
        case .finished:
            guard let labels = FinishedLabels(key) else { return }
            let count = shard.counter(slot)
            results[Int(labels.outcome.result.rawValue)] &+= count
            if labels.outcome == .shed { sheds[labels.reason, default: 0] &+= count }
        case .firstToken: shard.addHistogram(slot, native: true, to: &firstToken)
        case .firstTokenWait: shard.addHistogram(slot, native: true, to: &firstTokenWait)
        case .gap: shard.addHistogram(slot, native: true, to: &gap)
        case .queueWait:
            if key.isOfSentRequests { shard.addHistogram(slot, to: &queueWait) }
        case .generationTokens: generationTokens &+= shard.counter(slot)
        default: break
        }
    }

    /// Exchanges that have ended so.
    package subscript(result: ExchangeResult) -> UInt64 { results[Int(result.rawValue)] }
}

extension HistogramValue {
    /// Observations.
    package var count: UInt64 { counts.reduce(0, &+) }

    /// What was observed since `earlier`, a reading of the same histogram; no exemplars.
    package func since(_ earlier: HistogramValue) -> HistogramValue {
        var rest = HistogramValue(scale)
        for bucket in counts.indices where counts[bucket] > earlier.counts[bucket] {
            rest.add(bucket: bucket, counts[bucket] - earlier.counts[bucket])
        }
        rest.add(sum: sum > earlier.sum ? sum - earlier.sum : 0)
        rest.subtractNative(from: self, earlier)
        return rest
    }

    /// The value that a part of the observations is not above, in base units: even within its bucket,
    /// and the last bound where it lies beyond, as Prometheus' `histogram_quantile` has it. By the
    /// native buckets where the observations are in them: the others are a factor of two wide, and the
    /// p99 of waits that end at three quarters of the objective would be read as the objective. Nil
    /// without observations.
    ///
    /// - Parameter part: 0 … 1.
    package func quantile(_ part: Double) -> Double? {
        if let native, native.contains(where: { $0 > 0 }) {
            return Self.quantile(part, of: native, bounds: native.count - 1, NativeBuckets.bound)
        }
        guard count > 0, scale.count > 0 else { return nil }
        return Self.quantile(part, of: counts, bounds: scale.count, scale.bound)
    }

    /// - Parameters:
    ///   - counts: not cumulative, of `bounds` buckets and the infinite one.
    ///   - bound: of a bucket the largest value, in base units.
    private static func quantile(
        _ part: Double, of counts: [UInt64], bounds: Int, _ bound: (Int) -> Double
    ) -> Double {
        let rank = part * Double(counts.reduce(0, &+))
        var below = 0.0
        for bucket in 0..<bounds {
            let inside = Double(counts[bucket])
            if inside > 0, below + inside >= rank {
                let least = bucket == 0 ? 0 : bound(bucket - 1)
                return least + (bound(bucket) - least) * max(0, rank - below) / inside
            }
            below += inside
        }
        return bound(bounds - 1)
    }

    /// The part of the observations that is not above `bound`, in base units; exact where that is a
    /// bound of the scale. Nil without observations.
    package func part(upTo bound: Double) -> Double? {
        let all = count
        guard all > 0 else { return nil }
        var within: UInt64 = 0
        for bucket in 0..<scale.count where scale.bound(bucket) <= bound * (1 + 1e-9) {
            within &+= counts[bucket]
        }
        return Double(within) / Double(all)
    }
}
