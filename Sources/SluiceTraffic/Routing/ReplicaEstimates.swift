import SluiceTime

/// What is believed of one replica's engine: how fast it is, how many requests run there at once,
/// and how many it may hold.
///
/// All of it comes from our own observations; a scrape refines the number of slots alone. Times are
/// in seconds. Source: ADMISSION sections 5.1 and 5.2.
struct ReplicaEstimates: Sendable {
    /// Where nothing is known of the slots: a guess too high is learned down, one too low never up.
    static let slotsGuess = 256
    /// The window of a replica that is new to an idle pool.
    static let windowStart = 32.0
    private static let windowMax = 4_096.0
    /// Requests that wait for so long, page after page, have not come between two steps.
    private static let waitingForLong = Nanoseconds.milliseconds(750)
    /// Between two tries of one slot more.
    static let slotRetryMin = Nanoseconds.seconds(1)
    private static let slotRetryMax = Nanoseconds.seconds(600)
    /// Between two changes of the window.
    static let windowInterval = Nanoseconds.milliseconds(250)
    /// Prompts with fewer tokens to compute say nothing about the time per token.
    private static let tokensJudged = 256.0
    /// Parts of the objective for the time per token at which a window stops growing, and narrows.
    private static let stepGrowthPart = 0.75
    private static let stepCutPart = 0.85
    /// What a window grows by at a time, and for how long after a delay narrowed it last by how much:
    /// a delay shows a second after its cause, and 8 a second overshoot the limit just found (T9
    /// without metrics: 97.1 % in SLO, 99.9 % so; T8 without slot count: 99.3 and 99.9 %).
    private static let growth = 2.0
    private static let growthNearLimit = 0.5
    private static let nearLimitSpan = Nanoseconds.seconds(30)
    private static let stepTimeMin = 0.001
    private static let promptTimeRange = 1e-6...0.02

    /// Time of one engine step, as of the last second: fast, for predictions.
    private(set) var stepTime = 0.025
    /// The same over sixty events: what users see.
    private(set) var userStepTime = 0.025
    /// Engine steps that have been seen.
    private(set) var steps = 0
    /// Time per prompt token that has to be computed: the lower envelope of what was seen.
    private(set) var promptTime = 1e-4
    /// First outputs that ``promptTime`` was learned from.
    private(set) var prompts = 0
    /// Samples in a row that were far above ``promptTime``.
    private var samplesAbove = 0
    /// Who was at the replica when a request was sent there.
    enum Crowd: Sendable {
        /// Nobody: nothing but its own prompt took time.
        case nobody
        /// Others, and a slot was free.
        case room
        /// More than it runs at once: the request waited inside for a slot.
        case full
    }

    /// Requests that the engine runs at once.
    private(set) var slots = Double(slotsGuess)
    /// How many ran when the engine was last full; 0: not known.
    private var fullLevel = 0.0
    /// When one more may be tried, and how long after the next failure.
    private var nextTry = Instant.unset
    private(set) var retryAfter = slotRetryMin
    /// As scraped last.
    private var scrapedRunning = 0.0
    /// Since when every page has shown requests waiting and no more running; unset where none has.
    private var waitingSince = Instant.unset
    /// Requests it may hold, by the delay it adds.
    private(set) var window = windowStart
    /// When the window was last narrowed for a delay.
    private var delayedAt = Instant.unset
    /// The window does not grow before.
    private var holdUntil = Instant.unset
    private var windowChanged = Instant.unset
    /// What the engine has added of late to the time of a first output, beyond prompt and step.
    private(set) var delay = 0.0
    /// What first outputs took beyond prompt and step, since the window was last looked at.
    private var delays = InlineArray<32, Double>(repeating: 0)
    private var delayCount = 0

    /// - Parameter slotsMax: as configured; nil where not known.
    init(slotsMax: Int?) { slots = Double(slotsMax ?? Self.slotsGuess) }

    // MARK: Observations

    /// Gaps of one probe stream.
    ///
    /// - Parameters:
    ///   - total: sum of the gaps, seconds.
    ///   - steps: gaps; several events in one read are one.
    ///   - events: events that ended a gap.
    mutating func observe(gaps total: Double, steps count: Int, events: Int) {
        guard total > 0, count > 0, events > 0 else { return }
        let gap = max(total / Double(count), Self.stepTimeMin)
        let userGap = max(total / Double(events), Self.stepTimeMin / 64)
        if steps == 0 {
            stepTime = gap
            userStepTime = userGap
        } else {
            stepTime += (1 - Self.decay(total)) * (gap - stepTime)
            userStepTime += (1 - Self.decay(Double(events) / 60)) * (userGap - userStepTime)
        }
        steps &+= count
    }

    /// A whole answer that was no stream: the time beyond its prompt, per token.
    mutating func observe(answer seconds: Double, promptTokens: Double, outputTokens: Int) {
        guard outputTokens > 8 else { return }
        let time = (seconds - promptTokens * promptTime) / Double(outputTokens)
        guard time > 0 else { return }
        observe(gaps: time, steps: 1, events: 1)
    }

    /// The first output of a request.
    ///
    /// - Parameters:
    ///   - seconds: from the last byte of the request to the output.
    ///   - tokens: prompt tokens that had to be computed.
    ///   - backlog: the same, and those of the prompts before it.
    ///   - crowd: who else was there when it was sent.
    mutating func observe(
        firstOutput seconds: Double, tokens: Double, backlog: Double, crowd: Crowd
    ) {
        // A step is what it costs before it computes anything of the prompt, or waits for. Half of one,
        // as the study has it, counted the other half as prompt: long ones were taken for hopeless
        // (T1b) and a full engine's delay for a prompt's time (T8, T9 without metrics).
        if tokens > Self.tokensJudged { learn((seconds - stepTime) / tokens, crowd) }
        // Prompts that we sent before it are no sign of a full engine: they are bounded by themselves.
        let delay = max(0, seconds - backlog * promptTime - stepTime)
        self.delay += 0.1 * (delay - self.delay)
        // The newest of too many: a window of 250 ms says what is, not what was.
        delays[delayCount % 32] = delay
        delayCount &+= 1
    }

    private mutating func learn(_ time: Double, _ crowd: Crowd) {
        guard time > 0, time.isFinite else { return }
        if crowd == .nobody {
            promptTime += (prompts == 0 ? 1 : 0.1) * (time - promptTime)
            samplesAbove = 0
        } else if time < 1.5 * promptTime {
            promptTime += 0.05 * (time - promptTime)
            samplesAbove = 0
        } else if crowd == .room {
            // Queueing must not look like a slow engine. Where sixteen in a row are above, though, it
            // is the engine: the window has taken away any queue long before.
            samplesAbove &+= 1
            promptTime *= samplesAbove > 16 ? 1.05 : 1.002
        }
        promptTime = min(
            max(promptTime, Self.promptTimeRange.lowerBound), Self.promptTimeRange.upperBound)
        prompts &+= 1
    }

    /// A scrape: with requests waiting, as many as run is all there is room for.
    ///
    /// One more is tried only where every slot is in use and nobody waits; where that has failed
    /// before, twice as long after, for each try makes somebody wait inside an engine that is full.
    /// An engine that is full by its KV cache has room again any moment.
    ///
    /// - Parameters:
    ///   - inflight: requests of ours there, at the scrape.
    ///   - decodes: answers come in tokens. Where they do not, as few run as a step has tokens for, and
    ///     their number says nothing of slots for long.
    mutating func observe(
        _ scrape: LoadScrape, inflight: Int, slotsMax: Int?, decodes: Bool, now: Instant
    ) {
        let (waiting, running) = (scrape.waiting, scrape.running)
        let most = Double(slotsMax ?? Self.slotsGuess)
        let level = min(max(running, 1), most)
        // One or two that wait may have come between two steps; twice, or at a level known, they have
        // not.
        let isFullOfCache = (scrape.kvUsage ?? 0) > 0.85
        // A request that has just ended leaves its slot empty until the next step: one or two fewer
        // running is the same level.
        let isKnown =
            decodes && !isFullOfCache && level <= fullLevel && level >= 0.9 * fullLevel - 1
        if waiting < 1 || running > scrapedRunning { waitingSince = .unset }
        let isRepeated =
            decodes && waitingSince.isSet && now - waitingSince >= Self.waitingForLong
        // A level that tries have confirmed is not given up for one page on which fewer run: between
        // two steps of a burst that happens, and each slot would be tried anew.
        let isDoubtful =
            !isKnown && !isFullOfCache && level < fullLevel && retryAfter > Self.slotRetryMin
            && !isRepeated
        if isDoubtful {
            // Nothing is learned from it.
        } else if waiting > ReplicaLoad.waitingIgnored || waiting >= 1 && (isRepeated || isKnown) {
            retryAfter = isKnown ? min(retryAfter * 2, Self.slotRetryMax) : Self.slotRetryMin
            nextTry = now + retryAfter
            fullLevel = isKnown ? fullLevel : level
            slots = fullLevel
        } else if decodes ? waiting < 1 && (Double(inflight) >= slots || running > slots) : true,
            now >= nextTry
        {
            if running > fullLevel { fullLevel = 0 }
            slots = min(most, max(slots, running) + 1)
        }
        if waiting >= 1, !waitingSince.isSet { waitingSince = now }
        scrapedRunning = running
    }

    /// The engine has refused a request by its own limit: it holds more than it can.
    mutating func refused(now: Instant) {
        window = max(1, window * 0.7)
        holdUntil = now + .seconds(1)
    }

    /// Another process answers from the same address: nothing of what was learned is certain.
    mutating func restarted(slotsMax: Int?) {
        slots = Double(slotsMax ?? Self.slotsGuess)
        window = Self.windowStart
        delayCount = 0
        fullLevel = 0
        nextTry = .unset
        retryAfter = Self.slotRetryMin
        scrapedRunning = 0
        waitingSince = .unset
    }

    // MARK: The window

    /// Widens or narrows the window, every ``windowInterval``.
    ///
    /// - Parameters:
    ///   - delayMax: the delay that a full engine may add, seconds.
    ///   - timePerToken: objective, seconds; nil: not guarded.
    mutating func adjustWindow(
        inflight: Int, delayMax: Double, timePerToken: Double?, now: Instant
    ) {
        guard now - windowChanged >= Self.windowInterval else { return }
        windowChanged = now
        let isPerTokenTight = timePerToken.map { userStepTime >= Self.stepGrowthPart * $0 } ?? false
        if delayCount >= 2 {
            let delay = medianDelay()
            if delay > delayMax {
                delayedAt = now
                window = max(
                    knownSlots, window * max(0.7, 1 - 0.1 * (delay - delayMax) / delayMax))
            } else if Double(inflight) >= 0.9 * window.rounded(.down), now >= holdUntil,
                !isPerTokenTight
            {
                let isNearLimit = delayedAt.isSet && now - delayedAt < Self.nearLimitSpan
                // A step of two is one request in sixteen; of a small window it is half the engine.
                let growth = min(Self.growth, max(window / 16, Self.growthNearLimit))
                window = min(
                    window + (isNearLimit ? Self.growthNearLimit : growth), Self.windowMax)
            }
            delayCount = 0
        }
        if let timePerToken, userStepTime > Self.stepCutPart * timePerToken, steps > 0 {
            window = max(1, min(window, Double(inflight + 1)) * 0.93)
            holdUntil = now + .seconds(1)
        }
    }

    /// Slots that a failed try has confirmed: a delay within them is that of the try itself, and no
    /// reason to leave slots empty. At least 1.
    private var knownSlots: Double {
        retryAfter > Self.slotRetryMin ? max(1, min(fullLevel, slots)) : 1
    }

    /// The middle of the samples, by insertion into place: at most 32.
    private mutating func medianDelay() -> Double {
        let count = min(delayCount, 32)
        for index in 1..<count {
            let value = delays[index]
            var place = index
            while place > 0, delays[place - 1] > value {
                delays[place] = delays[place - 1]
                place -= 1
            }
            delays[place] = value
        }
        return (delays[(count - 1) / 2] + delays[count / 2]) / 2
    }

    /// e^(−x) for x ≥ 0 to within a hundredth: pure code has no transcendental functions.
    static func decay(_ x: Double) -> Double { 1 / (1 + x * (1 + x * (0.5 + x / 6))) }
}
