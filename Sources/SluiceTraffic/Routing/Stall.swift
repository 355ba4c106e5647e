import SluiceTime

/// How long nothing has come of what a replica owes us, at one tick, and what that amounts to.
struct Stall: Sendable {
    private let report: ProgressReport
    private let signs: EngineSigns
    private let settings: HealthSettings
    private let now: Instant
    /// On open streams, while neither another answer nor a step of the engine told otherwise.
    private let streams: Nanoseconds
    /// From when on `streams` are a stall.
    private let streamsLimit: Nanoseconds
    /// In answer to other requests, none of which may come before it is whole: only where the
    /// replica's pages bear it out is that a stall.
    private let answers: Nanoseconds
    /// When `answers` began.
    private let silentSince: Instant
    /// Shorter ones are none.
    private let limit: Nanoseconds

    /// - Parameter timePerToken: zero where unknown.
    init(
        _ report: ProgressReport, _ signs: EngineSigns, timePerToken: Nanoseconds, now: Instant,
        settings: HealthSettings
    ) {
        self.report = report
        self.signs = signs
        self.settings = settings
        self.now = now
        // Only what came during the present state's span says anything about a slot's tenant.
        var heard = max(report.lastAnswer, report.streamsSince)
        // An engine that works is in no stall: long prompts are read, or others are served. Only a step
        // that came after what was heard last tells more than that.
        if signs.movedAfter > heard { heard = signs.moved }
        streams = report.streams > 0 ? now - heard : .zero
        silentSince = max(report.lastAnswer, report.unansweredSince)
        answers = report.unanswered > 0 ? now - silentSince : .zero
        limit = max(settings.busyAfter, timePerToken * settings.busyAfterTokens)
        if signs.areTold(now: now, settings: settings) {
            // Two pages tell of a step since anything was heard, or of none.
            let pages = min(settings.scrapeInterval * 2, settings.wedgedAfter)
            streamsLimit = max(limit, pages)
        } else {
            // A lone request may be one long prompt, which only those pages could show.
            let mayBePrompt = report.outstanding == 1 && report.lastEvent < report.streamsSince
            streamsLimit = mayBePrompt ? max(limit, settings.wedgedAfter) : limit
        }
    }

    /// Whether it makes a replica busy.
    var isOne: Bool {
        streams > streamsLimit || answers > limit && isBorneOut(for: settings.busyAfter)
    }

    /// Whether nothing says otherwise since the replica became busy: it takes evidence to become so,
    /// but a page that cannot be read for a while must not make it ready again.
    func lasts(since: Instant) -> Bool {
        if streams > limit { return true }
        guard answers > limit else { return false }
        if signs.isHeartbeatKnown(now: now, settings: settings) { return signs.moved <= since }
        return signs.answered <= since
    }

    /// Whether it makes a busy replica wedged.
    var isWedge: Bool {
        if answers >= settings.wedgedAfter, isBorneOut(for: settings.wedgedAfter) { return true }
        if signs.isHeartbeatKnown(now: now, settings: settings) {
            return streams >= settings.wedgedAfter && now - signs.moved >= settings.wedgedAfter
        }
        return streams >= settings.wedgedAfter * 2
    }

    private func isBorneOut(for span: Nanoseconds) -> Bool {
        signs.bearOut(report, silentSince: silentSince, for: span, now: now, settings: settings)
    }
}
