"""What lies between clients, gateway and replicas: bad lines, and storms of connections."""

import pytest

from fleet import Replica, rest
from link import AWAY, DELAY, HERE, BadLine
from load import Load, Report


@pytest.fixture
def line():
    """The test, and what it starts, is at both ends of a bad line."""
    with BadLine() as line:
        yield line


@pytest.fixture
def distant(line):
    """Three replicas at the other end of the line."""
    made = []
    try:
        for seed in (1, 2, 3):
            made.append(Replica(seed, *Replica.FIXED, "30", listen=f"{HERE}:0"))
        yield made
    finally:
        for one in made:
            one.stop()


def over_the_line(url):
    return url.replace(HERE, AWAY)


def test_row_33_loss_delay_and_another_order(line, distant, fleet, figures):
    """1 % lost, 100 ms, a quarter overtakes, on both sides: slower, nothing else."""
    fleet = fleet(simulated=0, upstreams=[over_the_line(replica.url) for replica in distant],
                  top={"listen": f"{HERE}:0"})
    with Load(over_the_line(fleet.url)) as load:
        load.wait_for_streams()
        rest(4)
        carried, lost = line.packets()
    report = Report(load.finished)
    figures.note("packets", carried + lost)
    figures.note("packets lost", 100 * lost / (carried + lost), " %")
    figures.note("requests", len(report.calls))
    figures.note("p50 of the first byte", report.first_byte(0.5), " s")
    figures.note("p99 of the first byte", report.first_byte(0.99), " s")
    figures.hold("wrong", report.mixed_up + report.raw + report.wrong_statuses
                 + report["gone_wrong"], 0)
    figures.hold("lost", report.not_served, 0)
    figures.hold("unfinished", load.unfinished, 0)
    # A request and its answer's first byte go over the line twice each.
    assert lost > 0 and report.first_byte(0.5) > 4 * DELAY * 0.8, "there was no bad line"
    fleet.check_and_stop()
