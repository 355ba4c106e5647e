"""Replicas that serve, while their /metrics is dead, endless, nonsense or frozen."""

import itertools
import re
import threading
import time

import scripted
import support
from fleet import STRETCH, rest, total
from load import SHORTS_PER_SECOND, STREAMS, Load, Report


def imbalance(fleet, seconds):
    """How far the busiest or idlest replica is from the mean of all, in percent of it.

    Busy is what the gateway has there, taken together over this time.
    """
    sums, end = [0] * len(fleet.replicas), time.monotonic() + seconds * STRETCH
    while time.monotonic() < end:
        rows = {row["name"]: row["in_flight"] for row in support.replicas(fleet.gateway.admin)}
        sums = [sum_ + rows[r.name] for sum_, r in zip(sums, fleet.replicas)]
        time.sleep(0.05)
    mean = sum(sums) / len(sums)
    return max(abs(sum_ - mean) for sum_ in sums) / mean * 100


def check_served(figures, load):
    report = Report(load.finished)
    figures.hold("lost", report.not_served, 0)
    figures.hold("wrong statuses", report.wrong_statuses, 0)


def test_row_9_metrics_dead(fleet, figures):
    """Our own in-flight counts are used: lost 0; the age gauge is right, and says stale."""
    fleet = fleet()
    with Load(fleet.url) as load:
        load.wait_for_streams()
        for replica in fleet.replicas:
            replica.faults(metrics="dead")
        began = time.monotonic()
        uneven = imbalance(fleet, 5)
        page, elapsed = fleet.metrics(), time.monotonic() - began
        ages = [total(page, "sluice_replica_signal_age_seconds", replica=r.name)
                for r in fleet.replicas]
        stale = [fleet.row(r)["signal_stale"] for r in fleet.replicas]
        states = [fleet.state(r) for r in fleet.replicas]
        for replica in fleet.replicas:
            replica.heal()
        healed = time.monotonic()
        support.until(lambda: not any(fleet.row(r)["signal_stale"] for r in fleet.replicas),
                      what="fresh signals")
        fresh = time.monotonic() - healed
    check_served(figures, load)
    # The last good scrape was at most one interval (0.5 s, with jitter) before the fault.
    figures.hold("error of the age", max(abs(a - elapsed) for a in ages), 1.0, " s")
    figures.hold("replicas not said to be stale", stale.count(False), 0)
    figures.hold("replicas not ready", sum(s != "ready" for s in states), 0)
    figures.hold("imbalance", uneven, 20.0, " %")
    figures.note("fresh again after", fresh, " s")
    fleet.check_and_stop()


def test_row_10_metrics_endless(fleet, figures, upstream):
    """Read up to a cap and a time: lost 0; RSS grows by <= 8 MiB."""
    line = b"# nothing to see here, and there is a lot of it to be seen ...\n" * 1_024
    is_endless = threading.Event()
    endless = upstream(scripted.Upstream(
        page=lambda: itertools.repeat(line) if is_endless.is_set() else b""))
    fleet = fleet(metrics_urls={1: endless.url + "/metrics"}, pool={"scrape_timeout": "1s"})
    with Load(fleet.url) as load:
        load.wait_for_streams()
        rest(4)  # the load has taken by then what it takes
        before = most = fleet.resident()
        is_endless.set()
        fleet.replicas[0].faults(metrics="huge", metrics_bytes=256 << 20)
        end = time.monotonic() + 5 * STRETCH
        while time.monotonic() < end:
            most = max(most, fleet.resident())
            time.sleep(0.02)
        page = fleet.metrics()
        fleet.replicas[0].heal()
    check_served(figures, load)
    given_up = sum(total(page, "sluice_scrapes_total", result=result)
                   for result in ("too_long", "timeout"))
    assert given_up > 1, "no page was too long"
    figures.note("scrapes given up", given_up)
    figures.hold("RSS grown", (most - before) / 2**20, 8.0, " MiB")
    fleet.check_and_stop()


def test_row_11_metrics_garbage(fleet, figures, upstream):
    """NaN, infinities, 1e308, negative, bytes: ignored; crashes 0."""
    values = itertools.cycle(["NaN", "-1", "1e308", "+Inf", "-Inf", "1e999", "-9223372036854775809",
                              "18446744073709551616", "0x10", "", "\xff"])
    truth = {}

    def page():
        text = re.sub(r" \S+$", lambda _: f" {next(values)}", truth["text"], flags=re.M)
        return text.encode("latin-1")

    broken = upstream(scripted.Upstream(page=page))
    simulator = support.Simulator()
    try:
        text = support.get(simulator.url + "/metrics").text
    finally:
        simulator.stop()
    truth["text"] = "\n".join(line for line in text.splitlines() if not line.startswith("#"))
    fleet = fleet(metrics_urls={1: broken.url + "/metrics"}, pool={"scrape_interval": "200ms"})
    with Load(fleet.url) as load:
        load.wait_for_streams()
        fleet.replicas[0].faults(metrics="garbage")
        uneven = imbalance(fleet, 5)
        shown = [fleet.row(r) for r in fleet.replicas]
        bad = total(fleet.metrics(), "sluice_scrape_bad_samples_total")
        fleet.replicas[0].heal()
    check_served(figures, load)
    assert bad > 0
    figures.note("bad samples counted", bad)
    figures.hold("shown values out of range", sum(
        not 0 <= (row[key] or 0) < 1e6 for row in shown for key in ("running", "queue_depth")), 0)
    figures.hold("imbalance", uneven, 20.0, " %")
    fleet.check_and_stop()  # crashes 0


def test_row_12_metrics_frozen(fleet, figures):
    """Values that stand still weigh nothing after a while: imbalance <= 20 %."""
    fleet = fleet()
    with Load(fleet.url, shorts=0, prefix="s") as first:
        first.wait_for_streams()
        rest(1.5)  # all three are seen busy
        fleet.replicas[0].faults(metrics="frozen")
    # From now on it says that it runs a third of the load that has gone.
    time.sleep(2)
    with Load(fleet.url, streams=STREAMS // 4, shorts=2 * SHORTS_PER_SECOND) as load:
        load.wait_for_streams()
        rest(1)
        uneven = imbalance(fleet, 5)
        fleet.replicas[0].heal()
    check_served(figures, first)
    check_served(figures, load)
    figures.hold("imbalance", uneven, 20.0, " %")
    fleet.check_and_stop()
