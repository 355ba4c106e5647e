#!/usr/bin/env python3
"""Writes deploy/grafana/sluice.json: the panels of scripts/dashboard_rows.py as a Grafana dashboard.

    scripts/grafana_dashboard.py           writes the file
    scripts/grafana_dashboard.py --print   prints it
"""

import json
import pathlib
import sys

from dashboard_rows import BOUND, PAST, PAST_VOLUME, ROWS, STACK, VOLUME, expand, of_the_gpu

FILE = pathlib.Path(__file__).resolve().parents[1] / "deploy/grafana/sluice.json"
SOURCE = {"type": "prometheus", "uid": "${datasource}"}
# The installation's own dashboard of dcgm-exporter: a variable, at first the uid that NVIDIA's has.
GPU_DASHBOARD = "Oxed_c6Wz"
GPU_LINK = "/d/${gpu_dashboard}?${__url_time_range}"
GPU_LABELS = "&var-instance=${__field.labels.instance}&var-gpu=${__field.labels.gpu}"


THIN = [("custom.lineWidth", 1), ("custom.lineStyle", {"fill": "dash", "dash": [2, 4]})]
RIGHT = [("custom.axisPlacement", "right"), ("unit", "short")]


def override(legend, hint):
    matcher = {"id": "byFrameRefID", "options": legend}
    properties = {
        VOLUME: [*RIGHT, ("custom.drawStyle", "bars"), ("custom.fillOpacity", 12), ("custom.lineWidth", 0)],
        PAST_VOLUME: [*RIGHT, *THIN, ("custom.fillOpacity", 0)],
        BOUND: [("custom.lineStyle", {"fill": "dash", "dash": [8, 6]}), ("custom.fillOpacity", 0)],
        PAST: THIN,
        STACK: [("custom.stacking", {"mode": "normal", "group": "A"}), ("custom.fillOpacity", 30)],
    }[hint]
    return {"matcher": matcher, "properties": [{"id": id, "value": value} for id, value in properties]}


def panel(number, spec, x, y):
    targets, overrides = [], []
    for index, (expression, legend, *hint) in enumerate(spec.queries):
        reference = chr(ord("A") + index)
        targets.append({"refId": reference, "datasource": SOURCE, "expr": expand(expression),
                        "legendFormat": legend, "range": True, "editorMode": "code"})
        if hint:
            overrides.append(override(reference, hint[0]))
    defaults = {"unit": spec.unit,
                "custom": {"drawStyle": "line", "lineWidth": 2, "fillOpacity": 5, "showPoints": "never",
                           "spanNulls": False}}
    if spec.least is not None:
        defaults["min"] = spec.least
    made = {
        "id": number, "type": "timeseries", "title": spec.title, "datasource": SOURCE, "description": spec.about,
        "gridPos": {"x": x, "y": y, "w": 12, "h": 8},
        "fieldConfig": {"defaults": defaults, "overrides": overrides},
        "options": {"legend": {"displayMode": "table", "placement": "bottom", "calcs": ["lastNotNull", "max"]},
                    "tooltip": {"mode": "multi", "sort": "desc"}},
        "targets": targets}
    if of_the_gpu(spec):
        made["links"] = [link("The GPUs' dashboard", GPU_LINK)]
        defaults["links"] = [link("This GPU", GPU_LINK + GPU_LABELS)]
    return made


def link(title, url):
    return {"title": title, "targetBlank": True, "url": url}


def annotation(name, colour, expression, text):
    return {"name": name, "datasource": SOURCE, "enable": True, "iconColor": colour, "expr": expand(expression),
            "step": "60s", "titleFormat": name, "textFormat": text, "useValueForTime": False}


def new(metric, *labels):
    """What has appeared within two minutes, of series that say something by their labels."""
    seen = f"max by ({', '.join(labels)}) ({metric}{{F}}"
    return f"{seen}) unless {seen} offset 2m)"


def variable(name, label, query):
    return {"name": name, "label": label, "type": "query", "datasource": SOURCE, "refresh": 2, "multi": True,
            "includeAll": True, "allValue": ".*", "current": {"text": "All", "value": "$__all"}, "sort": 1,
            "definition": query, "query": {"query": query, "refId": "variable"}}


def custom(name, label, options, hide=0):
    return {"name": name, "label": label, "type": "custom", "query": ",".join(options), "hide": hide,
            "current": {"text": options[0], "value": options[0]},
            "options": [{"text": o, "value": o, "selected": o == options[0]} for o in options]}


def text(name, label, value):
    return {"name": name, "label": label, "type": "textbox", "query": value, "current": {"text": value, "value": value},
            "options": [{"text": value, "value": value, "selected": True}]}


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
            custom("vllm", "vLLM's names begin with", ["vllm:", "vllm_"]),
            text("gpu_dashboard", "uid of the GPUs' dashboard", GPU_DASHBOARD)]},
        "annotations": {"list": [
            annotation("gateway version", "blue", "count by (version) (sluice_build_info{F}) unless "
                       "count by (version) (sluice_build_info{F} offset 2m)", "{{version}}"),
            annotation("configuration", "orange", "changes(sluice_config_last_reload_success_timestamp_seconds{F}[2m])"
                       " > 0", "{{instance}}"),
            annotation("vLLM version", "purple", new("sluice_replica_info", "replica", "vllm_version"),
                       "{{replica}} {{vllm_version}}"),
            annotation("vLLM configuration", "semi-dark-yellow",
                       new("Vcache_config_info", "instance", "num_gpu_blocks", "block_size", "cache_dtype",
                           "enable_prefix_caching", "gpu_memory_utilization"),
                       "{{instance}}: {{num_gpu_blocks}} blocks of {{block_size}} tokens, cache {{cache_dtype}}, "
                       "prefix caching {{enable_prefix_caching}}, memory {{gpu_memory_utilization}}")]},
        "panels": panels}


def write(made, file):
    text = json.dumps(made, indent=1, ensure_ascii=False) + "\n"
    if sys.argv[1:] == ["--print"]:
        print(text, end="")
    else:
        file.write_text(text)


if __name__ == "__main__":
    write(dashboard(), FILE)
