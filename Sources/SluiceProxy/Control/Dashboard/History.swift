import SluiceInsight
import SluiceTelemetry

/// One second of the past. Rates are per second, times in seconds; nil where there was nothing to
/// measure.
struct HistoryPoint: Sendable {
    /// Whole seconds since 1970.
    var at: Int64 = 0
    var served = 0.0
    var refused = 0.0
    var failed = 0.0
    var abandoned = 0.0
    var tokens = 0.0
    /// Tokens of answers that kept every objective they fall under.
    var goodputTokens = 0.0
    /// Of the last ``History/windowSeconds``.
    var firstTokenMedian: Double?
    var firstToken99: Double?
    /// Also of those who got none.
    var firstTokenWait99: Double?
    var gap99: Double?
    var queueWait99: Double?
    /// Mean waits, ours and the engines': together the time in queues.
    var queueMean: Double?
    var engineQueueMean: Double?
    /// Part of the first tokens within the objective, those that never came counted as late.
    var inObjective: Double?
    var queueLength = 0
    var inFlight = 0
}

/// What the live page shows of the past: a point a second for a quarter of an hour, in memory that
/// never grows.
struct History: Sendable {
    static let pointsMax = 900
    /// What quantiles are taken over: of a single second they would say little.
    static let windowSeconds = 10
    /// What refusals by reason are counted over.
    static let shedWindowSeconds = 60

    /// The number of the next point; the first is 0.
    private(set) var next = 0
    private var points: [HistoryPoint] = []
    /// The totals of the last seconds, the oldest first: ``windowSeconds`` + 1 at most.
    private var recent: [UserTotals] = []
    private var lastGoodput: UInt64 = 0
    /// Refusals by reason, each second's total.
    private var sheds: [[Reason: UInt64]] = []

    /// What the pools say besides the workers' counts.
    struct Load {
        var queueLength = 0
        var inFlight = 0
        /// Since start.
        var goodputTokens: UInt64 = 0
        var queueTime = QueueTime()
    }

    /// Adds a second.
    ///
    /// - Parameters:
    ///   - seconds: since the last call; more than one where the thread was held up.
    ///   - objective: for the first token, seconds; nil: there is none.
    mutating func record(
        _ totals: UserTotals, at unixSeconds: Int64, seconds: Double, objective: Double?,
        _ load: Load
    ) {
        defer {
            lastGoodput = load.goodputTokens
            recent.append(totals)
            if recent.count > Self.windowSeconds { recent.removeFirst() }
            sheds.append(totals.sheds)
            if sheds.count > Self.shedWindowSeconds + 1 { sheds.removeFirst() }
        }
        guard let last = recent.last, let oldest = recent.first, seconds > 0 else { return }
        func rate(_ now: UInt64, _ before: UInt64) -> Double {
            now > before ? Double(now - before) / seconds : 0
        }
        var point = HistoryPoint(at: unixSeconds)
        point.served = rate(totals[.served], last[.served])
        point.refused = rate(totals[.refused], last[.refused])
        point.failed = rate(totals[.failed], last[.failed])
        point.abandoned = rate(totals[.abandoned], last[.abandoned])
        point.tokens = rate(totals.generationTokens, last.generationTokens)
        point.goodputTokens = rate(load.goodputTokens, lastGoodput)
        let firstToken = totals.firstToken.since(oldest.firstToken)
        let wait = totals.firstTokenWait.since(oldest.firstTokenWait)
        point.firstTokenMedian = firstToken.quantile(0.5)
        point.firstToken99 = firstToken.quantile(0.99)
        point.firstTokenWait99 = wait.quantile(0.99)
        point.gap99 = totals.gap.since(oldest.gap).quantile(0.99)
        point.queueWait99 = totals.queueWait.since(oldest.queueWait).quantile(0.99)
        point.queueMean = load.queueTime.gateway
        point.engineQueueMean = load.queueTime.engine
        if let objective, wait.count > 0 {
            let within = (firstToken.part(upTo: objective) ?? 0) * Double(firstToken.count)
            point.inObjective = within / Double(wait.count)
        }
        point.queueLength = load.queueLength
        point.inFlight = load.inFlight
        if points.count < Self.pointsMax {
            points.append(point)
        } else {
            points[next % Self.pointsMax] = point
        }
        next += 1
    }

    /// The points from number `first` on, as far as they are kept, the oldest first.
    func points(from first: Int) -> [HistoryPoint] {
        let oldest = next - points.count
        return (min(max(first, oldest), next)..<next).map { points[$0 % Self.pointsMax] }
    }

    /// Refusals of the last ``shedWindowSeconds``, the most frequent reason first.
    var recentSheds: [(reason: Reason, count: UInt64)] {
        guard let before = sheds.first, let now = sheds.last else { return [] }
        return now.map { ($0.key, $0.value &- before[$0.key, default: 0]) }
            .filter { $0.count > 0 }
            .sorted { ($1.count, $0.reason.rawValue) < ($0.count, $1.reason.rawValue) }
    }
}
