"""docs/operating.md knows every state and reason of the sources; links of all pages lead somewhere."""

import os
import pathlib
import re

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
PAGES = sorted([ROOT / "README.md", *(ROOT / "docs").rglob("*.md")])
PAGE = (ROOT / "docs/operating.md").read_text()


def labels_of(source, enum):
    """The label values that a Swift enum spells."""
    text = (ROOT / "Sources" / source).read_text().split(f"enum {enum}")[1]
    return re.findall(r'case \.\w+: "(\w+)"', text.split("\n}")[0])


def section(title):
    return PAGE.split(f"\n## {title}\n")[1].split("\n## ")[0]


def first_cells(text):
    return re.findall(r"^\| `(\w+)` \|", text, re.M)


def test_every_state_is_explained():
    states = labels_of("SluiceTraffic/Routing/ReplicaState.swift", "ReplicaState")
    assert len(states) == 10
    assert sorted(first_cells(section("States of a replica"))) == sorted(states)


def test_every_reason_is_explained_or_said_to_be_unused():
    text = section("Every `x-sluice-reason`")
    unused = re.findall(r"`(\w+)`", text.split("Taken, and not used today:")[1])
    explained = first_cells(text)
    assert len(explained) == len(set(explained)) and not set(explained) & set(unused)
    assert set(explained) | set(unused) == set(labels_of("SluiceTelemetry/Reason.swift", "Reason"))


def test_unused_reasons_are_unused():
    """Outside of switches nothing in the shell gives a request one of them."""
    text = section("Every `x-sluice-reason`").split("Taken, and not used today:")[1]
    enum = (ROOT / "Sources/SluiceTelemetry/Reason.swift").read_text()
    names = {label: case for case, label in re.findall(r'case \.(\w+): "(\w+)"', enum)}
    sources = "".join(
        path.read_text() for folder in ("SluiceProxy", "SluiceExchange")
        for path in (ROOT / "Sources" / folder).rglob("*.swift"))
    sources = re.sub(r"\bcase \.[^:{}]*:", "", sources)
    assert re.search(r"[\s(]\.gatewayMemory\b", sources), "the search finds what is used"
    # Names of other things too: a pool's state, which no gateway sets; a probe's and a scrape's end.
    homonyms = {"draining", "unauthorized", "too_long"}
    for label in set(re.findall(r"`(\w+)`", text)) - homonyms:
        assert not re.search(rf"[\s(]\.{names[label]}\b", sources), label


def test_every_alert_is_listed():
    listed = re.findall(r"\[(\w+)\]\(operating/(\w+)\.md\)", section("What to alert on"))
    assert all(name == page for name, page in listed)
    names = [name for name, _ in listed]
    rules = (ROOT / "deploy/prometheus/sluice.rules.yaml").read_text()
    assert sorted(names) == sorted(set(re.findall(r"- alert: (\w+)", rules)))


def anchor(heading):
    """As GitHub makes it."""
    return re.sub(r"[^\w -]", "", heading.strip().lower()).replace(" ", "-")


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page):
    text = re.sub(r"```.*?```", "", page.read_text(), flags=re.S)
    for target in re.findall(r"\]\(([^)]+)\)", text):
        if target.startswith("https://"):
            continue
        path, _, fragment = target.partition("#")
        file = pathlib.Path(os.path.normpath(page.parent / path)) if path else page
        assert file.exists(), target
        if fragment:
            headings = re.findall(r"^#+ (.+)$", file.read_text(), re.M)
            assert fragment in map(anchor, headings), target


def test_every_source_that_is_named_exists():
    text = (ROOT / "docs/life-of-a-request.md").read_text()
    named = re.findall(r"`([\w/+]+\.swift)`", text)
    assert len(named) >= 8
    sources = [str(path) for path in (ROOT / "Sources").rglob("*.swift")]
    for name in named:
        assert any(path.endswith("/" + name) for path in sources), name
