import SluiceInsight
import SluiceTime

extension GatewaySettings {
    /// What objectives are judged against.
    package var objectiveFacts: ObjectiveFacts {
        let models = pools.map { $0.models + $0.aliases }
        return ObjectiveFacts(
            classes: classes.map(\.name),
            models: models.contains { $0.isEmpty } ? nil : models.flatMap { $0 },
            firstContentMax: timeouts.firstContent,
            queueWaitMax: (pools.map(\.queueWaitMax) + classes.map(\.queueWaitMax)).max() ?? .zero,
            streamIdleMax: timeouts.streamIdle)
    }

    /// The objectives in force: those configured, else those that follow from the classes.
    package var objectivesInForce: [Objective] { objectives ?? derivedObjectives.usable }

    /// The objectives that follow from the classes, and those of them that could never be missed or
    /// never alert: they are left out, since nobody asked for them.
    package var derivedObjectives: (usable: [Objective], useless: [Objective]) {
        let all = Objective.derived(
            from: classes.map {
                ClassObjectives(
                    name: $0.name, timeToFirstToken: $0.timeToFirstToken,
                    perThousandPromptTokens: $0.perThousandPromptTokens,
                    timePerToken: $0.timePerToken)
            })
        let facts = objectiveFacts
        let usable = all.filter { ObjectiveFlaw.all(of: $0, facts).isEmpty }
        return (usable, all.filter { !usable.contains($0) })
    }

    /// Objectives for the time to the first token, those of classes first: each a histogram bound.
    package var firstTokenBounds: [Nanoseconds] {
        Self.unique(
            classes.compactMap(\.timeToFirstToken) + thresholds(.ttft) + timeToFirstTokenObjectives)
    }

    /// Objectives for the response time: each a histogram bound.
    package var responseBounds: [Nanoseconds] { Self.unique(thresholds(.response)) }

    /// Objectives for the time per output token: each a histogram bound.
    package var tokenBounds: [Nanoseconds] {
        Self.unique(classes.compactMap(\.timePerToken) + thresholds(.tpot))
    }

    private func thresholds(_ indicator: Indicator) -> [Nanoseconds] {
        (objectives ?? []).filter { $0.indicator == indicator }.compactMap(\.threshold)
    }

    private static func unique(_ bounds: [Nanoseconds]) -> [Nanoseconds] {
        var list: [Nanoseconds] = []
        for bound in bounds where !list.contains(bound) { list.append(bound) }
        return list
    }
}
