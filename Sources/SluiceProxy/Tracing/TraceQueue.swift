import SluiceBytes
import SluiceReactor
import SluiceTime
import SluiceTracing

// Workers put, the export thread takes, behind a lock held for moving a few references. A collector
// that is slow or dead costs spans, which are counted, and nothing else.

/// A finished exchange that is to be exported.
struct FinishedTrace {
    let trace: Pinned<ExchangeTrace>
    let spanCount: Int
}

/// Finished exchanges on their way to the export thread.
final class TraceQueue: Sendable {
    private struct Box {
        /// Handed over and not yet taken, the oldest first.
        var traces: [FinishedTrace] = []
        var spanCount = 0
        /// When the oldest came, or one that has been taken since.
        var since = Instant.never
    }

    /// Spans that may wait; exchanges beyond are dropped and counted.
    let spansMax: Int
    let counts = TraceCounts()
    private let box = Guarded(Box())

    init(spansMax: Int) { self.spansMax = spansMax }

    /// Hands finished exchanges over and forgets them here.
    func put(_ traces: inout [FinishedTrace], now: Instant) {
        let dropped = box.withLock { box in
            var dropped = 0
            for finished in traces {
                guard box.spanCount + finished.spanCount <= spansMax else {
                    dropped += finished.spanCount
                    continue
                }
                if box.traces.isEmpty { box.since = now }
                box.spanCount += finished.spanCount
                box.traces.append(finished)
            }
            return dropped
        }
        traces.removeAll(keepingCapacity: true)
        counts.dropped(dropped, .queueFull)
    }

    /// Spans that wait.
    var spanCount: Int { box.withLock { $0.spanCount } }

    /// Takes the oldest exchanges, where there are `spans` of them or they have waited since `due`.
    ///
    /// - Parameter spans: of all that are taken at most; one exchange is taken even if it has more.
    func take(spans: Int, due: Instant) -> [FinishedTrace] {
        box.withLock { box in
            guard box.spanCount >= spans || box.since <= due else { return [] }
            var (count, sum) = (0, 0)
            for finished in box.traces {
                if count > 0, sum + finished.spanCount > spans { break }
                count += 1
                sum += finished.spanCount
            }
            let taken = Array(box.traces.prefix(count))
            box.traces.removeFirst(count)
            box.spanCount -= sum
            if box.traces.isEmpty { box.since = .never }
            return taken
        }
    }
}

/// Why spans never reached the collector: the label `reason` of `sluice_trace_spans_dropped_total`.
enum TraceLoss: Int, CaseIterable, Sendable {
    /// Too many waited.
    case queueFull
    /// The collector could not be reached, or was busy, however often it was asked.
    case unavailable
    /// The collector refused a whole batch.
    case refused
    /// The collector took a batch but for some of its spans.
    case rejected
    /// The gateway ended first.
    case stopped

    var label: String {
        switch self {
        case .queueFull: "queue_full"
        case .unavailable: "unavailable"
        case .refused: "refused"
        case .rejected: "rejected"
        case .stopped: "stopped"
        }
    }
}

/// What became of spans: written once a batch by workers and export thread, read by `/metrics`.
final class TraceCounts: Sendable {
    struct Values: Sendable {
        var exported = 0
        /// By the number of the ``TraceLoss``.
        var dropped = [Int](repeating: 0, count: TraceLoss.allCases.count)
        /// Batches that the collector took, and times one had to be sent again or was given up.
        var (delivered, failed) = (0, 0)
    }

    private let values = Guarded(Values())

    var now: Values { values.withLock { $0 } }

    func dropped(_ spans: Int, _ why: TraceLoss) {
        if spans > 0 { values.withLock { $0.dropped[why.rawValue] += spans } }
    }

    /// The collector has taken a batch, but for `rejected` of its spans.
    func delivered(_ spans: Int, rejected: Int) {
        values.withLock {
            $0.delivered += 1
            $0.exported += spans - rejected
            $0.dropped[TraceLoss.rejected.rawValue] += rejected
        }
    }

    func failed() { values.withLock { $0.failed += 1 } }
}
