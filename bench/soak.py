#!/usr/bin/env python3
"""Runs the gateway for long, under mixed load and faults or under overload, and looks for what grows.

Mixed: three simulated replicas; small requests and streams from bench/load in slices of 20 s, so
that connections come and go; clients that abandon streams; every minute one replica is
killed and started again. With `--overload`: an objective, and three times the load that four
replicas of eight slots can take, from clients that come back after a refusal. In the end nothing may
be left over: no request in flight, no leaked permit, no descriptor, no memory that grew from the
second quarter to the last.
"""

import argparse
import http.client
import json
import os
import pathlib
import random
import statistics
import subprocess
import sys
import threading
import time
import urllib.parse

ROOT = pathlib.Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT / "Tests/Clients"), str(ROOT / "Tests/Overload")]
import support  # noqa: E402  (the same processes and questions as the client tests)
import trial  # noqa: E402
from traffic import Retries, Traffic  # noqa: E402

LOAD = ROOT / ".build/bench/load"
SLICE = 20
# Idle upstream connections and what the loop itself holds; not a function of the load.
DESCRIPTORS_OVER = 32
# By then what was in flight has ended, and idle upstream connections have been retired.
SETTLE_SECONDS = 30
MEMORY_OVER_BYTES = 4 << 20
MEMORY_OVER_RATIO = 1.10
# Under overload: times the capacity, and the percent of those served that came within the objective.
OVERLOAD, IN_OBJECTIVE_MIN = 3, 99


def descriptors(pid):
    return len(os.listdir(f"/proc/{pid}/fd"))


def resident(pid):
    pages = int(pathlib.Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")


def memory_problems(samples):
    """Compares the second quarter of the run with the last: the first still warms up."""
    quarter = len(samples) // 4
    if quarter < 2:
        return [f"{len(samples)} samples of memory are too few to compare"]
    early = statistics.median(samples[quarter:2 * quarter])
    late = statistics.median(samples[-quarter:])
    bound = early * MEMORY_OVER_RATIO + MEMORY_OVER_BYTES
    print(f"memory: {early / 1e6:.1f} MB in the second quarter, {late / 1e6:.1f} in the last "
          f"(at most {bound / 1e6:.1f})")
    if late <= bound:
        return []
    return [f"memory grew from {early / 1e6:.1f} to {late / 1e6:.1f} MB"]


class Soak:
    """Mixed load, clients that leave, and a replica that is killed every minute."""

    def __init__(self, minutes, seed):
        self.seconds = minutes * 60
        self.random = random.Random(seed)
        self.stopping = threading.Event()
        self.totals = {"answers": 0, "events": 0, "errors": 0, "abandoned": 0, "kills": 0}
        self.lock = threading.Lock()
        self.simulators, self.gateway = self.start()
        self.pid = self.gateway.process.pid
        self.end = time.monotonic() + self.seconds

    def start(self):
        """The replicas and the gateway before them."""
        simulators = [support.Simulator("--seed", str(i)) for i in range(3)]
        return simulators, support.gateway_for(*[s.url for s in simulators])

    def work(self):
        """What goes on until the end: functions and their arguments, a thread for each."""
        return ((self.load, ("requests", "--connections", "16", "--rate", "100")),
                (self.load, ("streams", "--connections", "100")),
                (self.abandon, ()), (self.abandon, ()),
                (self.fault, (min(60, max(5, self.seconds / 4)),)))

    def over(self):
        return self.stopping.is_set() or time.monotonic() >= self.end

    def count(self, **more):
        with self.lock:
            for key, value in more.items():
                self.totals[key] += value

    def load(self, mode, *flags):
        """Slices of load until the end. Errors are expected while a replica is down."""
        port = urllib.parse.urlsplit(self.gateway.url).port
        while not self.over():
            seconds = max(1.0, min(SLICE, self.end - time.monotonic()))
            done = subprocess.run(
                [LOAD, mode, "--port", str(port), "--model", support.MODEL, "--warmup-ms", "0",
                 "--duration-ms", str(int(seconds * 1000)), *flags],
                capture_output=True, text=True, check=False)
            for line in done.stdout.splitlines():
                result = json.loads(line)
                if "seconds" in result:
                    self.count(answers=result["answers"], events=result["events"],
                               errors=result["errors"])
            if done.returncode not in (0, 3):
                self.count(errors=1)
                self.stopping.wait(0.5)

    def abandon(self):
        where = urllib.parse.urlsplit(self.gateway.url)
        body = json.dumps(support.chat_body(stream=True, tokens=500))
        choose = random.Random(self.random.random())
        while not self.over():
            connection = http.client.HTTPConnection(where.netloc, timeout=support.PATIENCE)
            try:
                connection.request("POST", "/v1/chat/completions", body,
                                   {"Content-Type": "application/json"})
                # Some leave before the head, some in the middle.
                if choose.random() < 0.7:
                    answer = connection.getresponse()
                    for _ in range(choose.randrange(6)):
                        answer.readline()
            except (OSError, http.client.HTTPException):
                self.count(errors=1)
            finally:
                connection.close()
            self.count(abandoned=1)
            self.stopping.wait(0.02)

    def fault(self, every):
        while not self.stopping.wait(every) and not self.over():
            index = self.random.randrange(len(self.simulators))
            address = urllib.parse.urlsplit(self.simulators[index].url).netloc
            self.simulators[index].kill()
            self.count(kills=1)
            if self.stopping.wait(3):
                return
            self.simulators[index] = support.Simulator("--seed", str(index), listen=address)

    def run(self):
        at_rest = descriptors(self.pid)
        threads = [threading.Thread(target=target, args=arguments)
                   for target, arguments in self.work()]
        for thread in threads:
            thread.start()
        memory = []
        print(f"{'s':>6} {'RSS MB':>8} {'fds':>6} {'in flight':>9}", flush=True)
        began = last = time.monotonic()
        try:
            while not self.over():
                if self.gateway.process.poll() is not None:
                    raise AssertionError(f"the gateway ended:\n{self.gateway.output()}")
                memory.append(resident(self.pid))
                now = time.monotonic()
                if now - last >= 10 or len(memory) == 1:
                    last = now
                    print(f"{now - began:6.0f} {memory[-1] / 1e6:8.1f} {descriptors(self.pid):6} "
                          f"{support.in_flight(self.gateway.admin):9}", flush=True)
                self.stopping.wait(1)
        finally:
            self.stopping.set()
            for thread in threads:
                thread.join()
        return at_rest, memory

    def verdict(self, at_rest, memory):
        problems = []

        def expect(condition, what):
            try:
                support.until(condition, SETTLE_SECONDS, what)
            except AssertionError as error:
                problems.append(str(error))

        admin = self.gateway.admin
        expect(lambda: support.in_flight(admin) == 0, "in flight = 0")
        expect(lambda: not any(support.running(s.url) for s in self.simulators),
               "replicas running = 0")
        expect(lambda: descriptors(self.pid) <= at_rest + DESCRIPTORS_OVER,
               f"descriptors ≤ {at_rest} + {DESCRIPTORS_OVER}")
        leaked = support.samples(admin + "/metrics", "sluice_leaked_permits_total")
        if sum(leaked.values()) != 0 or not leaked:
            problems.append(f"sluice_leaked_permits_total is {leaked or 'missing'}")
        print(f"left: {support.in_flight(admin)} in flight, {descriptors(self.pid)} descriptors "
              f"({at_rest} at rest), leaked permits {sum(leaked.values()):.0f}")
        problems += memory_problems(memory)
        if not self.totals["answers"] or not self.totals["events"]:
            problems.append(f"hardly anything was served: {self.totals}")
        return problems

    def stop(self):
        problems = []
        for program in [self.gateway, *self.simulators]:
            try:
                program.stop()
            except AssertionError as error:
                problems.append(str(error))
        return problems


class Overload(Soak):
    """More than the replicas can take, all the time, before a gateway that is told an objective."""

    def start(self):
        self.replicas = trial.Replicas(slots=8)
        self.replicas.measure(20)
        return self.replicas.programs, trial.gateway(self.replicas.urls)

    def work(self):
        return ((self.traffic, ()),)

    def traffic(self):
        """Ends by itself: what it began to wait for is answered, or given up, after the time."""
        self.offered = Traffic(
            [self.gateway.url], [(OVERLOAD * self.replicas.requests_per_second, self.seconds)],
            retries=Retries(tries=3), seed=self.random.randrange(1000)).run()

    def verdict(self, at_rest, memory):
        seen = trial.Seen(self.offered, self.replicas.tokens_per_second, 5, self.seconds)
        within = 100 * seen.in_objective
        print(f"{OVERLOAD} x: goodput {100 * seen.goodput:.0f} %, {within:.1f} % of those served "
              f"within the objective, p99 {seen.late(0.99):.2f} s, {len(seen.refused)} refused")
        self.count(answers=len(seen.served), events=sum(len(c.tokens) for c in seen.served),
                   errors=len(seen.broken))
        problems = super().verdict(at_rest, memory)
        if not within >= IN_OBJECTIVE_MIN:
            problems.append(f"{within:.1f} % of those served were within the objective")
        if seen.broken:
            problems.append(f"{len(seen.broken)} were neither served nor refused")
        return problems


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--minutes", type=float, default=20)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--overload", action="store_true",
                        help="three times the load that the replicas can take, with an objective")
    arguments = parser.parse_args()
    for needed in (LOAD, pathlib.Path(support.SLUICE), pathlib.Path(support.VLLM_SIM)):
        if not needed.exists():
            raise SystemExit(f"soak: {needed} is missing; run: make soak")
    soak = (Overload if arguments.overload else Soak)(arguments.minutes, arguments.seed)
    try:
        problems = soak.verdict(*soak.run())
    except BaseException:
        for program in [soak.gateway, *soak.simulators]:
            program.kill()
        raise
    problems += soak.stop()
    print(json.dumps(soak.totals))
    for problem in problems:
        print(f"soak: {problem}", file=sys.stderr)
    print(f"soak: {'FAILED' if problems else 'passed'}")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
