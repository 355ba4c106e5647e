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
