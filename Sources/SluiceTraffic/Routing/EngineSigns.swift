import SluiceTime

/// What a replica's pages – `/metrics` and `/health` – say of its engine, and when they said it.
///
/// The engine's gauges move with its steps only, as its heartbeat does; both are needed: while the
/// engine works through one long prompt in pieces, no token comes and the heartbeat stands, yet its
/// KV use grows.
struct EngineSigns: Sendable {
    /// The gauges that the engine renews with each step.
    private struct Gauges: Sendable, Equatable {
        var running: Double
        var waiting: Double
        var kvUsage: Double?
    }

    private var heartbeat: Double?
    private var gauges: Gauges?
    /// When a heartbeat was last read.
    private var heartbeatSeen = Instant.unset
    /// When heartbeat or gauges were last seen to have changed; a first value counts.
    private(set) var moved = Instant.unset
    /// When the page before that was read: the step came after it.
    private(set) var movedAfter = Instant.unset
    /// When heartbeat and gauges were last read, and the time before.
    private var read = Instant.unset
    private var readBefore = Instant.unset
    /// When any page was last read.
    private(set) var answered = Instant.unset
    /// When a probe last ended without an answer.
    private var probeFailed = Instant.unset

    /// Takes in `iteration_tokens_total_count`.
    ///
    /// - Returns: whether the engine has moved since the one before. Any change counts: a smaller
    ///   value is a restart.
    mutating func take(heartbeat value: Double, now: Instant) -> Bool {
        guard value.isFinite else { return false }
        heartbeatSeen = now
        let isNews = heartbeat != value
        let isFirst = heartbeat == nil
        heartbeat = value
        note(isNews: isNews, now: now)
        return isNews && !isFirst
    }

    /// Takes in the engine's gauges; whether they have changed.
    mutating func take(running: Double, waiting: Double, kvUsage: Double?, now: Instant) -> Bool {
        let value = Gauges(running: running, waiting: waiting, kvUsage: kvUsage)
        let isNews = gauges != value
        let isFirst = gauges == nil
        gauges = value
        note(isNews: isNews, now: now)
        return isNews && !isFirst
    }

    /// A page has been read; heartbeat and gauges are of one.
    private mutating func note(isNews: Bool, now: Instant) {
        answered = now
        if now > read {
            readBefore = read
            read = now
        }
        if isNews {
            movedAfter = readBefore
            moved = now
        }
    }

    /// Whether its pages tell of the engine now.
    func areTold(now: Instant, settings: HealthSettings) -> Bool {
        read.isSet && now - read <= max(settings.heartbeatAgeMax, settings.scrapeInterval * 2)
    }

    /// A probe has ended; was there an answer, whichever?
    mutating func probed(wasAnswered: Bool, now: Instant) {
        if wasAnswered { answered = now } else { probeFailed = now }
    }

    /// Whether the heartbeat is known now.
    func isHeartbeatKnown(now: Instant, settings: HealthSettings) -> Bool {
        heartbeat != nil && now - heartbeatSeen <= settings.heartbeatAgeMax
    }

    /// Whether the pages bear out that the replica has stood still for `span` of its silence.
    ///
    /// They do where they can be read and show no step, or where nobody answers them either. A lone
    /// request is no evidence of the first kind: one long prompt may be one long step. Nor is a page
    /// that stood still while answers came: it is not of now.
    ///
    /// - Parameter silentSince: when the last answer came, or the first of those that wait was sent.
    func bearOut(
        _ report: ProgressReport, silentSince: Instant, for span: Nanoseconds, now: Instant,
        settings: HealthSettings
    ) -> Bool {
        if isHeartbeatKnown(now: now, settings: settings) {
            let lag = max(settings.scrapeInterval * 2, settings.busyAfter)
            return report.outstanding > 1 && report.lastAnswer <= moved + lag
                && heartbeatSeen - max(silentSince, moved) >= span
        }
        let unheard = max(silentSince, answered)
        return probeFailed > unheard && now - unheard >= span
    }
}
