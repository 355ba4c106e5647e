"""Operators see who waits and why, and change at once whether anybody is refused."""

import json
import subprocess
import threading

import pytest

import support

pytestmark = pytest.mark.simulated
ASKED = {"x-sluice-admin": "1"}


def sluice(*arguments):
    return subprocess.run([support.SLUICE, *arguments], capture_output=True, text=True,
                          timeout=support.PATIENCE, stdin=subprocess.DEVNULL, check=False)


@pytest.fixture
def crowded(programs, tmp_path):
    """A gateway with one slot, which a long stream holds, and nobody may wait."""
    simulator = support.Simulator()
    programs.append(simulator)
    path = tmp_path / "sluice.yaml"
    path.write_text(json.dumps({  # JSON is YAML
        "listen": "127.0.0.1:0", "admin": "127.0.0.1:0", "access_log": "off",
        "ttft_slo": "5s",
        "pools": [{"name": "one", "replicas": [{"name": "r", "url": simulator.url}],
                   "replica_inflight_max": 1, "queue_length_max": 1}]}))
    gateway = support.Gateway("--config", path)
    programs.append(gateway)
    support.until(lambda: support.get(gateway.url + "/v1/models").json()["data"], what="a model")
    return gateway


def ask(gateway, **more):
    return support.post(gateway.url + "/v1/chat/completions", support.chat_body(**more))


def admin(gateway, path):
    answer = support.get(gateway.admin + path)
    assert answer.status == 200, answer.text
    return answer.json()


def test_queue_decisions_and_dry_run_explain_a_refusal(crowded):
    stream = support.send(crowded.url + "/v1/chat/completions",
                          support.chat_body(stream=True, tokens=2_000))
    with stream:
        support.until(lambda: admin(crowded, "/queue")["pools"][0]["in_flight"] == 1,
                      what="the stream")
        waiting = threading.Thread(target=ask, args=(crowded,))
        waiting.start()
        support.until(lambda: admin(crowded, "/queue")["pools"][0]["length"] == 1, what="a wait")
        pool = admin(crowded, "/queue")["pools"][0]
        assert (pool["pool"], pool["mode"], pool["length_max"]) == ("one", "enforce", 1)
        standard = pool["classes"][0]
        assert standard["class"] == "standard" and standard["length"] == 1
        assert standard["predicted_wait_seconds"] > 0
        assert standard["bound_seconds"] in (1.25, 2.5)
        assert standard["tenants"] == [{"tenant": "anonymous", "length": 1}]

        dry = admin(crowded, "/route?prompt_tokens=10")
        assert (dry["verdict"], dry["reason"]) == ("refused", "full")
        refused = ask(crowded)
        assert (refused.status, refused.headers["x-sluice-reason"]) == (429, "full")
        found = admin(crowded, f"/decisions?request={refused.headers['x-request-id']}")
        (decision,) = found["decisions"]
        assert (decision["verdict"], decision["reason"]) == ("refused", "full")
        (candidate,) = decision["candidates"]
        assert (candidate["replica"], candidate["why_not"]) == ("r", "full")
        assert (candidate["in_flight"], candidate["limit"]) == (1, 1)
        assert candidate["step_milliseconds"] > 0 and candidate["token_milliseconds"] > 0
    waiting.join(support.PATIENCE)
    verdicts = [d["verdict"] for d in admin(crowded, "/decisions?pool=one&n=4")["decisions"]]
    assert verdicts == ["granted", "refused", "queued", "dispatched"]


def test_orders_act_at_once_and_survive_a_reload(crowded):
    modes = crowded.admin + "/admission"
    assert support.get(modes, body=b"", headers={}).status in (403, 405), "a POST without the field"
    done = sluice("admission", "--admin", crowded.admin, "--pool", "one", "--mode", "shadow")
    assert done.returncode == 0, done.stderr
    assert done.stdout == "one: admission is shadow until changed back; configured: enforce\n"
    assert support.get(crowded.admin + "/reload", body=b"", headers=ASKED).status == 200
    (pool,) = json.loads(sluice("admission", "--admin", crowded.admin).stdout)["pools"]
    assert (pool["mode"], pool["configured"]) == ("shadow", "enforce")
    shown = support.samples(crowded.admin + "/metrics", "sluice_admission_mode")
    assert [labels for labels, value in shown.items() if value == 1] == [
        '{pool="one",mode="shadow"}']
    back = support.get(modes + "?pool=one&mode=enforce", body=b"", headers=ASKED)
    assert (back.status, back.text) == (200, "one: admission is enforce\n")


def test_a_replica_is_cordoned_from_the_command_line(crowded):
    def state():
        return admin(crowded, "/replicas")["pools"][0]["replicas"][0]["state"]

    done = sluice("cordon", "r", "--admin", crowded.admin)
    assert (done.returncode, done.stdout) == (0, "r: cordoned\n")
    assert state() == "cordoned"
    assert ask(crowded).status == 503
    assert sluice("uncordon", "r", "--admin", crowded.admin).returncode == 0
    support.until(lambda: state() != "cordoned", what="the replica's return")
    unknown = sluice("cordon", "nobody", "--admin", crowded.admin)
    assert unknown.returncode == 1
    assert "there are: r" in unknown.stderr


def test_wrong_orders_say_what_is_right(crowded):
    wrong = sluice("admission", "--admin", crowded.admin, "--mode", "on")
    assert wrong.returncode == 64
    assert "enforce, shadow, off" in wrong.stderr
    unknown = sluice("admission", "--admin", crowded.admin, "--pool", "two", "--mode", "off")
    assert unknown.returncode == 1
    assert "there are: one" in unknown.stderr
    nobody = sluice("admission", "--admin", "http://127.0.0.1:1")
    assert nobody.returncode == 1
    assert "--admin" in nobody.stderr
