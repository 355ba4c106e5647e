import SluiceTime

/// What is believed of one replica's engine: how fast it is, how many requests run there at once,
/// and how many it may hold.
///
/// All of it comes from our own observations; a scrape refines the number of slots alone. Times are
/// in seconds.
struct ReplicaEstimates: Sendable {
    /// The window of a replica that is new to an idle pool.
    static let windowStart = 32.0
    private static let windowMax = 4_096.0
    /// Between two changes of the window.
    static let windowInterval = Nanoseconds.milliseconds(250)
    /// Prompts with fewer tokens to compute say nothing about the time per token.
    private static let tokensJudged = 256.0
    /// Of a prompt with so many tokens the time counts once, of a longer one up to twice.
    private static let tokensWeighed = 1_000.0
    /// Until so many were seen the guess to begin with gives way quickly.
    private static let promptsMin = 32
    /// Parts of the objective for the time per token at which a window stops growing, and narrows. A
    /// twentieth higher, 4 of 60 runs of T7 had two short answers too slow in one late second, 1 so.
    private static let stepGrowthPart = 0.7
    private static let stepCutPart = 0.8
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
    /// Time from one content event to the next, as of the last second: ``stepTime`` where each read
    /// brings one, and less where a read brings several.
    private(set) var eventTime = 0.025
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
    var slots: EngineSlots
    /// Requests it may hold, by the delay it adds.
    private(set) var window = windowStart
    /// When the window was last narrowed for a delay.
    private var delayedAt = Instant.unset
    /// The window does not grow before.
    private var holdUntil = Instant.unset
    private var windowChanged = Instant.unset
    /// What the engine has added of late to the time of a first output, beyond prompt and step.
    private(set) var delay = 0.0
    /// How far from ``delay`` single requests' delays are, in the mean.
    private(set) var delaySpread = 0.0
    /// What first outputs took beyond prompt and step, since the window was last looked at.
    private var delays = InlineArray<32, Double>(repeating: 0)
    private var delayCount = 0

    /// - Parameter slotsMax: as configured; nil where not known.
    init(slotsMax: Int?) { slots = EngineSlots(told: slotsMax) }

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
            eventTime = userGap
            userStepTime = userGap
        } else {
            let weight = 1 - Self.decay(total)
            stepTime += weight * (gap - stepTime)
            eventTime += weight * (userGap - eventTime)
            userStepTime += (1 - Self.decay(Double(events) / 60)) * (userGap - userStepTime)
        }
        steps &+= count
    }

    /// A whole answer that was no stream: the time beyond its prompt, for as many tokens as an event of
    /// a stream would stand for.
    mutating func observe(
        answer seconds: Double, promptTokens: Double, outputTokens: Int, tokensPerEvent: Double
    ) {
        guard outputTokens > 8 else { return }
        let time = (seconds - promptTokens * promptTime) / Double(outputTokens) * tokensPerEvent
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
    /// - Returns: what the engine added to prompts and step, seconds.
    @discardableResult mutating func observe(
        firstOutput seconds: Double, tokens: Double, backlog: Double, crowd: Crowd
    ) -> Double {
        // A step is what it costs before it computes anything of the prompt, or waits for. Half of one,
        // as the study has it, counted the other half as prompt: long ones were taken for hopeless
        // (T1b) and a full engine's delay for a prompt's time (T8, T9 without metrics).
        if tokens > Self.tokensJudged { learn((seconds - stepTime) / tokens, tokens, crowd) }
        // Prompts that we sent before it are no sign of a full engine: they are bounded by themselves.
        let delay = max(0, seconds - backlog * promptTime - stepTime)
        delaySpread += 0.1 * (abs(delay - self.delay) - delaySpread)
        self.delay += 0.1 * (delay - self.delay)
        // The newest of too many: a window of 250 ms says what is, not what was.
        delays[delayCount % 32] = delay
        delayCount &+= 1
        return delay
    }

    private mutating func learn(_ time: Double, _ tokens: Double, _ crowd: Crowd) {
        guard time > 0, time.isFinite else { return }
        // What a step happens to add is spread over few tokens, or over many.
        let weight = min(2, tokens / Self.tokensWeighed)
        if crowd == .nobody {
            promptTime += (prompts == 0 ? 1 : 0.1 * weight) * (time - promptTime)
            samplesAbove = 0
        } else if time < 1.5 * promptTime {
            let isGuess = prompts < Self.promptsMin && time < promptTime
            promptTime += (isGuess ? 0.3 : 0.05) * weight * (time - promptTime)
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

    /// The engine has refused a request by its own limit: it holds more than it can.
    mutating func refused(now: Instant) {
        window = max(1, window * 0.7)
        holdUntil = now + .seconds(1)
    }

    /// Another process answers from the same address: nothing of what was learned is certain.
    mutating func restarted(slotsMax: Int?) {
        slots = EngineSlots(told: slotsMax)
        window = Self.windowStart
        delayCount = 0
    }

    // MARK: The window

    /// Widens or narrows the window, every ``windowInterval``.
    ///
    /// - Parameters:
    ///   - delayMax: the delay that a full engine may add, seconds.
    ///   - timePerToken: objective, seconds; nil: not guarded.
    ///   - growsUnseen: the window grows without first outputs that show what it adds: with whole answers
    ///     it stood at ``windowStart``, and 1x of what 64 slots can do was refused by a quarter.
    mutating func adjustWindow(
        inflight: Int, delayMax: Double, timePerToken: Double?, growsUnseen: Bool = false,
        now: Instant
    ) {
        guard now - windowChanged >= Self.windowInterval else { return }
        windowChanged = now
        if delayCount >= 2, case let delay = medianDelay(), delay > delayMax {
            delayedAt = now
            window = max(
                slots.confirmed, window * max(0.7, 1 - 0.1 * (delay - delayMax) / delayMax))
        } else if delayCount >= 2 || growsUnseen {
            grow(inflight: inflight, timePerToken: timePerToken, now: now)
        }
        if delayCount >= 2 { delayCount = 0 }
        if let timePerToken, userStepTime > Self.stepCutPart * timePerToken, steps > 0 {
            window = max(1, min(window, Double(inflight + 1)) * 0.93)
            holdUntil = now + .seconds(1)
        }
    }

    /// Widens the window where it is in use.
    private mutating func grow(inflight: Int, timePerToken: Double?, now: Instant) {
        let isPerTokenTight = timePerToken.map { userStepTime >= Self.stepGrowthPart * $0 } ?? false
        guard Double(inflight) >= 0.9 * window.rounded(.down), now >= holdUntil, !isPerTokenTight
        else { return }
        let isNearLimit = delayedAt.isSet && now - delayedAt < Self.nearLimitSpan
        // A step of two is one request in sixteen; of a small window it is half the engine.
        let growth = min(Self.growth, max(window / 16, Self.growthNearLimit))
        window = min(window + (isNearLimit ? Self.growthNearLimit : growth), Self.windowMax)
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
