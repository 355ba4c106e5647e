"""docs/operating.md explains every field of `/replicas`."""

import re
import shutil
import subprocess

import pytest

import support

pytestmark = pytest.mark.simulated


def test_every_field_is_explained(fleet):
    page = (support.ROOT / "docs/operating.md").read_text()
    section = page.split("\n## What `/replicas` shows\n")[1].split("\n## ")[0]
    explained = set(re.findall(r"`(\w+)`", section))
    pools = support.get(fleet.admin + "/replicas").json()["pools"]
    fields = set(pools[0]) | set(pools[0]["replicas"][0])
    assert len(fields) > 20
    assert fields - {"pool", "replicas", "name", "url"} <= explained


def test_the_one_liner_shows_every_replica(fleet):
    """The columns that the first page of the manual picks exist."""
    page = (support.ROOT / "docs/operating.md").read_text()
    picked = re.findall(r"\.(\w+)", re.search(r"\| \[(.*?)\]\s+\| map\(", page, re.S)[1])
    assert len(picked) > 5
    for row in support.replicas(fleet.admin):
        assert set(picked) <= set(row)


def test_the_one_liner_keeps_its_columns_for_a_replica_that_was_never_heard(programs):
    if not (shutil.which("jq") and shutil.which("column")):
        pytest.skip("jq or column is not installed")
    page = (support.ROOT / "docs/operating.md").read_text()
    command = re.search(r"^curl -s http://127.0.0.1:9801/replicas \| jq.*?column -t$", page, re.S | re.M)[0]
    replica = support.Simulator()
    programs.append(replica)
    gateway = support.gateway_for(replica.url, "http://127.0.0.1:1")
    programs.append(gateway)
    support.until(lambda: any(row["state"] == "dead" for row in support.replicas(gateway.admin)),
                  what="a dead replica")
    done = subprocess.run(["bash", "-c", command.replace("http://127.0.0.1:9801", gateway.admin)],
                          capture_output=True, text=True, check=True, timeout=support.PATIENCE)
    rows = [line.split() for line in done.stdout.splitlines()]
    assert len(rows) == 2
    assert {len(row) for row in rows} == {10}, done.stdout


def test_a_replicas_own_metrics_come_typed(programs):
    replica = support.Simulator()
    programs.append(replica)
    gateway = support.gateway_for(replica.url, flags=["--access-log", "off"])
    programs.append(gateway)
    name = support.replicas(gateway.admin)[0]["name"]
    answer = support.get(f"{gateway.admin}/replicas/{name}/metrics")
    assert answer.status == 200
    page = answer.json()
    kinds = {entry["type"] for entry in page["metrics"]}
    assert kinds >= {"counter", "gauge", "histogram"} and page["bad_lines"] == 0
    assert all(entry["name"].startswith("vllm:") for entry in page["metrics"])
    first = next(entry for entry in page["metrics"]
                 if entry["name"] == "vllm:time_to_first_token_seconds")
    assert first["buckets"]["+Inf"] == first["count"]
    some = support.get(f"{gateway.admin}/replicas/{name}/metrics?prefix=vllm:num_requests_run").json()
    assert [entry["name"] for entry in some["metrics"]] == ["vllm:num_requests_running"]
    missing = support.get(f"{gateway.admin}/replicas/other/metrics")
    assert missing.status == 404 and name in missing.text
    replica.stop()
    gone = support.get(f"{gateway.admin}/replicas/{name}/metrics")
    assert gone.status == 502 and name in gone.text
