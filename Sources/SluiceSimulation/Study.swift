import SluiceTime

/// The numbers of the simulation study that the admission was worked out with, in this one place: the
/// model that T0 anchors, by that study's figures for policies of others.
///
/// No scenario changes them to reach a target; where one needs other numbers (one replica slower,
/// less KV), it says so in its own value.
package enum Study {
    // MARK: Replica: dt = (base + decode·decodes + prefill·tokens + cache·KV tokens)·slow

    /// What a step costs before it does anything, in milliseconds.
    package static let stepBaseMilliseconds = 10.0
    /// What each sequence that decodes adds to a step, in milliseconds.
    package static let decodeMilliseconds = 0.12
    /// What each prompt token computed adds to a step, in milliseconds.
    package static let prefillTokenMilliseconds = 0.04
    /// What each token in the KV cache adds to a step, in milliseconds.
    package static let cacheTokenMilliseconds = 3e-5
    /// Tokens of one step, decodes first.
    package static let tokensPerStepMax = 2_048
    /// Sequences that run at once.
    package static let slots = 64
    /// Tokens that fit into a replica's KV cache.
    package static let cacheTokensMax = 110_000
    /// Replicas of the fleet.
    package static let replicas = 4

    // MARK: Workload

    /// Prompt lengths.
    package static let prompts = LognormalLengths(median: 600, sigma: 1, tokensMax: 8_000)
    /// Answer lengths.
    package static let outputs = LognormalLengths(median: 150, sigma: 0.9, tokensMax: 1_500)
    /// Bursty arrivals: twice the mean rate for 4 s, half of it for 8 s, on average.
    package static let bursts = BurstLaw(
        burstFactor: 2, burstMean: .seconds(4), calmFactor: 0.5, calmMean: .seconds(8))
    /// How long a client waits for its first token before it gives up.
    package static let patience = Nanoseconds.seconds(30)

    // MARK: Objectives and account

    /// Time to first token that is good.
    package static let firstTokenObjective = Nanoseconds.seconds(2)
    /// Mean time per output token that is good.
    package static let tokenGapObjective = Nanoseconds.milliseconds(60)
    /// Work of a prompt token in the token goodput, in milliseconds.
    package static let promptTokenWork = 0.04
    /// Work of an output token in the token goodput, in milliseconds.
    package static let outputTokenWork = 0.31
    /// What the study measured as capacity, in requests a second: closed loop, all slots full.
    package static let capacity = 36.8

    // MARK: Runs

    /// From a snapshot of a replica's gauges to the gateway's having read it.
    package static let scrapeDelay = Nanoseconds.milliseconds(20)
    /// What a run does before it counts.
    package static let warmUp = Nanoseconds.seconds(30)
    /// What a run counts.
    package static let measured = Nanoseconds.seconds(120)
}
