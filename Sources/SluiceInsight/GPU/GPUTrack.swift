/// What is remembered of a replica's GPUs beyond the last seconds: errors, and the usual clock.
struct GPUTrack: Sendable {
    /// Seconds for which an error explains a replica that does not serve.
    static let newsSeconds = 600
    /// Errors that a finding tells.
    private static let toldMax = 4

    private(set) var clock = HealthyRange()
    /// Of what all of this is; nothing is carried over to another.
    private(set) var source = ""
    /// What each GPU's page has said last; the first word on one is none of now.
    private var known: [String: Int] = [:]
    /// By GPU the last error that came while we looked, and the seconds since.
    private var news: [String: (xid: Int, age: Int)] = [:]

    mutating func add(_ figures: GPUFigures?) {
        if let figures, figures.source != source {
            self = GPUTrack()
            source = figures.source
        }
        for gpu in news.keys { news[gpu]?.age += 1 }
        news = news.filter { $0.value.age <= Self.newsSeconds }
        guard let figures else { return }
        // The same error once more leaves the page as it is: only another one is seen. A page may lack
        // a GPU for a while, as when its exporter has just begun.
        for (gpu, xid) in figures.xids {
            if let before = known[gpu], xid > 0, xid != before { news[gpu] = (xid, 0) }
            if known.count < GPUFigures.gpusMax || known[gpu] != nil { known[gpu] = xid }
        }
    }

    /// Errors of the last ten minutes: those of the hardware first, then the latest.
    private var lately: [(fault: GPUFigures.Fault, age: Int)] {
        news.map { (GPUFigures.Fault(gpu: $0.key, xid: $0.value.xid), $0.value.age) }
            .sorted {
                ($0.fault.isHardware ? 0 : 1, $0.age, $0.fault.gpu)
                    < ($1.fault.isHardware ? 0 : 1, $1.age, $1.fault.gpu)
            }
    }

    /// Seconds since the hardware has failed; nil where it has not.
    var hardwareFaultAge: Int? { lately.first { $0.fault.isHardware }?.age }

    mutating func learn(_ clock: Double?) {
        if let clock { self.clock.observe(clock) }
    }

    /// Errors with their age, then those on the page that were there before we looked.
    func faults(_ now: GPUFigures?) -> [Evidence] {
        let lately = lately
        let old = (now?.faults ?? []).filter { fault in
            !lately.contains { $0.fault == fault }
        }
        let rows =
            lately.map { Self.evidence($0.fault, "\(Unit.seconds.text(Double($0.age))) ago") }
            + old.map { Self.evidence($0, "since longer") }
        return Array(rows.prefix(Self.toldMax))
    }

    private static func evidence(_ fault: GPUFigures.Fault, _ when: String) -> Evidence {
        let meaning = fault.meaning.isEmpty ? "" : "\(fault.meaning), "
        return Evidence(
            "Xid of GPU \(fault.gpu):", Double(fault.xid), .count, meaning + when)
    }
}

extension ReplicaTrack {
    /// Below this part of its usual clock a GPU is held down; clocks stray by a few percent with heat.
    private static let clockRatioMin = 0.85

    /// Mean clock while the GPUs were busy; nil where they were for less than half of the window.
    var gpuClock: Double? {
        mean { sameGPUs($0)?.clock }
    }

    private func sameGPUs(_ figures: ReplicaFigures) -> GPUFigures? {
        figures.gpu.flatMap { $0.source == gpu.source ? $0 : nil }
    }

    /// Whether clocks are held down; `isLearned` where that is told by what is usual.
    var areClocksHeldDown: (isLearned: Bool, is: Bool) {
        if let clock = gpuClock, gpu.clock.isLearned, clock < Self.clockRatioMin * gpu.clock.mean {
            return (true, true)
        }
        let part = mean { sameGPUs($0)?.isHeldDown.map { $0 ? 1 : 0 } }
        return (false, part.map { $0 > 0.5 } ?? false)
    }

    /// What there is to say of the GPUs now, for a finding about their replica.
    var gpuEvidence: [Evidence] {
        var rows = gpu.faults(now?.gpu)
        guard let now = now?.gpu else { return rows }
        if now.count < now.wanted {
            rows.append(
                Evidence(
                    "its GPUs on the exporter's page", Double(now.count), .count,
                    "configured: \(now.wanted)"))
        }
        if let busy = now.utilization { rows.append(Evidence("its GPUs are busy", busy, .ratio)) }
        if let clock = now.clock {
            rows.append(Evidence("slowest GPU's clock", clock, .hertz, gpu.clock.aside(.hertz)))
        }
        if let heat = now.temperature {
            rows.append(Evidence("hottest GPU", heat, .celsius))
        }
        if let used = now.memoryUsage, used > 0.97 {
            rows.append(Evidence("GPU memory in use", used, .ratio))
        }
        return rows
    }
}
