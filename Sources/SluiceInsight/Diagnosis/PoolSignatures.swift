/// Signatures of a pool as a whole; see docs/diagnosis.md.
struct PoolSignatures {
    let window: DiagnosisWindow
    let ranges: PoolRanges
    /// The same over ``DiagnosisWindow/longSeconds``; nil before so much has passed.
    let long: DiagnosisWindow?
    /// What has been found of its replicas.
    let replicas: [Finding]

    /// The first cause in order that explains times and refusals; nil: none.
    func first() -> Finding? {
        accounting() ?? direct() ?? windowTooSmall() ?? cacheThrash() ?? longerPrompts()
            ?? imbalance() ?? shedWhileIdle() ?? slowFirstTokens() ?? slowTokens()
    }

    /// Of them those that are seen without a whole window: nobody serves, or all slots are taken.
    func direct() -> Finding? { nobodyServes() ?? slotBound() }

    func finding(
        _ cause: Cause, _ confidence: Confidence, _ evidence: [Evidence?]
    ) -> Finding {
        Finding(cause, window.now.name, confidence, evidence.compactMap { $0 })
    }

    /// A number with what is usual beside it.
    func usual(
        _ signal: String, _ value: Double?, _ range: HealthyRange, _ unit: Unit
    ) -> Evidence? {
        value.map { Evidence(signal, $0, unit, range.aside(unit)) }
    }

    /// Whether a cause found at half the replicas or more explains the pool.
    private func isExplained(by causes: Set<Cause>) -> Bool {
        let count = replicas.count { causes.contains($0.cause) }
        return count > 0 && count * 2 >= window.tracks.count
    }

    // MARK: Whether first tokens, queues and tokens are worse than usual

    private static func isAbove(_ value: Double?, _ bound: Double?) -> Bool {
        guard let value, let bound else { return false }
        return value > bound
    }

    /// Where there is an objective, half of it is what a queue may take.
    private var isQueueLong: Bool {
        Self.isAbove(
            window.queueTime,
            ranges.queueTime.upper(
                factor: 3, margin: max(0.05, (window.now.firstTokenObjective ?? 0) / 2))
                ?? (window.now.firstTokenObjective ?? 2) / 2)
    }
    /// Engines whose slots are not taken queue for their steps: that queue explains nothing.
    private var isQueueForSlots: Bool {
        isQueueLong && (window.utilization ?? 1) >= Self.fullFrom
    }
    /// The part of the slots from which on they are as good as taken.
    private static let fullFrom = 0.85

    private var isFirstTokenLate: Bool {
        Self.isAbove(
            window.mean(\.firstToken),
            ranges.firstToken.upper(
                factor: 1.5, margin: max(0.05, (window.now.firstTokenObjective ?? 0) / 4))
                ?? window.now.firstTokenObjective)
    }
    private var isTokenLate: Bool {
        Self.isAbove(
            window.mean(\.gap),
            ranges.gap.upper(
                factor: 1.4, margin: max(0.002, (window.now.timePerTokenObjective ?? 0) / 4))
                ?? window.now.timePerTokenObjective)
    }
    /// By the engines' account where they give one, else by the time to the first token there.
    private var isPrefillLong: Bool {
        guard window.requests >= DiagnosisWindow.requestsMin else { return false }
        let (value, range) =
            window.prefill == nil
            ? (window.engine, ranges.engine) : (window.prefill, ranges.prefill)
        return Self.isAbove(value, range.upper(factor: 1.3, margin: 0.01))
    }

    private var prefill: Evidence? {
        window.prefill == nil
            ? usual("first token in the engine", window.engine, ranges.engine, .seconds)
            : usual("prefill", window.prefill, ranges.prefill, .seconds)
    }

    // MARK: Lines

    /// Line 13: Little's law, over a span of many requests in which the load stood.
    private func accounting() -> Finding? {
        guard let long, !window.now.sharesModels, let residence = long.mean(\.duration),
            residence > 0, residence * 10 <= long.seconds, long.count(\.duration) >= 100,
            long.isSteady, let first = long.gauges.first, let last = long.gauges.last
        else { return nil }
        let mean = long.gauges.reduce(0) { $0 + $1.held } / Double(long.gauges.count)
        let byRate = long.count(\.duration) / long.seconds * residence
        // What was there at either end has been counted in part only, and between two looks a number
        // of requests varies by its root.
        let slack =
            max(first.held, last.held) * residence / long.seconds
            + 4 * (max(mean, byRate) / Double(long.gauges.count)).squareRoot()
        let off = abs(mean - byRate)
        guard off > 0.1 * max(mean, byRate) + slack, off >= 1 else { return nil }
        return finding(
            .accountingError, .likely,
            [
                Evidence("mean requests in the gateway", mean, .requests),
                Evidence("their rate times their mean time", byRate, .requests),
            ])
    }

    /// Nobody can be served: no replica takes work, and requests were refused for it or would be.
    ///
    /// Of replicas that answer but fail or stand still only a refusal tells: a pool in panic sends
    /// requests there all the same.
    private func nobodyServes() -> Finding? {
        let refused = window.growth(\.unserved) + window.growth(\.shed)
        let isUnreachable = window.tracks.allSatisfy { !($0.now?.isReachable ?? true) }
        guard window.serving.isEmpty, isUnreachable || refused >= 1 else { return nil }
        let resting = window.tracks.count { track in
            track.now.map { !$0.isReachable && $0.trouble == nil } ?? false
        }
        return finding(
            .noReplica, .certain,
            [
                Evidence("replicas known", Double(window.tracks.count), .replicas),
                resting > 0
                    ? Evidence("of them cordoned or asleep", Double(resting), .replicas) : nil,
                Evidence("refused", refused / window.seconds, .perSecond),
            ])
    }

    /// Line 4: every slot taken and requests waiting, so long that some are refused or late.
    private func slotBound() -> Finding? {
        guard !isExplained(by: [.gpuFault, .kvBound, .replicaStalled, .metricsPathBroken]),
            isSlotBound || isSlotBoundNow
        else { return nil }
        // A GPU's error is certain to be one where its replica does not serve.
        let down = replicas.count { $0.cause < .metricsPathBroken && $0.confidence == .certain }
        return finding(
            .slotBound, .likely,
            [
                window.utilizationNow.map {
                    Evidence("requests at replicas for each slot", $0, .count)
                },
                Evidence("waiting in the gateway", window.queueLength, .requests),
                window.waitingNow.map { Evidence("waiting in engines", $0, .requests) },
                window.oldestNow > 0
                    ? Evidence("the longest wait for a first token", window.oldestNow, .seconds)
                    : nil,
                Evidence("refused", window.rate(\.shed), .perSecond),
                usual("offered load", window.rate(\.received), ranges.arrivals, .perSecond),
                usual("prompt", window.mean(\.promptTokens), ranges.promptTokens, .tokens),
                usual("answer", window.mean(\.generatedTokens), ranges.generatedTokens, .tokens),
                down > 0 ? Evidence("replicas that do not serve", Double(down), .replicas) : nil,
            ])
    }

    /// By the whole window, and by what requests that ended have waited.
    private var isSlotBound: Bool {
        guard window.queuedPart >= 0.8 || (window.waiting ?? 0) >= 1,
            let utilization = window.utilization, utilization >= Self.fullFrom
        else { return false }
        return window.growth(\.shed) >= 1 || isQueueLong
    }

    /// By the last three seconds, and by who still waits: times of queues come with the ends of
    /// requests, long after the queue where answers are long.
    private var isSlotBoundNow: Bool {
        guard let utilization = window.utilizationNow, utilization >= Self.fullFrom,
            window.isQueuedNow,
            // A short queue at slots well used is what one wants; answers in one piece take long anyway.
            window.now.queueLength + (window.waitingNow ?? 0)
                >= Self.queueShare * window.now.capacity
        else { return false }
        let objective = window.now.firstTokenObjective
        let bound =
            ranges.firstToken.upper(factor: 3, margin: max(0.5, objective ?? 0))
            ?? objective ?? Self.waitDefault
        return window.oldestNow > bound
    }
    private static let queueShare = 0.25
    /// Seconds to a first token that are too many where neither an objective nor a usual time is known.
    private static let waitDefault = 2.0

    /// Line 5: requests wait here while no engine has a queue and slots are free.
    private func windowTooSmall() -> Finding? {
        guard window.queuedPart >= 0.8, let waiting = window.waiting, waiting < 0.5,
            let running = window.running, window.slots > 0, running < 0.75 * window.slots,
            // Slots that a cache has no room for, and of those just begun with, are kept empty on purpose.
            !replicas.contains(where: { $0.cause == .kvBound }),
            !window.serving.contains(where: { $0.now?.isWarming ?? false }),
            window.serving.allSatisfy({ ($0.mean { $0.cacheUsage } ?? 0) < 0.7 })
        else { return nil }
        return finding(
            .windowTooSmall, .likely,
            [
                Evidence("waiting in the gateway", window.queueLength, .requests),
                Evidence("waiting in engines", waiting, .requests),
                Evidence(
                    "running in engines", running, .requests,
                    "slots: \(Unit.requests.text(window.slots))"),
            ])
    }

    /// Line 8: prefill takes longer, prompts are as long as ever, fewer of their tokens are cached.
    private func cacheThrash() -> Finding? {
        guard isPrefillLong, !isQueueForSlots, !arePromptsLonger, let hits = window.hitRatio,
            let lower = ranges.hitRatio.lower(factor: 1.3, margin: 0.1), hits < lower
        else { return nil }
        return finding(
            .cacheThrash, .likely,
            [
                usual("prompt tokens found in the cache", hits, ranges.hitRatio, .ratio),
                prefill,
                usual("prompt", window.mean(\.promptTokens), ranges.promptTokens, .tokens),
            ])
    }

    private var arePromptsLonger: Bool {
        Self.isAbove(window.mean(\.promptTokens), ranges.promptTokens.upper(factor: 1.3))
    }

    /// Line 9: prefill takes longer, and so do prompts.
    private func longerPrompts() -> Finding? {
        guard isPrefillLong, arePromptsLonger else { return nil }
        return finding(
            .longerPrompts, .likely,
            [
                usual("prompt", window.mean(\.promptTokens), ranges.promptTokens, .tokens),
                prefill,
                usual("first token", window.mean(\.firstToken), ranges.firstToken, .seconds),
            ])
    }

    /// Line 11: a queue at one replica and none at another.
    private func imbalance() -> Finding? {
        let queues = window.serving.compactMap { track in
            track.mean { $0.isHeard ? $0.waiting : nil }.map { (track.now?.name ?? "", $0) }
        }
        guard let longest = queues.max(by: { $0.1 < $1.1 }),
            let shortest = queues.min(by: { $0.1 < $1.1 }), longest.1 > 5, shortest.1 < 0.5
        else { return nil }
        return finding(
            .imbalance, .likely,
            [
                Evidence("waiting at \(longest.0)", longest.1, .requests),
                Evidence("waiting at \(shortest.0)", shortest.1, .requests),
            ])
    }

    /// Line 12: refusals with a fifth of the capacity unused.
    private func shedWhileIdle() -> Finding? {
        let sheds = window.shed(below: 0.8)
        guard sheds >= 3, let utilization = window.utilization, utilization < 0.8,
            let now = window.utilizationNow, now < 0.8,
            !replicas.contains(where: { $0.cause == .kvBound })
        else { return nil }
        return finding(
            .shedWhileIdle, .likely,
            [
                Evidence("refused", sheds / window.seconds, .perSecond),
                Evidence("requests at replicas for each slot", utilization, .count),
                Evidence("waiting in the gateway", window.queueLength, .requests),
            ])
    }

    // MARK: What is left (the interpretation matrix)

    private var hasSlowReplica: Bool {
        replicas.contains { $0.cause == .slowReplica || $0.cause == .gpuThrottled }
    }

    /// First tokens late for no want of slots, tokens as usual.
    private func slowFirstTokens() -> Finding? {
        guard isFirstTokenLate, !isQueueForSlots, isPrefillLong, !isTokenLate,
            !hasSlowReplica
        else { return nil }
        return finding(
            .slowPrefill, .possible,
            [
                usual("first token", window.mean(\.firstToken), ranges.firstToken, .seconds),
                usual("queue", window.queueTime, ranges.queueTime, .seconds),
                prefill,
                usual("prompt", window.mean(\.promptTokens), ranges.promptTokens, .tokens),
                usual("between tokens", window.mean(\.gap), ranges.gap, .seconds),
            ])
    }

    /// Tokens slow for no want of slots: by the batch, or in spite of it.
    private func slowTokens() -> Finding? {
        guard isTokenLate, !isQueueForSlots, window.requests >= DiagnosisWindow.requestsMin,
            !hasSlowReplica, !replicas.contains(where: { $0.cause == .kvBound })
        else { return nil }
        let each = max(window.perReplica, window.perReplicaNow)
        let isCrowded = ranges.perReplica.upper(factor: 1.3, margin: 1).map { each > $0 }
        return finding(
            isCrowded == true ? .tooConcurrent : .slowDecode,
            isCrowded == nil ? .possible : .likely,
            [
                usual("between tokens", window.mean(\.gap), ranges.gap, .seconds),
                usual("in flight at each replica", each, ranges.perReplica, .requests),
                usual("queue", window.queueTime, ranges.queueTime, .seconds),
            ])
    }
}
