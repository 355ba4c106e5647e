import SluiceTime

/// How fast and how long a recording is, at its own pace.
package struct Recording: Equatable, Sendable {
    /// Mean arrivals a second.
    package var perSecond: Double
    package var span: Nanoseconds

    package init(perSecond: Double, span: Nanoseconds) {
        self.perSecond = perSecond
        self.span = span
    }
}

/// A fleet as an operator describes it, what may befall it, and who asks for what; the load is
/// given with each question.
package struct FleetPlan: Sendable {
    /// The whole fleet, and one stream per part of the mix; when they come does not matter.
    package var fleet: FleetConfiguration
    /// Share of the load of each stream, together 1.
    package var shares: [Double]
    /// What is lost or slow.
    package var misfortunes: [Misfortune] = []
    /// Whether requests come in bursts, as ``Study/bursts`` has them.
    package var hasBursts = false
    /// The recording that the streams replay; nil: they are drawn.
    package var recording: Recording?

    /// - Parameter shares: one per stream of the fleet.
    package init(fleet: FleetConfiguration, shares: [Double]) {
        precondition(fleet.streams.count == shares.count, "a share per stream")
        self.fleet = fleet
        self.shares = shares
    }

    /// What the whole fleet can do: everything is stated relative to it.
    ///
    /// All slots full, unless the objectives are missed then: the most that fewer requests at once
    /// get within them.
    package var capacity: Capacity {
        var fleet = fleet
        // A mix of classes has one kind of length; what is good is what the least strict allows.
        let loosest = fleet.streams.max { lateness($0) < lateness($1) }
        fleet.streams =
            loosest.map { [recording == nil ? $0 : wholeRecording(as: $0)] } ?? fleet.streams
        // As long as so many requests take: short ones come in thousands a second.
        fleet.warmUp = .seconds(5)
        let probe = Capacity.measure(fleet, measured: .seconds(5))
        let seconds = min(600, Self.requestsMeasured / max(probe.endedPerSecond, 1e-9))
        fleet.warmUp = .seconds(clamping: max(5, min(30, seconds / 4)))
        let full = Capacity.measure(fleet, measured: .seconds(clamping: max(10, seconds)))
        let best = Capacity.best(fleet, measured: .seconds(clamping: max(5, seconds / 2)))
        // Two runs of one fleet differ by a percent: not a reason to prefer either.
        return best.workPerSecond > full.workPerSecond * 1.03 ? best : full
    }

    /// All that was recorded, in the order in which it came, as requests of one kind: what a fleet can do
    /// with the few long answers of a class is not what it can do with the many short ones beside them.
    private func wholeRecording(as kind: RequestStream) -> RequestStream {
        var all: [(offset: Nanoseconds, lengths: RecordedLengths)] = []
        for stream in fleet.streams {
            guard case .recorded(let offsets) = stream.arrivals else { continue }
            for (offset, lengths) in zip(offsets, stream.recorded) {
                var lengths = lengths
                // Beside answers that have tokens, one without any is as good as one of a single token.
                if stream.answers == .embedding { lengths.outputTokens = 1 }
                all.append((offset, lengths))
            }
        }
        all.sort { $0.offset < $1.offset }
        var whole = kind
        whole.recorded = all.map(\.lengths)
        if let other = fleet.streams.first(where: { $0.answers != .embedding }) {
            whole.answers = other.answers
        }
        return whole
    }

    /// Requests by which a capacity is measured: within a percent, in seconds of real time.
    private static let requestsMeasured = 20_000.0

    private func lateness(_ stream: RequestStream) -> Nanoseconds {
        fleet.objectives[stream.classIndex].firstToken ?? .seconds(1_000_000)
    }

    /// Arrivals a second at a load.
    package func perSecond(at load: PlannedLoad, of capacity: Capacity) -> Double {
        switch load {
        case .perSecond(let rate): rate
        case .multiple(let factor): factor * (recording?.perSecond ?? capacity.requestsPerSecond)
        }
    }

    /// The run that answers: this load, and all that befalls the fleet.
    package func configuration(
        at load: PlannedLoad, of capacity: Capacity
    ) -> FleetConfiguration {
        var run = fleet
        let rate = perSecond(at: load, of: capacity)
        for index in run.streams.indices {
            run.streams[index].arrivals = arrivals(of: run.streams[index], index, rate)
        }
        if let recording {
            let factor = recording.perSecond / max(rate, 1e-9)
            // A little longer: the last request counts too.
            let end = Nanoseconds.seconds(clamping: recording.span.seconds * factor + 0.001)
            run.measured = min(run.measured, end)
        }
        var (slow, gone) = (0, 0)
        for misfortune in misfortunes {
            for _ in 0..<misfortune.count {
                guard slow + gone < fleet.replicas.count else { break }
                let when = misfortune.at.map { run.warmUp + $0 } ?? .zero
                if let factor = misfortune.slowFactor {
                    run.faults.append(Fault(at: when, .slow(replica: slow, factor: factor)))
                    slow += 1
                } else {
                    gone += 1
                    if misfortune.at != nil {
                        let last = fleet.replicas.count - gone
                        run.faults.append(Fault(at: when, .lost(replica: last)))
                    } else {
                        run.replicas.removeLast()
                    }
                }
            }
        }
        return run
    }

    private func arrivals(
        of stream: RequestStream, _ index: Int, _ rate: Double
    ) -> ArrivalProcess {
        if case .recorded(let offsets) = stream.arrivals, let recording {
            let factor = recording.perSecond / max(rate, 1e-9)
            return .recorded(offsets.map { .seconds(clamping: $0.seconds * factor) })
        }
        if hasBursts { return .bursts(perSecond: rate * shares[index], Study.bursts) }
        return .poisson(perSecond: rate * shares[index])
    }
}
