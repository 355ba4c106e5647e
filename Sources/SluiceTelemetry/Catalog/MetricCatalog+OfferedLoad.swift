extension MetricCatalog {
    /// Rows about what users offer and experience.
    static let offeredLoad: [(Metric, MetricRow)] = [
        (
            .requestsReceived,
            MetricRow(
                "sluice_requests_received_total", .counter, .none,
                ["model_name", "route", "class"], .sum,
                help: "Requests offered, counted once when the last body byte arrived or when an "
                    + "earlier refusal was decided.")
        ),
        (
            .requests,
            MetricRow(
                "sluice_requests_total", .counter, .none,
                ["model_name", "route", "method", "code", "outcome", "class"], .sum,
                help: "Requests finished, each in exactly one outcome; received minus finished is "
                    + "what is in flight.")
        ),
        (
            .requestsInFlight,
            MetricRow(
                "sluice_requests_in_flight", .gauge, .none, ["model_name", "class", "phase"], .sum,
                help: "Requests received and not finished, by the phase they are in.")
        ),
        (
            .oldestUnanswered,
            MetricRow(
                "sluice_oldest_unanswered_seconds", .gauge, .seconds, ["pool"], .max,
                help: "Age of the oldest request of a pool that has no content yet.")
        ),
        (
            .requestDuration,
            MetricRow(
                "sluice_request_duration_seconds", .histogram, .seconds,
                ["model_name", "class", "stream", "result"], .sum,
                help: "Time from the last request byte to the end of the exchange, apart for those "
                    + "served, refused, failed and abandoned.")
        ),
        (
            .timeToFirstToken,
            MetricRow(
                "sluice_time_to_first_token_seconds", .histogram, .seconds,
                ["model_name", "class"], .sum,
                help: "Time from the last request byte until the client's socket took the first "
                    + "content event; event streams only.")
        ),
        (
            .firstTokenWait,
            MetricRow(
                "sluice_first_token_wait_seconds", .histogram, .seconds,
                ["model_name", "class", "result"], .sum,
                help: "Time to first token together with the waits of those who never got one.")
        ),
        (
            .ttftStage,
            MetricRow(
                "sluice_ttft_stage_seconds", .histogram, .seconds, ["model_name", "stage"], .sum,
                help: "Parts of the time to first token; the stages of one request add up to it.")
        ),
        (
            .requestReceive,
            MetricRow(
                "sluice_request_receive_seconds", .histogram, .seconds, ["model_name"], .sum,
                help:
                    "Time the client took to send its request, from the first byte of the head to "
                    + "the last of the body.")
        ),
        (
            .response,
            MetricRow(
                "sluice_response_seconds", .histogram, .seconds, ["model_name", "class"], .sum,
                help:
                    "Response time of what was served without streaming, from the last request byte "
                    + "to the end.")
        ),
        (
            .interTokenLatency,
            MetricRow(
                "sluice_inter_token_latency_seconds", .histogram, .seconds, ["model_name"], .sum,
                help:
                    "Gap between writes of consecutive content events while the client was reading."
            )
        ),
        (
            .timePerOutputToken,
            MetricRow(
                "sluice_time_per_output_token_seconds", .histogram, .seconds,
                ["model_name", "source"], .sum,
                help:
                    "Mean time per output token after the first of each stream; source says whether "
                    + "usage or events counted them.")
        ),
        (
            .clientDisconnects,
            MetricRow(
                "sluice_client_disconnects_total", .counter, .none, ["model_name", "phase"], .sum,
                help:
                    "Clients that left before their answer was complete, by the phase they left in."
            )
        ),
        (
            .abortPropagation,
            MetricRow(
                "sluice_abort_propagation_seconds", .histogram, .seconds, [], .sum,
                help: "Time from seeing a client leave until its upstream connection was closed.")
        ),
        (
            .clientRetries,
            MetricRow(
                "sluice_client_retries_total", .counter, .none, ["model_name", "attempt"], .sum,
                help: "Requests that say of themselves that they are a retry; admission never "
                    + "believes it.")
        ),
        (
            .promptTokens,
            MetricRow(
                "sluice_prompt_tokens_total", .counter, .tokens, ["model_name"], .sum,
                help: "Prompt tokens reported in usage.")
        ),
        (
            .promptTokensCached,
            MetricRow(
                "sluice_prompt_tokens_cached_total", .counter, .none, ["model_name"], .sum,
                help: "Prompt tokens that usage says came from the replica's cache.")
        ),
        (
            .generationTokens,
            MetricRow(
                "sluice_generation_tokens_total", .counter, .tokens, ["model_name"], .sum,
                help: "Generated tokens reported in usage.")
        ),
        (
            .contentEvents,
            MetricRow(
                "sluice_content_events_total", .counter, .none, ["model_name"], .sum,
                help: "Content events written to clients, counted as they pass.")
        ),
        (
            .wastedTokens,
            MetricRow(
                "sluice_wasted_tokens_total", .counter, .tokens, ["model_name", "cause"], .sum,
                help: "Tokens generated for answers that nobody received in full.")
        ),
        (
            .requestPromptTokens,
            MetricRow(
                "sluice_request_prompt_tokens", .histogram, .tokens, ["model_name", "source"], .sum,
                help: "Prompt tokens per request; source says whether usage counted them or the "
                    + "body was measured.")
        ),
        (
            .requestGenerationTokens,
            MetricRow(
                "sluice_request_generation_tokens", .histogram, .tokens, ["model_name", "source"],
                .sum,
                help: "Generated tokens per request.")
        ),
        (
            .requestParamsMaxTokens,
            MetricRow(
                "sluice_request_params_max_tokens", .histogram, .tokens, ["model_name"], .sum,
                help: "The limit on generated tokens that requests set.")
        ),
        (
            .requestBodyBytes,
            MetricRow(
                "sluice_request_body_bytes", .histogram, .bytes, [], .sum,
                help: "Size of request bodies.")
        ),
        (
            .downstreamBlocked,
            MetricRow(
                "sluice_downstream_blocked_seconds", .histogram, .seconds, [], .sum,
                help: "Time in which a client's full socket held us back, per request that this "
                    + "happened to.")
        ),
        (
            .downstreamRTT,
            MetricRow(
                "sluice_downstream_rtt_seconds", .histogram, .seconds, [], .sum,
                help:
                    "Half the smoothed round-trip time to the client: the network's share of what "
                    + "the user waits.")
        ),
        (
            .tenantRequests,
            MetricRow(
                "sluice_tenant_requests_total", .counter, .none, ["tenant", "outcome"], .sum,
                help: "Requests finished, by tenant.")
        ),
        (
            .tenantTokens,
            MetricRow(
                "sluice_tenant_tokens_total", .counter, .tokens, ["tenant", "kind"], .sum,
                help: "Tokens reported in usage, by tenant.")
        ),
    ]
}
