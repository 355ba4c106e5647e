"""Prometheus itself reads what the gateway says."""

import contextlib
import json
import re
import shutil
import socket
import subprocess
import urllib.parse

import pytest
from prometheus_client.openmetrics import parser as openmetrics

import support


def tool(name):
    found = shutil.which(name)
    if not found:
        pytest.skip(f"{name} is not installed (Debian package prometheus)")
    return found


def test_the_exposition_is_clean(fleet, client):
    client.chat.completions.create(
        model=support.MODEL, messages=[{"role": "user", "content": "Hi"}], max_tokens=2)
    text = support.get(fleet.admin + "/metrics")
    assert text.headers["content-type"].startswith("text/plain; version=0.0.4")
    done = subprocess.run([tool("promtool"), "check", "metrics"], input=text.body,
                          capture_output=True, check=False)
    assert done.returncode == 0, (done.stdout + done.stderr).decode()


def test_openmetrics_is_given_on_request_and_ends_with_eof(fleet):
    answer = support.get(fleet.admin + "/metrics", headers={
        "Accept": "application/openmetrics-text; version=1.0.0"})
    assert answer.headers["content-type"].startswith("application/openmetrics-text")
    assert answer.text.endswith("# EOF\n")
    # The strict reader: families that clash, samples out of place and units that lie are errors.
    families = openmetrics.text_string_to_metric_families(answer.text)
    names = {sample.name for family in families for sample in family.samples}
    assert {"sluice_connections", "sluice_connections_total", "sluice_requests_total"} <= names


def test_received_minus_finished_is_in_flight(fleet):
    # One answer, so that the three are of one moment.
    lines = support.get(fleet.admin + "/metrics").text.splitlines()

    def total(name):
        return sum(float(line.split()[-1]) for line in lines
                   if line.startswith((name + "{", name + " ")))

    received = total("sluice_requests_received_total")
    assert received > 0
    assert received - total("sluice_requests_total") == total("sluice_requests_in_flight")


def test_what_busy_replicas_say_is_what_the_gateway_shows(fleet):
    """Scraped values equal the replica's own, seen in a moment in which they stand still."""
    def says(url):
        metrics = url + "/metrics"
        return tuple(sum(support.samples(metrics, f"vllm:num_requests_{kind}").values())
                     for kind in ("running", "waiting"))

    def shows():
        return {row["url"].rstrip("/"): (row["running"], row["queue_depth"])
                for row in support.replicas(fleet.admin)}

    def exposes():
        metrics = fleet.admin + "/metrics"
        urls = {row["name"]: row["url"].rstrip("/") for row in support.replicas(fleet.admin)}
        values = {url: [] for url in urls.values()}
        for kind in ("running", "queue_depth"):
            for labels, value in support.samples(metrics, f"sluice_replica_{kind}").items():
                values[urls[re.search(r'replica="([^"]*)"', labels).group(1)]].append(value)
        return {url: tuple(pair) for url, pair in values.items()}

    def agree():
        before = {url: says(url) for url in fleet.replicas}
        shown, exposed = shows(), exposes()
        after = {url: says(url) for url in fleet.replicas}
        return before == shown == exposed == after and before

    with contextlib.ExitStack() as stack:
        # More than two real replicas run at once (see scripts/real-vllm.sh): some wait.
        # Not through the client library: it would wait for the first event of each.
        for _ in range(12):
            stack.enter_context(support.send(
                fleet.url + "/v1/chat/completions",
                support.chat_body(stream=True, tokens=1_500)))
        seen = support.until(lambda: (v := agree()) and sum(r for r, _ in v.values()) > 0 and v,
                             what="agreement")
        assert sum(map(sum, seen.values())) <= 12
    support.until(lambda: not any(map(support.running, fleet.replicas)), what="idle replicas")
    # Two real replicas on two cores answer late for a while after so much work: a page of theirs has
    # been seen to be twelve seconds old.
    support.until(lambda: agree(), seconds=60, what="agreement on nothing")


def test_a_real_prometheus_scrapes_gateway_and_replicas(fleet, tmp_path):
    prometheus = tool("prometheus")
    targets = [urllib.parse.urlsplit(url).netloc for url in (fleet.admin, *fleet.replicas)]
    configuration = tmp_path / "prometheus.yml"
    configuration.write_text(json.dumps({  # JSON is YAML
        "global": {"scrape_interval": "1s", "scrape_timeout": "1s"},
        "scrape_configs": [{"job_name": "all", "static_configs": [{"targets": targets}]}]}))
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with open(tmp_path / "log", "wb") as log:
        process = subprocess.Popen(
            [prometheus, f"--config.file={configuration}", f"--storage.tsdb.path={tmp_path}/data",
             f"--web.listen-address=127.0.0.1:{port}"], stdout=log, stderr=log)
    try:
        def up():
            try:
                answer = support.get(f"http://127.0.0.1:{port}/api/v1/query?query=up").json()
            except (OSError, ValueError):  # not up yet, or not ready
                return False
            values = [row["value"][1] for row in answer["data"]["result"]]
            return values == ["1"] * len(targets)

        support.until(up, 30, "every target up")
        missing = support.get(
            f"http://127.0.0.1:{port}/api/v1/query?query=sluice_build_info").json()
        assert missing["data"]["result"]
    finally:
        process.terminate()
        process.wait(10)
