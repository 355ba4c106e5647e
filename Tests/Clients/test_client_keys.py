"""Replicas with a key that the clients bring, and whose key says what of whom."""

import pytest

import support

pytestmark = pytest.mark.simulated


@pytest.fixture
def keyed(programs):
    """A replica that asks for a key, and a gateway that holds none."""
    replica = support.Simulator("--api-key", "secret")
    programs.append(replica)
    gateway = support.gateway_for(replica.url)
    programs.append(gateway)
    return gateway


def ask(gateway, key, **more):
    return support.post(gateway.url + "/v1/chat/completions", support.chat_body(**more),
                        {"authorization": f"Bearer {key}"})


def state(gateway):
    return [row["state"] for row in support.replicas(gateway.admin)]


def test_a_clients_own_key_reaches_the_replica(keyed):
    for stream in (False, True):
        assert ask(keyed, "secret", stream=stream).status == 200
    assert state(keyed) == ["ready"]


def test_a_wrong_key_of_a_client_costs_nobody_the_replica(keyed):
    for _ in range(20):
        answer = ask(keyed, "wrong")
        assert answer.status == 401 and "x-sluice-reason" not in answer.headers
        assert state(keyed) == ["ready"]
    assert ask(keyed, "secret").status == 200


def test_a_wrong_key_of_ours_takes_the_replica_out(programs, tmp_path):
    replica = support.Simulator("--api-key", "secret")
    programs.append(replica)
    key = tmp_path / "key"
    key.write_text("wrong\n")
    config = tmp_path / "sluice.yaml"
    config.write_text(
        "listen: 127.0.0.1:0\nadmin: 127.0.0.1:0\npools:\n  - name: main\n"
        f"    api_key_file: {key}\n    replicas:\n      - url: {replica.url}\n")
    gateway = support.Gateway("--config", str(config))
    programs.append(gateway)
    support.until(lambda: state(gateway) == ["unauthorized"], what="the state")
    assert ask(gateway, "secret").status == 503
