"""docs/operating.md explains every field of `/replicas`."""

import re

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
    picked = re.findall(r"\.(\w+)", re.search(r"\| \[(.*?)\] \| @tsv", page, re.S)[1])
    assert len(picked) > 5
    for row in support.replicas(fleet.admin):
        assert set(picked) <= set(row)
