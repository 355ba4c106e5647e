import SluiceTime

/// Everything a run has to say: its records, and the figures that are read off them.
///
/// A request counts where it *came*: in `[from, to)` of the counted part, by default all of it.
package struct RunResult: Sendable {
    package let configuration: FleetConfiguration
    /// All attempts, in the order they came, warm-up and tail included.
    package let records: [RequestRecord]
    /// Greatest difference seen between a policy's account of requests in flight and the fleet's,
    /// at any tick, or the engines' at the end.
    package let ledgerErrorMax: Int
    /// Requests that wait at a policy, or are open, when all is over.
    package let openAtEnd: Int
    /// Simulated time.
    package let simulated: Nanoseconds
    /// Steps of all engines.
    package let steps: Int

    /// The records that came in a part of the counted time, as offsets into it.
    package func came(
        from: Nanoseconds = .zero, to: Nanoseconds? = nil
    ) -> ArraySlice<RequestRecord> {
        let begin = configuration.measuredFrom + from
        let end = configuration.measuredFrom + (to ?? configuration.measured)
        return records[index(of: begin)..<max(index(of: begin), index(of: end))]
    }

    /// The first record that came at `instant` or later; they lie in that order.
    private func index(of instant: Instant) -> Int {
        var (low, high) = (0, records.count)
        while low < high {
            let middle = (low + high) / 2
            if records[middle].arrived < instant { low = middle + 1 } else { high = middle }
        }
        return low
    }

    private func isGood(_ record: RequestRecord) -> Bool {
        record.isGood(configuration.objectives[record.classIndex])
    }

    /// Work done within the objectives, in milliseconds of a full replica per second.
    package func goodWork(from: Nanoseconds = .zero, to: Nanoseconds? = nil) -> Double {
        let span = (to ?? configuration.measured) - from
        let work = came(from: from, to: to).reduce(0) { $0 + (isGood($1) ? $1.work : 0) }
        return work / max(span.seconds, 1e-9)
    }

    /// Share of the counted time of all slots in which they served somebody.
    package var slotTimeUsed: Double {
        let (from, to) = (configuration.measuredFrom, configuration.measuredTo)
        let used = records.reduce(0.0) { sum, record in
            guard record.outcome == .served else { return sum }
            let span = min(record.ended, to) - max(record.dispatched, from)
            return sum + max(0, span.seconds)
        }
        let slots = configuration.replicas.reduce(0) { $0 + $1.sequencesMax }
        return used / (Double(slots) * configuration.measured.seconds)
    }

    /// Requests within the objectives, a second.
    package var goodPerSecond: Double {
        Double(came().count { isGood($0) }) / configuration.measured.seconds
    }

    /// Share within the objectives, of those that a gateway let in and did not refuse later.
    ///
    /// Cut and lost ones are left out where `cut` is false: those of the replica that died.
    package func goodShareOfAdmitted(
        from: Nanoseconds = .zero, to: Nanoseconds? = nil, cut: Bool = true,
        where holds: (RequestRecord) -> Bool = { _ in true }
    ) -> Double {
        let (good, all) = admitted(from: from, to: to, cut: cut, where: holds)
        return all == 0 ? 1 : Double(good) / Double(all)
    }

    private func admitted(
        from: Nanoseconds, to: Nanoseconds?, cut: Bool = true,
        where holds: (RequestRecord) -> Bool = { _ in true }
    ) -> (good: Int, all: Int) {
        var (good, all) = (0, 0)
        for record in came(from: from, to: to) where holds(record) {
            switch record.outcome {
            case .served, .abandoned: all += 1
            case .cut, .lost: all += cut ? 1 : 0
            case .refused, .expired, .waiting, .inFlight: continue
            }
            if isGood(record) { good += 1 }
        }
        return (good, all)
    }

    /// Share within the objectives, of all that came.
    package func goodShareOfOffered(
        from: Nanoseconds = .zero, to: Nanoseconds? = nil,
        where holds: (RequestRecord) -> Bool = { _ in true }
    ) -> Double {
        let all = came(from: from, to: to).filter(holds)
        return all.isEmpty ? 1 : Double(all.count { isGood($0) }) / Double(all.count)
    }

    /// How many ended so, of the counted ones.
    package func count(
        _ outcome: RequestOutcome, where holds: (RequestRecord) -> Bool = { _ in true }
    ) -> Int {
        came().count { $0.outcome == outcome && holds($0) }
    }

    /// Times to the first token of those that got one, in seconds.
    package func firstTokenTimes(
        from: Nanoseconds = .zero, to: Nanoseconds? = nil,
        where holds: (RequestRecord) -> Bool = { _ in true }
    ) -> Percentiles {
        Percentiles(
            came(from: from, to: to).compactMap {
                holds($0) ? $0.timeToFirstToken?.seconds : nil
            })
    }

    /// Share of long prompts served over the share of short ones served; long is what one prompt
    /// in ten exceeds.
    package var longOverShort: Double {
        let bound = Study.prompts.ninetiethPercentile
        func served(_ isLong: Bool) -> Double {
            let all = came().filter { (Double($0.promptTokens) > bound) == isLong }
            return Double(all.count { $0.outcome == .served }) / Double(max(1, all.count))
        }
        return served(true) / max(served(false), 1e-9)
    }

    /// Admitted requests that a bin of ``goodShareBySecond(from:least:)`` has at least: of fewer, one that is
    /// late is more than 5 %, whatever the policy.
    package static let binMin = 20

    /// Second by second, the share of admitted requests within the objectives; a second with fewer
    /// than `least` of them is joined with the next, the last with the one before it.
    ///
    /// - Parameter from: where the first second begins, since the start of the counted part.
    package func goodShareBySecond(
        from: Nanoseconds = .zero, least: Int = binMin
    ) -> [(end: Nanoseconds, share: Double)] {
        var bins: [(end: Nanoseconds, good: Int, all: Int)] = []
        var end = from
        while end < configuration.measured {
            let begin = end
            end = min(begin + .seconds(1), configuration.measured)
            let (good, all) = admitted(from: begin, to: end)
            if let last = bins.indices.last, bins[last].all < least {
                bins[last] = (end, bins[last].good + good, bins[last].all + all)
            } else {
                bins.append((end, good, all))
            }
        }
        if bins.count > 1, let last = bins.last, last.all < least {
            bins.removeLast()
            let before = bins.removeLast()
            bins.append((last.end, before.good + last.good, before.all + last.all))
        }
        return bins.map { ($0.end, $0.all == 0 ? 1 : Double($0.good) / Double($0.all)) }
    }

    /// Shortest and longest `Retry-After` that a refusal carried; nil where none was refused.
    package var retryAfterRange: ClosedRange<Nanoseconds>? {
        let all = came().compactMap(\.retryAfter)
        guard let least = all.min(), let most = all.max() else { return nil }
        return least...most
    }
}
