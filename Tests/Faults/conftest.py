"""Faults against the release binaries: fixtures, and the table of figures at the end."""

import pathlib
import sys

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "Clients"))
pytest.register_assert_rewrite("fleet", "load", "scripted")
import fleet as fleets  # noqa: E402  (needs the path above)
from judged import pytest_pyfunc_call  # noqa: E402, F401

# The test's thread and the load's share the interpreter: neither may hold it for long.
sys.setswitchinterval(0.0005)

class Figures:
    """What a scenario measured; `hold` also asserts it, after all of it has been noted: `check`.

    Figures go with the test's report, from whichever process ran it.
    """

    def __init__(self, row, title, properties):
        self.row, self.title, self.broken = row, title, []
        self._properties = properties

    def _add(self, *cells):
        self._properties.append(("figure", [self.row, self.title, *cells]))

    def note(self, name, value, unit=""):
        self._add(name, f"{_text(value)}{unit}", "", "", "–")

    def hold(self, name, value, limit, unit="", error=0.0):
        """`value`, which the machine may have made wrong by `error`, is at most `limit`."""
        holds = value <= limit + error
        self._add(name, f"{_text(value)}{unit}", f"≤ {_text(limit)}{unit}" if limit else "0",
                  f"{_text(error)}{unit}" if error else "", "yes" if holds else "NO")
        if not holds:
            self.broken.append(
                f"{name}: {_text(value)}{unit} > {_text(limit)}{unit} + {_text(error)}{unit}")

    def hold_slowest(self, name, seconds, limit, load):
        """`hold` of the largest; there may be none where the machine held up all of the `load`."""
        if seconds:
            self.hold(name, max(seconds), limit, " s", load.error())
        else:
            assert load.part_held_up > 0.02, f"{name}: nothing was measured on a machine that ran"
            self.note(name, "held up")

    def check(self):
        assert not self.broken, "; ".join(self.broken)


def _text(value):
    if isinstance(value, str):
        return value
    return f"{value:.3g}" if isinstance(value, float) and value < 1000 else f"{value:.0f}"


@pytest.fixture
def figures(request):
    """The figures of `test_row_N_…`; a figure that does not hold fails the test at its end."""
    words = request.node.name.split("_")
    return Figures(words[2], " ".join(words[3:]), request.node.user_properties)


@pytest.fixture
def fleet(tmp_path):
    """Makes fleets; each has to end cleanly (`check_and_stop`), none stays behind."""
    made = []

    def make(**options):
        made.append(fleets.Fleet(tmp_path, **options))
        return made[-1]

    yield make
    for one in made:
        one.kill()


@pytest.fixture
def upstream():
    """Registers scripted upstreams, to be closed."""
    made = []

    def register(one):
        made.append(one)
        return one

    yield register
    for one in made:
        one.close()


def pytest_terminal_summary(terminalreporter):
    rows = [row for reports in terminalreporter.stats.values() for report in reports
            if getattr(report, "when", None) == "call"
            for name, row in report.user_properties if name == "figure"]
    if not rows:
        return
    terminalreporter.section("faults: rows and figures")
    terminalreporter.write_line("| row | fault | figure | measured | required | error | met |")
    terminalreporter.write_line("| ---: | --- | --- | ---: | ---: | ---: | --- |")
    for row in sorted(rows, key=lambda row: int(row[0])):
        terminalreporter.write_line("| " + " | ".join(row) + " |")
