import SluiceTime

/// One replica's health as forward progress, a value: signals in, ``state`` out.
///
/// Slowness is never death: only a refused connection, `/health` 503 or failed requests take a
/// replica out; a stalled one is only routed around until it moves. Source:
/// docs/operating.md, *States of a replica*.
package struct ReplicaHealth: Sendable {
    /// What an operator or the configuration wants of it; stronger than what we observe.
    private enum Duty { case active, cordoned, draining }

    /// What we observe.
    private enum Condition {
        /// May hold `window`; `isTrial` after an ejection, where one failure is enough.
        case warming(window: Int, isTrial: Bool)
        case ready
        case busy(wasReady: Bool)
        case wedged, sleeping, ejected, unauthorized, dead
    }

    private var duty = Duty.active
    private var condition: Condition
    /// Why it is in its state.
    package private(set) var why: HealthReason
    /// Why the condition is what it is, beneath an operator's order.
    private var conditionReason: HealthReason
    /// Since when.
    package private(set) var since: Instant
    /// State changes so far.
    package private(set) var transitions = 0

    private var failures = 0
    private var recent = RecentFailures()
    /// Ejections, wedges and deaths without a stable time between them: the backoff's exponent.
    private var strikes = 0
    /// Failed probes since it died.
    private var probesFailed = 0
    private var retryAt = Instant.unset
    private var lastProbe: Instant?
    private var windowSince: Instant
    private var hasGoodSample = false
    private var signs = EngineSigns()

    /// - Parameter joins: whether others of the pool serve already; then the start is slow.
    package init(now: Instant, joins: Bool, settings: HealthSettings) {
        condition = .warming(window: joins ? settings.slowStartWindow : .max, isTrial: false)
        why = joins ? .joined : .starting
        conditionReason = why
        since = now
        windowSince = now
    }

    /// What the router goes by.
    ///
    /// Inlined: a call would be passed a copy of all of this.
    @inline(__always) package var state: ReplicaState {
        switch duty {
        case .draining: return .draining
        case .cordoned: return .cordoned
        case .active: break
        }
        switch condition {
        case .warming: return .warming
        case .ready: return .ready
        case .busy: return .busy
        case .wedged: return .wedged
        case .sleeping: return .sleeping
        case .ejected: return .ejected
        case .unauthorized: return .unauthorized
        case .dead: return .dead
        }
    }

    /// Requests the slow start lets it hold; no bound outside of it.
    package var window: Int {
        switch condition {
        case .warming(let window, _): window
        case .ready, .busy, .wedged, .sleeping, .ejected, .unauthorized, .dead: .max
        }
    }

    /// Whether the configuration removed it.
    var isDraining: Bool { duty == .draining }

    /// Takes in one signal.
    ///
    /// - Parameter othersUp: whether another replica of the pool accepts work: then returning is slow.
    package mutating func observe(
        _ signal: HealthSignal, now: Instant, othersUp: Bool, settings: HealthSettings
    ) {
        let before = state
        let reason = why
        switch signal {
        case .connectRefused: die(.connectRefused, now, settings)
        case .connectFailed, .requestFailed:
            recent.record(isFailure: true)
            fail(now, settings)
        case .probe(let outcome): take(outcome, now, othersUp, settings)
        case .requestSucceeded: succeed(now, othersUp, settings)
        case .heartbeat(let value):
            if signs.take(heartbeat: value, now: now) { moved(now, othersUp, settings) }
        case .gauges(let running, let waiting, let kvUsage):
            let hasChanged = signs.take(
                running: running, waiting: waiting, kvUsage: kvUsage, now: now)
            if hasChanged { moved(now, othersUp, settings) }
        case .sleeping(let sleeps): take(sleeping: sleeps, now, othersUp, settings)
        case .tick(let report, let timePerToken):
            advance(report, timePerToken, now, othersUp, settings)
        case .cordon: order(.cordoned, .cordoned)
        case .uncordon: order(.active, .uncordoned)
        case .remove: order(.draining, .removed)
        case .restore: if duty == .draining { order(.active, .restored) }
        }
        if state != before {
            since = now
            transitions &+= 1
        } else if duty != .active {
            // What is observed of a replica out of duty does not explain its state.
            why = reason
        }
    }

    /// Takes in a request that ended well where neither state nor window change by it: at a replica
    /// that is ready, which most are.
    ///
    /// - Returns: false where it is not: ``observe(_:now:othersUp:settings:)`` has to be told.
    mutating func succeedUnchanged() -> Bool {
        guard case .ready = condition, duty == .active else { return false }
        noteSuccess()
        return true
    }

    private mutating func noteSuccess() {
        failures = 0
        recent.record(isFailure: false)
        hasGoodSample = true
    }

    private mutating func order(_ duty: Duty, _ reason: HealthReason) {
        // A removed replica is not brought back by an operator's uncordon, only by its return.
        if self.duty == .draining && reason != .restored { return }
        guard self.duty != duty else { return }
        self.duty = duty
        // Back on duty but out of service: its own reason says more than the order.
        switch condition {
        case .warming, .ready: why = reason
        case .busy, .wedged, .sleeping, .ejected, .unauthorized, .dead:
            why = duty == .active ? conditionReason : reason
        }
    }

    // MARK: Requests and probes

    private mutating func succeed(
        _ now: Instant, _ othersUp: Bool, _ settings: HealthSettings
    ) {
        noteSuccess()
        switch condition {
        case .warming(window: .max, _): become(.ready, .requestSucceeded, now)
        case .ejected:
            // In panic it still serves: an answer after the backoff is a better probe than /health.
            if now >= retryAt {
                comeBack(.requestSucceeded, isTrial: true, now, othersUp, settings)
            }
        case .warming, .ready, .busy, .wedged, .sleeping, .unauthorized, .dead: break
        }
    }

    private mutating func fail(_ now: Instant, _ settings: HealthSettings) {
        failures = min(failures + 1, 1_000_000)
        hasGoodSample = false
        windowSince = now
        switch condition {
        case .warming(_, isTrial: true):
            strike(now, settings)
            become(.ejected, .trialFailed, now)
        case .warming(_, isTrial: false), .ready, .busy:
            let areInRow = failures >= settings.consecutiveFailuresMax
            guard areInRow || recent.isMajority else { return }
            strike(now, settings)
            become(.ejected, areInRow ? .consecutiveFailures : .failureShare, now)
        case .wedged, .sleeping, .ejected, .unauthorized, .dead: return
        }
    }

    private mutating func die(
        _ reason: HealthReason, _ now: Instant, _ settings: HealthSettings
    ) {
        if case .dead = condition { return }
        probesFailed = 0
        strike(now, settings)
        become(.dead, reason, now)
    }

    private mutating func take(
        _ outcome: ProbeOutcome, _ now: Instant, _ othersUp: Bool, _ settings: HealthSettings
    ) {
        lastProbe = now
        signs.probed(wasAnswered: outcome.isAnswer, now: now)
        switch outcome {
        case .healthy, .answeredOtherwise:
            answered(isHealthy: outcome == .healthy, now, othersUp, settings)
        case .unauthorized: become(.unauthorized, .unauthorized, now)
        case .unavailable, .refused:
            probesFailed = min(probesFailed + 1, 20)
            die(outcome == .refused ? .connectRefused : .healthUnavailable, now, settings)
        case .unreachable:
            probesFailed = min(probesFailed + 1, 20)
            fail(now, settings)
        case .timedOut: break
        }
    }

    private mutating func answered(
        isHealthy: Bool, _ now: Instant, _ othersUp: Bool, _ settings: HealthSettings
    ) {
        switch condition {
        case .warming:
            hasGoodSample = true
            if isHealthy { succeedWithoutTraffic(now) }
        case .ready, .busy, .sleeping: break
        case .unauthorized:
            if isHealthy { comeBack(.probeSucceeded, isTrial: false, now, othersUp, settings) }
        case .dead:
            // The backoff is only worth waiting for while others serve.
            if now >= retryAt || !othersUp {
                comeBack(.probeSucceeded, isTrial: false, now, othersUp, settings)
            }
        case .ejected:
            if now >= retryAt {
                comeBack(.probeSucceeded, isTrial: true, now, othersUp, settings)
            }
        case .wedged: break  // a wedged engine's API server still answers /health
        }
    }

    private mutating func succeedWithoutTraffic(_ now: Instant) {
        // Does not end a streak of failed requests: a black hole answers /health, too.
        if case .warming(let window, _) = condition, window == .max, failures == 0 {
            become(.ready, .probeSucceeded, now)
        }
    }

    private mutating func take(
        sleeping: Bool, _ now: Instant, _ othersUp: Bool, _ settings: HealthSettings
    ) {
        switch condition {
        case .sleeping:
            if !sleeping { comeBack(.awake, isTrial: false, now, othersUp, settings) }
        case .warming, .ready, .busy, .wedged, .ejected, .unauthorized:
            if sleeping { become(.sleeping, .asleep, now) }
        case .dead: break
        }
    }

    // MARK: Progress

    /// The engine has made a step.
    private mutating func moved(
        _ now: Instant, _ othersUp: Bool, _ settings: HealthSettings
    ) {
        if case .wedged = condition {
            comeBack(.progress, isTrial: false, now, othersUp, settings)
        }
    }

    private mutating func advance(
        _ report: ProgressReport, _ timePerToken: Nanoseconds, _ now: Instant, _ othersUp: Bool,
        _ settings: HealthSettings
    ) {
        let stall = Stall(
            report, signs, timePerToken: timePerToken, now: now, settings: settings)
        switch condition {
        case .warming(let window, let isTrial):
            if stall.isOne { return become(.busy(wasReady: false), .noProgress, now) }
            if report.streams > 0, now - report.lastEvent < settings.slowStartPeriod {
                hasGoodSample = true
            }
            grow(window, isTrial, now, settings)
        case .ready:
            if stall.isOne { return become(.busy(wasReady: true), .noProgress, now) }
            if strikes > 0, now - since > settings.stableAfter { strikes = 0 }
        case .busy(let wasReady):
            if report.outstanding == 0 {
                comeBack(.streamsGone, isTrial: false, now, othersUp, settings)
            } else if !stall.lasts(since: since) {
                if wasReady {
                    become(.ready, .progress, now)
                } else {
                    comeBack(.progress, isTrial: false, now, othersUp, settings)
                }
            } else if stall.isWedge {
                strike(now, settings)
                become(.wedged, .heartbeatFlat, now)
            }
        case .wedged:
            if report.outstanding == 0 {
                // Nothing left to watch: a few requests find out.
                if now >= retryAt {
                    comeBack(.streamsGone, isTrial: true, now, othersUp, settings)
                }
            } else if report.lastAnswer > since, !stall.isOne {
                comeBack(.progress, isTrial: false, now, othersUp, settings)
            }
        case .sleeping, .ejected, .unauthorized, .dead: break
        }
    }

    private mutating func grow(
        _ window: Int, _ isTrial: Bool, _ now: Instant, _ settings: HealthSettings
    ) {
        guard window != .max else { return }
        guard hasGoodSample, now - windowSince >= settings.slowStartPeriod else { return }
        hasGoodSample = false
        windowSince = now
        if window >= Self.windowMax {
            become(.ready, .slowStartDone, now)
        } else {
            condition = .warming(window: window * 2, isTrial: isTrial)
        }
    }

    /// A window this wide ends the slow start; the in-flight bound rules from there on.
    static let windowMax = 512

    // MARK: Parts

    private mutating func strike(_ now: Instant, _ settings: HealthSettings) {
        strikes = min(strikes + 1, 20)
        retryAt = now + settings.backoff(strikes)
    }

    private mutating func comeBack(
        _ reason: HealthReason, isTrial: Bool, _ now: Instant, _ othersUp: Bool,
        _ settings: HealthSettings
    ) {
        failures = 0
        recent = RecentFailures()
        probesFailed = 0
        hasGoodSample = false
        windowSince = now
        // With nobody else up a narrow window would only make the queue longer.
        let window = othersUp ? max(1, settings.slowStartWindow) : Int.max
        become(.warming(window: window, isTrial: isTrial), reason, now)
        if !othersUp && !isTrial && reason == .probeSucceeded {
            become(.ready, reason, now)
        }
    }

    private mutating func become(_ next: Condition, _ reason: HealthReason, _ now: Instant) {
        condition = next
        conditionReason = reason
        why = reason
    }

    // MARK: Probes

    /// When to probe next; a replica never probed is due at once.
    ///
    /// - Parameter poolIsDown: whether no replica of the pool accepts connections.
    package func nextProbe(now: Instant, poolIsDown: Bool, settings: HealthSettings) -> Instant {
        guard let lastProbe else { return now }
        switch condition {
        case .dead:
            if poolIsDown { return lastProbe + settings.probeIntervalWhileNoneUp }
            return max(retryAt, lastProbe + settings.backoff(probesFailed + 1))
        case .ejected: return max(retryAt, lastProbe + settings.backoffMin)
        case .warming, .ready, .busy, .wedged, .sleeping, .unauthorized:
            return lastProbe + settings.scrapeInterval
        }
    }
}
