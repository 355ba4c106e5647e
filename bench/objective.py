#!/usr/bin/env python3
"""Holds an objective for the time to the first token under more load than a replica can take.

Measures what a running replica can do – closed loop, more clients than it runs at once, the
gateway not in the way – then sends open-loop Poisson streams through a gateway that is told the
objective and nothing else, at multiples of that. The capacity is measured again after each load,
and a load compared with the two beside it: machines are shared. Prints a table, and under each
row what the gateway had learned of the replica. Ends with status 1 when a bar is missed.

Goodput is counted in tokens of answers within the objective: in requests, a sample of short
answers, or a gateway that refuses long ones, would seem to do more than the replica can.
`slots` is what the replica itself says, whatever its speed: tokens that an engine step made, as a
part of those that it made under the closed loop. What is lost there was lost on the way from one
answer's end to the next prompt.

An engine on the CPU waits by yielding its core in a loop (vLLM's shared-memory queues). Where it has
no cores of its own, Linux 6.18 lets everybody else wait for up to 0.9 s for it, whatever its nice
value: gateway and load run as real-time processes (SCHED_RR), as if beside a GPU. Who may not do
that (it takes CAP_SYS_NICE) is told so, and measures the scheduler.

    bench/objective.py http://127.0.0.1:8101
    bench/objective.py URL --seconds 20 --multiples 1,2,3 --json result.json
"""

import argparse
import json
import os
import pathlib
import statistics
import subprocess
import sys
import tempfile
import threading

ROOT = pathlib.Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "Tests/Clients"))
import support  # noqa: E402  (the same processes and questions as the client tests)

# What an answer may take longer than the time in which requests are begun.
GRACE_SECONDS = 60
# The gateway learns a replica in its first seconds; they are not counted, and not at full load.
WARM_UP = 0.7
# Between two looks at the gateway's and the replica's pages.
LOOK_SECONDS = 1.0
# The targets of docs/admission.md.
GOODPUT_MIN, IN_OBJECTIVE_MIN, TTFT_PART_MAX = 0.95, 0.99, 0.75


def bench(url, *flags, options, seconds):
    """One run of `sluice bench`: its result as JSON."""
    with tempfile.NamedTemporaryFile(suffix=".json") as file:
        run = subprocess.run(
            [support.SLUICE, "bench", url, "--model", options.model,
             "--prompt-tokens", options.prompt_tokens, "--output-tokens", options.output_tokens,
             "--slo-ttft", f"{options.objective}s", "--duration", f"{seconds}s",
             "--grace", f"{GRACE_SECONDS}s", "--json", file.name, *map(str, flags)],
            stdin=subprocess.DEVNULL, capture_output=True, text=True,
            timeout=seconds + 2 * GRACE_SECONDS)
        if run.returncode != 0:
            sys.exit(f"objective: sluice bench {url} failed:\n{run.stdout}{run.stderr}")
        return json.load(file)


class Watch:
    """Looks at a gateway while it is loaded."""

    def __init__(self, gateway):
        self.gateway, self.rows, self.over = gateway, [], threading.Event()
        self.thread = threading.Thread(target=self.run, daemon=True)
        self.thread.start()

    def run(self):
        while not self.over.wait(LOOK_SECONDS):
            pool = support.get(self.gateway.admin + "/queue").json()["pools"][0]
            replica = support.replicas(self.gateway.admin)[0]
            decisions = support.get(self.gateway.admin + "/decisions?n=1").json()["decisions"]
            learned = (decisions[0]["candidates"] or [{}])[0] if decisions else {}
            self.rows.append({
                "slots": learned.get("slots"), "limit": learned.get("limit"),
                "step_milliseconds": learned.get("step_milliseconds"),
                "in_flight": replica["in_flight"], "running": replica["running"],
                "waiting": replica["queue_depth"], "queue": pool["length"], "bias": pool["bias"],
                "capacity_requests": pool["capacity_requests"],
                "predicted_wait": pool["classes"][0]["predicted_wait_seconds"],
                **pool["estimates"]})

    def end(self):
        self.over.set()
        self.thread.join()
        return self.rows

    def median(self, key):
        values = [row[key] for row in self.rows if row.get(key) is not None]
        return statistics.median(values) if values else None


class Steps:
    """Tokens that a replica's engine makes in a step, from now on."""

    def __init__(self, replica):
        self.replica, self.begin = replica, self.totals(replica)

    @staticmethod
    def totals(replica):
        return [sum(support.samples(replica + "/metrics", name).values()) for name in (
            "vllm:generation_tokens_total", "vllm:iteration_tokens_total_count")]

    def tokens(self):
        tokens, steps = (
            after - before for after, before in zip(self.totals(self.replica), self.begin))
        return tokens / steps if steps else 0.0


def capacity(options):
    steps = Steps(options.replica)
    result = bench(options.replica, "--concurrency", options.clients, "--seed", 100,
                   options=options, seconds=options.seconds / 2)
    found = {"requests_per_second": result["requests_per_second"],
             "tokens_per_second": result["output_tokens_per_second"],
             "tokens_per_step": steps.tokens()}
    print(f"   C {found['requests_per_second']:>8.2f} requests/s, "
          f"{found['tokens_per_second']:.0f} tokens/s, "
          f"{found['tokens_per_step']:.2f} a step", flush=True)
    return found


def judge(multiple, result, watch, beside, tokens_per_step, options):
    """The figures of one load, and the bars that it misses.

    beside: the capacities before and after it.
    """
    per_second = statistics.mean(found["tokens_per_second"] for found in beside)
    full = statistics.mean(found["tokens_per_step"] for found in beside)
    requests = result["requests"]
    offered = requests["begun"] / options.seconds
    good = requests["good"] / requests["succeeded"] if requests["succeeded"] else 0.0
    served = requests["succeeded"]
    ttft, refusal = result["ttft_seconds"]["p99"], result["refusal_seconds"]
    goodput = result["goodput_tokens_per_second"]
    figures = {
        "multiple": multiple, "offered_per_second": offered,
        "goodput_per_second": goodput, "goodput": goodput / per_second,
        "slots": tokens_per_step / full if full else 0.0,
        "in_objective": good,
        "ttft_p50": result["ttft_seconds"]["p50"], "ttft_p99": ttft,
        "refusal_p50": refusal["p50"], "refusal_p99": refusal["p99"],
        "served": served, "refused": requests["failed"], "failures": result["failures"],
        "cut": requests["cut"], "looks": watch.rows,
    }
    misses = []
    if figures["goodput"] < options.goodput_min:
        misses.append(f"goodput {figures['goodput']:.1%} of capacity, at least "
                      f"{options.goodput_min:.0%}")
    if figures["in_objective"] < IN_OBJECTIVE_MIN:
        misses.append(f"{figures['in_objective']:.1%} of the served in the objective, at least "
                      f"{IN_OBJECTIVE_MIN:.0%}")
    if ttft is None or ttft > TTFT_PART_MAX * options.objective:
        misses.append(f"p99 of first tokens {ttft} s, at most "
                      f"{TTFT_PART_MAX * options.objective:g} s")
    figures["misses"] = misses
    return figures


def show(figures, watch):
    refusals = [figures["refusal_p50"], figures["refusal_p99"]]
    print(f"{figures['multiple']:>4g}x {figures['offered_per_second']:>8.2f} "
          f"{figures['goodput_per_second']:>8.0f} {figures['goodput']:>8.1%} "
          f"{figures['slots']:>7.1%} {figures['in_objective']:>8.1%} {figures['ttft_p50']:>7.3f} "
          f"{figures['ttft_p99']:>7.3f} "
          f"{'–' if refusals[0] is None else '/'.join(f'{1e3 * x:.1f}' for x in refusals):>11} "
          f"{figures['served']:>6} {figures['refused']:>7}  "
          f"{'' if not figures['misses'] else 'missed'}", flush=True)
    print("      failures " + json.dumps(figures["failures"]))
    print("      medians  " + ", ".join(
        f"{key} {watch.median(key):.3g}" for key in (
            "slots", "limit", "in_flight", "running", "waiting", "queue", "predicted_wait", "bias",
            "capacity_requests", "seconds_at_replica", "output_tokens", "step_milliseconds",
            "engine_delay_seconds", "microseconds_per_prompt_token")
        if watch.median(key) is not None), flush=True)


def outrank_the_engine():
    """Gateway and load, which inherit it, run before an engine that only waits."""
    try:
        os.sched_setscheduler(0, os.SCHED_RR, os.sched_param(1))
    except PermissionError:
        print("objective: not permitted to run before the replica (CAP_SYS_NICE): its busy waiting "
              "may hold gateway and load up", file=sys.stderr)


def number_list(text):
    return [float(part) for part in text.split(",")]


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("replica", help="URL of the replica")
    parser.add_argument("--model", default=support.MODEL)
    parser.add_argument("--objective", type=float, default=1.0, metavar="SECONDS")
    parser.add_argument("--seconds", type=float, default=40, help="of each load")
    parser.add_argument("--multiples", type=number_list, default=[1, 2, 3], metavar="LIST")
    parser.add_argument("--clients", type=int, default=8,
                        help="of the closed loop: more than the replica runs at once")
    parser.add_argument("--prompt-tokens", default="lognormal:100,0.6", metavar="LENGTHS")
    parser.add_argument("--output-tokens", default="lognormal:32,0.6", metavar="LENGTHS")
    parser.add_argument("--goodput-min", type=float, default=GOODPUT_MIN, metavar="PART")
    parser.add_argument("--json", type=pathlib.Path, metavar="FILE")
    options = parser.parse_args()

    outrank_the_engine()
    capacities = [capacity(options)]
    gateway = support.gateway_for(
        options.replica, flags=["--ttft-slo", f"{options.objective}s", "--access-log", "off"])
    results = []
    try:
        first = capacities[0]["requests_per_second"]
        bench(gateway.url, "--rate", WARM_UP * first, "--seed", 200, options=options,
              seconds=max(2, options.seconds / 4))
        print(f"{'load':>5} {'per s':>8} {'tokens/s':>8} {'of C':>8} {'slots':>7} {'in SLO':>8} "
              f"{'p50 s':>7} {'p99 s':>7} {'refusal ms':>11} {'served':>6} {'refused':>7}",
              flush=True)
        for index, multiple in enumerate(options.multiples):
            watch, steps = Watch(gateway), Steps(options.replica)
            result = bench(
                gateway.url, "--rate", multiple * capacities[-1]["requests_per_second"],
                "--seed", 300 + index, options=options, seconds=options.seconds)
            watch.end()
            tokens_per_step = steps.tokens()
            decisions = support.get(gateway.admin + "/decisions?n=20").json()
            capacities.append(capacity(options))
            figures = judge(
                multiple, result, watch, capacities[-2:], tokens_per_step, options)
            figures["decisions"] = decisions
            show(figures, watch)
            results.append(figures)
        support.until(lambda: support.in_flight(gateway.admin) == 0, what="nothing in flight")
    finally:
        gateway.stop()
    if options.json:
        options.json.write_text(json.dumps(
            {"capacities": capacities, "loads": results}, indent=1))
    misses = [f"{figures['multiple']:g}x: {miss}" for figures in results
              for miss in figures["misses"]]
    for miss in misses:
        print("missed  " + miss)
    sys.exit(1 if misses else 0)


if __name__ == "__main__":
    main()
