#!/usr/bin/env python3
"""Writes deploy/perses/sluice.json: the panels of scripts/grafana_dashboard.py as a Perses dashboard.

Perses draws all series of a panel against one axis: how many requests a percentile is of stands in a narrow panel
beside it. Source: Perses' data model (perses.dev), plugins TimeSeriesChart and PrometheusTimeSeriesQuery.

    scripts/perses_dashboard.py           writes the file
    scripts/perses_dashboard.py --print   prints it
"""

import pathlib
import re

import grafana_dashboard as grafana

FILE = pathlib.Path(__file__).resolve().parents[1] / "deploy/perses/sluice.json"
# What Grafana calls a unit, as Perses does; it has none for megabytes and watts: titles say them.
UNITS = {"s": "seconds", "reqps": "requests/sec", "ops": "ops/sec", "percentunit": "percent-decimal",
         "percent": "percent", "celsius": "celsius", "none": "decimal", "decmbytes": "decimal", "watt": "decimal"}
STYLES = {"bound": {"lineStyle": "dashed", "areaOpacity": 0}, "past": {"lineStyle": "dotted", "areaOpacity": 0}}
SUFFIXES = {"decmbytes": ", MB", "watt": ", W"}
# Of 24 columns a panel has half; where it has a count beside it, two thirds of that.
HALF, WIDE, NARROW, HEIGHT = 12, 8, 4, 8


def chart(title, unit, queries, about, link=None):
    settings = [{"queryIndex": index, **STYLES[hint[0]]}
                for index, (_, _, *hint) in enumerate(queries) if hint and hint[0] in STYLES]
    spec = {
        "legend": {"position": "bottom", "mode": "table", "values": ["last-number", "max"]},
        "yAxis": {"format": {"unit": UNITS[unit]}, "min": 0},
        "visual": {"lineWidth": 1.5, "areaOpacity": 0.05}}
    if any(hint and hint[0] == "stack" for _, _, *hint in queries):
        spec["visual"] = {"lineWidth": 1.5, "areaOpacity": 0.3, "stack": "all"}
    if settings:
        spec["querySettings"] = settings
    panel = {
        "display": {"name": title + SUFFIXES.get(unit, ""), **({"description": about} if about else {})},
        "plugin": {"kind": "TimeSeriesChart", "spec": spec},
        "queries": [{"kind": "TimeSeriesQuery", "spec": {"plugin": {
            "kind": "PrometheusTimeSeriesQuery",
            "spec": {"query": grafana.expand(expression), "seriesNameFormat": legend}}}}
            for expression, legend, *_ in queries]}
    if link:
        panel["links"] = [link]
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


def key(row, index, title):
    words = re.sub(r"[^a-z0-9]+", "-", title.lower()).strip("-")
    return f"{row}-{index:02d}-{words[:40].strip('-')}"


def dashboard():
    panels, layouts = {}, []
    for number, (row, specs) in enumerate(grafana.ROWS):
        items = []

        def place(title, made, x, y, width):
            name = key(number, len(items), title)
            panels[name] = made
            items.append({"x": x, "y": y, "width": width, "height": HEIGHT,
                          "content": {"$ref": f"#/spec/panels/{name}"}})

        for index, (title, unit, queries, about) in enumerate(specs):
            x, y = HALF * (index % 2), HEIGHT * (index // 2)
            lines = [query for query in queries if query[2:] != (grafana.VOLUME,)]
            counts = [query for query in queries if query[2:] == (grafana.VOLUME,)]
            link = None
            if title.startswith(grafana.OF_THE_GPU):
                link = {"name": "dcgm-exporter's dashboard", "targetBlank": True, "url": grafana.DCGM_DASHBOARD}
            place(title, chart(title, unit, lines, about, link), x, y, WIDE if counts else HALF)
            if counts:
                place(f"{title}: of how many", chart("Of how many", "none", counts, ""), x + WIDE, y, NARROW)
        layouts.append({"kind": "Grid", "spec": {
            "display": {"title": row, "collapse": {"open": True}}, "items": items}})
    known = "sluice_build_info"
    return {
        "kind": "Dashboard", "metadata": {"name": "sluice", "project": "sluice"},
        "spec": {
            "display": {"name": "Sluice and its vLLM fleet"}, "duration": "3h", "refreshInterval": "30s",
            "variables": [
                label_values("cluster", known), label_values("namespace", known + '{cluster=~"$cluster"}'),
                label_values("model", f"sluice_requests_received_total{{{grafana.FILTER}}}"),
                choice("window", "range of rates", ["5m", "15m", "1h", "6h"]),
                choice("vllm", "vLLM's names begin with", ["vllm:", "vllm_"])],
            "panels": panels, "layouts": layouts}}


if __name__ == "__main__":
    grafana.write(dashboard(), FILE)
