"""Replicas by a name: addresses come and go, and the name server fails."""

import contextlib
import time

import pytest

import names
import support
from fleet import Replica, rest
from load import Load, Report

# The shortest there is.
INTERVAL = 1.0
# A name that no other server knows.
NAME = "replicas.sluice.invalid"


@pytest.fixture
def addresses():
    """Three replicas at one port of three addresses, as the addresses of one name have to be."""
    pace = *Replica.FIXED, "200"
    for _ in range(20):
        made = []
        with contextlib.suppress(AssertionError):  # somebody has that port at another address
            made.append(Replica(1, *pace))
            port = made[0].name.rpartition(":")[2]
            for seed in (2, 3):
                made.append(Replica(seed, *pace, listen=f"127.0.0.{seed}:{port}"))
            break
        for one in made:
            one.stop()
    assert len(made) == 3
    yield made
    for one in made:
        one.stop()


def known(fleet):
    """The names of the replicas that are not leaving."""
    return {row["name"] for row in support.replicas(fleet.gateway.admin)
            if row["state"] != "draining"}


def host(replica):
    return replica.name.rpartition(":")[0]


def test_row_14_addresses_come_and_go_and_the_resolver_fails(
        fleet, figures, upstream, tmp_path, addresses):
    """New addresses used within the TTL, the last good ones kept: lost 0; no loop waits."""
    stays, leaves, joins = addresses
    server = upstream(names.NameServer(host(stays), host(leaves)))
    port = stays.name.rpartition(":")[2]
    fleet = fleet(simulated=0, wrap=names.asking_only_us(tmp_path),
                  pool={"replica_dns": f"http://{NAME}:{port}", "dns_interval": f"{INTERVAL}s"})
    support.until(lambda: known(fleet) == {stays.name, leaves.name}, what="both replicas")
    fleet.descriptors_before += 1  # a look-up may be under way in the end
    failures = {}
    with Load(fleet.url) as load:
        load.wait_for_streams()
        rest(2)

        # An address more.
        told = time.monotonic()
        server.addresses.append(host(joins))
        support.until(lambda: joins.name in known(fleet), what="the new address")
        joined = time.monotonic()
        support.until(lambda: fleet.row(joins)["dispatched"] > 0, what="work for it")
        used = time.monotonic()
        rest(2)

        # Whatever a server does instead of answering: those known stay.
        for failure, code, seconds in (("SERVFAIL", names.SERVER_FAILURE, 3),
                                       ("NXDOMAIN", names.NO_SUCH_NAME, 3),
                                       ("silence", None, 7)):
            asked, server.code = server.asked, code
            began = time.monotonic()
            known_then = set()
            while time.monotonic() - began < seconds:
                known_then.add(frozenset(known(fleet)))
                time.sleep(0.05)
            assert server.asked > asked, f"{failure}: nobody asked"
            failures[failure] = (began, time.monotonic(), known_then)
        server.code = names.NO_ERROR

        # An address less, once it is asked again: the late answer may be seconds away.
        asked = server.asked
        server.addresses.remove(host(leaves))
        support.until(lambda: server.asked > asked, what="another look-up")
        asked = time.monotonic()
        support.until(lambda: leaves.name not in known(fleet), what="the address gone")
        left = time.monotonic()
        support.until(lambda: all(row["name"] != leaves.name for row in
                                  support.replicas(fleet.gateway.admin)), what="its end")
        rest(1)
    everybody = frozenset(one.name for one in addresses)
    heard = load.undisturbed(until="head_at")
    usual = Report(c for c in heard if c.began < failures["SERVFAIL"][0]).first_byte(0.99)
    report = Report(load.finished)
    figures.hold("lost", report.not_served, 0)
    figures.hold("wrong statuses", report.wrong_statuses, 0)
    for what, after in ("known", joined), ("used", used):
        figures.hold(f"a new address {what} after", after - told, INTERVAL + 0.5, " s",
                     load.error() + load.held_up(told, after))
    for failure, (began, end, known_then) in failures.items():
        figures.hold(f"{failure}: replicas forgotten", sum(k != everybody for k in known_then), 0)
        during = Report(c for c in heard if began <= c.began < end)
        figures.hold(f"{failure}: p99 of the first byte", during.first_byte(0.99) * 1000,
                     usual * 1.2 * 1000, " ms", load.error(0.99) * 1000)
    figures.hold("an address gone is given nothing after", left - asked, 0.5, " s",
                 load.error() + load.held_up(asked, left))
    fleet.check_and_stop()
