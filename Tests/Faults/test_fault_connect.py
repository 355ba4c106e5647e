"""Replicas that cannot be connected to: refused, a black hole, all of them gone."""

import time

import scripted
import support
from fleet import rest, total
from load import Load, Report, quantile


def test_row_1_connect_refused(fleet, figures):
    """A replica is killed: what begins afterwards loses 0; it is out after <= 1 s."""
    fleet = fleet()
    victim = fleet.replicas[0]
    with Load(fleet.url) as load:
        load.wait_for_streams()
        held = fleet.row(victim)["in_flight"]
        killed = time.monotonic()
        victim.kill()
        gone = time.monotonic()  # until now it could read what it was sent, and die with it
        ejected = fleet.seconds_until_state(victim, "dead", "ejected", since=killed)
        rest(3)
        victim.restart()
        returned = time.monotonic()
        outage = returned - killed
        before = fleet.row(victim)["dispatched"]
        support.until(lambda: fleet.row(victim)["dispatched"] > before, what="work for it again")
        back = time.monotonic() - returned
        rest(1)
    after = Report(c for c in load.finished if c.began > gone)
    earlier = Report(c for c in load.finished if c.began <= gone)
    figures.note("requests after the kill", len(after.calls))
    figures.hold("lost", after.not_served, 0)
    figures.hold("wrong statuses", after.wrong_statuses, 0)
    figures.hold("streams cut, of those it held", earlier.not_served, held + 5)
    figures.hold("wrongly completed", earlier["gone_wrong"], 0)
    figures.hold("ejected after", ejected, 1.0, " s")
    # Probes of a dead replica come at twice the interval each time.
    figures.hold("work again after its restart", back, outage + 2.0, " s")
    fleet.check_and_stop()


def test_row_2_black_hole(fleet, figures, upstream):
    """SYNs are dropped: lost 0; added latency p99 <= connect timeout + 50 ms."""
    hole = upstream(scripted.BlackHole())
    connect = 1.0
    fleet = fleet(simulated=2, upstreams=[hole.url], timeouts={"connect": "1s"}, wait=False)
    began = time.monotonic()
    with Load(fleet.url) as load:
        ejected = fleet.seconds_until_state(hole, "dead", "ejected", since=began)
        load.wait_for_streams()
        rest(3)
    report = Report(load.finished)
    log = fleet.log_lines(report.calls)
    touched = [c for c in report.calls if hole.name in log[c.id].get("replicas_tried", [])]
    assert touched, "nothing was sent to the black hole"
    usual = report.first_byte(0.5)
    added = [c.head_at - c.began - usual for c in load.ended_in_time(
        [c for c in touched if c.stream and c.head_at], until="head_at")]
    figures.note("requests sent there first", len(touched))
    figures.hold("lost", report.not_served, 0)
    figures.hold("wrong statuses", report.wrong_statuses, 0)
    figures.hold_slowest("added latency, at most", added, connect + 0.05, load)
    # One connect timeout and the requests that followed each other until the third.
    figures.hold("ejected after", ejected, connect + 1.0, " s")
    fleet.check_and_stop()


def test_row_15_all_replicas_down(fleet, figures):
    """503 + Retry-After within 10 ms, queue empty; first 200 <= 1 s after one is back."""
    fleet = fleet()
    with Load(fleet.url) as load:
        load.wait_for_streams()
        for replica in fleet.replicas:
            replica.kill()
        for replica in fleet.replicas:
            fleet.seconds_until_state(replica, "dead", "ejected")
        down = time.monotonic()
        rest(3)
        queued = total(fleet.metrics(), "sluice_queue_length")
        until = time.monotonic()
        fleet.replicas[0].restart()
        returned = time.monotonic()
        support.until(lambda: any(c.verdict == "ok" and c.began > until for c in load.finished),
                      what="a request served again")
        rest(2)
    outage = Report(c for c in load.finished if down < c.began and c.ended < until)
    later = [c for c in load.finished if c.verdict == "ok" and c.head_at > returned]
    back = min(c.head_at for c in later) - returned
    refused = [c for c in outage.calls if c.verdict == "refused"]
    seconds = [c.seconds for c in load.undisturbed(refused)]
    figures.note("requests in the outage", len(outage.calls))
    figures.hold("other than 503 + Retry-After", len(outage.calls) - len(refused), 0)
    figures.hold("503 p99", quantile(seconds, 0.99) * 1000, 10.0, " ms",
                 load.error(0.99) * 1000)
    figures.hold("queue length", queued, 0)
    figures.hold("first 200 after return", back, 1.0, " s")
    settled = Report(c for c in load.finished if c.began > returned + 1.0)
    figures.hold("lost from 1 s after return", settled.not_served, 0)
    fleet.check_and_stop()
