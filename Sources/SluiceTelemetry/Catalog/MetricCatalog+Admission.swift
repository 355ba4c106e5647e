extension MetricCatalog {
    /// Rows about the static bounds of admission.
    static let admission: [(Metric, MetricRow)] = [
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
            .shed,
            MetricRow(
                "sluice_shed_total", .counter, .none, ["model_name", "class", "reason"], .sum,
                help: "Requests refused by admission.")
        ),
        (
            .leakedPermits,
            MetricRow(
                "sluice_leaked_permits_total", .counter, .none, [], .sum,
                help: "Permits lost instead of given back; anything but zero is a defect.")
        ),
    ]
}
