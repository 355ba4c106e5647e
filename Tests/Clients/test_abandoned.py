"""A client that leaves frees its slot at the gateway and at the replica."""

import contextlib

import pytest

import support

# Long enough to be still running whenever the test looks.
TOKENS = 3_500


def quiet(fleet):
    return support.in_flight(fleet.admin) == 0 and not any(map(support.running, fleet.replicas))


@pytest.fixture(autouse=True)
def nothing_runs_before(fleet):
    support.until(lambda: quiet(fleet), what="a quiet fleet")


def assert_freed_within_a_second(fleet):
    # vLLM's own gauges are asked too: one second from the leaving for both sides.
    support.until(lambda: quiet(fleet), 1.0, "nothing in flight at the gateway and the replicas")


def test_a_stream_closed_after_three_events_is_aborted_upstream(fleet, client):
    stream = client.chat.completions.create(
        model=support.MODEL, messages=[{"role": "user", "content": "Go on and on."}],
        max_tokens=TOKENS, stream=True, extra_body={"ignore_eos": True})
    for _, _chunk in zip(range(3), stream):
        pass
    assert support.in_flight(fleet.admin) == 1
    assert sum(map(support.running, fleet.replicas)) == 1
    stream.close()
    assert_freed_within_a_second(fleet)


@pytest.mark.parametrize("stream", [False, True])
def test_a_request_abandoned_before_its_answer_is_aborted_upstream(fleet, stream):
    body = support.chat_body(stream=stream, tokens=TOKENS)

    def runs():
        if sum(map(support.running, fleet.replicas)) == 1:
            return "running"
        return "over" if support.in_flight(fleet.admin) == 0 else None

    # A busy vLLM may leave /metrics unanswered until a request is over: then there was nothing
    # to abandon, and another one is sent.
    for _ in range(5):
        with support.send(fleet.url + "/v1/chat/completions", body):
            support.until(lambda: support.in_flight(fleet.admin) == 1, what="a request in flight")
            seen = support.until(runs, what="a running request")
        if seen == "running":
            assert_freed_within_a_second(fleet)
            return
    raise AssertionError("five requests were over before the replica said that it ran one")


@pytest.mark.simulated
def test_who_came_back_from_a_full_replica_waits_here_and_leaves_from_here(programs):
    """One slot, and a gateway that was not told: it sends too many, takes them back, and says so."""
    simulator = support.Simulator("--max-num-seqs", "1")
    programs.append(simulator)
    gateway = support.gateway_for(simulator.url, flags=["--ttft-slo", "30s"])
    programs.append(gateway)

    def phases():
        page = support.samples(gateway.admin + "/metrics", "sluice_requests_in_flight")
        return {phase: sum(value for labels, value in page.items() if f'phase="{phase}"' in labels)
                for phase in ("queued", "connecting", "relaying")}

    with contextlib.ExitStack() as clients:
        for _ in range(12):
            clients.enter_context(support.send(
                gateway.url + "/v1/chat/completions",
                support.chat_body(stream=True, tokens=TOKENS)))
        # The second at the replica is a try: what has a free slot may have two.
        support.until(lambda: phases()["queued"] in (10, 11), what="others than those in the queue")
        came_back = support.samples(gateway.admin + "/metrics", "sluice_retries_total")
        assert sum(came_back.values()) > 0, "the gateway knew how many slots there are"
    support.until(lambda: not any(phases().values()), 1.0, "nobody is left")
    left = support.samples(gateway.admin + "/metrics", "sluice_client_disconnects_total")
    assert sum(left.values()) == 12
    assert sum(count for labels, count in left.items() if 'phase="queued"' in labels) in (10, 11)
