"""Prometheus itself reads what the gateway says."""

import json
import shutil
import socket
import subprocess
import urllib.parse

import pytest

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


def test_received_minus_finished_is_in_flight(fleet):
    # One answer, so that the three are of one moment.
    lines = support.get(fleet.admin + "/metrics").text.splitlines()

    def total(name):
        return sum(float(line.split()[-1]) for line in lines
                   if line.startswith((name + "{", name + " ")))

    received = total("sluice_requests_received_total")
    assert received > 0
    assert received - total("sluice_requests_total") == total("sluice_requests_in_flight")


def test_what_replicas_say_is_what_the_gateway_shows(fleet):
    """Scraped values equal the replica's own, seen at a moment in which nothing runs."""
    def settled():
        rows = {row["url"].rstrip("/"): row for row in support.replicas(fleet.admin)}
        return set(rows) == set(fleet.replicas) and all(
            rows[url]["running"] == 0 and rows[url]["queue_depth"] == 0 for url in fleet.replicas)

    support.until(lambda: not any(map(support.running, fleet.replicas)), what="idle replicas")
    support.until(settled, what="scraped zeros")


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
