"""What the dashboards ask, for whatever draws them: a row for each question, and the panels in it.

In queries M stands for the labels of an installation and of a model, F for those of metrics without a model, C for
those of a machine, which belongs to a cluster and to no namespace; W for the range, and V for what names of vLLM's
metrics begin with: `vllm:`, or `vllm_` where an OpenTelemetry collector has been in between.
"""

import re
import typing

CLUSTER = 'cluster=~"$cluster"'
FILTER = CLUSTER + ',namespace=~"$namespace"'
LABELS = {"C": CLUSTER, "F": FILTER, "M": FILTER + ',model_name=~"$model"'}


def expand(expression):
    """C, F, M, W and V in a query, as whole words or before a metric's name."""
    expression = re.sub(r"\b([CFM])\b", lambda found: LABELS[found[1]], expression)
    return re.sub(r"\bV(?=[a-z])", "${vllm}", expression.replace("[W]", "[$window]"))


class Panel(typing.NamedTuple):
    title: str
    unit: str
    queries: list  # (expression, legend[, hint])
    about: str = ""
    least: int | None = 0  # where the axis begins; None: with the smallest value


# Hints of a query: bars against the right axis, a thin line for those of another day; dashed as a bound, thin as
# something past, one on the other.
VOLUME, PAST_VOLUME, BOUND, PAST, STACK = "count", "past count", "bound", "past", "stack"


def quantile(q, name, by="model_name", labels="M", offset=""):
    grouped = f"le, {by}" if by else "le"
    return f"histogram_quantile({q}, sum by ({grouped}) (rate({name}_bucket{{{labels}}}[W]{offset})))"


def volume(name, what="requests", labels="M", offset="", when="in the range"):
    """How many a percentile is of: every panel with percentiles has it."""
    hint = PAST_VOLUME if offset else VOLUME
    return f"sum(increase({name}_count{{{labels}}}[W]{offset}))", f"{what} {when}", hint


def rate(name, by="model_name", labels="M"):
    return f"sum by ({by}) (rate({name}{{{labels}}}[W]))"


def mean(name, labels):
    return (f"sum(rate({name}_sum{{{labels}}}[W])) / "
            f"clamp_min(sum(rate({name}_count{{{labels}}}[W])), 1e-9)")


def burnt(window):
    """How much faster the budget of an objective burns than it may."""
    return (f'sum by (slo) (rate(sluice_slo_events_total{{M,result="bad"}}[{window}])) / '
            f"sum by (slo) (rate(sluice_slo_events_total{{M}}[{window}])) / on (slo) "
            "(1 - max by (slo) (sluice_slo_objective{F}))")


# Names since DCGM 3.3, and before. Bits: NVIDIA DCGM, `DCGM_CLOCKS_EVENT_REASON_…`.
CLOCK_REASONS = "(DCGM_FI_DEV_CLOCKS_EVENT_REASONS{F} or DCGM_FI_DEV_CLOCK_THROTTLE_REASONS{F})"
HOLD_CLOCKS_DOWN = {"power cap": 0x4, "hardware": 0x8, "heat, by the driver": 0x20, "heat, by the hardware": 0x40,
                    "power brake": 0x80}


def gpu(how, metric, what=""):
    """One line for each GPU; `pod` where the exporter knows whose it is."""
    metric = metric if "{" in metric else metric + "{F}"
    return f"{how} by (instance, gpu, pod) ({metric})", f"{what} {{{{instance}}}} {{{{gpu}}}} {{{{pod}}}}".strip()


# Interfaces that carry what others have carried before.
LINKS = 'device!~"lo|veth.*|cali.*|cni.*|docker.*|br-.*"'


def host(name):
    return f"sum by (instance) (rate({name}{{C,{LINKS}}}[W]))"


USERS = ("What do users experience?", [
    Panel("Requests by outcome", "reqps",
          [(rate("sluice_requests_total", "outcome"), "{{outcome}}"),
           ("sum(rate(sluice_requests_received_total{M}[W]))", "arrived", BOUND)],
          "Everything that arrived, by how it ended. Refusals (shed) are neither success nor failure."),
    Panel("HTTP status", "reqps", [(rate("sluice_requests_total", "code"), "{{code}}")]),
    Panel("Part failed by us or the replicas", "percentunit",
          [('(sum by (model_name) (rate(sluice_requests_total{M,outcome=~"upstream_failed|stream_error|truncated|'
            'stream_timeout|gateway_error"}[W])) or 0 * sum by (model_name) (rate(sluice_requests_total{M}[W]))) '
            "/ sum by (model_name) (rate(sluice_requests_total{M}[W]))", "{{model_name}}")],
          "Refusals and clients that left are not in it."),
    Panel("Time to first token, as clients see it", "s",
          [(quantile(0.5, "sluice_time_to_first_token_seconds"), "p50 {{model_name}}"),
           (quantile(0.95, "sluice_time_to_first_token_seconds"), "p95 {{model_name}}"),
           (quantile(0.99, "sluice_time_to_first_token_seconds"), "p99 {{model_name}}"),
           (quantile(0.99, "sluice_first_token_wait_seconds"), "p99 with those who got none {{model_name}}"),
           volume("sluice_time_to_first_token_seconds", "streams")],
          "Of few streams a percentile says little: take a longer range."),
    Panel("The same a day and a week ago, p95", "s",
          [(quantile(0.95, "sluice_time_to_first_token_seconds"), "now {{model_name}}"),
           (quantile(0.95, "sluice_time_to_first_token_seconds", offset=" offset 1d"), "a day ago {{model_name}}", PAST),
           (quantile(0.95, "sluice_time_to_first_token_seconds", offset=" offset 1w"), "a week ago {{model_name}}", PAST),
           volume("sluice_time_to_first_token_seconds", "streams"),
           volume("sluice_time_to_first_token_seconds", "streams", offset=" offset 1d", when="a day ago"),
           volume("sluice_time_to_first_token_seconds", "streams", offset=" offset 1w", when="a week ago")]),
    Panel("Where the time to first token goes, mean", "s",
          [("sum by (stage) (rate(sluice_ttft_stage_seconds_sum{M}[W])) / "
            "sum by (stage) (rate(sluice_ttft_stage_seconds_count{M}[W]))", "{{stage}}", STACK)],
          "engine is the replica; queue is want of replicas; connect and deliver are network and gateway."),
    Panel("Time to first token in the engine", "s",
          [(quantile(0.95, "Vtime_to_first_token_seconds"), "p95 {{model_name}}"),
           (quantile(0.99, "Vtime_to_first_token_seconds"), "p99 {{model_name}}"),
           volume("Vtime_to_first_token_seconds")],
          "Without what waited in the gateway, and without those who left before their first token."),
    Panel("Gaps between tokens", "s",
          [(quantile(0.95, "sluice_inter_token_latency_seconds"), "p95 {{model_name}}"),
           (quantile(0.99, "sluice_inter_token_latency_seconds"), "p99 {{model_name}}"),
           (quantile(0.99, "Vinter_token_latency_seconds"), "p99 in the engine {{model_name}}"),
           volume("sluice_inter_token_latency_seconds", "gaps")],
          "Stalls that users see. A client's own slowness is taken out."),
    Panel("Time per output token of a request", "s",
          [(quantile(0.95, "sluice_time_per_output_token_seconds"), "p95 {{model_name}}"),
           (quantile(0.95, "Vrequest_time_per_output_token_seconds"), "p95 in the engine {{model_name}}"),
           volume("sluice_time_per_output_token_seconds")],
          "A mean over a request: single stalls hide in it."),
    Panel("Whole requests", "s",
          [(quantile(0.95, "sluice_request_duration_seconds", labels='M,result="served"'), "p95 {{model_name}}"),
           (quantile(0.95, "Ve2e_request_latency_seconds"), "p95 in the engine {{model_name}}"),
           volume("sluice_request_duration_seconds", labels='M,result="served"')]),
    Panel("The network's share: half the round trip to clients", "s",
          [(quantile(0.5, "sluice_downstream_rtt_seconds", "", "F"), "p50"),
           (quantile(0.95, "sluice_downstream_rtt_seconds", "", "F"), "p95"),
           volume("sluice_downstream_rtt_seconds", "streams", "F")],
          "By the kernel, at the end of each stream. Of no model: a model is not what makes it long."),
    Panel("Clients that left, by how far their request had come", "reqps",
          [(rate("sluice_client_disconnects_total", "phase"), "{{phase}}")]),
    Panel("Budget burnt: 1 spends it exactly in its period", "none",
          [(burnt("1h"), "{{slo}}, 1 h"), (burnt("5m"), "{{slo}}, 5 min", PAST)],
          "The alerts go by these: sluice rules."),
    Panel("Error budget left, of 30 days", "percentunit",
          [('1 - sum by (slo) (sluice:slo_bad:increase30d{M,scope="class"}) / '
            'sum by (slo) (sluice:slo_all:increase30d{M,scope="class"}) / on (slo) '
            "(1 - max by (slo) (sluice_slo_objective{F}))", "{{slo}}")],
          "Below 0 the objective is missed. From the recording rules of sluice rules.", None),
])

QUEUES = ("Is work queueing?", [
    Panel("Mean wait: gateway, then engine", "s",
          [(mean("sluice_queue_wait_seconds", 'F,result="dispatched"'), "in the gateway", STACK),
           (mean("Vrequest_queue_time_seconds", "M"), "in the engine", STACK)],
          "With admission on, the queue is in the gateway: only the sum says how long requests wait."),
    Panel("Wait in the gateway and in the engine", "s",
          [(quantile(0.95, "sluice_queue_wait_seconds", "pool, class", 'F,result="dispatched"'),
            "p95 {{pool}} {{class}}"),
           (quantile(0.95, "Vrequest_queue_time_seconds"), "p95 in the engine {{model_name}}"),
           volume("sluice_queue_wait_seconds", labels='F,result="dispatched"')]),
    Panel("Waiting and running", "none",
          [("sum by (pool, class) (sluice_queue_length{F})", "waiting here {{pool}} {{class}}"),
           ("sum by (model_name) (Vnum_requests_waiting{M})", "waiting in engines {{model_name}}"),
           ("sum by (model_name) (Vnum_requests_running{M})", "running {{model_name}}")],
          "A short queue now and then is how batching works."),
    Panel("Refused, by reason", "reqps", [(rate("sluice_shed_total", "reason, class"), "{{reason}} {{class}}")]),
    Panel("Use of what the replicas can hold", "percentunit",
          [("sum by (pool) (sluice_pool_utilization_ratio{F})", "{{pool}}")]),
    Panel("Replicas wanted and there", "none",
          [("sum by (pool) (sluice_pool_demand_replicas{F})", "wanted {{pool}}"),
           ('max by (pool) (sluice_pool_replicas{F,state="ready"})', "ready {{pool}}")],
          "What an autoscaler should look at; vLLM's waiting requests stay near zero behind the gateway."),
    Panel("Error of predicted waits, p90", "s",
          [(quantile(0.9, "sluice_prediction_error_seconds", "pool, direction", "F"), "{{direction}} {{pool}}"),
           volume("sluice_prediction_error_seconds", "predictions", "F")]),
    Panel("In flight, by replica", "none",
          [("sum by (pool, replica) (sluice_replica_inflight{F})", "{{replica}}")], "Evenly?"),
    Panel("Prefill and decode", "s",
          [(quantile(0.95, "Vrequest_prefill_time_seconds"), "prefill p95 {{model_name}}"),
           (quantile(0.95, "Vrequest_decode_time_seconds"), "decode p95 {{model_name}}"),
           volume("Vrequest_prefill_time_seconds")]),
])

REPLICAS = ("Do replicas answer the gateway?", [
    Panel("Request sent until a replica answers", "s",
          [(quantile(0.95, "sluice_upstream_latency_seconds", "pool, stage", "F"), "p95 {{stage}} {{pool}}"),
           volume("sluice_upstream_latency_seconds", "answers", 'F,stage="head"')],
          "head is the response head, first_token the first content event."),
    Panel("Until the first content, by replica", "s",
          [(quantile(0.95, "sluice_upstream_latency_seconds", "pool, replica", 'F,stage="first_token"'),
            "p95 {{replica}}"),
           volume("sluice_upstream_latency_seconds", "streams", 'F,stage="first_token"')],
          "One above the others is a slow replica; all together are load, prompts or a release."),
    Panel("Answers of replicas, by status", "reqps",
          [(rate("sluice_upstream_requests_total", "pool, code", "F"), "{{code}} {{pool}}")],
          "Every attempt, repeated ones too."),
    Panel("Limits that passed while waiting", "ops",
          [(rate("sluice_upstream_timeouts_total", "replica, stage", "F"), "{{stage}} {{replica}}")],
          "connect, first_token, idle and total of the configuration's timeouts."),
    Panel("Connections that did not come about", "ops",
          [(rate("sluice_upstream_connect_errors_total", "replica, reason", "F"), "{{reason}} {{replica}}")]),
    Panel("Failed attempts, and what became of them", "ops",
          [(rate("sluice_retries_total", "reason, result", "F"), "{{reason}}: {{result}}")],
          "ok was repeated elsewhere, refused was not."),
    Panel("Repeats that may still be spent", "none",
          [("sum by (pool) (sluice_retry_budget_remaining{F})", "{{pool}}")],
          "At 0 failures reach the clients: repeating would only add load."),
    Panel("Connections to replicas", "none",
          [("sum by (pool, state) (sluice_upstream_connections{F})", "{{state}} {{pool}}")]),
])

MEMORY = ("Is the engine under memory pressure?", [
    Panel("KV cache in use", "percentunit",
          [("max by (model_name, instance) (Vkv_cache_usage_perc{M})", "{{instance}}")],
          "How much is healthy depends on model and prompts: compare with a good day."),
    Panel("Preemptions", "ops", [(rate("Vnum_preemptions_total"), "{{model_name}}")],
          "Work thrown away and done again."),
    Panel("Prefix cache: hits of what was looked up", "percentunit",
          [("sum by (model_name) (rate(Vprefix_cache_hits_total{M}[W])) / "
            "clamp_min(sum by (model_name) (rate(Vprefix_cache_queries_total{M}[W])), 1)", "{{model_name}}")]),
    Panel("Tokens a step, the batch that runs", "none",
          [("sum by (model_name) (rate(Viteration_tokens_total_sum{M}[W])) / "
            "sum by (model_name) (rate(Viteration_tokens_total_count{M}[W]))", "{{model_name}}")]),
    Panel("Speculative decoding: accepted of drafted", "percentunit",
          [("sum by (model_name) (rate(Vspec_decode_num_accepted_tokens_total{M}[W])) / "
            "sum by (model_name) (rate(Vspec_decode_num_draft_tokens_total{M}[W]))", "{{model_name}}")],
          "Only where an engine drafts."),
    Panel("KV transfers that failed (NIXL)", "ops",
          [(rate("Vnixl_num_failed_transfers_total", "instance"), "{{instance}}")],
          "Only where prefill and decode are apart."),
    Panel("Time of a KV transfer (NIXL)", "s",
          [(quantile(0.5, "Vnixl_xfer_time_seconds"), "p50 {{model_name}}"),
           (quantile(0.95, "Vnixl_xfer_time_seconds"), "p95 {{model_name}}"),
           volume("Vnixl_xfer_time_seconds", "transfers")],
          "Part of the time to first token where prefill and decode are apart: network between engines."),
])

WORKLOAD = ("Did the workload change?", [
    Panel("Tokens in and out", "none",
          [(rate("Vprompt_tokens_total"), "prompt {{model_name}}"),
           (rate("Vgeneration_tokens_total"), "generated {{model_name}}"),
           (rate("sluice_goodput_tokens_total"), "within every objective {{model_name}}")], "Per second."),
    Panel("Prompts, tokens", "none",
          [(quantile(0.5, "Vrequest_prompt_tokens"), "p50 {{model_name}}"),
           (quantile(0.95, "Vrequest_prompt_tokens"), "p95 {{model_name}}"),
           (quantile(0.5, "sluice_request_prompt_tokens"), "p50 of all that arrived {{model_name}}"),
           volume("Vrequest_prompt_tokens")]),
    Panel("Answers, tokens", "none",
          [(quantile(0.5, "Vrequest_generation_tokens"), "p50 {{model_name}}"),
           (quantile(0.95, "Vrequest_generation_tokens"), "p95 {{model_name}}"),
           (quantile(0.5, "Vrequest_params_max_tokens"), "limit asked for, p50 {{model_name}}"),
           volume("Vrequest_generation_tokens")]),
    Panel("Prompt tokens that had to be computed", "none",
          [(quantile(0.5, "Vrequest_prefill_kv_computed_tokens"), "p50 {{model_name}}"),
           volume("Vrequest_prefill_kv_computed_tokens")], "After the prefix cache."),
    Panel("Completed in engines, by reason", "reqps",
          [(rate("Vrequest_success_total", "model_name, finished_reason"), "{{finished_reason}} {{model_name}}")],
          "No error rate: what never reached an engine is not in it."),
    Panel("Generated for nobody", "none",
          [(rate("sluice_wasted_tokens_total", "cause"), "{{cause}}")], "Tokens per second for clients that had left."),
])

GPUS = ("What do the GPUs say?", [
    Panel("GPU utilization", "percent", [gpu("avg", "DCGM_FI_DEV_GPU_UTIL")],
          "Decode is bound by memory bandwidth: low utilization of the cores is no idleness."),
    Panel("GPU memory", "mbytes", [gpu("max", "DCGM_FI_DEV_FB_USED")]),
    Panel("Power", "watt", [gpu("max", "DCGM_FI_DEV_POWER_USAGE")]),
    Panel("Clocks", "none", [gpu("min", "DCGM_FI_DEV_SM_CLOCK")], "MHz. Throttling shows here first."),
    Panel("GPUs whose clocks are held down, by reason", "none",
          [(f"sum by (instance) (floor({CLOCK_REASONS} / {bit}) % 2)", f"{reason} {{{{instance}}}}")
           for reason, bit in HOLD_CLOCKS_DOWN.items()],
          "A power cap is usual under load, the others are not. Has to be among the exporter's counters."),
    Panel("Temperature", "celsius", [gpu("max", "DCGM_FI_DEV_GPU_TEMP")]),
    Panel("Hardware errors (XID)", "none", [gpu("max", "DCGM_FI_DEV_XID_ERRORS")], "The number of the last one."),
    Panel("Memory errors (ECC) since the driver was loaded", "none",
          [gpu("max", "DCGM_FI_DEV_ECC_DBE_VOL_TOTAL", "not corrected"),
           gpu("max", "DCGM_FI_DEV_ECC_SBE_VOL_TOTAL", "corrected"),
           gpu("max", "DCGM_FI_DEV_UNCORRECTABLE_REMAPPED_ROWS", "rows remapped"),
           gpu("max", "DCGM_FI_DEV_ROW_REMAP_FAILURE", "remapping failed")],
          "One that was not corrected ends the engine; a failed remapping is the end of the card. "
          "The first two have to be among the exporter's counters."),
    Panel("PCIe traffic", "Bps",
          [gpu("sum", "DCGM_FI_PROF_PCIE_TX_BYTES", "sent"), gpu("sum", "DCGM_FI_PROF_PCIE_RX_BYTES", "received")],
          "Weights while a model is loaded, KV cache that is moved to the host."),
    Panel("NVLink traffic", "Bps",
          [gpu("sum", "DCGM_FI_PROF_NVLINK_TX_BYTES", "sent"), gpu("sum", "DCGM_FI_PROF_NVLINK_RX_BYTES", "received")],
          "Between the GPUs of one replica. Has to be among the exporter's counters."),
])

HOSTS = ("What do hosts and gateways say?", [
    Panel("Host: load over cores", "percentunit",
          [('max by (instance) (node_load1{C}) / count by (instance) (node_cpu_seconds_total{C,mode="idle"})',
            "{{instance}}")]),
    Panel("Host: memory left", "percentunit",
          [("min by (instance) (node_memory_MemAvailable_bytes{C} / node_memory_MemTotal_bytes{C})", "{{instance}}")]),
    Panel("Host: network", "Bps",
          [(host("node_network_receive_bytes_total"), "received {{instance}}"),
           (host("node_network_transmit_bytes_total"), "sent {{instance}}")]),
    Panel("Host: packets lost", "pps",
          [(" + ".join(host(f"node_network_{way}_{what}_total") for way in ("receive", "transmit")
                       for what in ("errs", "drop")), "{{instance}}")],
          "Broken or dropped, both ways."),
    Panel("Gateway: CPU, cores", "none",
          [("sum by (instance) (rate(process_cpu_seconds_total{F,job=~\".*sluice\"}[W]))", "{{instance}}")]),
    Panel("Gateway: longest turns of its loops, p99", "s",
          [(quantile(0.99, "sluice_event_loop_lag_seconds", "instance, worker", "F"), "{{instance}} {{worker}}"),
           volume("sluice_event_loop_lag_seconds", "turns", "F")],
          "Above some 20 ms streams stand still for that long."),
    Panel("Replicas by state", "none", [("max by (pool, state) (sluice_pool_replicas{F})", "{{pool}} {{state}}")]),
])

ROWS = [USERS, QUEUES, REPLICAS, MEMORY, WORKLOAD, GPUS, HOSTS]


def of_the_gpu(panel):
    """Whether dcgm-exporter's own dashboard has more on what a panel shows."""
    return any("DCGM_FI_" in expression for expression, *_ in panel.queries)


def is_volume(query):
    return query[2:] in ((VOLUME,), (PAST_VOLUME,))
