"""The tour of the README works as it is written."""

import re
import subprocess

import pytest

import support

pytestmark = pytest.mark.simulated

PAGE = (support.ROOT / "README.md").read_text()


@pytest.fixture
def demo(programs):
    """A demo on free ports: gateway URL, admin URL, URL of sim-2."""
    program = support.Program(
        [support.SLUICE, "demo", "--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0"],
        r"Ctrl-C stops everything")
    programs.append(program)
    text = program.output()
    admin = re.search(r"admin\s+(http://\S+)", text)[1]
    support.until(lambda: support.get(admin + "/readyz").json()["problems"] == [],
                  what="three replicas")
    return (re.search(r"gateway\s+(http://\S+)/v1", text)[1], admin,
            re.search(r"sim-2\s+(http://\S+)", text)[1])


def test_every_command_of_the_tour_works(demo):
    gateway, admin, replica = demo
    tour = re.search(r"## Two minutes\n.*?```sh\n(.*?)```", PAGE, re.S)[1]
    for written, real in (
            ("http://127.0.0.1:8080", gateway), ("http://127.0.0.1:9801", admin),
            ("http://127.0.0.1:PORT", replica), (".build/release/sluice", support.SLUICE),
            ("--requests 100", "--requests 10"), ("curl ", "curl -fsS -m 20 ")):
        assert written in tour
        tour = tour.replace(written, real)
    done = subprocess.run(["bash", "-euo", "pipefail", "-c", tour], capture_output=True, text=True,
                          timeout=120, check=False, stdin=subprocess.DEVNULL)
    assert done.returncode == 0, done.stdout[-2_000:] + done.stderr
    for told in ("data: [DONE]", "sluice_requests_total{", '"ready":true', "sim-2: cordoned",
                 "sim-2: uncordoned", "first token", "vLLM 0.23"):
        assert told in done.stdout, told


def test_every_target_of_make_that_is_named_exists():
    known = re.findall(r"^([a-z-]+):", (support.ROOT / "Makefile").read_text(), re.M)
    named = re.findall(r"`make ([a-z-]+)`|^make ([a-z-]+)", PAGE, re.M)
    assert len(named) >= 4
    assert {first or second for first, second in named} <= set(known)
