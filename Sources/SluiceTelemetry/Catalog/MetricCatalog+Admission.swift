extension MetricCatalog {
    /// Rows about who waits, who is refused, and how much there is room for.
    static let admission: [(Metric, MetricRow)] = queue + capacity

    private static let queue: [(Metric, MetricRow)] = [
        (
            .queueLength,
            MetricRow(
                "sluice_queue_length", .gauge, .none, ["pool", "class"], .sum,
                help: "Requests waiting in the gateway.")
        ),
        (
            .queueLimit,
            MetricRow(
                "sluice_queue_limit", .gauge, .none, ["pool"], .sum,
                help: "Requests that may wait in the gateway at once.")
        ),
        (
            .queueBytes,
            MetricRow(
                "sluice_queue_bytes", .gauge, .bytes, ["pool"], .sum,
                help: "Bytes of bodies of requests that wait in the gateway.")
        ),
        (
            .queueWait,
            MetricRow(
                "sluice_queue_wait_seconds", .histogram, .seconds, ["pool", "class", "result"],
                .sum,
                help: "Time from a request's last byte until it was sent, refused or abandoned.")
        ),
        (
            .queueOldest,
            MetricRow(
                "sluice_queue_oldest_seconds", .gauge, .seconds, ["pool", "class"], .max,
                help: "How long the longest waiting request has waited.")
        ),
        (
            .shed,
            MetricRow(
                "sluice_shed_total", .counter, .none, ["model_name", "class", "reason"], .sum,
                help: "Requests refused by admission.")
        ),
        (
            .shedShadow,
            MetricRow(
                "sluice_shed_shadow_total", .counter, .none, ["model_name", "class", "reason"],
                .sum,
                help: "Requests that a pool in shadow mode would have refused and served.")
        ),
        (
            .servedRatioByPromptSize,
            MetricRow(
                "sluice_served_ratio_by_prompt_size", .gauge, .none, ["pool", "decile"], .never,
                help: "Share of the last thousand requests served, by tenth of prompt length.")
        ),
        (
            .predictedWait,
            MetricRow(
                "sluice_predicted_wait_seconds", .histogram, .seconds, ["pool", "class"], .sum,
                help: "Waits predicted for requests that could not go at once.")
        ),
        (
            .predictionError,
            MetricRow(
                "sluice_prediction_error_seconds", .histogram, .seconds,
                ["pool", "class", "direction"], .sum,
                help: "How far the predicted wait was over or under the actual one.")
        ),
        (
            .admissionMode,
            MetricRow(
                "sluice_admission_mode", .gauge, .none, ["pool", "mode"], .max,
                help: "One for the mode in force: verdicts carried out, only made, or neither.")
        ),
        (
            .admissionBound,
            MetricRow(
                "sluice_admission_bound_seconds", .gauge, .seconds, ["pool", "class"], .max,
                help: "A longer predicted wait is refused at this moment.")
        ),
        (
            .leakedPermits,
            MetricRow(
                "sluice_leaked_permits_total", .counter, .none, [], .sum,
                help: "Permits lost instead of given back; anything but zero is a defect.")
        ),
    ]

    private static let capacity: [(Metric, MetricRow)] = [
        (
            .poolDemand,
            MetricRow(
                "sluice_pool_demand_replicas", .gauge, .none, ["pool"], .sum,
                help: "Replicas that all demand would keep busy, refused demand included.")
        ),
        (
            .poolUtilization,
            MetricRow(
                "sluice_pool_utilization_ratio", .gauge, .ratio, ["pool"], .sum,
                help: "Requests in flight as a share of the pool's capacity.")
        ),
        (
            .poolCapacity,
            MetricRow(
                "sluice_pool_capacity_requests", .gauge, .none, ["pool"], .max,
                help: "Requests that the replicas which take work serve at once.")
        ),
    ]
}
