"""`make soak` finds what it looks for: each kind of leak, made on purpose, is named."""

import importlib.util
import socket
import time
import types
import urllib.parse

import pytest

import support

pytestmark = pytest.mark.simulated

SPEC = importlib.util.spec_from_file_location("soak", support.ROOT / "bench/soak.py")
soak = importlib.util.module_from_spec(SPEC)
SPEC.loader.exec_module(soak)
from traffic import Call, Traffic  # noqa: E402  (its path is known now)

STEADY = [50 << 20] * 40


@pytest.fixture
def idle(programs, monkeypatch):
    monkeypatch.setattr(soak, "SETTLE_SECONDS", 1)
    made = soak.Soak(minutes=0, seed=1)
    programs += [*made.simulators, made.gateway]
    made.totals.update(answers=1, events=1)
    return made


def test_a_quiet_gateway_passes(idle):
    assert idle.verdict(soak.descriptors(idle.pid), STEADY) == []


def test_connections_that_stay_are_found(idle):
    at_rest = soak.descriptors(idle.pid)
    where = urllib.parse.urlsplit(idle.gateway.url)
    held = [socket.create_connection((where.hostname, where.port))
            for _ in range(soak.DESCRIPTORS_OVER + 20)]
    try:
        support.until(lambda: soak.descriptors(idle.pid) > at_rest + soak.DESCRIPTORS_OVER)
        found = idle.verdict(at_rest, STEADY)
    finally:
        for connection in held:
            connection.close()
    assert len(found) == 1 and found[0].startswith("descriptors")


def test_a_request_that_stays_is_found_at_both_sides(idle):
    support.post(idle.simulators[0].url + "/sim/faults", {"hang_after_events": 1})
    support.post(idle.simulators[1].url + "/sim/faults", {"hang_after_events": 1})
    support.post(idle.simulators[2].url + "/sim/faults", {"hang_after_events": 1})
    body = support.chat_body(stream=True, tokens=100)
    with support.send(idle.gateway.url + "/v1/chat/completions", body):
        support.until(lambda: support.in_flight(idle.gateway.admin) == 1)
        found = idle.verdict(soak.descriptors(idle.pid), STEADY)
    assert any(problem.startswith("in flight") for problem in found)


def test_memory_that_grows_is_found_and_a_warm_up_is_not():
    grows = [(50 << 20) + (second << 18) for second in range(120)]
    assert "memory grew" in soak.memory_problems(grows)[0]
    assert soak.memory_problems([10 << 20] * 30 + [50 << 20] * 90) == []
    assert "too few" in soak.memory_problems([50 << 20] * 4)[0]


def test_a_run_that_served_nothing_is_found(idle):
    idle.totals.update(answers=0)
    assert any("served" in problem
               for problem in idle.verdict(soak.descriptors(idle.pid), STEADY))


def test_answers_that_came_late_or_not_at_all_are_found(idle):
    """Under overload: one in time, one after the objective, one that ended without an answer."""
    idle.__class__ = soak.Overload
    idle.seconds, idle.replicas = 60, types.SimpleNamespace(tokens_per_second=1.0)
    idle.offered = Traffic([], [])
    idle.offered.began = time.monotonic() - 30
    for status, wait in ((200, 0.1), (200, 2.0), (502, None)):
        call = Call(attempt=1)
        call.status, call.ended = status, call.began
        call.tokens = [call.began + wait] if wait else []
        idle.offered.calls.append(call)
    found = idle.verdict(soak.descriptors(idle.pid), STEADY)
    assert [problem.partition(" ")[0] for problem in found] == ["50.0", "1"], found
