import SluiceTelemetry

/// The last seconds of one replica, and what is usual for it.
struct ReplicaTrack: Sendable {
    /// Samples kept: a window of ten seconds has eleven ends.
    static let samplesMax = DiagnosisWindow.seconds + 1

    private(set) var samples: [ReplicaFigures] = []
    var stepTime = HealthyRange()
    var cacheUsage = HealthyRange()
    var preemptions = HealthyRange()
    private(set) var gpu = GPUTrack()

    mutating func add(_ figures: ReplicaFigures) {
        if samples.count == Self.samplesMax { samples.removeFirst() }
        samples.append(figures)
        gpu.add(figures.gpu)
    }

    var now: ReplicaFigures? { samples.last }
    /// Whether the window is whole.
    var isFull: Bool { samples.count == Self.samplesMax }

    // MARK: Over the window

    /// The mean of a gauge over the samples that have it; nil where less than half do.
    func mean(_ gauge: (ReplicaFigures) -> Double?) -> Double? {
        let values = samples.compactMap(gauge)
        guard !values.isEmpty, values.count * 2 >= samples.count else { return nil }
        return values.reduce(0, +) / Double(values.count)
    }

    /// The least and the greatest of a gauge; nil where a sample of the last `seconds` lacks it.
    func extremes(
        of gauge: (ReplicaFigures) -> Double?, seconds: Int = DiagnosisWindow.seconds
    ) -> (least: Double, greatest: Double)? {
        let lately = samples.suffix(seconds + 1)
        let values = lately.compactMap(gauge)
        guard lately.count == seconds + 1, values.count == lately.count,
            let least = values.min(), let greatest = values.max()
        else { return nil }
        return (least, greatest)
    }

    /// How much a counter has grown; nil where it is not known or began anew.
    func growth(_ counter: (ReplicaFigures) -> Double?) -> Double? {
        guard now?.isCounting ?? false, let first = samples.first.flatMap(counter),
            let last = now.flatMap(counter), last >= first
        else { return nil }
        return last - first
    }

    /// What came to a tally.
    func growth(_ tally: (ReplicaFigures) -> HistogramTotals?) -> HistogramTotals? {
        guard now?.isCounting ?? false, let first = samples.first.flatMap(tally),
            let last = now.flatMap(tally)
        else { return nil }
        return last.since(first)
    }

    /// Whether it gave tokens within the last seconds.
    func isMoving(within seconds: Double) -> Bool {
        now?.eventAge.map { $0 <= seconds } ?? false
    }

    /// Whether its metrics are of now and its engine has made steps in the last three seconds.
    var isStepping: Bool {
        let lately = samples.suffix(4).compactMap(\.heartbeat)
        guard now?.isHeard ?? false, let first = lately.first, let last = lately.last else {
            return false
        }
        return last > first
    }

    /// Mean time of a step while it gave tokens; nil where it did for less than half of the window.
    var workingStepTime: Double? {
        mean { figures in
            guard let age = figures.eventAge, age < 2, figures.inFlight > 0 else { return nil }
            return figures.stepTime
        }
    }

    /// What one second has to teach.
    struct Lesson: Sendable {
        let stepTime, cacheUsage, preemptions, clock: Double?
    }

    private var lessons = HeldBack<Lesson>()

    /// Nothing is wrong with it now: what was held back for ``DiagnosisWindow/seconds`` is learned.
    mutating func isWell() {
        let lesson = Lesson(
            stepTime: workingStepTime, cacheUsage: mean { $0.isHeard ? $0.cacheUsage : nil },
            preemptions: growth(\.preemptions).map { $0 / Double(DiagnosisWindow.seconds) },
            clock: gpuClock)
        guard let learned = lessons.add(lesson) else { return }
        if let time = learned.stepTime { stepTime.observe(time) }
        if let usage = learned.cacheUsage { cacheUsage.observe(usage) }
        if let rate = learned.preemptions { preemptions.observe(rate) }
        gpu.learn(learned.clock)
    }

    /// Something is: nothing of the last seconds is learned.
    mutating func isUnwell() { lessons.drop() }
}
