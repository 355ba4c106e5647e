#!/usr/bin/env python3
"""Writes deploy/grafana/sluice.json: one dashboard, a row for each question.

Panels are written here as title, unit and queries, because a hundred lines of JSON for each say no more. In queries
F stands for the labels of an installation, M for those and the model, W for the range, and V for what names of
vLLM's metrics begin with: `vllm:`, or `vllm_` where an OpenTelemetry collector has been in between.

    scripts/grafana_dashboard.py           writes the file
    scripts/grafana_dashboard.py --print   prints it
"""

import json
import pathlib
import sys

FILE = pathlib.Path(__file__).resolve().parents[1] / "deploy/grafana/sluice.json"
FILTER = 'cluster=~"$cluster",namespace=~"$namespace"'
SOURCE = {"type": "prometheus", "uid": "${datasource}"}


def quantile(q, name, by="model_name", labels="M", window="W", offset=""):
    return (f"histogram_quantile({q}, sum by (le, {by}) "
            f"(rate({name}_bucket{{{labels}}}[{window}]{offset})))")


def rate(name, by="model_name", labels="M", window="W"):
    return f"sum by ({by}) (rate({name}{{{labels}}}[{window}]))"


def mean(name, labels="F"):
    return (f"sum(rate({name}_sum{{{labels}}}[W])) / "
            f"clamp_min(sum(rate({name}_count{{{labels}}}[W])), 1e-9)")


# (row, panels); a panel: (title, unit, queries, what to know); a query: (expression, legend[, hint]).
# Hints: "count" draws bars against the right axis, "bound" a dashed line, "past" a thin one.
VOLUME = "count"
# Titles of panels that dcgm-exporter's own dashboard has more on.
OF_THE_GPU = ("GPU", "Power", "Clocks", "Temperature", "Hardware")
DCGM_DASHBOARD = "https://grafana.com/grafana/dashboards/12239"
PAST = "past"
ROWS = [
    ("What do users experience?", [
        ("Requests by outcome", "reqps",
         [(rate("sluice_requests_total", "outcome"), "{{outcome}}"),
          ("sum(rate(sluice_requests_received_total{M}[W]))", "arrived", "bound")],
         "Everything that arrived, by how it ended. Refusals (shed) are neither success nor failure."),
        ("HTTP status", "reqps", [(rate("sluice_requests_total", "code"), "{{code}}")], ""),
        ("Part failed by us or the replicas", "percentunit",
         [('(sum by (model_name) (rate(sluice_requests_total{M,outcome=~"upstream_failed|stream_error|truncated|'
           'stream_timeout|gateway_error"}[W])) or 0 * sum by (model_name) (rate(sluice_requests_total{M}[W]))) '
           "/ sum by (model_name) (rate(sluice_requests_total{M}[W]))", "{{model_name}}")], "Refusals and clients that left are not in it."),
        ("Time to first token, as clients see it", "s",
         [(quantile(0.5, "sluice_time_to_first_token_seconds"), "p50 {{model_name}}"),
          (quantile(0.95, "sluice_time_to_first_token_seconds"), "p95 {{model_name}}"),
          (quantile(0.99, "sluice_time_to_first_token_seconds"), "p99 {{model_name}}"),
          (quantile(0.99, "sluice_first_token_wait_seconds"), "p99 with those who got none {{model_name}}"),
          ("sum(increase(sluice_time_to_first_token_seconds_count{M}[W]))", "streams in the range", VOLUME)],
         "Of few streams a percentile says little: take a longer range."),
        ("The same a day and a week ago, p95", "s",
         [(quantile(0.95, "sluice_time_to_first_token_seconds"), "now {{model_name}}"),
          (quantile(0.95, "sluice_time_to_first_token_seconds", offset=" offset 1d"), "a day ago {{model_name}}", PAST),
          (quantile(0.95, "sluice_time_to_first_token_seconds", offset=" offset 1w"), "a week ago {{model_name}}", PAST)],
         ""),
        ("Where the time to first token goes, mean", "s",
         [("sum by (stage) (rate(sluice_ttft_stage_seconds_sum{M}[W])) / "
           "sum by (stage) (rate(sluice_ttft_stage_seconds_count{M}[W]))", "{{stage}}", "stack")],
         "engine is the replica; queue is want of replicas; connect and deliver are network and gateway."),
        ("Time to first token in the engine", "s",
         [(quantile(0.95, "Vtime_to_first_token_seconds"), "p95 {{model_name}}"),
          (quantile(0.99, "Vtime_to_first_token_seconds"), "p99 {{model_name}}"),
          ("sum(increase(Vtime_to_first_token_seconds_count{M}[W]))", "requests in the range", VOLUME)],
         "Without what waited in the gateway, and without those who left before their first token."),
        ("Gaps between tokens", "s",
         [(quantile(0.95, "sluice_inter_token_latency_seconds"), "p95 {{model_name}}"),
          (quantile(0.99, "sluice_inter_token_latency_seconds"), "p99 {{model_name}}"),
          (quantile(0.99, "Vinter_token_latency_seconds"), "p99 in the engine {{model_name}}"),
          ("sum(increase(sluice_inter_token_latency_seconds_count{M}[W]))", "gaps in the range", VOLUME)],
         "Stalls that users see. A client's own slowness is taken out."),
        ("Time per output token of a request", "s",
         [(quantile(0.95, "sluice_time_per_output_token_seconds", labels="M"), "p95 {{model_name}}"),
          (quantile(0.95, "Vrequest_time_per_output_token_seconds"), "p95 in the engine {{model_name}}"),
          ("sum(increase(sluice_time_per_output_token_seconds_count{M}[W]))", "requests in the range", VOLUME)],
         "A mean over a request: single stalls hide in it."),
        ("Whole requests", "s",
         [(quantile(0.95, "sluice_request_duration_seconds", labels='M,result="served"'), "p95 {{model_name}}"),
          (quantile(0.95, "Ve2e_request_latency_seconds"), "p95 in the engine {{model_name}}"),
          ('sum(increase(sluice_request_duration_seconds_count{M,result="served"}[W]))', "requests in the range",
           VOLUME)], ""),
        ("Clients that left, by how far their request had come", "reqps",
         [(rate("sluice_client_disconnects_total", "phase"), "{{phase}}")], ""),
        ("Budget burnt: 1 spends it exactly in its period", "none",
         [('sum by (slo) (rate(sluice_slo_events_total{F,result="bad"}[1h])) / '
           "sum by (slo) (rate(sluice_slo_events_total{F}[1h])) / on (slo) (1 - max by (slo) (sluice_slo_objective{F}))",
           "{{slo}}, 1 h"),
          ('sum by (slo) (rate(sluice_slo_events_total{F,result="bad"}[5m])) / '
           "sum by (slo) (rate(sluice_slo_events_total{F}[5m])) / on (slo) (1 - max by (slo) (sluice_slo_objective{F}))",
           "{{slo}}, 5 min", PAST)], "The alerts go by these: sluice rules."),
    ]),
    ("Is work queueing?", [
        ("Mean wait: gateway, then engine", "s",
         [(mean("sluice_queue_wait_seconds", 'F,result="dispatched"'), "in the gateway", "stack"),
          (mean("Vrequest_queue_time_seconds"), "in the engine", "stack")],
         "With admission on, the queue is in the gateway: only the sum says how long requests wait."),
        ("Wait in the gateway and in the engine", "s",
         [(quantile(0.95, "sluice_queue_wait_seconds", "pool, class", 'F,result="dispatched"'), "p95 {{pool}} {{class}}"),
          (quantile(0.95, "Vrequest_queue_time_seconds"), "p95 in the engine {{model_name}}"),
          ('sum(increase(sluice_queue_wait_seconds_count{F,result="dispatched"}[W]))', "requests in the range", VOLUME)], ""),
        ("Waiting and running", "none",
         [("sum by (pool, class) (sluice_queue_length{F})", "waiting here {{pool}} {{class}}"),
          ("sum by (model_name) (Vnum_requests_waiting{M})", "waiting in engines {{model_name}}"),
          ("sum by (model_name) (Vnum_requests_running{M})", "running {{model_name}}")],
         "A short queue now and then is how batching works."),
        ("Refused, by reason", "reqps", [(rate("sluice_shed_total", "reason, class"), "{{reason}} {{class}}")], ""),
        ("Use of what the replicas can hold", "percentunit",
         [("sum by (pool) (sluice_pool_utilization_ratio{F})", "{{pool}}")], ""),
        ("Replicas wanted and there", "none",
         [("sum by (pool) (sluice_pool_demand_replicas{F})", "wanted {{pool}}"),
          ('max by (pool) (sluice_pool_replicas{F,state="ready"})', "ready {{pool}}")],
         "What an autoscaler should look at; vLLM's waiting requests stay near zero behind the gateway."),
        ("Error of predicted waits, p90", "s",
         [(quantile(0.9, "sluice_prediction_error_seconds", "pool, direction", "F"), "{{direction}} {{pool}}")], ""),
        ("In flight, by replica", "none",
         [("sum by (pool, replica) (sluice_replica_inflight{F})", "{{replica}}")], "Evenly?"),
        ("Prefill and decode", "s",
         [(quantile(0.95, "Vrequest_prefill_time_seconds"), "prefill p95 {{model_name}}"),
          (quantile(0.95, "Vrequest_decode_time_seconds"), "decode p95 {{model_name}}")], ""),
    ]),
    ("Is the engine under memory pressure?", [
        ("KV cache in use", "percentunit",
         [("max by (model_name, instance) (Vkv_cache_usage_perc{M})", "{{instance}}")],
         "How much is healthy depends on model and prompts: compare with a good day."),
        ("Preemptions", "ops", [(rate("Vnum_preemptions_total"), "{{model_name}}")],
         "Work thrown away and done again."),
        ("Prefix cache: hits of what was looked up", "percentunit",
         [("sum by (model_name) (rate(Vprefix_cache_hits_total{M}[W])) / "
           "clamp_min(sum by (model_name) (rate(Vprefix_cache_queries_total{M}[W])), 1)", "{{model_name}}")], ""),
        ("Tokens a step, the batch that runs", "none",
         [("sum by (model_name) (rate(Viteration_tokens_total_sum{M}[W])) / "
           "sum by (model_name) (rate(Viteration_tokens_total_count{M}[W]))", "{{model_name}}")], ""),
        ("Speculative decoding: accepted of drafted", "percentunit",
         [("sum by (model_name) (rate(Vspec_decode_num_accepted_tokens_total{M}[W])) / "
           "sum by (model_name) (rate(Vspec_decode_num_draft_tokens_total{M}[W]))", "{{model_name}}")],
         "Only where an engine drafts."),
        ("KV transfers that failed (NIXL)", "ops",
         [("sum by (instance) (rate(Vnixl_num_failed_transfers_total{F}[W]))", "{{instance}}")],
         "Only where prefill and decode are apart."),
    ]),
    ("Did the workload change?", [
        ("Tokens in and out", "none",
         [(rate("Vprompt_tokens_total"), "prompt {{model_name}}"),
          (rate("Vgeneration_tokens_total"), "generated {{model_name}}"),
          (rate("sluice_goodput_tokens_total"), "within every objective {{model_name}}")], "Per second."),
        ("Prompts, tokens", "none",
         [(quantile(0.5, "Vrequest_prompt_tokens"), "p50 {{model_name}}"),
          (quantile(0.95, "Vrequest_prompt_tokens"), "p95 {{model_name}}"),
          (quantile(0.5, "sluice_request_prompt_tokens"), "p50 of all that arrived {{model_name}}"),
          ("sum(increase(Vrequest_prompt_tokens_count{M}[W]))", "requests in the range", VOLUME)], ""),
        ("Answers, tokens", "none",
         [(quantile(0.5, "Vrequest_generation_tokens"), "p50 {{model_name}}"),
          (quantile(0.95, "Vrequest_generation_tokens"), "p95 {{model_name}}"),
          (quantile(0.5, "Vrequest_params_max_tokens"), "limit asked for, p50 {{model_name}}"),
          ("sum(increase(Vrequest_generation_tokens_count{M}[W]))", "requests in the range", VOLUME)], ""),
        ("Prompt tokens that had to be computed", "none",
         [(quantile(0.5, "Vrequest_prefill_kv_computed_tokens"), "p50 {{model_name}}")], "After the prefix cache."),
        ("Completed in engines, by reason", "reqps",
         [(rate("Vrequest_success_total", "model_name, finished_reason"), "{{finished_reason}} {{model_name}}")],
         "No error rate: what never reached an engine is not in it."),
        ("Generated for nobody", "none",
         [(rate("sluice_wasted_tokens_total", "cause"), "{{cause}}")], "Tokens per second for clients that had left."),
    ]),
    ("What do the machines say?", [
        ("GPU utilization", "percent", [("avg by (instance, gpu) (DCGM_FI_DEV_GPU_UTIL)", "{{instance}} {{gpu}}")],
         "Decode is bound by memory bandwidth: low utilization of the cores is no idleness."),
        ("GPU memory", "decmbytes", [("max by (instance, gpu) (DCGM_FI_DEV_FB_USED)", "{{instance}} {{gpu}}")], ""),
        ("Power", "watt", [("max by (instance, gpu) (DCGM_FI_DEV_POWER_USAGE)", "{{instance}} {{gpu}}")], ""),
        ("Clocks", "none", [("min by (instance, gpu) (DCGM_FI_DEV_SM_CLOCK)", "{{instance}} {{gpu}}")],
         "MHz. Throttling shows here first."),
        ("Temperature", "celsius", [("max by (instance, gpu) (DCGM_FI_DEV_GPU_TEMP)", "{{instance}} {{gpu}}")], ""),
        ("Hardware errors (XID)", "none",
         [("max by (instance, gpu) (DCGM_FI_DEV_XID_ERRORS)", "{{instance}} {{gpu}}")], ""),
        ("Host: load over cores", "percentunit",
         [('max by (instance) (node_load1) / count by (instance) (node_cpu_seconds_total{mode="idle"})',
           "{{instance}}")], ""),
        ("Gateway: CPU, cores", "none",
         [("sum by (instance) (rate(process_cpu_seconds_total{F,job=~\".*sluice\"}[W]))", "{{instance}}")], ""),
        ("Gateway: longest turns of its loops, p99", "s",
         [(quantile(0.99, "sluice_event_loop_lag_seconds", "instance, worker", "F"), "{{instance}} {{worker}}")],
         "Above some 20 ms streams stand still for that long."),
        ("Replicas by state", "none", [("max by (pool, state) (sluice_pool_replicas{F})", "{{pool}} {{state}}")], ""),
    ]),
]


def expand(expression):
    """F, M, W and V in a query, as whole words or before a metric's name."""
    out, text, index = "", expression, 0
    while index < len(text):
        before = text[index - 1] if index else " "
        after = text[index + 1] if index + 1 < len(text) else " "
        isolated = not (before.isalnum() or before == "_")
        if text[index] == "F" and isolated and not (after.isalnum() or after == "_"):
            out += FILTER
        elif text[index] == "M" and isolated and not (after.isalnum() or after == "_"):
            out += FILTER + ',model_name=~"$model"'
        elif text[index] == "W" and before == "[":
            out += "$window"
        elif text[index] == "V" and isolated and after.islower():
            out += "${vllm}"
        else:
            out += text[index]
        index += 1
    return out


def override(legend, hint):
    matcher = {"id": "byFrameRefID", "options": legend}
    properties = {
        "count": [("custom.drawStyle", "bars"), ("custom.axisPlacement", "right"), ("custom.fillOpacity", 12),
                  ("custom.lineWidth", 0), ("unit", "short")],
        "bound": [("custom.lineStyle", {"fill": "dash", "dash": [8, 6]}), ("custom.fillOpacity", 0)],
        "past": [("custom.lineWidth", 1), ("custom.lineStyle", {"fill": "dash", "dash": [2, 4]})],
        "stack": [("custom.stacking", {"mode": "normal", "group": "A"}), ("custom.fillOpacity", 30)],
    }[hint]
    return {"matcher": matcher, "properties": [{"id": id, "value": value} for id, value in properties]}


def panel(number, spec, x, y):
    title, unit, queries, about = spec
    targets, overrides = [], []
    for index, (expression, legend, *hint) in enumerate(queries):
        reference = chr(ord("A") + index)
        targets.append({"refId": reference, "datasource": SOURCE, "expr": expand(expression),
                        "legendFormat": legend, "range": True, "editorMode": "code"})
        if hint:
            overrides.append(override(reference, hint[0]))
    made = {
        "id": number, "type": "timeseries", "title": title, "datasource": SOURCE, "description": about,
        "gridPos": {"x": x, "y": y, "w": 12, "h": 8},
        "fieldConfig": {
            "defaults": {"unit": unit, "min": 0,
                         "custom": {"drawStyle": "line", "lineWidth": 2, "fillOpacity": 5, "showPoints": "never",
                                    "spanNulls": False}},
            "overrides": overrides},
        "options": {"legend": {"displayMode": "table", "placement": "bottom", "calcs": ["lastNotNull", "max"]},
                    "tooltip": {"mode": "multi", "sort": "desc"}},
        "targets": targets}
    if title.startswith(OF_THE_GPU):
        made["links"] = [{"title": "dcgm-exporter's dashboard", "targetBlank": True, "url": DCGM_DASHBOARD}]
    return made


def annotation(name, colour, expression, text):
    return {"name": name, "datasource": SOURCE, "enable": True, "iconColor": colour, "expr": expand(expression),
            "step": "60s", "titleFormat": name, "textFormat": text, "useValueForTime": False}


def variable(name, label, query):
    return {"name": name, "label": label, "type": "query", "datasource": SOURCE, "refresh": 2, "multi": True,
            "includeAll": True, "allValue": ".*", "current": {"text": "All", "value": "$__all"}, "sort": 1,
            "definition": query, "query": {"query": query, "refId": "variable"}}


def custom(name, label, options, hide=0):
    return {"name": name, "label": label, "type": "custom", "query": ",".join(options), "hide": hide,
            "current": {"text": options[0], "value": options[0]},
            "options": [{"text": o, "value": o, "selected": o == options[0]} for o in options]}


def dashboard():
    panels, y, number = [], 0, 1
    for title, specs in ROWS:
        panels.append({"id": number, "type": "row", "title": title, "collapsed": False, "panels": [],
                       "gridPos": {"x": 0, "y": y, "w": 24, "h": 1}})
        number, y = number + 1, y + 1
        for index, spec in enumerate(specs):
            panels.append(panel(number, spec, 12 * (index % 2), y + 8 * (index // 2)))
            number += 1
        y += 8 * ((len(specs) + 1) // 2)
    return {
        "uid": "sluice", "title": "Sluice and its vLLM fleet", "tags": ["sluice", "vllm"], "timezone": "browser",
        "schemaVersion": 39, "version": 1, "editable": True, "refresh": "30s", "graphTooltip": 1,
        "time": {"from": "now-3h", "to": "now"},
        "templating": {"list": [
            {"name": "datasource", "label": "Prometheus", "type": "datasource", "query": "prometheus",
             "current": {"text": "default", "value": "default"}},
            variable("cluster", "cluster", "label_values(sluice_build_info, cluster)"),
            variable("namespace", "namespace", 'label_values(sluice_build_info{cluster=~"$cluster"}, namespace)'),
            variable("model", "model", 'label_values(sluice_requests_received_total{cluster=~"$cluster",'
                                       'namespace=~"$namespace"}, model_name)'),
            custom("window", "range of rates", ["5m", "15m", "1h", "6h"]),
            custom("vllm", "vLLM's names begin with", ["vllm:", "vllm_"])]},
        "annotations": {"list": [
            annotation("gateway version", "blue", "count by (version) (sluice_build_info{F}) unless "
                       "count by (version) (sluice_build_info{F} offset 2m)", "{{version}}"),
            annotation("configuration", "orange", "changes(sluice_config_last_reload_success_timestamp_seconds{F}[2m])"
                       " > 0", "{{instance}}"),
            annotation("vLLM version", "purple", "max by (replica, vllm_version) (sluice_replica_info{F}) unless "
                       "max by (replica, vllm_version) (sluice_replica_info{F} offset 2m)",
                       "{{replica}} {{vllm_version}}")]},
        "panels": panels}


def write(made, file):
    text = json.dumps(made, indent=1, ensure_ascii=False) + "\n"
    if sys.argv[1:] == ["--print"]:
        print(text, end="")
    else:
        file.write_text(text)


if __name__ == "__main__":
    write(dashboard(), FILE)
