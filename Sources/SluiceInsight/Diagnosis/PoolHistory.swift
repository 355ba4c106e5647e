import SluiceTime

/// A pool over a span of time: what a comparison shows of it.
package struct PoolPeriod: Sendable {
    /// The figures compared, in the order shown.
    package enum Figure: String, CaseIterable, Sendable {
        case arrivals = "offered load"
        case promptTokens = "prompt"
        case generatedTokens = "answer"
        case hitRatio = "found in the prefix cache"
        case clientErrors = "refused for the client's fault"
        case firstToken = "first token"
        case queueTime = "queue (gateway and engine)"
        case prefill = "prefill"
        case gap = "between tokens"
        case inFlight = "in flight"
        case shed = "refused for want of capacity"
        case failed = "failed"
        case abandoned = "left before the first token"
        case serving = "replicas serving"

        /// Whether it says what was asked for, not how it was served.
        package var isWorkload: Bool {
            switch self {
            case .arrivals, .promptTokens, .generatedTokens, .clientErrors: true
            case .hitRatio, .firstToken, .queueTime, .prefill, .gap, .inFlight, .shed, .failed,
                .abandoned, .serving:
                false
            }
        }

        /// What its numbers are in.
        package var unit: Unit {
            switch self {
            case .arrivals, .shed: .perSecond
            case .promptTokens, .generatedTokens: .tokens
            case .hitRatio, .clientErrors, .failed, .abandoned: .ratio
            case .firstToken, .queueTime, .prefill, .gap: .seconds
            case .inFlight: .requests
            case .serving: .replicas
            }
        }
    }

    /// As many as ``Figure`` has; a test holds them together.
    static let figures = 14
    /// Sums of the seconds' values and how many had one.
    private var sums = InlineArray<14, Double>(repeating: 0)
    private var counts = InlineArray<14, Double>(repeating: 0)

    package init() {}

    /// The mean of a figure over the period; nil where it was never measured.
    package subscript(figure: Figure) -> Double? {
        let index = Self.index(figure)
        return counts[index] > 0 ? sums[index] / counts[index] : nil
    }

    mutating func add(_ figure: Figure, _ value: Double?) {
        guard let value, value.isFinite else { return }
        let index = Self.index(figure)
        sums[index] += value
        counts[index] += 1
    }

    mutating func add(_ other: PoolPeriod) {
        for index in 0..<Self.figures {
            sums[index] += other.sums[index]
            counts[index] += other.counts[index]
        }
    }

    private static func index(_ figure: Figure) -> Int {
        Figure.allCases.firstIndex(of: figure) ?? 0
    }
}

/// What a pool was like: minutes of a day, then spans of ten minutes of eight days; 0.6 MB once it has
/// run so long.
struct PoolHistory: Sendable {
    private var minutes = PeriodRing(slotSeconds: 60, count: 1_500)
    private var tens = PeriodRing(slotSeconds: 600, count: 1_156)
    private(set) var began = Instant.unset
    private var last = Instant.unset

    /// Adds a second's window; overlapping windows weigh alike.
    mutating func add(_ window: DiagnosisWindow, at now: Instant) {
        if !began.isSet { began = now }
        last = now
        var second = PoolPeriod()
        second.add(.arrivals, window.rate(\.received))
        second.add(.promptTokens, window.mean(\.promptTokens))
        second.add(.generatedTokens, window.mean(\.generatedTokens))
        second.add(.hitRatio, window.hitRatio)
        second.add(.clientErrors, window.part(\.clientErrors))
        second.add(.firstToken, window.mean(\.firstToken))
        second.add(.queueTime, window.queueTime)
        second.add(.prefill, window.prefill)
        second.add(.gap, window.mean(\.gap))
        second.add(.inFlight, window.now.inFlight)
        second.add(.shed, window.rate(\.shed))
        second.add(.failed, window.part(\.failed))
        second.add(.abandoned, window.part(\.abandoned))
        second.add(.serving, Double(window.serving.count))
        minutes.add(second, at: now - began)
        tens.add(second, at: now - began)
    }

    /// Minutes that ended so long ago, or what there is of them; for more than a day ago ten of them. Nil
    /// where that is before the start, or beyond what is kept.
    func period(ago span: Nanoseconds, minutes count: Int) -> PoolPeriod? {
        let end = last - began - span
        guard began.isSet, end > .zero || span == .zero else { return nil }
        return span <= .seconds(86_400)
            ? minutes.sum(endingAt: max(end, .zero), slots: count)
            : tens.sum(endingAt: end, slots: 1)
    }

    /// How long there has been something to compare with.
    var age: Nanoseconds { began.isSet ? last - began : .zero }
}

/// Equal spans of time, the oldest overwritten by the newest.
private struct PeriodRing: Sendable {
    let slotSpan: Int64
    let count: Int
    private var slots: [PoolPeriod] = []
    private var newest: Int64 = 0

    init(slotSeconds: Int64, count: Int) {
        slotSpan = Nanoseconds.seconds(slotSeconds).count
        self.count = count
    }

    mutating func add(_ second: PoolPeriod, at age: Nanoseconds) {
        let slot = max(newest, age.count / slotSpan)
        // Memory as time goes on: most gateways are younger than what could be kept.
        let skipped = min(slot - newest, Int64(count))
        for step in stride(from: skipped - 1, through: 0, by: -1) { empty(slot - step) }
        if slots.isEmpty { empty(slot) }
        newest = slot
        slots[index(slot)].add(second)
    }

    private mutating func empty(_ slot: Int64) {
        let place = index(slot)
        while slots.count <= place { slots.append(PoolPeriod()) }
        slots[place] = PoolPeriod()
    }

    /// The slots up to the one that `age` lies in.
    func sum(endingAt age: Nanoseconds, slots wanted: Int) -> PoolPeriod? {
        let end = age.count / slotSpan
        guard end <= newest, newest - end < Int64(count - wanted) else { return nil }
        var sum = PoolPeriod()
        for slot in max(0, end - Int64(wanted) + 1)...end where index(slot) < slots.count {
            sum.add(slots[index(slot)])
        }
        return sum
    }

    private func index(_ slot: Int64) -> Int { Int(slot % Int64(count)) }
}

/// A pool now beside the same pool some time ago: did the workload change, or the serving?
package struct Comparison: Sendable {
    /// What the figures add up to.
    package enum Verdict: String, Sendable {
        /// Nothing worth naming has changed.
        case unchanged
        /// What is asked for has changed; the serving may have, with it.
        case workloadChanged = "workload_changed"
        /// The same is asked for and served worse.
        case servingRegressed = "serving_regressed"
        /// The same is asked for and served better.
        case servingImproved = "serving_improved"
        /// The gateway was not there, or keeps nothing so old.
        case notKept = "not_kept"
    }

    /// A change smaller than this part of the larger figure is none.
    package static let changeLeast = 0.25

    /// The last minutes.
    package let now: PoolPeriod
    /// Nil where nothing is kept of that time.
    package let earlier: PoolPeriod?
    /// How far back it would go.
    package let reach: Nanoseconds

    init(_ history: PoolHistory, against span: Nanoseconds) {
        // The two shall not overlap.
        let minutes = Int(max(1, min(5, span.count / Nanoseconds.seconds(60).count)))
        now = history.period(ago: .zero, minutes: minutes) ?? PoolPeriod()
        earlier = history.period(ago: span, minutes: minutes)
        reach = history.age
    }

    /// The new value over the old one; nil where either is missing or nothing.
    package func ratio(_ figure: PoolPeriod.Figure) -> Double? {
        guard let now = now[figure], let earlier = earlier?[figure], earlier > 0 else { return nil }
        return now / earlier
    }

    /// Whether a figure has changed so much that it is worth naming.
    package func hasChanged(_ figure: PoolPeriod.Figure) -> Bool {
        guard let now = now[figure], let earlier = earlier?[figure] else { return false }
        guard abs(now - earlier) > Self.changeLeast * max(now, earlier) else { return false }
        // Shares of one in a hundred and times of a few milliseconds double by chance.
        return max(now, earlier) > Self.negligible(figure.unit)
    }

    private static func negligible(_ unit: Unit) -> Double {
        switch unit {
        case .ratio: 0.02
        case .seconds: 0.005
        case .perSecond: 0.1
        case .tokens, .requests, .replicas, .count, .hertz, .celsius: 0.5
        }
    }

    package var verdict: Verdict {
        guard earlier != nil else { return .notKept }
        let changed = PoolPeriod.Figure.allCases.filter(hasChanged)
        if changed.contains(where: \.isWorkload) { return .workloadChanged }
        let worse = changed.filter { figure in
            let isMore = (now[figure] ?? 0) > (earlier?[figure] ?? 0)
            switch figure {
            case .firstToken, .queueTime, .prefill, .gap, .shed, .failed, .abandoned: return isMore
            case .serving, .hitRatio: return !isMore
            case .arrivals, .promptTokens, .generatedTokens, .clientErrors, .inFlight: return false
            }
        }
        if !worse.isEmpty { return .servingRegressed }
        return changed.isEmpty ? .unchanged : .servingImproved
    }
}
