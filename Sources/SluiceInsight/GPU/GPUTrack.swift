/// The last seconds of a replica's GPUs, and what is usual for them.
struct GPUTrack: Sendable {
    /// Seconds for which an error counts as news.
    static let newsSeconds = 600
    /// GPUs that run less are idle, and may clock down.
    static let busyUtilization = 0.5
    /// Below this part of its usual clock a GPU is held down; clocks stray by a few percent with heat.
    private static let clockRatioMin = 0.85

    private(set) var samples: [GPUFigures?] = []
    private(set) var clock = HealthyRange()
    /// Errors that were on the first page: who knows when they were.
    private var known: Set<GPUFigures.Fault>?
    /// What came after it, the newest last, with the seconds since.
    private var news: [(fault: GPUFigures.Fault, age: Int)] = []

    mutating func add(_ figures: GPUFigures?) {
        if samples.count == ReplicaTrack.samplesMax { samples.removeFirst() }
        samples.append(figures)
        for place in news.indices { news[place].age += 1 }
        news.removeAll { $0.age > Self.newsSeconds }
        guard let figures else { return }
        let faults = Set(figures.faults)
        // The same error once more leaves the page as it is: only another one is seen.
        for fault in figures.faults where known.map({ !$0.contains(fault) }) ?? false {
            news.append((fault, 0))
        }
        known = faults
    }

    var now: GPUFigures? { samples.last ?? nil }

    /// The newest error of the last ten minutes, and the seconds since.
    var lastFault: (fault: GPUFigures.Fault, age: Int)? { news.last }

    /// Mean clock while the GPUs were busy; nil where they were for less than half of the window.
    var busyClock: Double? {
        let clocks = samples.compactMap { figures -> Double? in
            guard let figures, figures.utilization.map({ $0 >= Self.busyUtilization }) ?? true
            else { return nil }
            return figures.clock
        }
        guard !clocks.isEmpty, clocks.count * 2 >= samples.count else { return nil }
        return clocks.reduce(0, +) / Double(clocks.count)
    }

    /// Whether clocks are held down; `isLearned` where that is told by what is usual.
    var isHeldDown: (isLearned: Bool, is: Bool) {
        if let clock = busyClock, self.clock.isLearned, clock < Self.clockRatioMin * self.clock.mean
        {
            return (true, true)
        }
        let said = samples.compactMap { $0?.isHeldDown }
        return (false, said.count * 2 >= samples.count && said.count { $0 } * 2 > said.count)
    }

    mutating func learn(_ clock: Double?) {
        if let clock { self.clock.observe(clock) }
    }

    /// What there is to say of them now, for a finding about their replica.
    var evidence: [Evidence] {
        guard let now else { return [] }
        var rows: [Evidence] = []
        if let last = lastFault { rows.append(Self.evidence(of: last.fault, age: last.age)) }
        if let busy = now.utilization { rows.append(Evidence("its GPUs are busy", busy, .ratio)) }
        if let clock = now.clock {
            rows.append(Evidence("slowest GPU's clock", clock, .hertz, self.clock.aside(.hertz)))
        }
        if let heat = now.temperature {
            rows.append(Evidence("hottest GPU", heat, .celsius))
        }
        if let used = now.memoryUsage, used > 0.97 {
            rows.append(Evidence("GPU memory in use", used, .ratio))
        }
        return rows
    }

    static func evidence(of fault: GPUFigures.Fault, age: Int) -> Evidence {
        let meaning = fault.meaning.isEmpty ? "" : "\(fault.meaning), "
        return Evidence(
            "Xid of GPU \(fault.gpu):", Double(fault.xid), .count,
            "\(meaning)\(Unit.seconds.text(Double(age))) ago")
    }
}
