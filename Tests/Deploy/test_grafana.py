"""deploy/grafana: what scripts/grafana_dashboard.py writes; asks for what exists; answers what it has to."""

import json
import pathlib
import re
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
    assert {"datasource", "cluster", "namespace", "model", "window", "vllm", "gpu_dashboard"} == defined
    assert '"uid": "${datasource}"' in FILE.read_text()


# --- Variables apply wherever the metric can carry the label ---------------------------------------


SELECTOR = re.compile(r"([a-zA-Z_:][\w:]*)\{([^}]*)\}")


def has_a_model(name):
    """By vLLM's label, which the gateway's metrics have too; recording rules keep it under scope="class"."""
    if name in promql.OF_A_MODEL or name in promql.RECORDED:
        return True
    return "model_name" in promql.CATALOG.get(promql.family(name, promql.CATALOG), ("", ()))[1]


@pytest.mark.parametrize("title, query", QUERIES)
def test_the_filters_apply_to_every_metric_that_can_have_the_label(title, query):
    selected = SELECTOR.findall(plain(query))
    named = set(re.findall(r"\b(?:sluice_|sluice:|vllm:|process_|node_|DCGM_)[\w:]+", re.sub('"[^"]*"', "", plain(query))))
    assert selected and named == {name for name, _ in selected}
    for name, labels in selected:
        assert 'cluster=~"$cluster"' in labels, name
        # A machine is in a cluster and in no namespace.
        assert ('namespace=~"$namespace"' in labels) == (not name.startswith("node_")), name
        assert ('model_name=~"$model"' in labels) == has_a_model(name), name


def test_gpu_panels_lead_to_the_installations_own_dashboard():
    about_gpus = [panel for panel in PANELS if any("DCGM_" in target["expr"] for target in panel["targets"])]
    assert len(about_gpus) == 10
    for panel in about_gpus:
        of_all, = panel["links"]
        of_one, = panel["fieldConfig"]["defaults"]["links"]
        assert of_all["url"].startswith("/d/${gpu_dashboard}?") and of_one["url"].startswith(of_all["url"])
        grouped = {label for target in panel["targets"]
                   for labels in re.findall(r"by \(([^)]*)\)", target["expr"]) for label in labels.split(", ")}
        assert "var-instance=${__field.labels.instance}" in of_one["url"] and "instance" in grouped
    assert "grafana.com" not in FILE.read_text()


# --- What a reader of percentiles needs ------------------------------------------------------------


def on_the_right(panel):
    """The queries that are drawn against an axis of their own."""
    moved = {override["matcher"]["options"] for override in panel["fieldConfig"]["overrides"]
             if {"id": "custom.axisPlacement", "value": "right"} in override["properties"]}
    return [target["expr"] for target in panel["targets"] if target["refId"] in moved]


PERCENTILES = [panel for panel in PANELS if any("histogram_quantile" in t["expr"] for t in panel["targets"])]


@pytest.mark.parametrize("panel", PERCENTILES, ids=lambda panel: panel["title"])
def test_every_percentile_has_the_number_of_requests_beside_it(panel):
    """Of the histogram that comes first, at every time that is looked back to."""
    of = [re.search(r"([\w${}:]+)_bucket\{", target["expr"])[1] for target in panel["targets"]
          if "histogram_quantile" in target["expr"]]
    for target in panel["targets"]:
        if "histogram_quantile" in target["expr"]:
            past = re.search(r"( offset \w+)?\)", target["expr"].split("[$window]")[1])[1] or ""
            assert any(count.startswith(f"sum(increase({of[0]}_count{{") and count.endswith(f"[$window]{past}))")
                       for count in on_the_right(panel)), target["expr"]


def test_percentiles_are_in_every_row_but_that_of_gpus():
    rows = [panel for panel in DASHBOARD["panels"] if panel["type"] == "row"]
    ends = [row["gridPos"]["y"] for row in rows[1:]] + [1 << 20]
    without = [row["title"] for row, end in zip(rows, ends)
               if not any(row["gridPos"]["y"] < panel["gridPos"]["y"] < end for panel in PERCENTILES)]
    assert without == ["What do the GPUs say?"]


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
    ["DCGM_FI_DEV_CLOCKS_EVENT_REASONS", "DCGM_FI_DEV_CLOCK_THROTTLE_REASONS", "DCGM_FI_DEV_ECC_DBE_VOL_TOTAL",
     "DCGM_FI_DEV_ECC_SBE_VOL_TOTAL"],
    ["DCGM_FI_PROF_PCIE_TX_BYTES", "DCGM_FI_PROF_PCIE_RX_BYTES", "DCGM_FI_PROF_NVLINK_TX_BYTES",
     "DCGM_FI_PROF_NVLINK_RX_BYTES"],
    ["node_load1", "node_memory_MemAvailable_bytes", "node_network_receive_bytes_total",
     "node_network_transmit_bytes_total", "node_network_receive_drop_total"],
    ["sluice_upstream_latency_seconds", "sluice_upstream_timeouts_total", "sluice_upstream_connect_errors_total",
     "sluice_retries_total", "sluice_retry_budget_remaining"],
    ["sluice_downstream_rtt_seconds"],
    ["sluice:slo_bad:increase30d"],
    ["${vllm}nixl_xfer_time_seconds", "${vllm}nixl_num_failed_transfers_total"],
])
def test_what_an_incident_asks_for_is_there(metrics):
    everything = "".join(query for _, query in QUERIES)
    for metric in metrics:
        assert metric in everything
