"""bench/objective.py, which `make test-vllm` runs at length against a real vLLM, in short."""

import json
import subprocess
import sys

import pytest

import support

SCRIPT = support.ROOT / "bench/objective.py"


def trial(url, path, *flags):
    return subprocess.run(
        [sys.executable, SCRIPT, url, "--seconds", "4", "--multiples", "2", "--json", path, *flags],
        capture_output=True, text=True, timeout=120)


@pytest.mark.simulated
def test_an_overload_is_measured_against_what_the_replica_can_do(programs, tmp_path):
    replica = support.Simulator("--max-num-seqs", "4")
    programs.append(replica)
    run = trial(replica.url, tmp_path / "result.json")
    result = json.loads((tmp_path / "result.json").read_text())
    [load] = result["loads"]
    assert run.returncode == (1 if load["misses"] else 0), run.stdout + run.stderr
    # Seconds, in which the gateway learns the replica: far from the bars, and not from nothing.
    assert 0.6 < load["goodput"] < 1.3 and 0.6 < load["slots"] < 1.3, run.stdout
    assert load["in_objective"] > 0.9 and 0 < load["ttft_p99"] < 2, run.stdout
    # Four at once, answers of 38 tokens on average at some 11 ms each, and their prompts.
    assert 5 < result["capacities"][0]["requests_per_second"] < 15
    assert load["offered_per_second"] > 1.2 * result["capacities"][0]["requests_per_second"]
    assert len(result["capacities"]) == 2
    assert load["refused"] > 0 and set(load["failures"]) <= {"HTTP 429 overload", "HTTP 429 expired"}
    assert load["looks"] and load["decisions"]["decisions"]


@pytest.mark.simulated
def test_a_bar_that_is_missed_is_named_and_ends_with_1(programs, tmp_path):
    replica = support.Simulator("--max-num-seqs", "4")
    programs.append(replica)
    run = trial(replica.url, tmp_path / "result.json", "--goodput-min", "9")
    assert run.returncode == 1
    assert "missed  2x: goodput" in run.stdout and "at least 900%" in run.stdout
