"""A replica dies: its streams are cut visibly, everything else is served."""

import os
import subprocess

import pytest

import support

MESSAGES = [{"role": "user", "content": "Go on and on."}]


@pytest.fixture
def losable(fleet, programs):
    """(gateway URL, admin URL, replica URLs, how to kill one by index)."""
    if not fleet.simulated:
        # Last in the run (see scripts/test-vllm.sh): the killed replica does not come back.
        def kill(index):
            port = fleet.replicas[index].rpartition(":")[2]
            subprocess.run([*os.environ["SLUICE_KILL_REPLICA"].split(), port], check=True)

        return fleet, kill
    simulators = [support.Simulator("--seed", str(seed)) for seed in (11, 12)]
    gateway = support.gateway_for(*[s.url for s in simulators])
    programs.append(gateway)
    survivors = list(simulators)
    programs[:0] = survivors

    def kill(index):
        programs.remove(simulators[index])
        simulators[index].kill()

    return type(fleet)(gateway.url, gateway.admin, [s.url for s in simulators], True), kill


@pytest.mark.loss
def test_a_stream_whose_replica_is_killed_ends_in_an_error_and_the_next_request_is_served(losable):
    fleet, kill = losable
    with fleet.client() as client:
        stream = iter(client.chat.completions.create(
            model=support.MODEL, messages=MESSAGES, max_tokens=3_500, stream=True,
            extra_body={"ignore_eos": True}))
        for _ in range(3):
            next(stream)
        # The gateway knows at once; a vLLM that streams may leave /metrics unanswered for seconds.
        busy = [row["url"] for row in support.replicas(fleet.admin) if row["in_flight"]]
        assert len(busy) == 1
        kill(fleet.replicas.index(busy[0]))
        reasons = []
        with pytest.raises(Exception) as caught:  # which one is the client library's choice
            for chunk in stream:
                reasons += [c.finish_reason for c in chunk.choices if c.finish_reason]
        assert not isinstance(caught.value, StopIteration)
        assert reasons == [], "a cut stream looked finished"
        # From now on every request is served by the one that is left, from the first on.
        for _ in range(10):
            answer = client.chat.completions.create(
                model=support.MODEL, messages=MESSAGES, max_tokens=2)
            assert answer.choices
    support.until(lambda: support.in_flight(fleet.admin) == 0, what="no request in flight")
