import SluiceBytes
import SluiceTime

// The worker that owns the shard writes, the control thread reads at each scrape: a lock, because
// only exchanges with a trace context come here, and only once each.

/// One observation that can be looked up in a tracing system. Source: OpenMetrics 1.0, "Exemplars".
package struct Exemplar: Sendable, Equatable {
    /// W3C trace id, 32 hexadecimal digits.
    package let traceID: InlineText<32>
    /// The observation, in the integers of its histogram's scale.
    package let value: UInt64
    /// When it was made, in nanoseconds since 1970.
    package let unixNanoseconds: Int64

    /// An observation of `value` in the trace `traceID`.
    package init(traceID: InlineText<32>, value: UInt64, unixNanoseconds: Int64) {
        self.traceID = traceID
        self.value = value
        self.unixNanoseconds = unixNanoseconds
    }

    package static func == (a: Exemplar, b: Exemplar) -> Bool {
        a.traceID.text == b.traceID.text && a.value == b.value
            && a.unixNanoseconds == b.unixNanoseconds
    }
}

/// The newest exemplar of each bucket of one shard's latency histograms.
final class ExemplarStore: Sendable {
    /// Buckets with an exemplar at most: 16 series of 30 buckets twice over. With all taken the old
    /// ones are dropped, as the newest are worth most.
    static let countMax = 1_024

    /// A bucket of a series.
    struct Place: Hashable {
        let series: SeriesKey
        let bucket: Int
    }

    private let newest = Guarded<[Place: Exemplar]>([:])

    /// Keeps an exemplar in the place of an older one.
    func keep(_ exemplar: Exemplar, at place: Place) {
        newest.withLock { newest in
            if newest.count >= Self.countMax, newest[place] == nil { newest.removeAll() }
            newest[place] = exemplar
        }
    }

    /// All that are kept.
    func all() -> [Place: Exemplar] { newest.withLock { $0 } }
}

extension MetricShard {
    /// Buckets that have an exemplar.
    package var exemplarCount: Int { exemplars.all().count }

    /// Keeps the trace of a finished exchange beside the latencies a user feels: the whole, the first
    /// token or the wait for one, the pace. Parts of them are in the trace itself.
    func keepExemplars(_ record: borrowing ExchangeRecord) {
        let model = record.modelIndex
        let classIndex = UInt16(record.classIndex & 15)
        if let duration = record.duration {
            keepExemplar(
                SeriesKey(
                    .duration, model, classIndex, record.isStream ? 1 : 0,
                    d: UInt16(record.outcome.result.rawValue)), scales.duration, duration, record)
        }
        if let time = record.timeToFirstToken {
            keepExemplar(
                SeriesKey(.firstToken, model, classIndex), scales.firstToken, time, record)
        } else if let result = record.unmetWait, let duration = record.duration {
            keepExemplar(
                SeriesKey(.firstTokenWait, model, classIndex, UInt16(result.rawValue)),
                scales.firstToken, duration, record)
        }
        if let (time, isUsage) = record.timePerOutputToken {
            keepExemplar(
                SeriesKey(.timePerToken, model, isUsage ? 1 : 0), scales.token, time, record)
        }
    }

    private func keepExemplar(
        _ series: SeriesKey, _ scale: BucketScale, _ time: Nanoseconds,
        _ record: borrowing ExchangeRecord
    ) {
        let value = UInt64(max(0, time.count))
        let begun = record.started.nanoseconds
        let passed = record.ended.nanoseconds &- begun
        exemplars.keep(
            Exemplar(
                traceID: record.traceID, value: value,
                unixNanoseconds: record.startedUnixNanoseconds &+ max(0, passed)),
            at: ExemplarStore.Place(series: series, bucket: scale.index(of: value)))
    }
}
