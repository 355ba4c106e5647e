"""deploy/grafana: what scripts/grafana_dashboard.py writes; asks for what exists; answers what it has to."""

import json
import pathlib
import subprocess
import sys

import pytest
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.cog.plugins import register_default_plugins
from grafana_foundation_sdk.models.dashboard import Dashboard

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "Tests"))
import promql  # noqa: E402  (shared with the client tests)

FILE = ROOT / "deploy/grafana/sluice.json"
DASHBOARD = json.loads(FILE.read_text())
PANELS = [panel for panel in DASHBOARD["panels"] if panel["type"] != "row"]
QUERIES = [(panel["title"], target["expr"]) for panel in PANELS for target in panel["targets"]]
QUERIES += [(a["name"], a["expr"]) for a in DASHBOARD["annotations"]["list"]]


def plain(query):
    return query.replace("${vllm}", "vllm:").replace("$window", "5m")


def test_the_file_is_what_the_script_writes():
    made = subprocess.run([sys.executable, ROOT / "scripts/grafana_dashboard.py", "--print"],
                          capture_output=True, text=True, check=True).stdout
    assert made == FILE.read_text()


def lost(given, kept, path=""):
    """What of one JSON value the other lacks or has otherwise, as paths without the numbers of list items."""
    if isinstance(given, dict) and isinstance(kept, dict):
        return {where for key in given for where in lost(given[key], kept.get(key), f"{path}/{key}")}
    if isinstance(given, list) and isinstance(kept, list) and len(given) == len(kept):
        return {where for one, other in zip(given, kept) for where in lost(one, other, path)}
    return set() if given == kept else {path}


def test_grafana_knows_every_field():
    """Its own types (grafana-foundation-sdk) read the dashboard and lose nothing but what only the Prometheus
    data source knows."""
    register_default_plugins()
    kept = json.loads(JSONEncoder().encode(Dashboard.from_json(DASHBOARD)))
    source = {f"/annotations/list/{name}" for name in ("step", "titleFormat", "textFormat", "useValueForTime")}
    assert lost(DASHBOARD, kept) == source | {"/templating/list/definition"}


def test_panels_have_places_of_their_own():
    assert len({panel["id"] for panel in DASHBOARD["panels"]}) == len(DASHBOARD["panels"])
    taken = set()
    for panel in DASHBOARD["panels"]:
        place = panel["gridPos"]
        cells = {(x, y) for x in range(place["x"], place["x"] + place["w"])
                 for y in range(place["y"], place["y"] + place["h"])}
        assert not cells & taken and place["x"] + place["w"] <= 24, panel["title"]
        taken |= cells


@pytest.mark.parametrize("title, query", QUERIES)
def test_queries_name_what_there_is_and_aggregate_it_rightly(title, query):
    assert not promql.unknown(plain(query))
    assert list(promql.misuse(plain(query))) == []


def test_variables_of_queries_are_defined():
    defined = {variable["name"] for variable in DASHBOARD["templating"]["list"]}
    assert {"datasource", "cluster", "namespace", "model", "window", "vllm"} == defined
    assert '"uid": "${datasource}"' in FILE.read_text()


def test_every_percentile_has_the_number_of_requests_beside_it():
    """In the first row, where percentiles are what people go by."""
    start, end = [panel["gridPos"]["y"] for panel in DASHBOARD["panels"] if panel["type"] == "row"][:2]
    for panel in PANELS:
        expressions = [target["expr"] for target in panel["targets"]]
        if start < panel["gridPos"]["y"] < end and any("histogram_quantile" in e for e in expressions):
            assert any("_count{" in e or "offset" in e for e in expressions), panel["title"]


def test_the_names_of_a_collector_can_be_chosen():
    """OpenTelemetry's have no colon: only the variable may say how vLLM's names begin."""
    assert "vllm:" not in "".join(query for _, query in QUERIES)
    assert sum("${vllm}" in query for _, query in QUERIES) > 20


@pytest.mark.parametrize("metrics", [
    ["sluice_requests_total", "sluice_requests_received_total"],
    ["sluice_time_to_first_token_seconds", "${vllm}time_to_first_token_seconds"],
    ["sluice_inter_token_latency_seconds", "${vllm}inter_token_latency_seconds"],
    ["${vllm}request_time_per_output_token_seconds"],
    ["${vllm}e2e_request_latency_seconds"],
    ["${vllm}request_queue_time_seconds", "${vllm}num_requests_waiting", "sluice_queue_wait_seconds"],
    ["${vllm}num_preemptions_total", "${vllm}kv_cache_usage_perc"],
    ["${vllm}prompt_tokens_total", "${vllm}generation_tokens_total"],
    ["${vllm}request_prompt_tokens", "${vllm}request_generation_tokens"],
    ["${vllm}prefix_cache_hits_total"],
    ["DCGM_FI_DEV_GPU_UTIL", "DCGM_FI_DEV_FB_USED", "DCGM_FI_DEV_POWER_USAGE", "DCGM_FI_DEV_SM_CLOCK",
     "DCGM_FI_DEV_XID_ERRORS"],
])
def test_what_an_incident_asks_for_is_there(metrics):
    everything = "".join(query for _, query in QUERIES)
    for metric in metrics:
        assert metric in everything
