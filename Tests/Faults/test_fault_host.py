"""What a host does to the gateway: kills it, gives it little memory, or thousands of connections."""

import collections
import contextlib
import json
import os
import pathlib
import resource
import time

import pytest

import support
from fleet import rest, total
from load import Load, Report
from scripted import chunk


def busy(fleet):
    """Requests that run or wait at the replicas, by their own pages."""
    return sum(support.running(replica.url) for replica in fleet.replicas)


def test_row_27_killed_and_started_again(fleet, figures):
    """SIGKILL under streams: back on its port in <= 500 ms, and replicas hold nothing of before."""
    fleet = fleet()
    with Load(fleet.url, streams=50, shorts=0, tokens=60) as load:
        load.wait_for_streams()
        held = busy(fleet)
        fleet.die()
        killed = time.monotonic()
        support.until(lambda: busy(fleet) == 0, what="replicas that hold nothing")
        rid = time.monotonic() - killed
        began = time.monotonic()
        fleet.come_back()
        back = time.monotonic() - began
        support.until(lambda: busy(fleet) >= held, what="as many streams as before")
    figures.note("streams at the replicas when it died", held)
    figures.hold("the replicas were rid of them after", rid, 1.0, " s")
    figures.hold("ready again after", back, 0.5, " s", load.error())
    assert held > 0
    fleet.check_and_stop()


@contextlib.contextmanager
def connections(count):
    """A list for so many connections: descriptors enough, and all that are in it closed at the end."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, max(soft, count + 500)), hard))
    held = []
    try:
        yield held
    finally:
        for one in held:
            one.close()
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def test_row_29_thousands_at_rest(fleet, figures):
    """Connections without a request: <= 10 KiB each; p99 of others + <= 10 %."""
    count = min(8_000, resource.getrlimit(resource.RLIMIT_NOFILE)[1] - 500)
    fleet = fleet(first_token_ms=200)
    with connections(count) as idle, Load(fleet.url, streams=0, shorts=100) as load:
        rest(4)
        before, began = fleet.resident(), time.monotonic()
        for _ in range(count):
            idle.append(support.connect(fleet.url))
        support.until(lambda: fleet.descriptors() >= count, what="all of them accepted")
        grown, opened = fleet.resident() - before, time.monotonic()
        rest(4)
    heard = load.undisturbed(until="head_at")
    usual = Report(c for c in heard if c.ended < began)
    beside = Report(c for c in heard if c.began >= opened)
    figures.note("connections", count)
    figures.note("requests beside them", len(beside.calls))
    figures.hold("resident memory", grown / count / 1024, 10.0, " KiB a connection")
    figures.hold("lost", Report(load.finished).not_served, 0)
    figures.hold("p99 of others", beside.first_byte(0.99, stream=False) * 1000,
                 1.1 * usual.first_byte(0.99, stream=False) * 1000, " ms", load.error(0.99) * 1000)
    fleet.check_and_stop()


@pytest.fixture
def capped():
    """A control group of 160 MiB: its bytes, the command that runs the rest of its line in there, and
    how often the kernel has ended a process of it."""
    cap = 160 << 20
    versions = (
        ("/sys/fs/cgroup/memory", "memory.limit_in_bytes", "memory.oom_control"),
        ("/sys/fs/cgroup", "memory.max", "memory.events"))
    for root, limit, events in versions:
        group = pathlib.Path(root, f"sluice-test-{os.getpid()}")
        try:
            group.mkdir()
        except OSError:
            continue
        if (group / limit).exists():
            break
        group.rmdir()
    else:
        pytest.skip("no control group with a memory limit can be made here")

    def kills():
        words = (group / events).read_text().split()
        return int(words[words.index("oom_kill") + 1])

    (group / limit).write_text(str(cap))
    enter = f'echo $$ > {group}/cgroup.procs && exec "$@"'
    yield cap, ["sh", "-c", enter, "capped"], kills
    support.until(lambda: not (group / "cgroup.procs").read_text(), what="an empty control group")
    group.rmdir()


def test_row_19_memory_cap_with_big_uploads(capped, fleet, figures):
    """More body bytes than memory: 503 long before the cap, never killed, and served afterwards."""
    cap, wrap, kills = capped
    fleet = fleet(wrap=wrap)
    size, clients = 1 << 20, 400
    head = (f"POST /v1/chat/completions HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\n"
            f"Content-Length: {size}\r\n\r\n").encode()
    # All but the end, so that what was accepted is held.
    held = head + json.dumps(support.chat_body())[:-2].encode() + b" " * (size - 1_000)
    refused, most, reasons = 0, 0, collections.Counter()
    with connections(clients) as uploads:
        for _ in range(clients):
            uploads.append(support.connect(fleet.url))
            with contextlib.suppress(ConnectionError):  # refused while it sends
                uploads[-1].sendall(held)
            most = max(most, fleet.resident())
        support.until(lambda: total(fleet.metrics(), "sluice_requests_total") > 0,
                      what="a refusal")
        for one in uploads:
            one.settimeout(0.02)
            with contextlib.suppress(OSError):
                answer = one.recv(4096)
                if answer.startswith(b"HTTP/1.1 503") and b"gateway_memory" in answer:
                    refused += 1
                reasons[answer[:12]] += 1
            most = max(most, fleet.resident())
    figures.note("uploads of 1 MiB", clients)
    figures.note("refused", refused)
    figures.hold("RSS", most / cap, 0.9, " of the cap")
    figures.hold("killed", kills(), 0)
    assert 0 < refused < clients, reasons
    answer = support.post(fleet.url + "/v1/chat/completions", support.chat_body(tokens=1))
    assert answer.status == 200
    fleet.check_and_stop()


def uploaded(fleet, clients, fields, body):
    """(how often each status was told, the gateway's resident bytes at most)"""
    sent = (f"POST /v1/chat/completions HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\n"
            f"{fields}\r\n\r\n").encode() + body
    told, most = collections.Counter(), 0
    with connections(clients) as uploads:
        for _ in range(clients):
            uploads.append(support.connect(fleet.url))
            with contextlib.suppress(ConnectionError):  # it may be told off while it sends
                uploads[-1].sendall(sent)
            most = max(most, fleet.resident())
        for one in uploads:
            with contextlib.suppress(OSError):
                told[one.recv(4096)[9:12].decode()] += 1
    return told, max(most, fleet.resident())


def test_row_19_memory_cap_with_uploads_that_are_too_large(capped, fleet, figures):
    """Each says that it is larger than a body may be: 413, and nothing of it is held."""
    cap, wrap, kills = capped
    limit, clients = 1 << 20, 400
    fleet = fleet(wrap=wrap, top={"limits": {"body_bytes_max": limit}})
    told, most = uploaded(fleet, clients, f"Content-Length: {8 * limit}", b" " * (128 << 10))
    figures.note("uploads", clients)
    figures.hold("not told 413", clients - told["413"], 0)
    figures.hold("RSS", most / cap, 0.9, " of the cap")
    figures.hold("killed", kills(), 0)
    answer = support.post(fleet.url + "/v1/chat/completions", support.chat_body(tokens=1))
    assert answer.status == 200
    fleet.check_and_stop()


def test_row_19_memory_cap_with_chunked_uploads_that_are_too_large(capped, fleet, figures):
    """None says how large it is: 413 once it is, or 503 where there is no room for all until then."""
    cap, wrap, kills = capped
    limit, clients = 1 << 20, 2_000
    fleet = fleet(wrap=wrap, top={"limits": {"body_bytes_max": limit}})
    told, most = uploaded(fleet, clients, "Transfer-Encoding: chunked",
                          chunk(b" " * (64 << 10)) * (limit // (64 << 10) + 1))
    figures.note("uploads", clients)
    figures.note("told 413", told["413"])
    figures.hold("told neither 413 nor 503", clients - told["413"] - told["503"], 0)
    figures.hold("RSS", most / cap, 0.9, " of the cap")
    figures.hold("killed", kills(), 0)
    answer = support.post(fleet.url + "/v1/chat/completions", support.chat_body(tokens=1))
    assert answer.status == 200
    fleet.check_and_stop()
