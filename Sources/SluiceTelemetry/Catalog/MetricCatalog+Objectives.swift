extension MetricCatalog {
    /// Rows about what was promised, and how much of it was kept.
    static let objectives: [(Metric, MetricRow)] = [
        (
            .sloEvents,
            MetricRow(
                "sluice_slo_events_total", .counter, .none,
                ["slo", "model_name", "class", "sli", "result"], .sum,
                help: "Exchanges judged by an objective, good or bad; the only input of alerts on "
                    + "objectives.")
        ),
        (
            .sloLocalBurnRate,
            MetricRow(
                "sluice_slo_local_burn_rate", .gauge, .none, ["slo", "window"], .never,
                help: "Bad share over budget in this process since its start: 1 spends exactly the "
                    + "budget.")
        ),
        (
            .sloObjective,
            MetricRow(
                "sluice_slo_objective", .gauge, .none, ["slo"], .max,
                help: "The share of good exchanges that an objective asks for.")
        ),
        (
            .goodputRequests,
            MetricRow(
                "sluice_goodput_requests_total", .counter, .none, ["model_name"], .sum,
                help: "Requests served in full and within every objective they fall under.")
        ),
        (
            .goodputTokens,
            MetricRow(
                "sluice_goodput_tokens_total", .counter, .tokens, ["model_name"], .sum,
                help: "Tokens generated for requests that count as goodput.")
        ),
    ]
}
