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
UNITS = {"seconds", "requests/sec", "ops/sec", "bytes/sec", "packets/sec", "percent-decimal", "percent", "celsius",
         "decimal"}
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
    used = set(re.findall(r"\$\{?([a-z_]+)", text)) - {"ref"}
    assert used <= set(defined)
    assert {name for name in defined if f"${name}" in text or f"${{{name}}}" in text} == set(defined)
    for name in ("cluster", "namespace", "model"):
        assert defined[name]["customAllValue"] == ".*" and defined[name]["defaultValue"] == "$__all"


def has(name, text):
    return any(text in query for query in queries(PANELS[name]))


def test_every_percentile_has_the_number_of_requests_in_a_panel_to_its_right():
    found = 0
    for layout in SPEC["layouts"]:
        placed = {(item["x"], item["y"]): item["content"]["$ref"].removeprefix("#/spec/panels/")
                  for item in layout["spec"]["items"]}
        for item in layout["spec"]["items"]:
            name = placed[item["x"], item["y"]]
            if has(name, "histogram_quantile"):
                beside = placed.get((item["x"] + item["width"], item["y"]))
                assert beside and has(beside, "_count{") and not has(beside, "histogram_quantile"), name
                assert not has(name, "increase("), "times and counts against one axis"
                found += 1
    assert found > 15


def test_gpu_panels_lead_to_the_installations_own_dashboard():
    linked = [name for name in PANELS if "links" in PANELS[name]["spec"]]
    assert linked == [name for name in PANELS if has(name, "DCGM_")] and len(linked) == 10
    for name in linked:
        link, = PANELS[name]["spec"]["links"]
        assert link["url"] == "/projects/sluice/dashboards/${gpu_dashboard}" and link["renderVariables"]
