import SluiceTime

/// How a request's wait at the gate ended.
package enum QueueResult: UInt8, CaseIterable, Sendable {
    /// It was sent, at once or later; it was refused; its client left, or we cut it.
    case dispatched, refused, abandoned

    /// The value of the label `result`.
    package var label: StaticString {
        switch self {
        case .dispatched: "dispatched"
        case .refused: "refused"
        case .abandoned: "abandoned"
        }
    }
}

extension SeriesKey {
    /// Whether it is of waits at a gate that ended with the request being sent.
    var isOfSentRequests: Bool {
        series == .queueWait && c == UInt16(QueueResult.dispatched.rawValue)
    }
}

extension MetricShard {
    /// Counts the wait of a request at the gate of its pool, once, when it ends.
    package func waited(_ record: inout ExchangeRecord, _ result: QueueResult, now: Instant) {
        let pool = UInt16(bitPattern: record.poolIndex)
        let classIndex = UInt16(record.classIndex & 15)
        let wait = max(.zero, now - record.received)
        observe(SeriesKey(.queueWait, pool, classIndex, UInt16(result.rawValue)), .short, wait)
        let predicted = record.predictedWait
        guard predicted >= .zero, wait > .zero else { return }
        observeError(wait, predicted, result, pool, classIndex)
    }

    private func observeError(
        _ wait: Nanoseconds, _ predicted: Nanoseconds, _ result: QueueResult, _ pool: UInt16,
        _ classIndex: UInt16
    ) {
        // Of one that was not sent it is known only that it would have waited longer.
        guard result == .dispatched || wait > predicted else { return }
        let isUnder = wait > predicted
        observe(
            SeriesKey(.predictionError, pool, classIndex, isUnder ? 1 : 0), .short,
            isUnder ? wait - predicted : predicted - wait)
    }

    /// Counts a wait that was predicted for a request, whatever follows from it.
    package func predictedWait(_ record: inout ExchangeRecord) {
        guard record.predictedWait >= .zero else { return }
        observe(
            SeriesKey(
                .predictedWait, UInt16(bitPattern: record.poolIndex),
                UInt16(record.classIndex & 15)), .short, record.predictedWait)
    }
}
