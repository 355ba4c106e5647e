"""docs/queries.md: every query, run by a Prometheus that has scraped gateways, replicas and hosts, returns data."""

import concurrent.futures
import json
import re
import signal
import subprocess
import sys
import urllib.parse

import pytest

import support
from exporters import NAMES, exporter
from prometheus import ask, prometheus

sys.path.insert(0, str(support.ROOT / "Tests"))
import promql  # noqa: E402  (shared with the tests of deploy/)

pytestmark = pytest.mark.simulated

PAGE = (support.ROOT / "docs/queries.md").read_text()
DASHBOARD = json.loads((support.ROOT / "deploy/grafana/sluice.json").read_text())
PANELS = [(panel["title"], target["expr"]) for panel in DASHBOARD["panels"] for target in panel.get("targets", [])]
ANNOTATIONS = [(annotation["name"], annotation["expr"]) for annotation in DASHBOARD["annotations"]["list"]]
RULES = support.ROOT / "deploy/prometheus/sluice.rules.yaml"


def queries():
    """(heading, query, what is said of it) of the page, in order."""
    title = None
    for heading, comment, query in re.findall(
            r"^## ([^\n]+)$|(?:^<!-- ([^\n]+) -->\n)?^```promql\n(.*?)^```$", PAGE, re.M | re.S):
        if query:
            yield title, query.strip(), comment
        else:
            title = heading


ALL = list(queries())


def test_the_page_answers_every_question():
    titles = list(dict.fromkeys(title for title, _, _ in ALL))
    assert titles == [
        "What do users experience?", "What is offered?", "Is work queueing?",
        "Do replicas answer the gateway?", "Is the engine under memory pressure?", "How much useful work is done?",
        "Did the workload change?", "What do the machines say?", "Is it a matter of operations?"]
    assert len(ALL) > 80


def test_queries_name_what_there_is_and_join_gateways_as_the_metrics_say():
    for _, query, _ in ALL:
        assert not promql.unknown(query), query
        assert list(promql.misuse(query)) == [], query


def test_pages_name_what_exporters_have():
    named = set()
    for page in sorted((support.ROOT / "docs").rglob("*.md")):
        for query in re.findall(r"```promql\n(.*?)```", page.read_text(), re.S):
            named |= set(re.findall(r"\b(?:DCGM_FI|node)_\w+", query))
    assert len(named) > 20
    assert named <= NAMES


def load(gateway, seconds):
    """More than the replicas can take, some of it with prompts alike, some of it given up."""
    done = subprocess.run(
        [support.SLUICE, "bench", gateway.url, "--model", support.MODEL, "--rate", "30",
         "--prompt-tokens", "lognormal:200,0.6", "--output-tokens", "lognormal:20,0.5",
         "--abort-ratio", "0.05", "--duration", f"{seconds}s", "--grace", "10s"],
        stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def fleet(path, replicas):
    """A gateway before these replicas that gives up soon on one which hangs, and looks seldom whether one is there."""
    path.write_text("listen: 127.0.0.1:0\nadmin: 127.0.0.1:0\naccess_log: off\nttft_slo: 400ms\n"
                    "timeouts: {first_content: 3s}\npools:\n  - name: default\n    scrape_interval: 10s\n    replicas:\n"
                    + "".join(f"      - {replica.url}\n" for replica in replicas))
    made = support.Gateway("--config", path)
    support.until(lambda: support.get(made.admin + "/readyz").status == 200, what="readiness")
    return made


def fail(gateway, replicas, victim):
    """A replica that is gone, one that hangs, and a configuration that is read again."""
    chat = gateway.url + "/v1/chat/completions"
    page = gateway.admin + "/metrics"

    def shows(metric):
        # So many at once that every replica gets one.
        with concurrent.futures.ThreadPoolExecutor(8) as clients:
            list(clients.map(lambda _: support.post(chat, support.chat_body()), range(8)))
        return sum(support.samples(page, metric).values()) > 0

    victim.kill()
    support.until(lambda: shows("sluice_upstream_connect_errors_total"), what="a refused connection")
    for replica in replicas:
        support.post(replica.url + "/sim/faults", {"hang": True, "requests": 1})
    support.until(lambda: shows("sluice_upstream_timeouts_total"), what="a limit that passed")
    gateway.process.send_signal(signal.SIGHUP)


def test_every_query_returns_data(programs, tmp_path):
    replicas = [support.Simulator("--max-num-seqs", "2") for _ in range(2)]
    victim = support.Simulator()
    programs.extend(replicas)
    try:
        gateway = fleet(tmp_path / "sluice.yaml", [*replicas, victim])
        programs.append(gateway)
        with exporter() as exported:
            jobs = {"sluice": [gateway.admin], "vllm": [replica.url for replica in replicas]}
            jobs = {name: [urllib.parse.urlsplit(url).netloc for url in urls]
                    for name, urls in jobs.items()}
            jobs["dcgm-exporter"] = jobs["node_exporter"] = [exported]
            jobs["collected"] = [*jobs["vllm"], exported]
            with prometheus(tmp_path, jobs, rules=RULES, renamed=["collected"]) as url:
                support.until(lambda: ask(url, "up") == [1.0] * 8, 30, "every target up")
                fail(gateway, replicas, victim)
                load(gateway, 12)
                for title, query, comment in ALL:
                    check(url, title, query, comment)
                for title, query in ANNOTATIONS + PANELS:
                    for name, value in (("$window", "1m"), ("$cluster", ".*"), ("$namespace", ".*"), ("$model", ".*")):
                        query = query.replace(name, value)
                    # As vLLM itself names them, and as they are after an OpenTelemetry collector.
                    for prefix in ("vllm:", "vllm_") if "${vllm}" in query else ("",):
                        check(url, title, query.replace("${vllm}", prefix))
    finally:
        victim.kill()


def check(url, title, query, comment=""):
    """Asks until there is an answer that is a number."""
    if comment == "may be empty":
        assert ask(url, query) is not None, query
        return
    # No test lasts a day: Tests/Deploy/test_query_values.py looks back, this at the rest of the query.
    query = re.sub(r" offset 1[dw]", "", query).replace("[1h]", "[1m]")
    # A histogram that nothing was observed in is NaN: one of several may be.
    support.until(lambda: any(value == value for value in ask(url, query) or []), 10,
                  f"{title}: {query}")
