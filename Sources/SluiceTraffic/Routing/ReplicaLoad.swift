import SluiceTime

/// What is known of a replica's load beyond our own ledger, and how old it is.
///
/// A stale or missing scrape never closes a replica; what it said fades, and the ledger, which is
/// exact, remains: by gauges alone p99 times to the first token are 0.7, 2 and 12 s when they are
/// scraped every 0.2, 1 and 5 s, with the ledger 0.4 s each time (T0).
package struct ReplicaLoad: Sendable {
    /// Other gateways' load fades with this half-life once the scrape is stale.
    package static let halfLife = Nanoseconds.seconds(5)
    /// A scrape older than this many intervals is stale.
    package static let staleAfterIntervals: Int64 = 3
    /// A stale scrape is at least this old, however short the interval.
    package static let staleAfterMin = Nanoseconds.milliseconds(600)
    /// Waiting counts up to this are taken as none: a scrape between two engine steps shows them.
    package static let waitingIgnored = 2.0

    /// As scraped last.
    package private(set) var waiting = 0.0
    /// `vllm:num_requests_running`.
    package private(set) var running = 0.0
    /// KV cache use, 0 … 1.
    package private(set) var kvUsage: Double?
    /// Tokens that fit the KV cache; nil where not known.
    package private(set) var cacheTokens: Double?
    /// Time per output token; zero where unknown.
    package private(set) var timePerToken = Nanoseconds.zero
    /// When the last usable scrape was read; unset before the first.
    package private(set) var scrapedAt = Instant.unset
    /// When the replica last told ``waiting`` by itself, with an answer.
    private var reportedAt = Instant.unset
    private var samples = InlineArray<3, Double>(repeating: 0)
    private var sampleCount = 0
    private var nextSample = 0

    package init() {}

    /// Takes in a scrape.
    ///
    /// - Parameter inflight: our own requests there, the larger of at send and at read.
    package mutating func take(_ scrape: LoadScrape, inflight: Int, now: Instant) {
        waiting = scrape.waiting
        running = scrape.running
        if let usage = scrape.kvUsage, usage.isFinite { kvUsage = min(max(usage, 0), 1) }
        if let tokens = scrape.cacheTokens, tokens.isFinite, tokens >= 1 { cacheTokens = tokens }
        if let time = scrape.timePerToken, time > .zero { timePerToken = time }
        scrapedAt = now
        samples[nextSample] = max(0, scrape.waiting + scrape.running - Double(inflight))
        nextSample = (nextSample + 1) % 3
        sampleCount = min(sampleCount + 1, 3)
    }

    /// Takes in what the replica told with an answer; what runs there it did not say, so that others'
    /// load stays as scraped.
    package mutating func take(waiting: Double, kvUsage: Double?, now: Instant) {
        guard waiting.isFinite, waiting >= 0 else { return }
        self.waiting = waiting
        if let kvUsage, kvUsage.isFinite { self.kvUsage = min(max(kvUsage, 0), 1) }
        reportedAt = now
    }

    /// Age of the last scrape; nil before the first.
    package func age(now: Instant) -> Nanoseconds? {
        scrapedAt.isSet ? now - scrapedAt : nil
    }

    /// Whether what was scraped last is of now.
    package func isFresh(now: Instant, interval: Nanoseconds) -> Bool {
        age(now: now).map { $0 <= Self.staleAfter(interval) } ?? false
    }

    /// Requests of other clients of the replica, as far as known; faded in whole requests, for what a
    /// window leaves to us is rounded down: a thousandth of one took a whole slot.
    package func others(now: Instant, interval: Nanoseconds) -> Double {
        guard let age = age(now: now) else { return 0 }
        let overdue = age - Self.staleAfter(interval)
        return overdue > .zero ? (median * Self.fade(overdue)).rounded() : median
    }

    /// Requests waiting inside the engine; none when neither scrape nor report is fresh.
    package func queueDepth(now: Instant, interval: Nanoseconds) -> Double {
        let told = max(scrapedAt, reportedAt)
        guard told.isSet, now - told <= Self.staleAfter(interval), waiting > Self.waitingIgnored
        else { return 0 }
        return waiting
    }

    /// The age from which a scrape is stale.
    static func staleAfter(_ interval: Nanoseconds) -> Nanoseconds {
        max(interval * staleAfterIntervals, staleAfterMin)
    }

    private var median: Double {
        switch sampleCount {
        case 0: 0
        case 1: samples[0]
        case 2: min(samples[0], samples[1])
        default:
            max(min(samples[0], samples[1]), min(max(samples[0], samples[1]), samples[2]))
        }
    }

    /// 2^(−overdue/half-life), straight between the powers: no transcendental function needed.
    private static func fade(_ overdue: Nanoseconds) -> Double {
        let lives = Double(overdue.count) / Double(halfLife.count)
        guard lives < 60 else { return 0 }
        let whole = Int(lives)
        return (1 - (lives - Double(whole)) / 2) / Double(UInt64(1) << UInt64(whole))
    }
}
