"""What is done to a fleet is named by its gateway within half a minute, and nothing before.

All scenes run at once, each with its own replicas, gateway and clients: a minute of
health, in which the gateway learns what is usual, then the fault.
"""

import concurrent.futures
import json
import os
import signal
import subprocess
import time

import pytest

import support
from scenes import HEALTHY, SCENES, Scene

pytestmark = pytest.mark.simulated

NAMED_WITHIN = 30.0


def play(cause):
    """What was found before the fault, and after how many seconds it was named, with what."""
    options, begin = SCENES[cause]
    scene = Scene(**options)
    try:
        early = []
        end = time.monotonic() + HEALTHY
        while time.monotonic() < end:
            early += [row for row in scene.findings() if row["cause"] not in
                      {known["cause"] for known in early}]
            time.sleep(0.5)
        begin(scene)
        begun = time.monotonic()
        named, seen = None, {}
        while named is None and time.monotonic() - begun < NAMED_WITHIN:
            for row in scene.findings():
                seen[row["cause"]] = row
            named = seen.get(cause)
            time.sleep(0.25)
        return early, time.monotonic() - begun, named, list(seen.values())
    finally:
        scene.stop()


@pytest.fixture(scope="module")
def played():
    with concurrent.futures.ThreadPoolExecutor(len(SCENES)) as pool:
        running = {cause: pool.submit(play, cause) for cause in SCENES}
        yield {cause: future.result() for cause, future in running.items()}


@pytest.mark.parametrize("cause", SCENES)
def test_a_fault_is_named_within_half_a_minute(played, cause):
    early, seconds, named, seen = played[cause]
    assert early == [], "nothing may be named while nothing is wrong"
    assert named, f"not named; found instead: {json.dumps(seen, indent=1)}"
    assert named["evidence"] and named["next_steps"] and named["meaning"]
    print(f"{cause}: named after {seconds:.1f} s, {named['confidence']}")


def diagnose(gateway, *flags):
    return subprocess.run(
        [support.SLUICE, "diagnose", "--admin", gateway.admin, *flags], capture_output=True,
        text=True, timeout=support.PATIENCE, stdin=subprocess.DEVNULL, check=False)


def test_the_command_says_what_is_wrong_and_exits_by_it(programs):
    replicas = [support.Simulator() for _ in range(2)]
    gateway = support.gateway_for(*(replica.url for replica in replicas))
    programs += [replicas[0], gateway]
    well = diagnose(gateway)
    assert well.returncode == 0
    assert well.stdout.startswith("nothing is wrong that this gateway can see\nit has looked for ")

    os.kill(replicas[1].process.pid, signal.SIGKILL)
    replicas[1].process.wait()
    sick = support.until(
        lambda: (done := diagnose(gateway)).returncode == 3 and done, what="a finding")
    name = replicas[1].url.removeprefix("http://")
    assert f"{name} (pool default): the replica does not answer" in sick.stdout
    assert "in this state for" in sick.stdout and "  1. " in sick.stdout
    page = json.loads(diagnose(gateway, "--json").stdout)
    assert [row["cause"] for row in page["findings"]] == ["replica_unreachable"]

    compared = diagnose(gateway, "--against", "1d").stdout
    assert "pool default: nothing is kept of that time" in compared
    for wrong in ("yesterday", "5s", "9d", "0h", "99999999999999999999d"):
        refused = diagnose(gateway, "--against", wrong)
        assert refused.returncode == 1
        assert "HTTP 400: against is a span from 1m to 8d" in refused.stderr


def test_the_command_says_that_nobody_answers():
    done = subprocess.run(
        [support.SLUICE, "diagnose", "--admin", "http://127.0.0.1:9"], capture_output=True,
        text=True, timeout=support.PATIENCE, stdin=subprocess.DEVNULL, check=False)
    assert done.returncode == 1
    assert "is this the admin listener (--admin)?" in done.stderr
