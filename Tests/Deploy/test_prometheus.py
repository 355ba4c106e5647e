"""deploy/prometheus: made by `sluice rules`, accepted by promtool; every alert fires when it should, and only then."""

import json
import os
import pathlib
import re
import shutil
import subprocess
import sys

import pytest
import yaml

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "Tests"))
import promql  # noqa: E402  (shared with the client tests)

DIRECTORY = ROOT / "deploy/prometheus"
RUNBOOKS = ROOT / "docs/operating"
SLUICE = os.environ.get("SLUICE_BINARY", str(ROOT / ".build/release/sluice"))
PROMTOOL = shutil.which("promtool") or str(ROOT / ".build/tools/usr/bin/promtool")
RULES = yaml.safe_load((DIRECTORY / "sluice.rules.yaml").read_text())
ALL = [rule for group in RULES["groups"] for rule in group["rules"]]
ALERTS = [rule for rule in ALL if "alert" in rule]
NAMES = sorted({rule["alert"] for rule in ALERTS})

needs_promtool = pytest.mark.skipif(
    not pathlib.Path(PROMTOOL).exists(), reason="promtool is not installed")


def sluice(*arguments):
    return subprocess.run([SLUICE, *arguments], capture_output=True, text=True, timeout=30,
                          check=True).stdout


def promtool(*arguments):
    done = subprocess.run([PROMTOOL, *map(str, arguments)], capture_output=True, text=True,
                          timeout=120, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


# --- What is shipped is what the binary prints ------------------------------------------------


def test_the_rules_are_those_of_the_sample():
    made = sluice("rules", "--config", str(DIRECTORY / "sluice.yaml"))
    assert made == (DIRECTORY / "sluice.rules.yaml").read_text()


def test_the_inhibitions_are_those_of_the_binary():
    text = (DIRECTORY / "alertmanager.yaml").read_text()
    assert yaml.safe_load(sluice("rules", "--inhibition"))["inhibit_rules"] == \
        yaml.safe_load(text)["inhibit_rules"]


@needs_promtool
def test_prometheus_accepts_rules_and_scrape_configuration():
    assert "SUCCESS" in promtool("check", "rules", DIRECTORY / "sluice.rules.yaml")
    promtool("check", "config", DIRECTORY / "prometheus.yaml")


@needs_promtool
def test_prometheus_accepts_the_rules_of_a_gateway_without_a_file(tmp_path):
    path = tmp_path / "rules.yaml"
    path.write_text(sluice("rules"))
    promtool("check", "rules", path)
    names = {rule.get("alert") for group in yaml.safe_load(path.read_text())["groups"]
             for rule in group["rules"]}
    # Nothing was promised about time, so no rule has a threshold for it.
    assert "SluiceErrorBudgetBurnFast" in names and "SluiceHighTTFT" not in names


@needs_promtool
def test_thresholds_are_those_of_the_configuration(tmp_path):
    (tmp_path / "sluice.yaml").write_text(
        "ttft_slo: 700ms\npools: [{name: p, replicas: [http://127.0.0.1:8000]}]\n")
    path = tmp_path / "rules.yaml"
    path.write_text(sluice("rules", "--config", str(tmp_path / "sluice.yaml"),
                           "--runbooks", "https://wiki.example/sluice"))
    promtool("check", "rules", path)
    rules = [r for g in yaml.safe_load(path.read_text())["groups"] for r in g["rules"]]
    named = {(r["alert"], r["labels"].get("slo")): r for r in rules if "alert" in r}
    assert "> 0.7" in named["SluiceHighTTFT", "ttft"]["expr"]
    assert "> 0.35" in named["SluiceQueueTimeHigh", "ttft"]["expr"]
    assert "> 0.7" in named["VLLMHighTTFT", None]["expr"]
    fast = [r["expr"] for r in rules if r.get("alert") == "SluiceErrorBudgetBurnFast"]
    assert any('{slo="ttft"}' in e and "> 0.72\n" in e for e in fast)
    assert any('{slo="availability"}' in e and "> 0.0144\n" in e for e in fast)
    assert all(r["annotations"]["runbook_url"] == f"https://wiki.example/sluice/{r['alert']}.md"
               for r in rules if "alert" in r)


# --- Rules name what exists, and aggregate it as the catalog says ---------------------------------


def test_the_search_for_names_finds_them():
    assert promql.names_in('sum(rate(sluice_x_total{a="sluice_y"}[5m])) / vllm:z_bucket and up == 0') == {
        "sluice_x_total", "vllm:z_bucket", "up"}
    assert promql.unknown("sluice_no_such_metric") == {"sluice_no_such_metric"}
    assert promql.unknown("sluice:no_such_rule") == {"sluice:no_such_rule"}
    assert len(promql.CATALOG) > 90 and len(promql.ENGINE) > 50


@pytest.mark.parametrize("rule", ALL, ids=lambda r: r.get("alert") or r["record"])
def test_a_rule_names_only_metrics_that_exist(rule):
    assert promql.names_in(rule["expr"])
    assert not promql.unknown(rule["expr"])


def wrongly(expression):
    return list(promql.misuse(expression))


@pytest.mark.parametrize("rule", ALL, ids=lambda r: r.get("alert") or r["record"])
def test_a_rule_aggregates_as_the_catalog_says(rule):
    assert not wrongly(rule["expr"])


@pytest.mark.parametrize("rule", ALL, ids=lambda r: r.get("alert") or r["record"])
def test_labels_of_a_rule_are_labels_of_its_metrics(rule):
    """A misspelt label silently aggregates everything into one series."""
    outside = {"cluster", "namespace", "instance", "job", "le", "model_name"}
    for name, _, labels in promql.aggregations(rule["expr"]):
        name = promql.family(name, promql.CATALOG)
        assert (labels or set()) <= outside | set(promql.CATALOG[name][1]), name


# --- Every alert has a page that helps -------------------------------------------------------------


PAGES = sorted(path.stem for path in RUNBOOKS.glob("*.md"))


def test_every_alert_has_a_page_and_every_other_page_is_a_listed_scenario():
    assert set(NAMES) <= set(PAGES)
    listed = (ROOT / "docs/operating.md").read_text()
    for name in set(PAGES) - set(NAMES):
        assert f"(operating/{name}.md)" in listed, name
    for rule in ALERTS:
        assert rule["annotations"]["runbook_url"] == f"docs/operating/{rule['alert']}.md"
        assert rule["labels"]["severity"] in {"page", "ticket"}
        assert rule["annotations"]["summary"] and rule["annotations"]["description"]


@pytest.mark.parametrize("name", PAGES)
def test_a_page_says_what_is_seen_why_and_what_to_do(name):
    text = (RUNBOOKS / f"{name}.md").read_text()
    assert text.startswith(f"# {name}\n" if name in NAMES else "# ")
    order = [text.index(f"**{part}") for part in
             ("What you see.", "Likely causes**", "What to do**")]
    assert order == sorted(order)
    assert "```promql" in text, "a query"
    commands = re.findall(r"`(sluice [a-z]+)", text) + re.findall(r"^ +(sluice [a-z]+)", text, re.M)
    assert commands or "curl" in text, "a command"
    known = sluice("--help")
    for command in commands:
        assert re.search(rf"^  {command.split()[1]} ", known, re.M), command


# Alerts of what users feel, or of what a diagnosis looks at.
DIAGNOSED = re.compile(r"\w*(TTFT|QueueTime|Burn|Saturated|Shed|Panic|ReplicaOut|NoReady|Stale|Preemption)\w*")


@pytest.mark.parametrize("name", [name for name in NAMES if DIAGNOSED.fullmatch(name)])
def test_a_page_begins_with_the_diagnosis_where_there_is_one(name):
    text = (RUNBOOKS / f"{name}.md").read_text()
    assert text.partition("**What to do**\n\n")[2].startswith("First `sluice diagnose`")


def queries():
    for path in sorted(RUNBOOKS.glob("*.md")):
        for block in re.findall(r"```promql\n(.*?)```", path.read_text(), re.S):
            yield path.stem, re.sub(r"^   ", "", block, flags=re.M).strip()


def test_queries_of_pages_name_metrics_that_exist_and_aggregate_them_rightly():
    found = list(queries())
    assert len(found) > 60
    for name, query in found:
        assert not promql.unknown(query), name
        assert not wrongly(query), name


@needs_promtool
def test_prometheus_accepts_the_queries_of_pages(tmp_path):
    rules = [{"record": f"q{i}", "expr": query} for i, (_, query) in enumerate(queries())]
    path = tmp_path / "rules.yml"
    path.write_text(json.dumps({"groups": [{"name": "pages", "rules": rules}]}))
    promtool("check", "rules", path)


# --- Alerts fire and do not fire -------------------------------------------------------------------

CASES = sorted(DIRECTORY.glob("sluice.rules.*test.yaml"))
TESTS = [test for path in CASES for test in yaml.safe_load(path.read_text())["tests"]]


@needs_promtool
@pytest.mark.parametrize("path", CASES, ids=lambda path: path.name)
def test_the_cases_hold(path):
    promtool("test", "rules", path)


def cases(test):
    return test.get("alert_rule_test", [])


def sources(expression):
    """The metrics that an expression rests on, those of recording rules looked through."""
    found = set()
    for name in promql.names_in(expression):
        makers = [rule["expr"] for rule in ALL if rule.get("record") == name and name not in promql.names_in(rule["expr"])]
        found |= {source for maker in makers for source in sources(maker)} if makers else {name}
    return found


def has_what_it_looks_at(test, rule):
    """Whether a case has a series that a rule selects, by the objective and the class it is about."""
    wanted = re.findall(r'\b((?:slo|class)="[^"]+")', rule["expr"])
    return any(series["series"].partition("{")[0] in sources(rule["expr"])
               and all(label in series["series"] for label in wanted) for series in test["input_series"])


@pytest.mark.parametrize("alert, slo", sorted({(rule["alert"], rule["labels"].get("slo", "")) for rule in ALERTS}))
def test_an_alert_has_a_case_in_which_it_fires_and_one_in_which_not(alert, slo):
    """Of each objective: its threshold, classes and target are its own."""
    rules = [rule for rule in ALERTS if (rule["alert"], rule["labels"].get("slo", "")) == (alert, slo)]
    fires, silent = 0, 0
    for test in TESTS:
        for case in cases(test):
            if case["alertname"] == alert:
                firing = any(alert["exp_labels"].get("slo", "") == slo for alert in case.get("exp_alerts") or [])
                fires += firing
                silent += not firing and any(has_what_it_looks_at(test, rule) for rule in rules)
    assert fires and silent


@pytest.mark.parametrize("rule", [rule for rule in ALL if "record" in rule],
                         ids=lambda rule: "-".join([rule["record"], *rule.get("labels", {}).values()]))
def test_what_a_recording_rule_makes_is_held_against_numbers(rule):
    labels = [f'{name}="{value}"' for name, value in rule.get("labels", {}).items()]
    assert any(rule["record"] in promql.names_in(case["expr"])
               and any(sample["value"] and all(label in sample["labels"] for label in labels)
                       for sample in case["exp_samples"])
               for test in TESTS for case in test.get("promql_expr_test", []))


def test_every_severity_of_an_alert_fires():
    wanted = {(rule["alert"], rule["labels"]["severity"]) for rule in ALERTS}
    seen = {(case["alertname"], alert["exp_labels"]["severity"])
            for test in TESTS
            for case in cases(test) for alert in case.get("exp_alerts") or []}
    assert seen == wanted


def test_the_bounds_that_near_a_limit_all_fire():
    wanted = {rule["labels"]["limit"] for rule in ALERTS if rule["alert"] == "SluiceNearLimit"}
    seen = {alert["exp_labels"]["limit"]
            for test in TESTS
            for case in cases(test) if case["alertname"] == "SluiceNearLimit"
            for alert in case.get("exp_alerts") or []}
    assert seen == wanted


# --- Alertmanager, scraping ------------------------------------------------------------------------


def test_inhibitions_name_alerts_and_labels_that_exist():
    labels = {"alertname", "severity"}
    for rule in ALL:
        labels |= set(re.findall(r"\w+", " ".join(re.findall(r"by \(([^)]*)\)", rule["expr"]))))
        labels |= set(rule.get("labels", {}))
    labels |= {label for row in promql.CATALOG.values() for label in row[1]}
    for rule in yaml.safe_load((DIRECTORY / "alertmanager.yaml").read_text())["inhibit_rules"]:
        for matcher in rule["source_matchers"] + rule["target_matchers"]:
            label, operator, value = re.fullmatch(r'(\w+) (=~|!=|=) "(.*)"', matcher).groups()
            assert label in labels
            if label == "alertname":
                assert any(re.fullmatch(value, name) for name in NAMES), value
        assert set(rule["equal"]) <= labels


def test_jobs_are_the_ones_that_rules_look_for():
    config = yaml.safe_load((DIRECTORY / "prometheus.yaml").read_text())
    jobs = {job["job_name"]: job for job in config["scrape_configs"]}
    assert set(jobs) == {"sluice", "vllm", "dcgm-exporter", "node_exporter"}
    for job in jobs.values():
        for target in job["static_configs"]:
            assert {"cluster", "namespace", "service"} <= set(target["labels"])
    # These name pods and replicas of others than themselves.
    assert {name for name, job in jobs.items() if job.get("honor_labels")} == {"sluice", "dcgm-exporter"}
    patterns = set(re.findall(r'job=~"([^"]+)"', "".join(rule["expr"] for rule in ALL)))
    assert len(patterns) == 2
    for name in ("sluice", "vllm", "inference/sluice", "inference/vllm"):
        assert any(re.fullmatch(pattern, name) for pattern in patterns), name
    for name, path in (("vllm", DIRECTORY / "podmonitor-vllm.yaml"),
                       ("sluice", ROOT / "deploy/kubernetes/podmonitor.yaml")):
        monitor = yaml.safe_load(path.read_text())
        assert monitor["metadata"]["name"] == name
        for endpoint in monitor["spec"]["podMetricsEndpoints"]:
            # The operator sets `namespace` by itself.
            assert {"cluster", "service"} <= {rule["targetLabel"] for rule in endpoint["relabelings"]}
    assert config["rule_files"] == ["sluice.rules.yaml"]
