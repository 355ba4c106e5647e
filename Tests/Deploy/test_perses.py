"""deploy/perses: what scripts/perses_dashboard.py writes, by Perses' data model; it asks what the Grafana dashboard asks,
whose every query is run against a real Prometheus."""

import json
import pathlib
import re
import subprocess
import sys

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
FILE = ROOT / "deploy/perses/sluice.json"
SPEC = json.loads(FILE.read_text())["spec"]
PANELS = SPEC["panels"]
GRAFANA = json.loads((ROOT / "deploy/grafana/sluice.json").read_text())

# Source: cue/common/format.cue and the schema of TimeSeriesChart, which is closed.
UNITS = {"seconds", "requests/sec", "ops/sec", "percent-decimal", "percent", "celsius", "decimal"}
CHART = {"legend", "tooltip", "yAxis", "thresholds", "visual", "querySettings"}
VISUAL = {"display", "lineWidth", "lineStyle", "areaOpacity", "showPoints", "palette", "pointRadius", "stack",
          "connectNulls"}


def queries(panel):
    return [query["spec"]["plugin"]["spec"]["query"] for query in panel["spec"]["queries"]]


def test_the_file_is_what_the_script_writes():
    made = subprocess.run([sys.executable, ROOT / "scripts/perses_dashboard.py", "--print"],
                          capture_output=True, text=True, check=True).stdout
    assert made == FILE.read_text()


def test_it_asks_what_the_grafana_dashboard_asks():
    theirs = [target["expr"] for panel in GRAFANA["panels"] for target in panel.get("targets", [])]
    ours = [query for panel in PANELS.values() for query in queries(panel)]
    assert sorted(ours) == sorted(theirs)
    rows = [panel["title"] for panel in GRAFANA["panels"] if panel["type"] == "row"]
    assert [layout["spec"]["display"]["title"] for layout in SPEC["layouts"]] == rows


def test_every_panel_has_one_place_and_no_two_share_one():
    placed = []
    for layout in SPEC["layouts"]:
        assert layout["kind"] == "Grid"
        taken = set()
        for item in layout["spec"]["items"]:
            placed.append(item["content"]["$ref"].removeprefix("#/spec/panels/"))
            cells = {(x, y) for x in range(item["x"], item["x"] + item["width"])
                     for y in range(item["y"], item["y"] + item["height"])}
            assert not cells & taken and item["x"] + item["width"] <= 24, item
            taken |= cells
    assert sorted(placed) == sorted(PANELS)


@pytest.mark.parametrize("name", PANELS)
def test_a_panel_is_as_the_plugin_wants_it(name):
    assert re.fullmatch(r"[a-z0-9_.-]{1,75}", name)
    panel = PANELS[name]
    assert panel["kind"] == "Panel" and set(panel["spec"]) <= {"display", "plugin", "queries", "links"}
    assert panel["spec"]["plugin"]["kind"] == "TimeSeriesChart"
    chart = panel["spec"]["plugin"]["spec"]
    assert set(chart) <= CHART and set(chart["visual"]) <= VISUAL
    assert chart["yAxis"]["format"]["unit"] in UNITS
    assert 0.25 <= chart["visual"]["lineWidth"] <= 3 and 0 <= chart["visual"]["areaOpacity"] <= 1
    for setting in chart.get("querySettings", []):
        assert setting["queryIndex"] < len(queries(panel))
        assert setting["lineStyle"] in {"solid", "dashed", "dotted"}
    assert all(query["kind"] == "TimeSeriesQuery" and
               query["spec"]["plugin"]["kind"] == "PrometheusTimeSeriesQuery"
               for query in panel["spec"]["queries"])


def test_variables_of_queries_are_defined_and_all_is_a_pattern():
    defined = {variable["spec"]["name"]: variable["spec"] for variable in SPEC["variables"]}
    text = json.dumps(PANELS)
    used = set(re.findall(r"\$\{?([a-z]+)", text)) - {"ref"}
    assert used <= set(defined)
    assert {name for name in defined if f"${name}" in text or f"${{{name}}}" in text} == set(defined)
    for name in ("cluster", "namespace", "model"):
        assert defined[name]["customAllValue"] == ".*" and defined[name]["defaultValue"] == "$__all"


def test_counts_do_not_share_an_axis_with_times():
    for panel in PANELS.values():
        unit = panel["spec"]["plugin"]["spec"]["yAxis"]["format"]["unit"]
        if unit == "seconds":
            assert not any("increase(" in query for query in queries(panel)), panel["spec"]["display"]
