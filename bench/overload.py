#!/usr/bin/env python3
"""Overload on sockets: Sluice beside HAProxy and round robin, before simulated replicas.

Four replicas of four slots, at last of one and two of eight. Sluice is told one objective and
nothing else; HAProxy is told the slots (`maxconn`), queues itself and has a tuned `timeout queue`;
round robin is HAProxy without either. Several of them know nothing of each other: each HAProxy is
told its part of the slots, rounded down, for one too many makes everybody late. Every trial begins
with fronts that have just been started. What replicas can do is measured first, by a closed loop
with as many clients as slots. Writes docs/benchmarks.md.
"""

import argparse
import itertools
import math
import pathlib
import shutil
import socket
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent
sys.path += [str(ROOT / "Tests" / "Overload"), str(ROOT / "Tests" / "Clients")]

import trial  # noqa: E402  (needs the path above)
from traffic import Retries, Traffic  # noqa: E402

PAGE = ROOT / "docs" / "benchmarks.md"
BEGIN, END = "<!-- overload:begin -->", "<!-- overload:end -->"

HAPROXY = """
global
    nbthread 1
    maxconn 4096
defaults
    mode http
    option http-no-delay
    http-reuse always
    retries 3
    timeout connect 1s
    timeout client 600s
    timeout server 600s
    timeout queue {queue}ms
frontend data
    bind 127.0.0.1:{port}
    default_backend replicas
backend replicas
    balance {balance}
    option httpchk GET /health
    default-server check inter 1s {limit}
"""


class Sluice:
    """One or several gateways that are told the objective."""

    def __init__(self, replicas, count=1):
        self.programs = [trial.gateway(replicas.urls) for _ in range(count)]
        self.urls = [program.url for program in self.programs]
        self.watches = [trial.Watch(program.admin) for program in self.programs]

    def stop(self, replicas):
        """Ends them; gives the slowest admin answer. Nothing may be left under way."""
        slowest = max(watch.stop() for watch in self.watches)
        assert trial.is_quiet(replicas, self.programs), "ledger and replicas disagree"
        for program in self.programs:
            program.stop()
        return slowest


class HAProxy:
    """One or several of HAProxy from the distribution, with or without slots and a queue of its own."""

    def __init__(self, replicas, count, knows_slots):
        self.directory = tempfile.TemporaryDirectory()
        self.urls, self.processes = [], []
        for number in range(count):
            with socket.socket() as probe:
                probe.bind(("127.0.0.1", 0))
                port = probe.getsockname()[1]
            path = pathlib.Path(self.directory.name, f"{number}.cfg")
            path.write_text(self.configuration(replicas, port, count, knows_slots))
            self.urls.append(f"http://127.0.0.1:{port}")
            self.processes.append(subprocess.Popen(
                [shutil.which("haproxy"), "-f", path],
                stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL))
        time.sleep(2)

    @staticmethod
    def configuration(replicas, port, count, knows_slots):
        slots = replicas.slots // len(replicas.urls)
        text = HAPROXY.format(
            port=port, balance="leastconn" if knows_slots else "roundrobin",
            queue=round(750 * trial.OBJECTIVE) if knows_slots else 600_000,
            limit=f"maxconn {max(1, slots // count)}" if knows_slots else "")
        for index, url in enumerate(replicas.urls):
            text += f"    server r{index} {url.removeprefix('http://')}\n"
        return text

    def stop(self, replicas):
        for process in self.processes:
            process.terminate()
        for process in self.processes:
            process.wait()
        self.directory.cleanup()
        time.sleep(3)
        return math.nan


class Scenario:
    """A load, what happens meanwhile, and when it counts.

    - phases: (times the capacity, seconds); events: (at second, what is done to the replicas).
    - counted: (from second, to second, share of the capacity that is left then).
    - count: fronts, each with its part of the clients; tries: of a client that is refused.
    - fleet: replicas, and slots of each.
    """

    def __init__(self, title, phases, counted, events=(), count=1, tries=1, before=None,
                 fleet=(trial.REPLICAS, trial.SLOTS)):
        self.title, self.phases, self.counted, self.events = title, phases, counted, events
        self.count, self.tries, self.before, self.fleet = count, tries, before, fleet

    def run(self, make, replicas, seed):
        if self.before:
            self.before(replicas)
        front = make(replicas, self.count)
        rate = replicas.requests_per_second
        traffic = Traffic(
            front.urls, [(times * rate, seconds) for times, seconds in self.phases],
            retries=Retries(tries=self.tries), seed=seed).start()
        begun = time.monotonic()
        for at, happens in self.events:
            time.sleep(max(0, begun + at - time.monotonic()))
            happens(replicas)
        traffic.join()
        begin, end, left = self.counted
        seen = trial.Seen(traffic, replicas.tokens_per_second * left, begin, end)
        replicas.heal()
        seen.admin = front.stop(replicas)
        return seen


def without_metrics(replicas):
    for index in range(len(replicas.urls)):
        replicas.faults(index, metrics="dead")


SCENARIOS = [
    Scenario("3 × from a cold start", [(3, 60)], (5, 60, 1)),
    Scenario("10 × from a cold start", [(10, 40)], (5, 40, 1)),
    Scenario("step 0.7 → 2.5 ×, from the step", [(0.7, 20), (2.5, 40)], (20, 60, 1)),
    Scenario("one replica 3 × slower, at 1.2 ×", [(1.2, 60)], (25, 60, (3 + 1 / 3) / 4),
             [(15, lambda replicas: replicas.faults(1, slow=3))]),
    Scenario("one of four lost, at 1.5 ×", [(1.5, 50)], (20, 50, 3 / 4),
             [(15, lambda replicas: replicas.kill(3))]),
    Scenario("1.5 ×, clients that try three times", [(1.5, 60)], (10, 60, 1), tries=3),
    Scenario("3 ×, no metrics from the start", [(3, 40)], (5, 40, 1), before=without_metrics),
    Scenario("2 ×, three gateways, clients that try three times", [(2, 60)], (5, 60, 1),
             count=3, tries=3),
    Scenario("2 ×, four replicas of one slot", [(2, 60)], (5, 60, 1), fleet=(4, 1)),
    Scenario("2 ×, two replicas of eight slots", [(2, 60)], (5, 60, 1), fleet=(2, 8)),
]
FRONTS = {
    "Sluice": Sluice,
    "HAProxy, told slots": lambda replicas, count: HAProxy(replicas, count, knows_slots=True),
    "round robin": lambda replicas, count: HAProxy(replicas, count, knows_slots=False),
}


def cell(seen):
    refusals = f", refusals {1000 * seen.refusal(0.99):.0f} ms" if seen.refusals else ""
    return (f"{100 * seen.goodput:.0f} % / {100 * seen.in_objective:.1f} % / "
            f"{seen.late(0.99):.2f} s{refusals}")


def table(rows):
    """The page's text of (scenario, its replicas, what was seen by front)."""
    names = list(FRONTS)
    lines = [
        f"Simulated replicas (`vllm-sim`), {trial.REPLICAS} of {trial.SLOTS} slots where nothing "
        f"else is said, objective {1000 * trial.OBJECTIVE:.0f} ms, prompts lognormal(200, 0.8), "
        "answers lognormal(100, 0.8) tokens, Poisson arrivals. Each cell: goodput as a share of the "
        "capacity left / served within the objective / p99 time to the first token of those "
        "served, and p99 of refusals that needed no wait.", "",
        "| load | " + " | ".join(names) + " |", "| --- |" + " --- |" * len(names)]
    capacities = {}
    for scenario, replicas, seen in rows:
        capacities[scenario.fleet] = replicas
        lines.append(f"| {scenario.title} | "
                     + " | ".join(cell(seen[name]) for name in names) + " |")
    slowest = max(seen["Sluice"].admin for _, _, seen in rows)
    lines += ["", "Capacity: " + "; ".join(
        f"{count} × {slots} slots {replicas.tokens_per_second:.0f} tokens/s, "
        f"{replicas.requests_per_second:.1f} requests/s"
        for (count, slots), replicas in capacities.items())
        + f". Slowest answer of an admin page meanwhile: {1000 * slowest:.0f} ms."]
    return "\n".join(lines)


def measured(fleet):
    """Replicas whose capacity is known."""
    replicas = trial.Replicas(*fleet)
    try:
        replicas.measure(30)
    except BaseException:
        replicas.stop()
        raise
    print(f"capacity {fleet}: {replicas.tokens_per_second:.0f} tokens/s", flush=True)
    return replicas


def trials(scenarios):
    """All fronts under each load, a fleet at a time: (scenario, replicas, what was seen by front)."""
    rows = []
    for fleet, group in itertools.groupby(enumerate(scenarios), lambda item: item[1].fleet):
        replicas = measured(fleet)
        try:
            for number, scenario in group:
                seen = {}
                for name, make in FRONTS.items():
                    seen[name] = scenario.run(make, replicas, seed=100 + number)
                    print(f"{scenario.title:52} {name:20} {cell(seen[name])}", flush=True)
                rows.append((scenario, replicas, seen))
        finally:
            replicas.stop()
    return rows


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", help="scenarios whose title contains this")
    parser.add_argument("--dry", action="store_true", help="print, and leave the page alone")
    options = parser.parse_args()
    text = table(trials([s for s in SCENARIOS if not options.only or options.only in s.title]))
    print(text)
    if not options.dry and not options.only:
        page = PAGE.read_text()
        head, rest = page.split(BEGIN)
        PAGE.write_text(head + BEGIN + "\n" + text + "\n" + END + rest.split(END)[1])


if __name__ == "__main__":
    main()
