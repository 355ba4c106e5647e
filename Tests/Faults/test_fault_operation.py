"""What operating systems and operators do to the gateway: descriptors, full disks, signals."""

import os
import signal
import threading
import time

import pytest

import support
from fleet import rest, total
from load import Load, Report


def test_row_18_out_of_descriptors(fleet, figures):
    """Accepting pauses: CPU <= 20 % of a core, lost in flight 0, recovers <= 1 s."""
    limit = 512
    fleet = fleet(wrap=["prlimit", f"--nofile={limit}:{limit}"])
    idle = []
    with Load(fleet.url, shorts=0) as load:
        load.wait_for_streams()
        room = limit - fleet.descriptors()
        for _ in range(room + 200):
            idle.append(support.connect(fleet.url))
        # An eighth stays for replicas, probes and scrapes.
        support.until(lambda: fleet.descriptors() > limit * 7 // 8 - 8, what="no descriptor left")
        # The streams go on; what they cost by themselves is measured first of all below.
        cpu, began = fleet.cpu_seconds(), time.monotonic()
        rest(3)
        busy = (fleet.cpu_seconds() - cpu) / (time.monotonic() - began)
        starved = fleet.descriptors()
        for one in idle:
            one.close()
        freed = time.monotonic()
        answer = support.post(fleet.url + "/v1/chat/completions", support.chat_body(tokens=1))
        recovered = time.monotonic() - freed
        rest(1)
    assert answer.status == 200
    report = Report(load.finished)
    # The same load with descriptors enough.
    with Load(fleet.url, shorts=0, prefix="u") as usual:
        usual.wait_for_streams()
        cpu, began = fleet.cpu_seconds(), time.monotonic()
        rest(2)
        alone = (fleet.cpu_seconds() - cpu) / (time.monotonic() - began)
    page = fleet.metrics()
    figures.note("descriptors while starved", starved)
    figures.hold("lost", report.not_served, 0)
    figures.hold("CPU above that of the load", (busy - alone) * 100, 20.0, " % of a core")
    figures.hold("a new request answered after", recovered, 1.0, " s")
    paused = total(page, "sluice_accept_paused_seconds_total")
    assert paused > 0
    figures.note("accepting paused", paused, " s")
    fleet.check_and_stop()


def write_log_lines(url, count, batch=100):
    """Requests that the gateway answers by itself, one after another on one connection."""
    one = b"GET /v1/models HTTP/1.1\r\nHost: a\r\n\r\n"
    with support.connect(url) as connection:
        for _ in range(count // batch):
            connection.sendall(one * batch)
            heads, tail = 0, b""
            while heads < batch:
                data = connection.recv(1 << 18)
                assert data, "closed"
                heads += (tail + data).count(b"HTTP/1.1 200")
                tail = data[-11:]  # one byte less than what is counted


@pytest.mark.parametrize("log", ["full", "stalled"])
def test_row_20_access_log_cannot_be_written(fleet, figures, tmp_path, log):
    """Lines are dropped and counted, never waited for: p99 unchanged."""
    if log == "full":
        where, reader = "/dev/full", None
    else:
        where = str(tmp_path / "pipe")
        os.mkfifo(where)
        reader = os.open(where, os.O_RDONLY | os.O_NONBLOCK)
    # The lines come of one connection that sends without reading.
    fleet = fleet(top={"access_log": where, "limits": {"requests_per_connection_max": 0}},
                  first_token_ms=200)
    stalled = threading.Event()

    def read():
        while not stalled.is_set():
            try:
                os.read(reader, 1 << 16)
            except BlockingIOError:
                pass
            time.sleep(0.01)

    if reader is not None:
        threading.Thread(target=read, daemon=True).start()
    with Load(fleet.url) as load:
        load.wait_for_streams()
        rest(3)
        stalled.set()
        began = time.monotonic()
        # More than the 4 MiB that wait for the log at most.
        write_log_lines(fleet.url, 30_000)
        filled = time.monotonic()
        rest(3)
    heard = load.undisturbed(until="head_at")
    before = Report(c for c in heard if c.began < began)
    after = Report(c for c in heard if c.began >= filled)
    dropped = total(fleet.metrics(), "sluice_log_lines_dropped_total")
    figures.hold("lost", Report(load.finished).not_served, 0)
    figures.note("log lines dropped", dropped)
    assert dropped > 0
    figures.hold("p99 of the first byte", after.first_byte(0.99) * 1000,
                 before.first_byte(0.99) * 1000 * 1.2, " ms", load.error(0.99) * 1000)
    fleet.check_and_stop()
    if reader is not None:
        os.close(reader)


def ended(fleet, since):
    """(seconds until the gateway had ended, its exit status)"""
    status = fleet.gateway.process.wait(support.PATIENCE)
    return time.monotonic() - since, status


def readiness(admin):
    try:
        return support.get(admin + "/readyz", timeout=2).status
    except OSError:
        return 0


def test_row_21_sigterm_drains(fleet, figures):
    """Readiness fails first, accepting goes on for drain_delay; lost 0, exit code 0."""
    delay = 1.5
    fleet = fleet(timeouts={"drain_delay": "1500ms", "drain_max": "8s"})
    with Load(fleet.url) as load:
        load.wait_for_streams()
        rest(1)
        signalled = time.monotonic()
        fleet.gateway.process.send_signal(signal.SIGTERM)
        support.until(lambda: readiness(fleet.gateway.admin) == 503, what="readiness gone")
        unready = time.monotonic() - signalled
        took, status = ended(fleet, signalled)
    closing = signalled + delay
    report = Report(c for c in load.finished if c.began < closing - 0.01)
    # A request sent on a kept connection in the moment in which that one is closed is nobody's.
    late = Report(c for c in load.finished if c.began >= closing - 0.01)
    figures.note("requests between signal and closing", sum(
        signalled <= c.began < closing for c in load.finished))
    figures.hold("readiness 503 after", unready, 0.5, " s")
    figures.hold("refused before drain_delay", sum(
        t < closing - 0.01 for t in load.refused_connections), 0)
    figures.hold("lost", report.not_served, 0)
    figures.hold("wrongly answered after closing", late.wrong_statuses + late["gone_wrong"]
                 + late["cut"], 0)
    figures.hold("exit code", status, 0)
    figures.hold("ended after", took, delay + 8 + 1, " s")
    fleet.watch.stop()
    fleet.check_scrapes()


def test_row_21_drain_limit_cuts_what_is_left(fleet, figures):
    """Streams beyond drain_max are cut with a count; exit <= limit + 1 s, exit code 0."""
    limit = 1.0
    fleet = fleet(timeouts={"drain_delay": "0s", "drain_max": "1s"})
    with Load(fleet.url, shorts=0, tokens=250) as load:
        load.wait_for_streams()
        signalled = time.monotonic()
        fleet.gateway.process.send_signal(signal.SIGTERM)
        took, status = ended(fleet, signalled)
    report = Report(load.finished)
    counted = sum(line["outcome"] == "drained" or line["reason"] == "drained"
                  for line in fleet.log_lines(report.calls).values())
    figures.note("streams cut", report["cut"])
    figures.hold("cut and not counted", abs(report["cut"] - counted), 0)
    figures.hold("wrongly completed", report["gone_wrong"], 0)
    figures.hold("exit code", status, 0)
    figures.hold("ended after", took, limit + 1, " s")
    fleet.watch.stop()
    fleet.check_scrapes()


@pytest.mark.parametrize("first", ["SIGTERM", "SIGINT"])
def test_row_22_second_signal_stops_at_once(fleet, figures, first):
    """With 200 streams in flight: ended <= 1 s after the second signal, with 128 + its number."""
    fleet = fleet(timeouts={"drain_max": "60s"})
    with Load(fleet.url, shorts=0, tokens=250) as load:
        load.wait_for_streams()
        fleet.gateway.process.send_signal(getattr(signal, first))
        rest(0.5)
        assert fleet.gateway.process.poll() is None
        signalled = time.monotonic()
        fleet.gateway.process.send_signal(getattr(signal, first))
        took, status = ended(fleet, signalled)
    figures.hold("ended after", took, 1.0, " s")
    figures.hold("wrongly completed", Report(load.finished)["gone_wrong"], 0)
    figures.hold("exit status, off", abs(status - 128 - getattr(signal, first)), 0)
    fleet.watch.stop()
    fleet.check_scrapes()


@pytest.fixture
def former():
    """Keeps gateways that another one replaces, so that none stays behind."""
    made = []
    yield made
    for one in made:
        one.kill()


def test_row_28_upgrade_in_place(fleet, figures, former):
    """A new process beside the old one, on the same port; SIGTERM for the old: refused 0, lost 0."""
    delay = 1.5
    fleet = fleet(timeouts={"drain_delay": f"{delay}s", "drain_max": "10s"})
    with Load(fleet.url) as load:
        load.wait_for_streams()
        former.append(old := fleet.start_another())
        shared = time.monotonic()
        rest(1)
        signalled = time.monotonic()
        old.process.send_signal(signal.SIGTERM)
        status = old.process.wait(support.PATIENCE)
        took = time.monotonic() - signalled
        rest(2)
        alone = total(fleet.metrics(), "sluice_requests_total", outcome="ok")
    report = Report(load.finished)
    figures.note("requests", len(report.calls))
    figures.note("of them begun on both", sum(
        shared <= c.began < signalled + delay for c in report.calls))
    figures.note("served by the new one", alone)
    figures.hold("refused connections", len(load.refused_connections), 0)
    figures.hold("lost", report.not_served, 0)
    figures.hold("wrong statuses", report.wrong_statuses, 0)
    figures.hold("exit code of the old one", status, 0)
    figures.hold("the old one ended after", took, delay + 10 + 1, " s")
    assert alone > 0
    fleet.check_and_stop()
