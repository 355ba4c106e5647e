"""Clients that leave at any moment, and clients that do not read."""

import collections
import contextlib
import socket
import struct
import time

import pytest

import scripted
import support
from fleet import total
from load import Load
from scripted import STREAM_HEAD, chunk

EVENT = (b'data: {"id":"x","object":"chat.completion.chunk","choices":[{"index":0,"delta":'
         b'{"content":"%s"},"finish_reason":null}]}\n\n')
LEAVE_WITHIN = 0.05
# What `Fleet.log_lines` asks for.
Named = collections.namedtuple("Named", "id")
# How often a client leaves in each way: the machine may hold up some of them.
TIMES = 8


@pytest.fixture
def machine():
    """A load that touches nothing that is tested: it measures how late the machine is."""
    aside = support.Simulator("--fixed-ttft-ms", "30", "--fixed-gap-ms", "100")
    try:
        with Load(aside.url, streams=1, shorts=0) as load:
            yield load
    finally:
        aside.stop()


class Leaver:
    """A client that sends a request, and knows when it did and when it left."""

    def __init__(self, url, identity):
        self.id = identity
        self.socket = support.connect(url)
        head, body = Load(url, prefix=identity).request(stream=True, tokens=20)[1].split(
            b"\r\n\r\n", 1)
        head = head.replace(f"{identity}1".encode(), identity.encode())
        self.sent = time.monotonic()
        self.socket.sendall(head + b"\r\n\r\n" + body)

    def leave(self, resets):
        if resets:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.left = time.monotonic()
        self.socket.close()


def silent(connection, _):
    """An upstream's behaviour: nothing, until it is left."""
    with contextlib.suppress(OSError):
        connection.recv(1)
    return False


def leave_and_measure(fleet, machine, phase, resets):
    """How much later than the client left the gateway had ended each request of this phase."""
    clients = []
    for number in range(TIMES):
        client = Leaver(fleet.url, f"gone{number}")
        support.until(lambda: total(fleet.metrics(), "sluice_requests_in_flight", phase=phase) == 1,
                      what=f"a request {phase}")
        client.leave(resets)
        support.until(lambda: total(fleet.metrics(), "sluice_requests_in_flight", phase=phase) == 0,
                      what=f"no request {phase}")
        client.seen = time.monotonic()
        clients.append(client)
    log = fleet.log_lines([Named(client.id.encode()) for client in clients])
    late = []
    for client in clients:
        line = log[client.id.encode()]
        assert (line["outcome"], line["phase"]) == ("client_gone", phase), line
        if not machine.held_up(client.sent, client.seen):
            late.append(line["duration_ms"] / 1000 - (client.left - client.sent))
    return late


@pytest.mark.parametrize("resets", [False, True], ids=["fin", "rst"])
def test_row_86_client_leaves_the_queue(fleet, figures, upstream, machine, resets):
    """Its request is over within 50 ms, and no replica hears of it."""
    replica = upstream(scripted.Upstream(silent))
    fleet = fleet(simulated=0, upstreams=[replica.url], pool={"replica_inflight_max": 1})
    first = Leaver(fleet.url, "first")
    support.until(lambda: replica.received, what="a taken slot")
    late = leave_and_measure(fleet, machine, "queued", resets)
    figures.hold_slowest("over after", late, LEAVE_WITHIN, machine)
    first.leave(resets)
    figures.hold("heard of at the replica", len(replica.received) - 1, 0)
    fleet.check_and_stop()


@pytest.mark.parametrize("resets", [False, True], ids=["fin", "rst"])
def test_row_86_client_leaves_before_there_is_a_connection(
        fleet, figures, upstream, machine, resets):
    """Its request is over within 50 ms, while the replica does not even accept."""
    hole = upstream(scripted.BlackHole())
    fleet = fleet(simulated=0, upstreams=[hole.url], timeouts={"connect": "20s"},
                  pool={"scrape_timeout": "1m"}, wait=False)
    late = leave_and_measure(fleet, machine, "connecting", resets)
    figures.hold_slowest("over after", late, LEAVE_WITHIN, machine)
    fleet.check_and_stop()


def test_row_85_clients_that_do_not_read(fleet, figures, upstream, machine):
    """Memory bounded, the replica held back, cut after write_stall + 100 ms, slots given back."""
    clients, stall, piece, flood = 50, 2.0, chunk(EVENT % (b"x" * 4_000)), 64 << 20
    taken = collections.Counter()

    def behave(connection, identity):
        # What the sender's kernel holds is not what is measured.
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1)
        connection.sendall(STREAM_HEAD)
        while taken[identity] < flood:
            connection.sendall(piece)
            taken[identity] += len(piece)
        return False

    replica = upstream(scripted.Upstream(behave))
    fleet = fleet(simulated=0, upstreams=[replica.url], timeouts={"write_stall": f"{stall}s"})
    before, began = fleet.resident(), time.monotonic()
    most, held = before, 0
    deaf = [Leaver(fleet.url, f"deaf{number}") for number in range(clients)]
    support.until(lambda: len(taken) == clients, what="all streams")
    while support.in_flight(fleet.gateway.admin):
        most = max(most, fleet.resident())
        held = max(held, total(fleet.metrics(), "sluice_buffers_bytes"))
        time.sleep(0.02)
    error = machine.error() + machine.held_up(began, time.monotonic())
    lines = fleet.log_lines([Named(one.id.encode()) for one in deaf]).values()
    blocked = [line["blocked_ms"] / 1000 for line in lines]
    figures.hold("not cut for want of reading", sum(
        line["reason"] != "write_stall" for line in lines), 0)
    figures.hold("cut after", max(blocked), stall + 0.1, " s", error)
    figures.hold("cut too early", sum(b < stall - 0.01 for b in blocked), 0)
    # 64 KiB wait for the client at most, and there is one more read.
    figures.hold("buffers", held / clients / 1024, 128, " KiB a client")
    figures.hold("RSS grown", (most - before) / clients / 1024, 192, " KiB a client")
    # The rest lies in the kernel, which gives a sender 4 MiB.
    figures.hold("taken of an answer at most", max(taken.values()) / 2**20, 4, " MiB")
    fleet.check_and_stop()
