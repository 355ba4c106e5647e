/// Signatures of single replicas; see docs/diagnosis.md.
struct ReplicaSignatures {
    let pool: String
    let track: ReplicaTrack
    /// Of the pool; nil before there is a whole one.
    let window: DiagnosisWindow?
    /// The replicas of the pool that serve and work, by step time.
    let pace: PoolPace

    /// What the replica's figures say, the first cause in order; nil: nothing is wrong with it.
    func first() -> Finding? {
        guard let now = track.now else { return nil }
        if now.trouble != nil, let finding = gpuFault(now) ?? trouble(now) { return finding }
        guard let window else { return gpuFault(now) }
        return metricsPath(now) ?? kvBound(now, window) ?? leakedSlots(now)
            ?? otherClient(now, window) ?? gpuFault(now) ?? throttled(now) ?? slow(now)
    }

    private func finding(
        _ cause: Cause, _ now: ReplicaFigures, _ confidence: Confidence, _ evidence: [Evidence]
    ) -> Finding {
        Finding(cause, pool, replica: now.name, confidence, evidence)
    }

    /// The hardware has failed: certain where the replica has not served since, else news for a minute.
    private func gpuFault(_ now: ReplicaFigures) -> Finding? {
        guard let age = track.gpu.hardwareFaultAge else { return nil }
        guard let trouble = now.trouble else {
            return age <= 60 ? finding(.gpuFault, now, .likely, track.gpuEvidence) : nil
        }
        guard trouble != .unauthorized, trouble != .failing else { return nil }
        let since = Evidence("replica \(trouble.words) for", now.troubleSeconds, .seconds)
        let isBusy = trouble == .stalled(isWedged: false)
        return finding(.gpuFault, now, isBusy ? .likely : .certain, [since] + track.gpuEvidence)
    }

    private func trouble(_ now: ReplicaFigures) -> Finding? {
        guard let trouble = now.trouble else { return nil }
        let since = Evidence("in this state for", now.troubleSeconds, .seconds)
        switch trouble {
        case .unreachable:
            return finding(.replicaUnreachable, now, .certain, [since] + track.gpuEvidence)
        case .unhealthy: return finding(.engineDead, now, .certain, [since] + track.gpuEvidence)
        case .unauthorized: return finding(.keyRefused, now, .certain, [since])
        case .failing: return finding(.replicaFailing, now, .certain, [since])
        case .stalled(let isWedged):
            // Our streams wait, and the engine works: for others, or at what goes before.
            if !isWedged, track.isStepping { return nil }
            var evidence = [since]
            if let age = now.eventAge {
                let step =
                    track.stepTime.isLearned
                    ? "usual step: \(Unit.seconds.text(track.stepTime.mean))" : ""
                evidence.append(Evidence("since its last token", age, .seconds, step))
            }
            evidence.append(Evidence("our requests there", now.inFlight, .requests))
            if let steps = track.growth(\.heartbeat), now.isHeard {
                evidence.append(
                    Evidence("engine steps in \(DiagnosisWindow.seconds) s", steps, .count))
            }
            return finding(
                .replicaStalled, now, isWedged ? .certain : .likely, evidence + track.gpuEvidence)
        }
    }

    /// Line 1: the scrape is old, yet tokens flow, and have flowed all the time: who stood still just now
    /// may give the beginnings of answers without an engine behind them.
    private func metricsPath(_ now: ReplicaFigures) -> Finding? {
        guard !now.isHeard, now.inFlight > 0, track.isFull, track.isMoving(within: 3),
            track.samples.allSatisfy({ $0.trouble == nil })
        else { return nil }
        var evidence = [Evidence("our requests there", now.inFlight, .requests)]
        if let age = now.signalAge {
            evidence.append(
                Evidence(
                    "age of its metrics", age, .seconds,
                    "scraped every \(Unit.seconds.text(now.scrapeInterval)); "
                        + "last scrape: \(now.lastScrape)"))
        } else {
            evidence.append(
                Evidence(
                    "scrapes with a queue and a running batch", 0, .requests,
                    "last scrape: \(now.lastScrape)"))
        }
        if let age = now.eventAge {
            evidence.append(Evidence("since its last token", age, .seconds))
        }
        return finding(.metricsPathBroken, now, .likely, evidence)
    }

    /// Line 3: preemptions with a full cache, while requests wait or slots are empty.
    private func kvBound(_ now: ReplicaFigures, _ window: DiagnosisWindow) -> Finding? {
        guard now.isHeard, let preempted = track.growth(\.preemptions), preempted >= 1,
            let usage = track.extremes(of: \.cacheUsage)?.greatest,
            let running = track.mean({ $0.running })
        else { return nil }
        let rate = preempted / Double(DiagnosisWindow.seconds)
        let isAboveUsual = track.preemptions.upper(factor: 3, margin: 0.2).map { rate > $0 }
        guard isAboveUsual ?? (rate >= 0.2) else { return nil }
        // Between two scrapes a preemption empties some of it again. Fuller than this replica's cache
        // usually is will do: how full is healthy depends on model and prompts.
        let full = min(0.85, track.cacheUsage.upper(factor: 1.3, margin: 0.1) ?? 0.85)
        guard usage > full else { return nil }
        let waiting = track.mean { $0.waiting } ?? 0
        guard waiting > 0 || window.queuedPart > 0.2 || running < now.slots else { return nil }
        return finding(
            .kvBound, now, isAboveUsual == nil ? .possible : .likely,
            [
                Evidence(
                    "preemptions", rate, .perSecond,
                    isAboveUsual == nil
                        ? "default, nothing learned yet" : track.preemptions.aside(.perSecond)),
                Evidence(
                    "KV cache in use at most", usage, .ratio,
                    track.cacheUsage.aside(.ratio)),
                Evidence("running", running, .requests, "slots: \(Unit.requests.text(now.slots))"),
                Evidence("waiting in the engine", waiting, .requests),
                Evidence("waiting in the gateway", window.queueLength, .requests),
            ])
    }

    /// Line 6: all the time we held more that had begun than the engine ever had, while it worked.
    private func leakedSlots(_ now: ReplicaFigures) -> Finding? {
        guard let ours = track.extremes(of: { $0.inFlight - $0.pending }),
            let engine = track.extremes(of: \.inEngine),
            ours.least - engine.greatest >= 1,
            // Two scrapes with steps between them: a page that stands still says nothing.
            let steps = track.growth(\.heartbeat), steps > 0
        else { return nil }
        return finding(
            .leakedSlots, now, .possible,
            [
                Evidence("our requests there that have begun, at least", ours.least, .requests),
                Evidence("running and waiting in the engine, at most", engine.greatest, .requests),
                Evidence("engine steps in \(DiagnosisWindow.seconds) s", steps, .count),
            ])
    }

    /// Line 7: steadily more in the engine than we sent.
    private func otherClient(_ now: ReplicaFigures, _ window: DiagnosisWindow) -> Finding? {
        guard window.now.gateways <= 1, track.isFull,
            let others = track.mean({ $0.isHeard ? $0.others : nil }),
            others >= max(0.75, 0.1 * (track.mean { $0.running } ?? 0)),
            let lately = track.extremes(
                of: { $0.isHeard ? $0.others : nil }, seconds: DiagnosisWindow.seconds / 2),
            lately.least > 0
        else { return nil }
        // Several answers to one request are several in the engine: sure is what is there without ours.
        let isWithoutOurs = track.samples.contains { $0.inFlight == 0 && ($0.inEngine ?? 0) > 0 }
        return finding(
            .otherClient, now, isWithoutOurs ? .likely : .possible,
            [
                Evidence("requests in the engine that are not ours", others, .requests),
                Evidence("our requests there", track.mean { $0.inFlight } ?? 0, .requests),
            ])
    }

    /// Whether the batch is so much larger than the peers' that longer steps are to be expected.
    private static func isBusier(_ batch: Double, than median: PoolPace.Row) -> Bool {
        batch > 1.25 * median.batch + 1
    }

    /// Clocks are held down, and steps take longer for it than its own do, or its peers'.
    private func throttled(_ now: ReplicaFigures) -> Finding? {
        let heldDown = track.areClocksHeldDown
        guard heldDown.is, let time = track.workingStepTime else { return nil }
        let isAboveUsual = track.stepTime.upper(factor: 1.15).map { time > $0 } ?? false
        let median = pace.median(without: now.name)
        if let median, let batch = track.mean({ $0.inFlight }), Self.isBusier(batch, than: median) {
            return nil
        }
        guard isAboveUsual || median.map({ time > 1.3 * $0.time }) ?? false else { return nil }
        var evidence = [
            Evidence("its step time", time, .seconds, track.stepTime.aside(.seconds))
        ]
        if let median { evidence.append(Evidence("its peers' median", median.time, .seconds)) }
        return finding(
            .gpuThrottled, now, heldDown.isLearned ? .likely : .possible,
            evidence + track.gpuEvidence)
    }

    /// Line 10: steps half as long again as its peers', at no larger a batch, and than its own.
    private func slow(_ now: ReplicaFigures) -> Finding? {
        guard let time = track.workingStepTime, let batch = track.mean({ $0.inFlight }),
            let median = pace.median(without: now.name)
        else { return nil }
        guard time > 1.5 * median.time, !Self.isBusier(batch, than: median) else { return nil }
        let isAboveUsual = track.stepTime.upper(factor: 1.3).map { time > $0 }
        guard isAboveUsual ?? true else { return nil }
        return finding(
            .slowReplica, now, isAboveUsual == nil ? .possible : .likely,
            [
                Evidence(
                    "its step time", time, .seconds, track.stepTime.aside(.seconds)),
                Evidence("its peers' median", median.time, .seconds),
                Evidence("its requests in flight", batch, .requests),
                Evidence("its peers'", median.batch, .requests),
            ] + track.gpuEvidence)
    }
}

/// How fast the replicas of a pool work, once for all of them.
struct PoolPace: Sendable {
    typealias Row = (name: String, time: Double, batch: Double)
    /// By step time.
    private let rows: [Row]
    private var places: [String: Int] = [:]

    init(_ tracks: [ReplicaTrack]) {
        rows = tracks.compactMap { track in
            guard let now = track.now, now.isServing, let time = track.workingStepTime,
                let batch = track.mean({ $0.inFlight })
            else { return nil }
            return (now.name, time, batch)
        }.sorted { $0.time < $1.time }
        for (place, row) in rows.enumerated() { places[row.name] = place }
    }

    /// The middle one of the others, of two the slower; nil where there is none.
    func median(without name: String) -> Row? {
        let place = places[name]
        let count = rows.count - (place == nil ? 0 : 1)
        guard count > 0 else { return nil }
        let middle = count / 2
        return rows[place.map { middle >= $0 ? middle + 1 : middle } ?? middle]
    }
}
