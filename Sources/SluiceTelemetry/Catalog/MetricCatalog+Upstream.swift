extension MetricCatalog {
    /// Rows about the replicas as the gateway sees them.
    package static let upstream: [(Metric, MetricRow)] = [
        (
            .upstreamRequests,
            MetricRow(
                "sluice_upstream_requests_total", .counter, .none, ["pool", "replica", "code"],
                .sum,
                help: "Answers of replicas by status, every attempt counted.")
        ),
        (
            .upstreamLatency,
            MetricRow(
                "sluice_upstream_latency_seconds", .histogram, .seconds,
                ["pool", "replica", "stage"], .sum,
                help: "Time from the last request byte sent until the replica's response head or "
                    + "first token.")
        ),
        (
            .upstreamConnectErrors,
            MetricRow(
                "sluice_upstream_connect_errors_total", .counter, .none,
                ["pool", "replica", "reason"], .sum,
                help: "Connections to a replica that did not come about.")
        ),
        (
            .upstreamTimeouts,
            MetricRow(
                "sluice_upstream_timeouts_total", .counter, .none, ["pool", "replica", "stage"],
                .sum,
                help: "Limits that passed while waiting for a replica.")
        ),
        (
            .retries,
            MetricRow(
                "sluice_retries_total", .counter, .none, ["pool", "reason", "result"], .sum,
                help:
                    "Attempts repeated at another replica, by what made the first fail and how the "
                    + "repeat ended.")
        ),
        (
            .retryBudgetRemaining,
            MetricRow(
                "sluice_retry_budget_remaining", .gauge, .none, ["pool"], .sum,
                help: "Retries that may still be spent now.")
        ),
        (
            .poisonRequests,
            MetricRow(
                "sluice_poison_requests_total", .counter, .none, ["pool"], .sum,
                help: "Requests not repeated because they broke replica after replica.")
        ),
        (
            .upstreamConnections,
            MetricRow(
                "sluice_upstream_connections", .gauge, .none, ["pool", "replica", "state"], .sum,
                help: "Open connections to a replica, active or idle.")
        ),
        (
            .staleKeepalive,
            MetricRow(
                "sluice_stale_keepalive_total", .counter, .none, ["pool", "replica"], .sum,
                help: "Idle connections that the replica had closed when we wanted to use them.")
        ),
        (
            .replicaState,
            MetricRow(
                "sluice_replica_state", .gauge, .none, ["pool", "replica", "state"], .maxByReplica,
                help: "One for the state a replica is in, zero for the others.")
        ),
        (
            .poolReplicas,
            MetricRow(
                "sluice_pool_replicas", .gauge, .none, ["pool", "state"], .max,
                help: "Replicas of a pool in each state.")
        ),
        (
            .poolPanic,
            MetricRow(
                "sluice_pool_panic", .gauge, .none, ["pool"], .max,
                help: "One while so many replicas look bad that ejection is suspended.")
        ),
        (
            .replicaTransitions,
            MetricRow(
                "sluice_replica_transitions_total", .counter, .none,
                ["pool", "replica", "to", "reason"], .sum,
                help: "Changes of a replica's state and what caused them.")
        ),
        (
            .replicaInfo,
            MetricRow(
                "sluice_replica_info", .gauge, .none, ["pool", "replica", "url", "vllm_version"],
                .maxByReplica,
                help: "Always one; its labels say where a replica is and what it runs.")
        ),
        (
            .replicaInflight,
            MetricRow(
                "sluice_replica_inflight", .gauge, .none, ["pool", "replica"], .sum,
                help: "Requests this gateway has at a replica, by its own ledger.")
        ),
        (
            .replicaQueueDepth,
            MetricRow(
                "sluice_replica_queue_depth", .gauge, .none, ["pool", "replica"], .maxByReplica,
                help: "Requests waiting in the replica, as scraped.")
        ),
        (
            .replicaRunning,
            MetricRow(
                "sluice_replica_running", .gauge, .none, ["pool", "replica"], .maxByReplica,
                help: "Requests running in the replica, as scraped.")
        ),
        (
            .replicaKVUsage,
            MetricRow(
                "sluice_replica_kv_usage_ratio", .gauge, .ratio, ["pool", "replica"], .maxByReplica,
                help: "Share of the replica's KV cache in use, 0 to 1, as scraped.")
        ),
        (
            .replicaOthers,
            MetricRow(
                "sluice_replica_others", .gauge, .none, ["pool", "replica"], .maxByReplica,
                help:
                    "Scraped load of a replica that is not ours: other gateways and direct clients."
            )
        ),
        (
            .replicaSignalAge,
            MetricRow(
                "sluice_replica_signal_age_seconds", .gauge, .seconds, ["pool", "replica"],
                .maxByReplica,
                help: "Age of the newest scrape of a replica that could be used.")
        ),
        (
            .replicaSignalMissing,
            MetricRow(
                "sluice_replica_signal_missing", .gauge, .none, ["pool", "replica", "signal"],
                .maxByReplica,
                help: "One where a replica's metrics lack a signal that routing would like.")
        ),
        (
            .replicaWindow,
            MetricRow(
                "sluice_replica_window", .gauge, .none, ["pool", "replica"], .sum,
                help: "Requests this gateway allows itself at a replica at once.")
        ),
        (
            .replicaCapacity,
            MetricRow(
                "sluice_replica_capacity_tokens_per_second", .gauge, .none, ["pool", "replica"],
                .maxByReplica,
                help: "Tokens per second that a replica has been seen to sustain.")
        ),
        (
            .scrapes,
            MetricRow(
                "sluice_scrapes_total", .counter, .none, ["pool", "result"], .sum,
                help: "Scrapes of replicas by how they ended.")
        ),
        (
            .scrapeBadSamples,
            MetricRow(
                "sluice_scrape_bad_samples_total", .counter, .none, ["pool"], .sum,
                help: "Lines of replicas' metrics that could not be understood.")
        ),
        (
            .scrapeDuration,
            MetricRow(
                "sluice_scrape_duration_seconds", .histogram, .seconds, ["pool"], .sum,
                help: "Time from asking a replica for its metrics until they had been read.")
        ),
        (
            .routingDecisions,
            MetricRow(
                "sluice_routing_decisions_total", .counter, .none, ["pool", "replica", "reason"],
                .sum,
                help: "Requests routed to a replica and why it was picked.")
        ),
    ]
}
