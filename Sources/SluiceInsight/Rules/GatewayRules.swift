/// Alerts on what stands behind objectives: replicas, load, the gateway itself.
enum GatewayRules {
    static var groups: [RuleGroup] {
        [
            RuleGroup(
                name: "sluice-traffic", interval: nil,
                rules: [shedRatio] + traffic.map { .alert($0) }),
            RuleGroup(
                name: "sluice-replicas", interval: nil, rules: replicas.map { .alert($0) }),
            RuleGroup(
                name: "sluice-gateway", interval: nil,
                rules: (targets + limits + defects).map { .alert($0) }),
        ]
    }

    private static let place = PromQL.place
    private static let received = "sluice_requests_received_total{\(PromQL.inference)}"

    /// Of each gateway; 0 where it has refused nothing.
    private static var shedRatio: PrometheusRule {
        .recording(
            name: "sluice:shed:ratio_rate5m",
            expression: """
                (
                  sum by (\(place), instance) (rate(sluice_shed_total[5m]))
                  or
                  0 * sum by (\(place), instance) (rate(\(received)[5m]))
                )
                / (sum by (\(place), instance) (rate(\(received)[5m])) > 0.1)
                """, labels: [])
    }

    private static var traffic: [AlertRule] {
        let ofModel = "\(place), model_name"
        let ofClass = "\(place), model_name, class"
        return [
            AlertRule(
                "SluiceRequestsShed",
                """
                sum by (\(ofClass)) (rate(sluice_shed_total[2m]))
                  / sum by (\(ofClass)) (rate(\(received)[2m])) > 0.2
                and
                sum by (\(ofClass)) (increase(sluice_shed_total[5m])) >= 20
                """, for: "1m", .page,
                summary: "More than a fifth of the requests are refused",
                description:
                    "{{ $value | humanizePercentage }} of the requests for {{ $labels.model_name }}, class {{ $labels.class }}, are refused by admission."
            ),
            AlertRule(
                "SluiceShedSkew",
                """
                max by (\(place)) (sluice:shed:ratio_rate5m)
                  - min by (\(place)) (sluice:shed:ratio_rate5m) > 0.2
                """, for: "10m", .ticket,
                summary: "One gateway refuses much more than another",
                description:
                    "The shares of requests that the gateways refuse are {{ $value | humanizePercentage }} apart."
            ),
            AlertRule(
                "SluiceNoTraffic",
                """
                sum by (\(ofModel)) (increase(\(received)[30m] offset 1w)) > 100
                unless
                sum by (\(ofModel)) (increase(\(received)[30m])) > 0
                """, for: "5m", .page,
                summary: "No requests, although there were some a week ago",
                description:
                    "{{ $labels.model_name }} has had no request for 30 minutes; at this time a week ago there were {{ $value | printf \"%.0f\" }}."
            ),
        ]
    }

    private static var replicas: [AlertRule] {
        let ofPool = "\(place), pool"
        let ofReplica = "\(place), pool, replica"
        return [
            AlertRule(
                "SluiceNoReadyReplica",
                """
                sum by (\(ofPool)) (
                  max by (\(ofPool), state) (sluice_pool_replicas{state=~"ready|warming"})
                ) == 0
                """, for: "1m", .page,
                summary: "Pool {{ $labels.pool }} has no replica that takes requests",
                description: "Every request for its models is answered 503 no_replica."),
            AlertRule(
                "SluicePoolPanic",
                "max by (\(ofPool)) (sluice_pool_panic) == 1", for: "2m", .page,
                summary: "More than half of pool {{ $labels.pool }} looks bad",
                description:
                    "The gateway no longer takes replicas out by its own judgement: it would have none left."
            ),
            AlertRule(
                "SluiceReplicaOut",
                "max by (\(ofReplica), state) (sluice_replica_state{state=~\"dead|ejected|wedged|unauthorized\"}) == 1",
                for: "10m", .ticket,
                summary: "Replica {{ $labels.replica }} is {{ $labels.state }}",
                description: "Pool {{ $labels.pool }} has been without it for 10 minutes."),
            AlertRule(
                "SluiceSignalsStale",
                "max by (\(ofReplica)) (sluice_replica_signal_age_seconds) > 30", for: "5m",
                .ticket,
                summary: "The metrics of replica {{ $labels.replica }} are not heard",
                description:
                    "The newest usable scrape is {{ $value | humanizeDuration }} old; routing goes by the gateway's own ledger."
            ),
            AlertRule(
                "SluiceSignalsMissing",
                """
                max by (\(ofPool), signal) (sluice_replica_signal_missing) == 1
                and
                max by (\(ofPool), signal) (sluice_replica_signal_missing offset 1d) == 0
                """, for: "10m", .ticket,
                summary: "Replicas of {{ $labels.pool }} no longer tell {{ $labels.signal }}",
                description:
                    "A day ago all had the signal: look for an upgrade of vLLM, or a changed flag."),
            AlertRule(
                "SluicePoolSaturated",
                "sum by (\(ofPool)) (sluice_pool_utilization_ratio) > 0.95", for: "15m", .ticket,
                summary: "Pool {{ $labels.pool }} is full",
                description:
                    "{{ $value | humanizePercentage }} of what its replicas serve at once has been in use for 15 minutes."
            ),
            AlertRule(
                "VLLMTargetDown", "up{\(PromQL.engineJob)} == 0", for: "5m", .ticket,
                summary: "Prometheus cannot scrape vLLM at {{ $labels.instance }}",
                description: "The gateway may still reach it: see its state there."),
        ]
    }

    private static var targets: [AlertRule] {
        [
            AlertRule(
                "SluiceTargetDown", "up{\(PromQL.gatewayJob)} == 0", for: "1m", .ticket,
                summary: "Gateway {{ $labels.instance }} does not answer Prometheus",
                description: "It is down, cut off, or its status listener is off."),
            AlertRule(
                "SluiceAllTargetsDown",
                """
                sum by (\(place)) (up{\(PromQL.gatewayJob)}) == 0
                or
                absent(up{\(PromQL.gatewayJob)})
                """, for: "1m", .page,
                summary: "No gateway answers Prometheus",
                description: "Either nothing is served, or nothing is known of it."),
        ]
    }

    private static var limits: [AlertRule] {
        func near(_ limit: String, _ expression: String, _ description: String) -> AlertRule {
            AlertRule(
                "SluiceNearLimit", expression, for: "5m", .ticket, labels: [("limit", limit)],
                summary: "Gateway {{ $labels.instance }} nears a limit: \(limit)",
                description: description)
        }
        let ofGateway = "\(place), instance"
        return [
            near(
                "connections",
                """
                sum by (\(ofGateway), side) (sluice_connections)
                  / sum by (\(ofGateway), side) (sluice_connections_max) > 0.8
                """,
                "{{ $value | humanizePercentage }} of the {{ $labels.side }} connections are open (limits.connections_max)."
            ),
            near(
                "descriptors",
                "process_open_fds{\(PromQL.gatewayJob)} / process_max_fds{\(PromQL.gatewayJob)} > 0.8",
                "{{ $value | humanizePercentage }} of the descriptors are in use (ulimit -n, LimitNOFILE)."
            ),
            near(
                "accepting",
                "sum by (\(ofGateway)) (rate(sluice_accept_paused_seconds_total[5m])) > 0.01",
                "New connections are left in the kernel {{ $value | humanizePercentage }} of the time."
            ),
            near(
                "buffers",
                """
                sum by (\(ofGateway)) (sluice_buffers_bytes)
                  / sum by (\(ofGateway)) (sluice_buffers_max_bytes) > 0.8
                """,
                "{{ $value | humanizePercentage }} of the memory for bodies is taken (limits.bodies_bytes_max)."
            ),
            near(
                "queue",
                """
                sum by (\(ofGateway), pool) (sluice_queue_length)
                  / sum by (\(ofGateway), pool) (sluice_queue_limit) > 0.8
                """,
                "{{ $value | humanizePercentage }} of the places in the wait queue of {{ $labels.pool }} are taken (queue_length_max)."
            ),
            near(
                "series",
                "sum by (\(ofGateway)) (increase(sluice_metrics_observations_lost_total[10m])) > 0",
                "{{ $value | printf \"%.0f\" }} observations were not counted: too many combinations of labels."
            ),
        ]
    }

    private static var defects: [AlertRule] {
        let ofGateway = "\(place), instance"
        let expiry = "sluice_tls_certificate_expiry_timestamp_seconds - time()"
        let certificate =
            "The certificate of the listener {{ $labels.name }} ends in {{ $value | humanizeDuration }}."
        return [
            AlertRule(
                "SluiceCertificateExpires", "\(expiry) < 14 * 86400", for: "10m", .ticket,
                summary: "A certificate of {{ $labels.instance }} expires within two weeks",
                description: certificate),
            AlertRule(
                "SluiceCertificateExpires", "\(expiry) < 2 * 86400", for: "10m", .page,
                summary: "A certificate of {{ $labels.instance }} expires within two days",
                description: certificate),
            AlertRule(
                "SluiceReloadFailed", "sluice_config_last_reload_successful == 0", for: "5m",
                .ticket,
                summary: "Gateway {{ $labels.instance }} runs on an old configuration",
                description: "The file has an error: a restart would fail."),
            AlertRule(
                "SluiceEventLoopSlow",
                """
                histogram_quantile(
                  0.99,
                  sum by (le, \(ofGateway)) (rate(sluice_event_loop_lag_seconds_bucket[5m]))
                ) > 0.05
                """, for: "10m", .ticket,
                summary: "Gateway {{ $labels.instance }} holds streams up",
                description:
                    "P99 of the turns of its event loops is {{ $value | humanizeDuration }}: so long nothing else was served."
            ),
            AlertRule(
                "SluiceLogLinesLost",
                "sum by (\(ofGateway)) (increase(sluice_log_lines_dropped_total[10m])) > 0",
                for: "5m", .ticket,
                summary: "Gateway {{ $labels.instance }} loses log lines",
                description: "{{ $value | printf \"%.0f\" }} lines in 10 minutes."),
            AlertRule(
                "SluiceLeakedPermits",
                "sum by (\(ofGateway)) (sluice_leaked_permits_total) > 0", .ticket,
                summary: "A defect of Sluice: permits were lost",
                description:
                    "{{ $value | printf \"%.0f\" }} since {{ $labels.instance }} started; each may have been a slot."
            ),
        ]
    }
}
