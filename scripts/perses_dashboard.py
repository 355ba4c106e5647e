#!/usr/bin/env python3
"""Writes deploy/perses/sluice.json: the panels of scripts/dashboard_rows.py as a Perses dashboard.

Perses draws all series of a panel against one axis: how many requests a percentile is of stands in a narrow panel
beside it. Source: Perses' data model (perses.dev), plugins TimeSeriesChart and PrometheusTimeSeriesQuery.

    scripts/perses_dashboard.py           writes the file
    scripts/perses_dashboard.py --print   prints it
"""

import pathlib
import re

from dashboard_rows import BOUND, FILTER, PAST, PAST_VOLUME, ROWS, STACK, expand, is_volume, of_the_gpu
from grafana_dashboard import write

FILE = pathlib.Path(__file__).resolve().parents[1] / "deploy/perses/sluice.json"
# What Grafana calls a unit, as Perses does; it has none for megabytes and watts: titles say them.
UNITS = {"s": "seconds", "reqps": "requests/sec", "ops": "ops/sec", "percentunit": "percent-decimal",
         "percent": "percent", "celsius": "celsius", "none": "decimal", "mbytes": "decimal", "watt": "decimal",
         "Bps": "bytes/sec", "pps": "packets/sec"}
DOTTED = {"lineStyle": "dotted", "areaOpacity": 0}
STYLES = {BOUND: {"lineStyle": "dashed", "areaOpacity": 0}, PAST: DOTTED, PAST_VOLUME: DOTTED}
SUFFIXES = {"mbytes": ", MiB", "watt": ", W"}
PROJECT = "sluice"
# The installation's own dashboard of dcgm-exporter, in the same project: its name is a variable.
GPU_DASHBOARD = "dcgm-exporter"
GPU_LINK = {"name": "The GPUs' dashboard", "targetBlank": True, "renderVariables": True,
            "url": f"/projects/{PROJECT}/dashboards/${{gpu_dashboard}}"}
# Of 24 columns a panel has half; where it has a count beside it, two thirds of that.
HALF, WIDE, NARROW, HEIGHT = 12, 8, 4, 8


def chart(title, spec, queries):
    """The queries of a panel that `spec` describes, under a title of their own."""
    settings = [{"queryIndex": index, **STYLES[hint[0]]}
                for index, (_, _, *hint) in enumerate(queries) if hint and hint[0] in STYLES]
    axis = {"format": {"unit": UNITS[spec.unit]}}
    if spec.least is not None:
        axis["min"] = spec.least
    visual = {"lineWidth": 1.5, "areaOpacity": 0.05}
    if any(hint == [STACK] for _, _, *hint in queries):
        visual.update(areaOpacity=0.3, stack="all")
    drawn = {"legend": {"position": "bottom", "mode": "table", "values": ["last-number", "max"]},
             "yAxis": axis, "visual": visual}
    if settings:
        drawn["querySettings"] = settings
    panel = {
        "display": {"name": title + SUFFIXES.get(spec.unit, ""),
                    **({"description": spec.about} if spec.about else {})},
        "plugin": {"kind": "TimeSeriesChart", "spec": drawn},
        "queries": [{"kind": "TimeSeriesQuery", "spec": {"plugin": {
            "kind": "PrometheusTimeSeriesQuery",
            "spec": {"query": expand(expression), "seriesNameFormat": legend}}}}
            for expression, legend, *_ in queries]}
    if of_the_gpu(spec):
        panel["links"] = [GPU_LINK]
    return {"kind": "Panel", "spec": panel}


def label_values(name, matcher):
    return {"kind": "ListVariable", "spec": {
        "name": name, "display": {"name": name}, "allowAllValue": True, "allowMultiple": True,
        "customAllValue": ".*", "defaultValue": "$__all", "sort": "alphabetical-asc",
        "plugin": {"kind": "PrometheusLabelValuesVariable",
                   "spec": {"labelName": "model_name" if name == "model" else name, "matchers": [matcher]}}}}


def choice(name, label, values):
    return {"kind": "ListVariable", "spec": {
        "name": name, "display": {"name": label}, "allowAllValue": False, "allowMultiple": False,
        "defaultValue": values[0], "plugin": {"kind": "StaticListVariable", "spec": {"values": values}}}}


def text(name, label, value):
    return {"kind": "TextVariable", "spec": {"name": name, "display": {"name": label}, "value": value}}


def key(row, index, title):
    words = re.sub(r"[^a-z0-9]+", "-", title.lower()).strip("-")
    return f"{row}-{index:02d}-{words[:40].strip('-')}"


def dashboard():
    panels, layouts = {}, []
    for number, (row, specs) in enumerate(ROWS):
        items = []

        def place(title, made, x, y, width):
            name = key(number, len(items), title)
            panels[name] = made
            items.append({"x": x, "y": y, "width": width, "height": HEIGHT,
                          "content": {"$ref": f"#/spec/panels/{name}"}})

        for index, spec in enumerate(specs):
            x, y = HALF * (index % 2), HEIGHT * (index // 2)
            lines = [query for query in spec.queries if not is_volume(query)]
            counts = [query for query in spec.queries if is_volume(query)]
            place(spec.title, chart(spec.title, spec, lines), x, y, WIDE if counts else HALF)
            if counts:
                beside = spec._replace(unit="none", about="")
                place(f"{spec.title}: of how many", chart("Of how many", beside, counts), x + WIDE, y, NARROW)
        layouts.append({"kind": "Grid", "spec": {
            "display": {"title": row, "collapse": {"open": True}}, "items": items}})
    known = "sluice_build_info"
    return {
        "kind": "Dashboard", "metadata": {"name": "sluice", "project": PROJECT},
        "spec": {
            "display": {"name": "Sluice and its vLLM fleet"}, "duration": "3h", "refreshInterval": "30s",
            "variables": [
                label_values("cluster", known), label_values("namespace", known + '{cluster=~"$cluster"}'),
                label_values("model", f"sluice_requests_received_total{{{FILTER}}}"),
                choice("window", "range of rates", ["5m", "15m", "1h", "6h"]),
                choice("vllm", "vLLM's names begin with", ["vllm:", "vllm_"]),
                text("gpu_dashboard", "name of the GPUs' dashboard", GPU_DASHBOARD)],
            "panels": panels, "layouts": layouts}}


if __name__ == "__main__":
    write(dashboard(), FILE)
