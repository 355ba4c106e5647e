import SluiceTime

@testable import SluiceTraffic

/// One replica's health with a hand-moved clock.
struct Patient {
    var now = Instant(nanoseconds: 1_000_000_000_000)
    var settings = HealthSettings()
    var health: ReplicaHealth
    var othersUp = true

    init(joins: Bool = false) {
        health = ReplicaHealth(now: now, joins: joins, settings: settings)
    }

    mutating func take(_ signals: HealthSignal...) {
        for signal in signals {
            health.observe(signal, now: now, othersUp: othersUp, settings: settings)
        }
    }

    /// Time passes with `streams` open, or `waits` without a head, since `since` and the last
    /// event, or answer, at `last`.
    mutating func tick(
        after span: Nanoseconds, streams: Int = 0, waits: Int = 0, since: Instant = .unset,
        last: Instant = .unset, timePerToken: Nanoseconds = .zero
    ) {
        now = now + span
        var report = ProgressReport()
        report.streams = streams
        report.unanswered = waits
        if streams > 0 {
            report.streamsSince = since
            report.lastEvent = last
        }
        if waits > 0 { report.unansweredSince = since }
        report.lastAnswer = last
        take(.tick(report, timePerToken: timePerToken))
    }

    /// `seconds` pass, at each of which `signals` are told; what waits has done so from now on.
    mutating func wait(
        _ seconds: Int, _ waits: Int, since: Instant, _ signals: (Int) -> [HealthSignal]
    ) {
        for second in 1...seconds {
            now = now + .seconds(1)
            for signal in signals(second) { take(signal) }
            tick(after: .zero, waits: waits, since: since)
        }
    }

    func nextProbe(poolIsDown: Bool = false) -> Nanoseconds {
        health.nextProbe(now: now, poolIsDown: poolIsDown, settings: settings) - now
    }

    /// One that has answered its first probe.
    static func ready() -> Patient {
        var patient = Patient()
        patient.take(.probe(.healthy))
        return patient
    }
}
