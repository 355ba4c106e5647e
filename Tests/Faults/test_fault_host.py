"""What a host does to the gateway: it dies at once and comes back, or holds thousands at rest."""

import contextlib
import http.client
import json
import resource
import socket
import time

import support
from load import Load, quantile


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


def first_bytes(url, count):
    """Seconds to the whole answer of so many small requests, one after another."""
    host, port = url.removeprefix("http://").split(":")
    body = json.dumps(support.chat_body(tokens=1))
    times = []
    with contextlib.closing(http.client.HTTPConnection(host, int(port), support.PATIENCE)) as one:
        for _ in range(count):
            began = time.monotonic()
            one.request("POST", "/v1/chat/completions", body, {"Content-Type": "application/json"})
            answer = one.getresponse()
            answer.read()
            assert answer.status == 200
            times.append(time.monotonic() - began)
    return times


def test_row_29_thousands_at_rest(fleet, figures):
    """Connections without a request: <= 10 KiB each, others are served as before."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    count = min(8_000, hard - 500)
    fleet = fleet()
    host, port = fleet.url.removeprefix("http://").split(":")
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, max(soft, count + 500)), hard))
    idle = []
    try:
        usual = first_bytes(fleet.url, 60)
        before = fleet.resident()
        for _ in range(count):
            idle.append(socket.create_connection((host, int(port)), support.PATIENCE))
        support.until(lambda: fleet.descriptors() >= count, what="all of them accepted")
        grown = fleet.resident() - before
        beside = first_bytes(fleet.url, 60)
    finally:
        for one in idle:
            one.close()
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    figures.note("connections", count)
    figures.hold("resident memory", grown / count / 1024, 10.0, " KiB a connection")
    # A replica's own 30 ms are in it, and a tenth of them is more than this machine's noise.
    figures.hold("p50 of others", quantile(beside, 0.5), 1.1 * quantile(usual, 0.5), " s", 0.002)
    fleet.check_and_stop()
