import SluiceTelemetry
import SluiceTime

/// The last seconds of one pool, as means and rates.
package struct DiagnosisWindow: Sendable {
    /// How far back signatures look: long enough for means of a few requests a second, short enough
    /// to name a cause within half a minute.
    package static let seconds = 10
    /// How far back accounts are compared; a multiple of how long requests take.
    static let longSeconds = 60

    let earlier: PoolFigures
    let now: PoolFigures
    let tracks: [ReplicaTrack]
    /// Gauges of each second, without the replicas.
    let gauges: [PoolFigures]
    /// Between the two, as the clock has it.
    var seconds: Double { max(1e-3, (now.at - earlier.at).seconds) }

    // MARK: Rates and parts

    func rate(_ counter: (PoolFigures) -> Double) -> Double { growth(counter) / seconds }
    func growth(_ counter: (PoolFigures) -> Double) -> Double {
        max(0, counter(now) - counter(earlier))
    }
    func mean(_ tally: (PoolFigures) -> HistogramTotals) -> Double? {
        tally(now).since(tally(earlier))?.mean
    }
    func count(_ tally: (PoolFigures) -> HistogramTotals) -> Double {
        tally(now).since(tally(earlier))?.count ?? 0
    }
    /// Of those that ended, the part that ended so.
    func part(_ counter: (PoolFigures) -> Double) -> Double? {
        let all = growth(\.finished)
        return all > 0 ? growth(counter) / all : nil
    }
    private func gauge(_ gauge: (PoolFigures) -> Double) -> Double {
        gauges.reduce(0) { $0 + gauge($1) } / Double(max(1, gauges.count))
    }

    var queueLength: Double { gauge(\.queueLength) }
    /// The part of the seconds in which somebody waited in the gateway.
    var queuedPart: Double { gauge { $0.queueLength > 0 ? 1 : 0 } }
    /// In flight as a part of capacity; nil where nothing serves.
    var utilization: Double? { Self.utilization(gauges[...]) }
    /// The same of the last three seconds: means over the whole window lag behind a step.
    var utilizationNow: Double? { Self.utilization(gauges.suffix(3)) }

    /// Refused between two looks at each of which less of the capacity than this part was in use: not
    /// those of a burst that is over.
    func shed(below part: Double) -> Double {
        let idle = gauges.map { $0.inFlight < part * $0.capacity }
        return gauges.indices.dropFirst().reduce(0) { sum, index in
            guard idle[index - 1], idle[index] else { return sum }
            return sum + max(0, gauges[index].shed - gauges[index - 1].shed)
        }
    }

    private static func utilization(_ gauges: ArraySlice<PoolFigures>) -> Double? {
        let capacity = gauges.reduce(0) { $0 + $1.capacity }
        return capacity > 0 ? gauges.reduce(0) { $0 + $1.inFlight } / capacity : nil
    }
    /// Whether in each of the last three seconds somebody waited, in the gateway or in engines.
    var isQueuedNow: Bool {
        let here = gauges.suffix(3)
        guard here.count == 3 else { return false }
        return here.allSatisfy { $0.queueLength > 0 }
            || serving.contains { track in
                track.samples.suffix(3).allSatisfy { $0.isHeard && ($0.waiting ?? 0) >= 1 }
            }
    }
    /// Of the requests without content the longest wait in the last second, and requests that wait in
    /// engines then.
    var oldestNow: Double { now.oldestUnanswered }
    var waitingNow: Double? {
        let values = serving.compactMap { $0.now.flatMap { $0.isHeard ? $0.waiting : nil } }
        return values.isEmpty ? nil : values.reduce(0, +)
    }
    /// In flight at a replica that serves: over the window, and in the last three seconds.
    var perReplica: Double { perReplica { $0.samples[...] } }
    var perReplicaNow: Double { perReplica { $0.samples.suffix(3) } }

    private func perReplica(_ samples: (ReplicaTrack) -> ArraySlice<ReplicaFigures>) -> Double {
        let counts = serving.map { track -> Double in
            let lately = samples(track)
            return lately.reduce(0) { $0 + $1.inFlight } / Double(max(1, lately.count))
        }
        return counts.reduce(0, +) / Double(max(1, counts.count))
    }
    /// Whether as much was held in the first half as in the second.
    var isSteady: Bool {
        let held = gauges.map(\.held)
        let half = held.count / 2
        let first = held.prefix(half).reduce(0, +)
        let second = held.suffix(half).reduce(0, +)
        return abs(first - second) <= 0.1 * max(first, second)
    }

    // MARK: Of all replicas together

    var serving: [ReplicaTrack] { tracks.filter { $0.now?.isServing ?? false } }
    /// Requests that wait in engines; nil where no replica says.
    var waiting: Double? { sum { $0.mean { $0.isHeard ? $0.waiting : nil } } }
    var running: Double? { sum { $0.mean { $0.isHeard ? $0.running : nil } } }
    var slots: Double { serving.reduce(0) { $0 + ($1.now?.slots ?? 0) } }

    private func sum(_ value: (ReplicaTrack) -> Double?) -> Double? {
        let values = serving.compactMap(value)
        return values.isEmpty ? nil : values.reduce(0, +)
    }

    private func tally(_ tally: (ReplicaFigures) -> HistogramTotals?) -> HistogramTotals? {
        let sum = tracks.compactMap { $0.growth(tally) }.reduce(HistogramTotals(), +)
        return sum.count > 0 ? sum : nil
    }
    var engineQueueTotals: HistogramTotals? { tally(\.engineQueue) }
    /// Mean time in an engine's queue, of those that finished, seconds.
    var engineQueue: Double? { engineQueueTotals?.mean }
    /// Mean time of prefill by the engines' account, of those that finished, seconds.
    var prefill: Double? { tally(\.prefill)?.mean }
    /// Mean time from a request's last byte at a replica to its first token, seconds.
    var engine: Double? { mean(\.engine) }
    /// Requests that brought a first token: below ``requestsMin`` means say little.
    var requests: Double { count(\.engine) }
    /// Of so many requests a mean is worth something.
    static let requestsMin = 5.0
    /// Part of the prompt tokens that were found in the prefix cache.
    var hitRatio: Double? {
        let queries = tracks.compactMap { $0.growth(\.prefixQueries) }.reduce(0, +)
        let hits = tracks.compactMap { $0.growth(\.prefixHits) }.reduce(0, +)
        return queries > 0 ? min(1, hits / queries) : nil
    }
    /// Gateway wait and engine queue together, seconds.
    var queueTime: Double? {
        guard let ours = mean(\.queueWait) else { return engineQueue }
        return ours + (engineQueue ?? 0)
    }
}
