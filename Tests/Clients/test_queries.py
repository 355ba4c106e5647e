"""docs/queries.md: every query, run by a Prometheus that has scraped gateways, replicas and hosts, returns data."""

import contextlib
import http.server
import json
import re
import shutil
import socket
import subprocess
import sys
import threading
import time
import urllib.parse

import pytest

import support
from prometheus import ask, prometheus

sys.path.insert(0, str(support.ROOT / "Tests"))
import promql  # noqa: E402  (shared with the tests of deploy/)

pytestmark = pytest.mark.simulated

PAGE = (support.ROOT / "docs/queries.md").read_text()
PANELS = [(panel["title"], target["expr"])
          for panel in json.loads((support.ROOT / "deploy/grafana/sluice.json").read_text())["panels"]
          for target in panel.get("targets", [])]
# Exporters that no test machine has, and what engines have that draft or move caches: gauges, then counters.
# Sources: dcgm-exporter's default counters; node_exporter's loadavg, cpu and meminfo collectors; vLLM.
GAUGES = """\
DCGM_FI_DEV_GPU_UTIL{gpu="0"} 83
DCGM_FI_DEV_GPU_TEMP{gpu="0"} 61
DCGM_FI_DEV_SM_CLOCK{gpu="0"} 1980
DCGM_FI_DEV_FB_USED{gpu="0"} 71000
DCGM_FI_DEV_POWER_USAGE{gpu="0"} 512.4
DCGM_FI_DEV_XID_ERRORS{gpu="0"} 0
node_load1 1.5
node_memory_MemAvailable_bytes 1.2e+10
node_memory_MemTotal_bytes 2.4e+10
"""
COUNTERS = ['node_cpu_seconds_total{cpu="0",mode="idle"}', 'node_cpu_seconds_total{cpu="1",mode="idle"}',
            'vllm:spec_decode_num_accepted_tokens_total{model_name="tiny"}',
            'vllm:spec_decode_num_draft_tokens_total{model_name="tiny"}',
            'vllm:nixl_num_failed_transfers_total{model_name="tiny"}']


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
        "Is the engine under memory pressure?", "How much useful work is done?",
        "Did the workload change?", "What do the machines say?", "Is it a matter of operations?"]
    assert len(ALL) > 50


def test_queries_name_what_there_is_and_join_gateways_as_the_metrics_say():
    for _, query, _ in ALL:
        assert not promql.unknown(query), query
        assert list(promql.misuse(query)) == [], query


class Exporter(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.send_header("content-type", "text/plain; version=0.0.4")
        self.end_headers()
        counters = "".join(f"{name} {time.monotonic()}\n" for name in COUNTERS)
        self.wfile.write((GAUGES + counters).encode())

    def log_message(self, *_):
        pass


@contextlib.contextmanager
def exporter():
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Exporter)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def load(gateway, seconds):
    """More than the replicas can take, some of it with prompts alike, some of it given up."""
    done = subprocess.run(
        [support.SLUICE, "bench", gateway.url, "--model", support.MODEL, "--rate", "30",
         "--prompt-tokens", "lognormal:200,0.6", "--output-tokens", "lognormal:20,0.5",
         "--abort-ratio", "0.05", "--duration", f"{seconds}s", "--grace", "10s"],
        stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_every_query_returns_data(programs, tmp_path):
    replicas = [support.Simulator("--max-num-seqs", "2") for _ in range(2)]
    programs.extend(replicas)
    gateway = support.gateway_for(
        *(replica.url for replica in replicas), flags=["--ttft-slo", "400ms", "--access-log", "off"])
    programs.append(gateway)
    with exporter() as exported:
        jobs = {"sluice": [gateway.admin], "vllm": [replica.url for replica in replicas]}
        jobs = {name: [urllib.parse.urlsplit(url).netloc for url in urls]
                for name, urls in jobs.items()}
        jobs["dcgm-exporter"] = jobs["node_exporter"] = [exported]
        with prometheus(tmp_path, jobs) as url:
            support.until(lambda: ask(url, "up") == [1.0] * 5, 30, "every target up")
            load(gateway, 12)
            for title, query, comment in ALL:
                check(url, title, query, comment)
            for title, query in PANELS:
                for name, value in (("$window", "1m"), ("${vllm}", "vllm:"), ("$cluster", ".*"),
                                    ("$namespace", ".*"), ("$model", ".*")):
                    query = query.replace(name, value)
                past = re.search(r" offset 1[dw]", query)
                check(url, title, query, "needs a day" if past else "")


def check(url, title, query, comment):
    """Asks until there is an answer that is a number."""
    if comment == "may be empty":
        assert ask(url, query) is not None, query
        return
    if comment == "needs a day":
        # The same with what there is: the shape of the query is what is shown here.
        query = re.sub(r" offset 1[dw]", "", query).replace("[1h]", "[1m]")
    # A histogram that nothing was observed in is NaN: one of several may be.
    support.until(lambda: any(value == value for value in ask(url, query) or []), 10,
                  f"{title}: {query}")
