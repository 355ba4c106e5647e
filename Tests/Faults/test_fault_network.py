"""What lies between clients, gateway and replicas: bad lines, and storms of connections."""

import os
import pathlib
import ssl
import subprocess
import sys
import time

import pytest

import support
import tls_front
from fleet import Replica, rest, total
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


@pytest.fixture
def storm():
    """Begins a storm from one core on a gateway; none goes on after the test."""
    made = []

    def begin(url, core, seconds):
        host, port = url.removeprefix("https://").split(":")
        made.append(subprocess.Popen(
            [sys.executable, pathlib.Path(__file__).with_name("storm.py"), host, port, str(core),
             str(seconds)], stdout=subprocess.PIPE, text=True))
        return made[-1]

    yield begin
    for one in made:
        one.kill()
        one.communicate()


def handshakes(fleet):
    """Those that went well, and those that did not."""
    return total(fleet.metrics(), "sluice_tls_handshakes_total", side="downstream")


def seconds_waited(pid):
    """How long the threads of a process have been ready to run without a core."""
    return sum(int((task / "schedstat").read_text().split()[1])
               for task in pathlib.Path(f"/proc/{pid}/task").iterdir()) / 1e9


def test_row_30_storm_of_tls_connections(fleet, figures, storm, tmp_path):
    """Beside 5000 a second: p99 of who is connected + <= 50 %, descriptors and memory bounded."""
    cores = sorted(os.sched_getaffinity(0))
    if len(cores) < 2:
        pytest.skip("a storm and a gateway need a core each")
    seconds, room, limit = 5, 1_000, 1.0
    authority = tls_front.authority(tmp_path)
    certificate, key = tls_front.certificate(tmp_path, "gateway")
    fleet = fleet(first_token_ms=300, wrap=["taskset", "-c", str(cores[0])],
                  timeouts={"head": f"{limit}s"},
                  top={"tls": {"cert_file": str(certificate), "key_file": str(key)},
                       # As many as it would have of itself.
                       "workers": 1, "limits": {"connections_max": room}})
    before, open_most, resident = fleet.descriptors(), 0, fleet.resident()
    with Load(fleet.url, context=ssl.create_default_context(cafile=authority)) as load:
        load.wait_for_streams()
        rest(3)
        began, done, cpu = time.monotonic(), handshakes(fleet), fleet.cpu_seconds()
        waited = seconds_waited(fleet.pid)
        storming = storm(fleet.url, cores[-1], seconds)
        while storming.poll() is None:
            open_most = max(open_most, fleet.descriptors())
            time.sleep(0.1)
        ended = time.monotonic()
        busy = (fleet.cpu_seconds() - cpu) / (ended - began)
        waited = (seconds_waited(fleet.pid) - waited) / (ended - began)
        done = handshakes(fleet) - done
        grown = fleet.resident() - resident
        rest(1)
    begun, whole = map(int, storming.stdout.read().split())
    heard = load.undisturbed(until="head_at")
    usual = Report(c for c in heard if c.began < began and c.head_at and c.head_at < began)
    during = Report(c for c in heard if began <= c.began < ended)
    report = Report(load.finished)
    figures.note("begun", begun / seconds, " / s")
    figures.note("whole handshakes", whole / seconds, " / s")
    figures.note("ended, by the gateway's count", done / seconds, " / s")
    figures.note("the gateway's CPU", busy * 100, " % of a core")
    figures.note("the gateway waited for its core", waited * 100, " % of the time")
    figures.hold("descriptors at most", open_most - before, room + 300)
    figures.hold("RSS grown", grown / 2**20, 64, " MiB")
    figures.hold("lost", report.not_served, 0)
    for q in 0.5, 0.99:
        name, most = f"p{q * 100:.0f} of the first byte", usual.first_byte(q) * 1000 * 1.5
        # 4 % where nothing else runs: a core that others had most of tells nothing of the gateway.
        if waited > 0.2:
            figures.note(name, "held up")
        else:
            figures.hold(name, during.first_byte(q) * 1000, most, " ms", load.error(q) * 1000)
    assert whole > 0 and begun > 1_000
    fleet.check_and_stop()  # nothing of it is left
