/// What is usual for a pool.
struct PoolRanges: Sendable {
    /// What one second has to teach; nil where nothing was measured in it.
    struct Lesson: Sendable {
        fileprivate let values: [Double?]

        /// Nil where hardly anybody asked for anything: that says little.
        init?(_ window: DiagnosisWindow) {
            guard window.growth(\.finished) >= DiagnosisWindow.requestsMin else { return nil }
            values = PoolRanges.signals.map { $0.value(window) }
        }
    }

    var arrivals = HealthyRange()
    var firstToken = HealthyRange()
    var queueTime = HealthyRange()
    var gap = HealthyRange()
    var prefill = HealthyRange()
    var engine = HealthyRange()
    var promptTokens = HealthyRange()
    var generatedTokens = HealthyRange()
    var hitRatio = HealthyRange()
    /// In flight for each replica that serves.
    var perReplica = HealthyRange()
    var failed = HealthyRange()
    var abandoned = HealthyRange()
    var clientErrors = HealthyRange()

    private typealias Signal = (
        range: WritableKeyPath<PoolRanges, HealthyRange>, value: (DiagnosisWindow) -> Double?
    )

    private static var signals: [Signal] {
        [
            (\.arrivals, { $0.rate(\.received) }), (\.firstToken, { $0.mean(\.firstToken) }),
            (\.queueTime, { $0.queueTime }), (\.gap, { $0.mean(\.gap) }),
            (\.prefill, { $0.prefill }), (\.engine, { $0.engine }),
            (\.promptTokens, { $0.mean(\.promptTokens) }),
            (\.generatedTokens, { $0.mean(\.generatedTokens) }), (\.hitRatio, { $0.hitRatio }),
            (\.perReplica, { $0.serving.isEmpty ? nil : $0.perReplica }),
            (\.failed, { $0.part(\.failed) }), (\.abandoned, { $0.part(\.abandoned) }),
            (\.clientErrors, { $0.part(\.clientErrors) }),
        ]
    }

    mutating func learn(_ lesson: Lesson) {
        for (signal, value) in zip(Self.signals, lesson.values) {
            if let value { self[keyPath: signal.range].observe(value) }
        }
    }
}

/// Lessons of the last seconds, held back until it is known that nothing came of them: the first
/// seconds of what goes wrong look usual.
struct HeldBack<Lesson: Sendable>: Sendable {
    private var lessons: [Lesson] = []

    /// Adds one; returns the one that has proved right by now.
    mutating func add(_ lesson: Lesson) -> Lesson? {
        lessons.append(lesson)
        return lessons.count > DiagnosisWindow.seconds ? lessons.removeFirst() : nil
    }

    /// Something is wrong: none of them counts.
    mutating func drop() { lessons.removeAll(keepingCapacity: true) }
}
