extension MetricCatalog {
    /// Rows about the gateway itself.
    static let gateway: [(Metric, MetricRow)] = [
        (
            .buildInfo,
            MetricRow(
                "sluice_build_info", .gauge, .none, ["version", "commit", "swift"], .never,
                help: "Always one; its labels say what runs here.")
        ),
        (
            .configReloadSuccessful,
            MetricRow(
                "sluice_config_last_reload_successful", .gauge, .none, [], .never,
                help: "One if the latest configuration read is the one in force.")
        ),
        (
            .configReloadTimestamp,
            MetricRow(
                "sluice_config_last_reload_success_timestamp_seconds", .gauge, .seconds, [], .never,
                help: "When the configuration in force was read, in seconds since 1970.")
        ),
        (
            .configReloads,
            MetricRow(
                "sluice_config_reloads_total", .counter, .none, ["result"], .sum,
                help: "Attempts to reload the configuration.")
        ),
        (
            .draining,
            MetricRow(
                "sluice_draining", .gauge, .none, [], .never,
                help: "One while this gateway finishes its work and asks for no more.")
        ),
        (
            .connections,
            MetricRow(
                "sluice_connections", .gauge, .none, ["side"], .sum,
                help: "Open connections, to clients or to replicas.")
        ),
        (
            .connectionsMax,
            MetricRow(
                "sluice_connections_max", .gauge, .none, ["side"], .sum,
                help: "Connections that may be open at once.")
        ),
        (
            .connectionsTotal,
            MetricRow(
                "sluice_connections_total", .counter, .none, ["side", "result"], .sum,
                help: "Connections begun, by whether they came about.")
        ),
        (
            .acceptPaused,
            MetricRow(
                "sluice_accept_paused_seconds_total", .counter, .seconds, [], .sum,
                help:
                    "Time in which new connections were left in the kernel for want of descriptors "
                    + "or slots.")
        ),
        (
            .eventLoopLag,
            MetricRow(
                "sluice_event_loop_lag_seconds", .histogram, .seconds, ["worker"], .sum,
                help: "Time that one turn of a worker's event loop took, during which nothing else "
                    + "could be served.")
        ),
        (
            .buffersBytes,
            MetricRow(
                "sluice_buffers_bytes", .gauge, .bytes, [], .sum,
                help: "Memory held in buffers.")
        ),
        (
            .buffersMaxBytes,
            MetricRow(
                "sluice_buffers_max_bytes", .gauge, .bytes, [], .sum,
                help: "Memory that buffers may hold.")
        ),
        (
            .httpParseErrors,
            MetricRow(
                "sluice_http_parse_errors_total", .counter, .none, ["side", "error"], .sum,
                help: "HTTP messages refused as malformed.")
        ),
        (
            .tlsCertificateExpiry,
            MetricRow(
                "sluice_tls_certificate_expiry_timestamp_seconds", .gauge, .seconds, ["name"],
                .never,
                help: "When a certificate of ours expires, in seconds since 1970.")
        ),
        (
            .tlsHandshakes,
            MetricRow(
                "sluice_tls_handshakes_total", .counter, .none, ["side", "result"], .sum,
                help: "TLS handshakes by how they ended.")
        ),
        (
            .logLinesDropped,
            MetricRow(
                "sluice_log_lines_dropped_total", .counter, .none, [], .sum,
                help: "Log lines given up because the log's reader was too slow.")
        ),
        (
            .traceSpansExported,
            MetricRow(
                "sluice_trace_spans_exported_total", .counter, .none, [], .sum,
                help: "Spans that the collector has taken.")
        ),
        (
            .traceSpansDropped,
            MetricRow(
                "sluice_trace_spans_dropped_total", .counter, .none, ["reason"], .sum,
                help: "Spans that never reached the collector, by why.")
        ),
        (
            .traceExports,
            MetricRow(
                "sluice_trace_exports_total", .counter, .none, ["result"], .sum,
                help: "Requests to the collector, by whether it took the spans.")
        ),
        (
            .traceQueueSpans,
            MetricRow(
                "sluice_trace_queue_spans", .gauge, .none, [], .sum,
                help: "Spans that wait to be sent to the collector.")
        ),
        (
            .dnsErrors,
            MetricRow(
                "sluice_dns_errors_total", .counter, .none, [], .sum,
                help: "Name resolutions that failed.")
        ),
        (
            .metricsSeries,
            MetricRow(
                "sluice_metrics_series", .gauge, .none, [], .sum,
                help: "Time series on this page.")
        ),
        (
            .metricsSeriesMax,
            MetricRow(
                "sluice_metrics_series_max", .gauge, .none, [], .sum,
                help: "Time series this page may have; more are left out.")
        ),
        (
            .metricsLost,
            MetricRow(
                "sluice_metrics_observations_lost_total", .counter, .none, [], .sum,
                help: "Observations and series left out because a bound on time series was reached."
            )
        ),
        (
            .processCPU,
            MetricRow(
                "process_cpu_seconds_total", .counter, .seconds, [], .sum,
                help: "User and system time spent by the process.")
        ),
        (
            .processOpenFDs,
            MetricRow(
                "process_open_fds", .gauge, .none, [], .sum,
                help: "Open file descriptors.")
        ),
        (
            .processMaxFDs,
            MetricRow(
                "process_max_fds", .gauge, .none, [], .sum,
                help: "File descriptors that may be open at once.")
        ),
        (
            .processVirtualMemory,
            MetricRow(
                "process_virtual_memory_bytes", .gauge, .bytes, [], .sum,
                help: "Virtual memory of the process.")
        ),
        (
            .processResidentMemory,
            MetricRow(
                "process_resident_memory_bytes", .gauge, .bytes, [], .sum,
                help: "Resident memory of the process.")
        ),
        (
            .processStartTime,
            MetricRow(
                "process_start_time_seconds", .gauge, .seconds, [], .never,
                help: "When the process started, in seconds since 1970.")
        ),
        (
            .processThreads,
            MetricRow(
                "process_threads", .gauge, .none, [], .sum,
                help: "Threads of the process.")
        ),
    ]
}
