import SluiceTime

/// How many requests an engine runs at once, as far as that is known.
///
/// No page of vLLM's tells its `max_num_seqs`, and few operators do. It shows: by how many have been
/// seen to run, and by those that wait although they were sent. See ``SlotSearch`` for how more than
/// have been seen are tried.
struct EngineSlots: Sendable {
    /// Where nothing is known: a guess too high is learned down, one too low never up.
    static let guess = 256
    /// Requests that wait for so long, page after page, have not come between two steps.
    private static let waitingForLong = Nanoseconds.milliseconds(750)
    /// Use of the KV cache from which that may be what is full, not the slots.
    static let cacheFullFrom = 0.85
    /// Between two tries of one slot more where the number was told.
    private static let retryMin = Nanoseconds.seconds(1)
    private static let retryMax = Nanoseconds.seconds(600)

    /// So many are believed in.
    private(set) var count: Double
    /// The most that have been seen to run at once.
    private(set) var shown = 0.0
    /// How many ran when the engine was last full; 0: not known.
    private(set) var full = 0.0
    /// As configured, or ``guess``.
    private let most: Double
    private let isTold: Bool
    /// It was the cache that was full: there is room again any moment.
    private var wasFullOfCache = false
    /// When one more may be tried, and how long after the next failure.
    private var nextTry = Instant.unset
    private var retryAfter = retryMin
    /// As scraped last.
    private var scrapedRunning = 0.0
    /// Since when every page has shown requests waiting and no more running; unset where none has.
    private var waitingSince = Instant.unset

    /// - Parameter told: as configured; nil where not known.
    init(told: Int?) {
        most = Double(told ?? Self.guess)
        count = most
        isTold = told != nil
    }

    /// What a failed try has confirmed: a delay within it is that of the try itself, and no reason to
    /// leave slots empty. At least 1.
    var confirmed: Double { retryAfter > Self.retryMin ? max(1, min(full, count)) : 1 }

    /// A scrape: with requests waiting, as many as run is all there is room for.
    ///
    /// Where the number was told, one more is tried only where every slot is in use and nobody waits;
    /// where that has failed before, twice as long after, for each try makes somebody wait inside an
    /// engine that is full.
    ///
    /// - Parameters:
    ///   - inflight: requests of ours there, at the scrape.
    ///   - decodes: answers come in tokens. Where they do not, as few run as a step has tokens for, and
    ///     their number says nothing of slots for long.
    mutating func observe(_ scrape: LoadScrape, inflight: Int, decodes: Bool, now: Instant) {
        let (waiting, running) = (scrape.waiting, scrape.running)
        observe(running: running)
        let level = min(max(running, 1), most)
        // One or two that wait may have come between two steps; twice, or at a level known, they have
        // not.
        let isFullOfCache = (scrape.kvUsage ?? 0) > Self.cacheFullFrom
        // A request that has just ended leaves its slot empty until the next step: one or two fewer
        // running is the same level.
        let isKnown = decodes && !isFullOfCache && level <= full && level >= 0.9 * full - 1
        if waiting < 1 || running > scrapedRunning { waitingSince = .unset }
        let isRepeated =
            decodes && waitingSince.isSet && now - waitingSince >= Self.waitingForLong
        // A level that tries have confirmed is not given up for one page on which fewer run: between
        // two steps of a burst that happens, and each slot would be tried anew.
        let isDoubtful =
            !isKnown && !isFullOfCache && level < full && retryAfter > Self.retryMin && !isRepeated
        if isDoubtful {
            // Nothing is learned from it.
        } else if waiting > ReplicaLoad.waitingIgnored || waiting >= 1 && (isRepeated || isKnown) {
            retryAfter = isKnown ? min(retryAfter * 2, Self.retryMax) : Self.retryMin
            nextTry = now + retryAfter
            full = isKnown ? full : level
            count = full
            wasFullOfCache = isFullOfCache
        } else if decodes && !isTold && !wasFullOfCache {
            if full > 0, running > full { foundMore() }
        } else if decodes ? waiting < 1 && (Double(inflight) >= count || running > count) : true,
            now >= nextTry
        {
            if running > full { full = 0 }
            count = min(most, max(count, running) + 1)
        }
        if waiting >= 1, !waitingSince.isSet { waitingSince = now }
        scrapedRunning = running
    }

    /// So many run at once.
    mutating func observe(running: Double) { shown = max(shown, running) }

    /// What was sent beyond `level` waits.
    mutating func foundFull(at level: Double) {
        full = min(max(1, level), most)
        count = full
        wasFullOfCache = false
        retryAfter = min(retryAfter * 2, Self.retryMax)
    }

    /// More run than it was found full at.
    mutating func foundMore() {
        full = 0
        count = most
        retryAfter = Self.retryMin
    }
}
