"""Overload against the release binaries: fixtures, and the table of figures at the end."""

import pathlib
import sys

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "Clients"))
pytest.register_assert_rewrite("trial", "traffic")
import trial  # noqa: E402  (needs the path above)
from judged import pytest_pyfunc_call  # noqa: E402, F401

# The test's thread and the clients' share the interpreter: neither may hold it for long.
sys.setswitchinterval(0.0005)

# How long the closed loop runs that says what the replicas can do, in seconds.
CAPACITY_SECONDS = 12.0

# A machine that stands still for more than this part of a window measures itself: 80 ms of eight
# seconds make late all who wait for a first token then, which is more than p96 leaves out.
HELD_UP_MAX = 0.01

FIGURES = []


@pytest.fixture(scope="session")
def replicas(request):
    """Four replicas of four slots, or so many of so many, measured once."""
    count, slots = getattr(request, "param", (trial.REPLICAS, trial.SLOTS))
    made = trial.Replicas(count, slots)
    try:
        made.measure(CAPACITY_SECONDS / (2 if hasattr(request, "param") else 1))
        FIGURES.append((f"capacity, {count} x {slots} slots", f"{made.tokens_per_second:.0f} tokens/s, "
                        f"{made.requests_per_second:.1f} requests/s", "", True))
        yield made
    finally:
        made.stop()


@pytest.fixture
def front(replicas):
    """Starts gateways before the replicas; after the trial they must have given everything back."""
    made = []

    def make(*flags, count=1):
        new = [trial.gateway(replicas.urls, *flags) for _ in range(count)]
        made.extend(new)
        return new if count > 1 else new[0]

    yield make
    replicas.heal()
    assert trial.is_quiet(replicas, made), "ledger and replicas disagree after five quiet seconds"
    for program in made:
        program.stop()


class Figures:
    """What a trial measured and what it must be."""

    def __init__(self, title):
        self.title, self.broken, self.held_up = title, [], 0.0

    def __call__(self, name, value, least=None, most=None, unit=""):
        holds = (least is None or value >= least) and (most is None or value <= most)
        bound = f"≥ {least:g}{unit}" if least is not None else f"≤ {most:g}{unit}"
        FIGURES.append((self.title, f"{name} {value:.3g}{unit}", bound, holds))
        if not holds:
            self.broken.append(f"{name} {value:.3g}{unit}, not {bound}")

    def watch(self, held_up):
        """Notes the part of a window in which the machine did not run the clients."""
        self.held_up = max(self.held_up, held_up)
        FIGURES.append((self.title, f"held up {100 * held_up:.2g} %", "", True))

    def check(self):
        if self.broken and self.held_up > HELD_UP_MAX:
            pytest.skip(f"the machine stood still for {self.held_up:.0%}: " + "; ".join(self.broken))
        assert not self.broken, "; ".join(self.broken)


@pytest.fixture
def figures(request):
    """Figures of a trial; one that is not as it must be fails the trial at its end."""
    return Figures(request.node.name.removeprefix("test_").replace("_", " "))


def pytest_terminal_summary(terminalreporter):
    if not FIGURES:
        return
    terminalreporter.section("overload")
    for title, figure, bound, holds in FIGURES:
        terminalreporter.write_line(
            f"{title:44} {figure:38} {bound:12} {'' if holds else 'MISSED'}")
