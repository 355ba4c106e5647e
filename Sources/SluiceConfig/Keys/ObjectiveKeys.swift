import SluiceInsight
import SluiceTime

/// Keys of objectives.
enum ObjectiveKeys {
    /// Classes and models that one objective may name.
    static let namesMax = 64

    static var list: Key<GatewayDraft> {
        .sections(
            "objectives", \.objectives, objective, max: Objective.countMax,
            fresh: Objective(name: ""),
            "Which share of which requests shall be served, in time and in full; without this key what follows from the classes."
        ).hidingWhen { $0.settings.objectives == nil }
    }

    private static var objective: [Key<Objective>] {
        [
            .scalar(
                "name", \.name, PoolKeys.nameForm, "Value of the label slo; unique.",
                parse: PoolKeys.readName, show: { .text($0) }
            ).required(),
            .choice(
                "sli", \.indicator,
                "What is judged: availability, ttft (time to first token of streams), response (time of all others), tpot (time per output token of streams), completeness (of answers that had begun)."
            ).required(),
            .number("target", \.target, 0.5...0.999_99, "Share of requests that shall be good."),
            .optionalDuration(
                "threshold", \.threshold, SettingsKeys.objectiveRange,
                "The longest time that is good, for ttft, response and tpot; each is a bucket bound."
            ),
            .duration(
                "threshold_per_1k_prompt_tokens", \.perThousandPromptTokens,
                .zero ... .seconds(60),
                "Added to the threshold of ttft for each thousand tokens of prompt."),
            .list(
                "classes", \.classes, PoolKeys.nameForm, max: namesMax,
                "Classes it is for; empty: all, each with counters of its own.",
                parse: PoolKeys.readName, show: { .text($0) }),
            .list(
                "models", \.models, PoolKeys.modelForm, max: namesMax,
                "Models it is for; empty: all, each with counters of its own.",
                parse: PoolKeys.readModel, show: { .text($0) }),
            .integer(
                "bad_events_min", \.badEventsMin, 1...10_000,
                "Bad requests within the short window before an alert fires, so that one in a quiet hour wakes nobody."
            ),
        ]
    }
}

extension GatewayDraft {
    /// The list where there is one; to set it makes it so.
    fileprivate var objectives: [Objective] {
        get { settings.objectives ?? [] }
        set { settings.objectives = newValue }
    }
}
