"""What queries give on series that are known, by promtool's own Prometheus: those that look a day and a week back,
annotations, and what a panel works out of bits and budgets."""

import json
import pathlib
import re
import shutil
import subprocess

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
DASHBOARD = json.loads((ROOT / "deploy/grafana/sluice.json").read_text())
PANELS = {panel["title"]: panel for panel in DASHBOARD["panels"]}
ANNOTATIONS = {annotation["name"]: annotation for annotation in DASHBOARD["annotations"]["list"]}
PAGES = [ROOT / "docs/queries.md", *sorted((ROOT / "docs/operating").glob("*.md"))]
PROMTOOL = shutil.which("promtool") or str(ROOT / ".build/tools/usr/bin/promtool")
PAST = re.compile(r" offset 1[dw]")

pytestmark = pytest.mark.skipif(not pathlib.Path(PROMTOOL).exists(), reason="promtool is not installed")


def plain(query):
    for name, value in (("$window", "1h"), ("${vllm}", "vllm:"), ("$cluster", "c"), ("$namespace", "n"), ("$model", ".*")):
        query = query.replace(name, value)
    return query


def gives(directory, series, cases):
    """Holds (expression, minute, {labels: value}) against Prometheus; series: name with labels → values, one a minute.

    Values are compared to four places: interpolation within a bucket is not exact.
    """
    file = directory / "cases.yaml"
    file.write_text(json.dumps({"evaluation_interval": "1m", "tests": [{  # JSON is YAML
        "interval": "1m",
        "input_series": [{"series": name, "values": values} for name, values in series.items()],
        "promql_expr_test": [
            {"expr": f"round({plain(expression)}, 0.0001)", "eval_time": f"{minute}m",
             "exp_samples": [{"labels": labels, "value": value} for labels, value in expected.items()]}
            for expression, minute, expected in cases]}]}))
    done = subprocess.run([PROMTOOL, "test", "rules", str(file)], capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


# --- The same hour a day and a week ago ------------------------------------------------------------

# Minutes in which the three hours end that there are samples of, a week ago first.
HOURS = (1440, 1440 + 6 * 1440, 1440 + 7 * 1440)
NOW = HOURS[-1]
LABELS = 'cluster="c",namespace="n",model_name="m"'


def counter(*rates):
    """A counter that rises by so much a minute in each of the hours; nothing was scraped between them."""
    values, total, after = [], 0, 0
    for end, rate in zip(HOURS, rates, strict=True):
        values.append(f"_x{end - 60 - after} {total}+{rate}x60")
        total, after = total + rate * 60, end + 1
    return " ".join(values)


def histogram(name):
    """One observation a minute below 0.1 a week ago, two up to 0.2 yesterday, three up to 0.5 now."""
    rates = {"0.1": (1, 0, 0), "0.2": (1, 2, 0), "0.5": (1, 2, 3), "+Inf": (1, 2, 3)}
    return {**{f'{name}_bucket{{{LABELS},le="{bound}"}}': counter(*rate) for bound, rate in rates.items()},
            f"{name}_count{{{LABELS}}}": counter(1, 2, 3)}


P95 = {"": 0.485, " offset 1d": 0.195, " offset 1w": 0.095}
COUNT = {"": 180, " offset 1d": 120, " offset 1w": 60}


def test_the_panel_of_the_same_hour_a_day_and_a_week_ago(tmp_path):
    cases = []
    for target in PANELS["The same a day and a week ago, p95"]["targets"]:
        past = (PAST.search(target["expr"]) or [""])[0]
        said = {"": "now|in the range", " offset 1d": "a day ago", " offset 1w": "a week ago"}[past]
        assert re.search(said, target["legendFormat"])
        is_count = "histogram_quantile" not in target["expr"]
        cases.append((target["expr"], NOW, {"{}": COUNT[past]} if is_count else {'{model_name="m"}': P95[past]}))
    assert len(cases) == 6
    gives(tmp_path, histogram("sluice_time_to_first_token_seconds"), cases)


def look_back(page):
    for block in re.findall(r"```promql\n(.*?)```", page.read_text(), re.S):
        if PAST.search(block):
            yield " ".join(block.split())


def test_queries_of_pages_that_look_back(tmp_path):
    found = {page.stem: list(look_back(page)) for page in PAGES}
    found = {name: queries for name, queries in found.items() if queries}
    expected = {
        "queries": [P95[""] - P95[" offset 1d"], P95[""] - P95[" offset 1w"], COUNT[""] - COUNT[" offset 1w"]],
        "SluiceHighTTFT": [P95[""] / P95[" offset 1d"]]}
    assert {name: len(queries) for name, queries in found.items()} == \
        {name: len(values) for name, values in expected.items()}
    series = {**histogram("sluice_time_to_first_token_seconds"), **histogram("sluice_request_prompt_tokens"),
              f"sluice_requests_received_total{{{LABELS}}}": counter(1, 2, 3)}
    # Runbooks look at five minutes: at any rate within the hour it is the same.
    gives(tmp_path, series, [
        (query, NOW, {'{model_name="m"}': round(value, 4)})
        for name, queries in found.items() for query, value in zip(queries, expected[name], strict=True)])


# --- Annotations: there when something has changed, and only then ----------------------------------

BEFORE, CHANGED, LATER = 29, 31, 34


def changes(directory, name, series, labels, value=1):
    """An annotation marks the change of minute 30 with these labels, which its text names."""
    annotation = ANNOTATIONS[name]
    assert all(f'{label}="' in labels for label in re.findall(r"\{\{(\w+)\}\}", annotation["textFormat"]))
    gives(directory, series, [(annotation["expr"], BEFORE, {}), (annotation["expr"], CHANGED, {labels: value}),
                              (annotation["expr"], LATER, {})])


def test_another_version_of_the_gateway_is_marked(tmp_path):
    scraped = 'cluster="c",namespace="n",instance="{}"'
    changes(tmp_path, "gateway version", {
        f'sluice_build_info{{{scraped.format("a")},version="1.0"}}': "1x29 stale",
        f'sluice_build_info{{{scraped.format("b")},version="1.0"}}': "1x60",
        f'sluice_build_info{{{scraped.format("a")},version="1.1"}}': "_x30 1x30"}, '{version="1.1"}')


def test_a_configuration_that_was_read_is_marked(tmp_path):
    name = 'sluice_config_last_reload_success_timestamp_seconds{{cluster="c",namespace="n",instance="{}"}}'
    changes(tmp_path, "configuration", {name.format("a"): "100x29 1900x30", name.format("b"): "100x60"},
            '{cluster="c",instance="a",namespace="n"}')


def test_another_vllm_of_a_replica_is_marked_once_however_many_gateways_see_it(tmp_path):
    series = {}
    for gateway in "ab":
        labels = f'cluster="c",namespace="n",instance="{gateway}",pool="p"'
        series[f'sluice_replica_info{{{labels},replica="r1",vllm_version="0.22.0"}}'] = "1x29 stale"
        series[f'sluice_replica_info{{{labels},replica="r1",vllm_version="0.23.0"}}'] = "_x30 1x30"
        series[f'sluice_replica_info{{{labels},replica="r2",vllm_version="0.22.0"}}'] = "1x60"
    changes(tmp_path, "vLLM version", series, '{replica="r1",vllm_version="0.23.0"}')


def test_another_configuration_of_an_engine_is_marked(tmp_path):
    labels = ('cluster="c",namespace="n",instance="{}",engine="0",num_gpu_blocks="{}",block_size="16",cache_dtype="auto",'
              'enable_prefix_caching="True",gpu_memory_utilization="0.92"')
    name = "vllm:cache_config_info{{" + labels + "}}"
    changes(tmp_path, "vLLM configuration", {
        name.format("a", 8192): "1x29 stale", name.format("a", 6875): "_x30 1x30", name.format("b", 8192): "1x60"},
        '{instance="a",num_gpu_blocks="6875",block_size="16",cache_dtype="auto",enable_prefix_caching="True",'
        'gpu_memory_utilization="0.92"}')


# --- Bits and budgets ------------------------------------------------------------------------------


def test_reasons_that_hold_clocks_down_are_counted_one_by_one(tmp_path):
    labels = 'cluster="c",namespace="n",instance="i",gpu="{}"'
    series = {
        f'DCGM_FI_DEV_CLOCKS_EVENT_REASONS{{{labels.format(0)}}}': f"{0x1 | 0x8 | 0x40}x5",
        f'DCGM_FI_DEV_CLOCKS_EVENT_REASONS{{{labels.format(1)}}}': f"{0x4 | 0x8 | 0x10}x5",
        f'DCGM_FI_DEV_CLOCK_THROTTLE_REASONS{{{labels.format(2)}}}': f"{0x80 | 0x100}x5"}
    counted = {"power cap": 1, "hardware": 2, "heat, by the driver": 0, "heat, by the hardware": 1, "power brake": 1}
    targets = PANELS["GPUs whose clocks are held down, by reason"]["targets"]
    found = {target["legendFormat"].removesuffix(" {{instance}}"): target["expr"] for target in targets}
    assert set(found) == set(counted)
    gives(tmp_path, series, [(found[reason], 5, {'{instance="i"}': value}) for reason, value in counted.items()])


def test_the_budget_left_is_that_of_the_models_looked_at(tmp_path):
    labels = 'cluster="c",namespace="n",slo="availability",'
    series = {'sluice_slo_objective{cluster="c",namespace="n",slo="availability"}': "0.99x5"}
    for which, one, other in (("bad", 5, 30), ("all", 1000, 1000)):
        name = f"sluice:slo_{which}:increase30d"
        series[f'{name}{{{labels}scope="class",model_name="m",class="a"}}'] = f"{one}x5"
        series[f'{name}{{{labels}scope="class",model_name="n",class="a"}}'] = f"{other}x5"
        # Another sum over the same events: not to be counted with them.
        series[f'{name}{{{labels}scope="all"}}'] = "1000x5"
    target, = PANELS["Error budget left, of 30 days"]["targets"]
    gives(tmp_path, series, [
        (target["expr"], 5, {'{slo="availability"}': -0.75}),
        (target["expr"].replace("$model", "m"), 5, {'{slo="availability"}': 0.5})])
