#!/usr/bin/env python3
"""The wait for a first token as users have it, beside vLLM's own account of it.

One simulated replica of eight slots and a gateway, each situation with both started anew; four
and a half minutes. vLLM has a sample of those who got a first token only, and of their time in the
engine. All figures are read from the two `/metrics`, percentiles as `histogram_quantile` gives
them. Writes the table of docs/metrics.md.

    .venv/bin/python bench/survivor_bias.py [--dry]
"""

import argparse
import asyncio
import pathlib
import re
import sys
import threading

ROOT = pathlib.Path(__file__).resolve().parent.parent
sys.path += [str(ROOT / "Tests" / "Overload"), str(ROOT / "Tests" / "Clients")]

import support  # noqa: E402  (needs the path above)
from traffic import Lengths, Traffic, Workload  # noqa: E402

PAGE = ROOT / "docs" / "metrics.md"
BEGIN, END = "<!-- survivors:begin -->", "<!-- survivors:end -->"
SLOTS, SEED = 8, 7
ENGINE = "vllm:time_to_first_token_seconds"
DELIVERED = "sluice_time_to_first_token_seconds"
WAIT = "sluice_first_token_wait_seconds"
STAGES = "queue", "connect", "engine", "deliver"


class Impatient(Traffic):
    """Clients that leave when there is no token after so many seconds."""

    def __init__(self, *arguments, patience, **options):
        super().__init__(*arguments, **options)
        self.patience = patience

    async def _exchange(self, call, address, body):
        exchange = asyncio.create_task(super()._exchange(call, address, body))
        await asyncio.wait({exchange}, timeout=self.patience)
        if not call.tokens:
            exchange.cancel()
        await asyncio.gather(exchange, return_exceptions=True)


class Histogram:
    """The samples of one histogram on a page, all its series together."""

    def __init__(self, page, name):
        self.buckets, self.sum, self.count = {}, 0.0, 0.0
        for line in page.splitlines():
            match = re.match(rf"{re.escape(name)}_(bucket|sum|count)(?:\{{(.*)\}})? (\S+)", line)
            if not match:
                continue
            part, labels, value = match.groups()
            if part == "bucket":
                bound = float(re.search(r'le="([^"]+)"', labels).group(1))
                self.buckets[bound] = self.buckets.get(bound, 0.0) + float(value)
            else:
                setattr(self, part, getattr(self, part) + float(value))

    @property
    def mean(self):
        return self.sum / self.count

    def quantile(self, q):
        """As Prometheus' histogram_quantile: even within a bucket."""
        rank, lower, below = q * self.count, 0.0, 0.0
        for bound, up_to in sorted(self.buckets.items()):
            if up_to >= rank:
                if bound == float("inf"):
                    return lower
                return lower + (bound - lower) * (rank - below) / (up_to - below)
            lower, below = bound, up_to
        raise AssertionError("a histogram without samples")

    def __str__(self):
        return f"{self.mean:.2f}, {self.quantile(0.99):.3g}"


class Situation:
    """A load on a fleet of one; `hangs`: one stream in so many hangs after its prelude.

    Prompts are of 200 tokens in the mean, answers of 100.
    """

    def __init__(self, title, rate, seconds, patience, flags=(), hangs=None):
        self.title, self.rate, self.seconds, self.patience = title, rate, seconds, patience
        self.flags, self.hangs = flags, hangs

    def run(self):
        """The pages of engine and gateway, and how many were asked for."""
        replica = support.Simulator("--max-num-seqs", str(SLOTS))
        gateway = support.gateway_for(replica.url, flags=["--access-log", "off", *self.flags])
        over = threading.Event()
        hanging = threading.Thread(target=self._let_hang, args=(replica, over), daemon=True)
        try:
            traffic = Impatient(
                [gateway.url], [(self.rate, self.seconds)], seed=SEED, patience=self.patience,
                workload=Workload(SEED, Lengths(150, 0.8, 2_000), Lengths(75, 0.8, 800))).start()
            if self.hangs:
                hanging.start()
            traffic.join()
            over.set()
            support.until(lambda: support.in_flight(gateway.admin) == 0, what="all ended")
            return (support.get(replica.url + "/metrics").text,
                    support.get(gateway.admin + "/metrics").text, len(traffic.calls))
        finally:
            gateway.stop()
            replica.stop()

    def _let_hang(self, replica, over):
        """As often as so many requests come, the next one."""
        while not over.wait(self.hangs / self.rate):
            answer = support.post(replica.url + "/sim/faults",
                                  {"hang_after_events": 1, "requests": 1})
            assert answer.status == 200, answer.text


SITUATIONS = [
    Situation("overload without admission (8 per second; clients leave after 4 s)", 8, 90, 4),
    Situation("the same with an objective of 2 s", 8, 90, 4, flags=["--ttft-slo", "2s"]),
    Situation("no overload (4 per second); one stream in 25 hangs, its client leaves after 10 s",
              4, 60, 10, hangs=25),
]


def total(page, name, *labels):
    return sum(float(line.rpartition(" ")[2]) for line in page.splitlines()
               if line.startswith(name + "{") and all(label in line for label in labels))


def without_token(page):
    """Who got none, in words."""
    waits = {result: total(page, WAIT + "_count", f'result="{result}"')
             for result in ("abandoned", "failed", "expired")}
    words = {"abandoned": "left", "failed": "failed", "expired": "refused after a wait"}
    # Who is refused at once has not waited.
    at_once = total(page, "sluice_shed_total") - waits["expired"]
    told = [f"{at_once:.0f} refused at once"] if at_once else []
    return ", ".join(told + [f"{count:.0f} {words[result]}"
                             for result, count in waits.items() if count])


def stages(page):
    """What the mean time to the first token consists of."""
    means = {stage: total(page, "sluice_ttft_stage_seconds_sum", f'stage="{stage}"')
             / total(page, "sluice_ttft_stage_seconds_count", f'stage="{stage}"')
             for stage in STAGES}
    return " + ".join(f"{mean:.2g} `{stage}`" for stage, mean in means.items())


def rows():
    for situation in SITUATIONS:
        engine, gateway, asked = situation.run()
        own = Histogram(engine, ENGINE)
        yield (f"| {situation.title} | {asked} | {own.count:.0f}, {own} "
               f"| {Histogram(gateway, DELIVERED)} | {Histogram(gateway, WAIT)} "
               f"| {without_token(gateway)} | {stages(gateway)} |")


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--dry", action="store_true", help="print, and leave the page alone")
    options = parser.parse_args()
    lines = ["| situation | asked | in vLLM's TTFT: samples, mean, p99 | delivered here: mean, p99 "
             "| wait with those who got none: mean, p99 | got none | delivered, by stages: means |",
             "| --- | --- | --- | --- | --- | --- | --- |"]
    print("\n".join(lines), flush=True)
    for row in rows():
        print(row, flush=True)
        lines.append(row)
    if not options.dry:
        head, rest = PAGE.read_text().split(BEGIN)
        PAGE.write_text(head + BEGIN + "\n" + "\n".join(lines) + "\n" + END + rest.split(END)[1])


if __name__ == "__main__":
    main()
