#!/usr/bin/env python3
"""Compares Sluice with nginx and HAProxy: CPU, added latency and memory, in one run.

The proxy under test has core 0 to itself; load generator and stub upstreams share core 1.
In each repetition the proxies stand side by side and are loaded in turn, a second each,
so that a noisy minute touches all of them alike (measured one after the other, a minute each,
the ratios of five repetitions were a fifth apart); what counts is the median of the
per-repetition ratios. Figures of different runs are not comparable: a shared machine drifts by
up to 1.4x within a day.

CPU is the time that the threads of the proxy's process tree ran (/proc/PID/task/*/schedstat)
inside the load generator's measuring window, divided by the answers or events that arrived in it.
"""

import argparse
import contextlib
import datetime
import json
import os
import pathlib
import platform
import shutil
import statistics
import subprocess
import sys
import tempfile
import time

from proxies import LOAD_CORE, PROXY_CORE, TOOLS, Proxy, free_port, load, resident_bytes, running

ROOT = pathlib.Path(__file__).resolve().parent.parent
# A proxy alone on its core waits for interrupts and little else. One that has to share it
# finds more bytes at each read, and looks cheaper per event than it is.
WAITED_MAX = 0.10
# Parts of a window: proxies take turns after each.
PARTS = 4
BEGIN, END = "<!-- comparison:begin -->", "<!-- comparison:end -->"

# name, unit, digits, and whether the figure is set against the better peer
FIGURES = {
    "request_cpu": ("CPU per small request", "µs", 1, True),
    "request_rate": ("small requests, closed loop", "/s", 0, False),
    "paced300_cpu": ("CPU per SSE event, 300 streams", "µs", 1, True),
    "paced1000_cpu": ("CPU per SSE event, 1,000 streams", "µs", 1, True),
    "flooded_cpu": ("CPU per SSE event, flooded", "µs", 2, True),
    "added_p50": ("added latency at half load, p50", "µs", 0, True),
    "added_p99": ("added latency at half load, p99", "µs", 0, True),
    "event_p99": ("event under way, 1,000 streams, p99", "µs", 0, True),
    "first_event_p99": ("first event, 1,000 streams, p99", "µs", 0, True),
    "idle_rss": ("memory per idle connection", "KB", 2, True),
    "stream_rss": ("memory per stream", "KB", 2, True),
    "base_rss": ("memory at rest", "MB", 1, False),
}


class Run:
    def __init__(self, arguments, directory):
        self.arguments, self.directory = arguments, directory
        self.window = arguments.duration * 1000
        self.proxies = [Proxy(n, directory, arguments.sluice) for n in arguments.proxies]

    @contextlib.contextmanager
    def stubs(self, *flags):
        ports = (free_port(), free_port())
        command = [str(TOOLS / "stub"), "--listen", str(ports[0]), "--listen", str(ports[1]), *flags]
        with running(command, LOAD_CORE, ports[1], self.directory / "stub.log"):
            yield ports

    @contextlib.contextmanager
    def proxied(self, proxy, *stub_flags):
        """A fresh proxy before fresh stubs: nothing is carried over between scenarios.

        Nor is its access log: HAProxy's is emptied when its output is opened, and the others',
        were they to grow from one to the next, would write into ever new page cache.
        """
        (self.directory / f"{proxy.name}-access.log").unlink(missing_ok=True)
        with self.stubs(*stub_flags) as upstreams:
            port = free_port()
            command = proxy.command(port, upstreams)
            log = self.directory / f"{proxy.name}.log"
            with running(command, PROXY_CORE, port, log) as pid:
                time.sleep(0.5)  # what it does once, at start, is not what is measured
                yield port, pid

    def calibrate(self):
        """Half of the slowest proxy's capacity: the rate at which latency is compared."""
        rates = []
        for proxy in self.proxies:
            with self.proxied(proxy) as (port, pid):
                out = load("requests", port, pid, connections=64, warmup_ms=300, duration_ms=1000)
            rates.append(out["answers"] / out["seconds"])
        return int(min(rates) / 2)

    @contextlib.contextmanager
    def side_by_side(self, *stub_flags):
        """Every proxy before stubs of its own; those without load do no more than probe them.

        By name: port and process.
        """
        with contextlib.ExitStack() as stack:
            yield {proxy.name: stack.enter_context(self.proxied(proxy, *stub_flags))
                   for proxy in self.proxies}

    def in_turns(self, targets, turn, mode, **flags):
        """One load at each of the targets in turn, a part of the window at a time.

        By name: the outputs of the load generator, one a part.
        """
        found = {name: [] for name in targets}
        for part in range(PARTS):
            for name in rotated(list(targets), turn + part):
                found[name].append(load(mode, *targets[name], warmup_ms=300,
                                        duration_ms=self.window // PARTS, **flags))
        return found

    def measure(self, repetition, rate):
        """One row for each proxy."""
        rows = {proxy.name: {"waited_share": 0.0} for proxy in self.proxies}

        def note(found, **figures):
            for name, row in rows.items():
                waited = sum(out["waited_share"] * out["seconds"] for out in found[name])
                row["waited_share"] = max(
                    row["waited_share"], waited / total(found[name], "seconds"))
                row.update({key: figure(found[name]) for key, figure in figures.items()})

        with self.side_by_side() as targets, self.stubs() as upstreams:
            for name, (_, pid) in targets.items():
                rows[name]["base_rss"] = resident_bytes(pid) / 1e6
            note(self.in_turns(targets, repetition, "requests", connections=64),
                 request_cpu=each("answers"), request_rate=lambda outs: (
                     total(outs, "answers") / total(outs, "seconds")))
            found = self.in_turns({**targets, "": (upstreams[0],)}, repetition, "requests",
                                  connections=64, rate=rate)
            for q in ("p50", "p99"):
                direct = middle(found[""], "latency_us", q)
                note(found, **{
                    f"latency_{q}": lambda outs, q=q: middle(outs, "latency_us", q),
                    f"added_{q}": lambda outs, q=q, direct=direct: (
                        middle(outs, "latency_us", q) - direct)})
        for streams in (300, 1000):
            with self.side_by_side("--interval-us", "50000") as targets:
                found = self.in_turns(targets, repetition, "streams", connections=streams)
            note(found, **{
                f"paced{streams}_cpu": each("events"),
                f"paced{streams}_events_per_second": lambda outs: (
                    total(outs, "events") / total(outs, "seconds"))})
        note(found, event_p99=lambda outs: middle(outs, "event_age_us", "p99"),
             first_event_p99=lambda outs: middle(outs, "first_event_us", "p99"))
        with self.side_by_side("--events", "2000", "--batch", str(self.arguments.batch)) as targets:
            note(self.in_turns(targets, repetition, "streams", connections=300),
                 flooded_cpu=each("events"))
        for proxy in rotated(self.proxies, repetition):
            rows[proxy.name] |= self.memory(proxy)
            rows[proxy.name]["scaling"] = self.scaling(proxy)
        return rows

    def memory(self, proxy):
        """KB for each stream and for each idle connection."""
        idle = self.arguments.idle
        with self.proxied(proxy, "--interval-us", "50000") as (port, pid):
            streams = self.stream_memory(port, pid, resident_bytes(pid))
        with self.proxied(proxy) as (port, pid):
            before = resident_bytes(pid)
            out = load("idle", port, pid, connections=idle, warmup_ms=0, duration_ms=500)
        return {"stream_rss": streams, "idle_rss": (out["resident_bytes"] - before) / idle / 1e3}

    def scaling(self, proxy):
        """How many times the requests of one worker two can serve, by the CPU that each needs.

        Two cores are all there is and the load needs one: so not by the rate, which would say how
        much the load left over, but by 2 × (CPU per request of one worker) ÷ (that of two). One of
        the two shares its core, and what is cached there, with the load: what that costs is seen at
        the peers.
        """
        cost = {}
        for workers in (1, 2):
            port = free_port()
            with self.stubs() as upstreams:
                command = proxy.command(port, upstreams, workers)
                log = self.directory / f"{proxy.name}-{workers}.log"
                cores = f"{PROXY_CORE},{LOAD_CORE}"
                with running(command, cores, port, log) as pid:
                    time.sleep(0.5)
                    out = load("requests", port, pid, connections=64, warmup_ms=500,
                               duration_ms=self.window)
                    cost[workers] = out["cpu_seconds"] / out["answers"]
        return 2 * cost[1] / cost[2]

    def stream_memory(self, port, pid, before):
        command = ["taskset", "-c", LOAD_CORE, str(TOOLS / "load"), "streams", "--port", str(port),
                   "--connections", "1000", "--warmup-ms", "0", "--duration-ms", "800"]
        process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        process.stdout.readline()
        time.sleep(0.5)
        after = resident_bytes(pid)
        process.stdout.read()
        if process.wait() != 0:
            raise SystemExit("bench: load generator failed while memory was measured")
        return (after - before) / 1000 / 1e3

    def all(self):
        rate = self.calibrate()
        print(f"latency is compared at {rate:,} requests/s", flush=True)
        rows = []
        for repetition in range(self.arguments.repetitions):
            for name, row in self.measure(repetition, rate).items():
                rows.append({"repetition": repetition, "proxy": name, **row})
                print(f"  {repetition + 1}/{self.arguments.repetitions} {name}: "
                      f"{row['request_cpu']:.1f} µs/request, {row['paced1000_cpu']:.1f} µs/event "
                      f"paced, {row['flooded_cpu']:.2f} flooded; waited for its core "
                      f"{row['waited_share']:.0%}", flush=True)
        return rate, rows


def rotated(things, turn):
    turn %= len(things)
    return things[turn:] + things[:turn]


def total(outs, key):
    return sum(out[key] for out in outs)


def each(key):
    """CPU of one of these, in µs."""
    return lambda outs: total(outs, "cpu_seconds") / total(outs, key) * 1e6


def middle(outs, times, q):
    """The middle of the parts' quantiles."""
    return statistics.median(out[times][q] for out in outs)


def ratios(rows, names, figure):
    """Per repetition, Sluice over the better (smaller) peer; None without both sides."""
    peers = [n for n in names if n != "sluice"]
    if "sluice" not in names or not peers:
        return None
    out = []
    for repetition in sorted({r["repetition"] for r in rows}):
        at = {r["proxy"]: r[figure] for r in rows if r["repetition"] == repetition}
        best = min(at[p] for p in peers)
        if best > 0:
            out.append(at["sluice"] / best)
    return out or None


def table(rows, names):
    with_ratio = "sluice" in names and len(names) > 1
    head = ["", *names] + (["Sluice ÷ better peer"] if with_ratio else [])
    lines = ["| " + " | ".join(head) + " |", "| --- |" + " ---: |" * (len(head) - 1)]
    for figure, (title, unit, digits, compared) in FIGURES.items():
        cells = [f"{title}, {unit}" if unit != "/s" else f"{title} per second"]
        for name in names:
            values = [r[figure] for r in rows if r["proxy"] == name]
            cells.append(f"{statistics.median(values):,.{digits}f} "
                         f"({min(values):,.{digits}f}–{max(values):,.{digits}f})")
        if with_ratio:
            r = ratios(rows, names, figure) if compared else None
            cells.append(f"**{statistics.median(r):.2f}** ({min(r):.2f}–{max(r):.2f})" if r else "")
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)


def scaling_line(rows, names):
    said = []
    for name in names:
        values = [r["scaling"] for r in rows if r["proxy"] == name]
        said.append(f"{name} {statistics.median(values):.2f} ({min(values):.2f}–{max(values):.2f})")
    return ("Two workers can serve so many times the requests of one, by the CPU each needs, one of the two on the "
            f"core of the load: {', '.join(said)}.")


def machine():
    model = "unknown"
    for line in pathlib.Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            model = line.partition(":")[2].strip()
            break
    system = platform.freedesktop_os_release().get("PRETTY_NAME", "Linux")
    return {"cpu": model, "cores": os.cpu_count(), "kernel": platform.release(), "system": system}


def write_page(path, section):
    path.parent.mkdir(parents=True, exist_ok=True)
    text = path.read_text() if path.exists() else (
        f"# Benchmarks\n\nWritten by `make bench`.\n\n{BEGIN}\n{END}\n")
    if BEGIN not in text or END not in text:
        text += f"\n{BEGIN}\n{END}\n"
    before, after = text.partition(BEGIN)[0], text.partition(END)[2]
    path.write_text(f"{before}{BEGIN}\n{section}\n{END}{after}")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--proxies", default="nginx,haproxy,sluice",
                        type=lambda s: [n for n in s.split(",") if n])
    parser.add_argument("--sluice", default=str(ROOT / ".build/release/sluice"))
    parser.add_argument("--repetitions", type=int, default=5)
    parser.add_argument("--duration", type=float, default=4, help="seconds of each window")
    parser.add_argument("--batch", type=int, default=1, help="events per write when flooding")
    parser.add_argument("--idle", type=int, default=10_000, help="idle connections to hold")
    parser.add_argument("--quick", action="store_true", help="one short repetition, about 60 s; does not write the page")
    parser.add_argument("--json", type=pathlib.Path, default=TOOLS / "results.json")
    parser.add_argument("--page", type=pathlib.Path, default=ROOT / "docs/benchmarks.md")
    parser.add_argument("--no-page", action="store_true", help="leave the page as it is")
    arguments = parser.parse_args()
    if arguments.quick:
        # Too short to be published.
        arguments.repetitions, arguments.duration, arguments.no_page = 1, 1.5, True
    if (os.cpu_count() or 1) < 2:
        raise SystemExit("bench: two cores are needed: one for the proxy, one for the load")
    known = {"nginx", "haproxy", "sluice"}
    for name in arguments.proxies:
        binary = arguments.sluice if name == "sluice" else name
        if name not in known:
            raise SystemExit(f"bench: no proxy is called {name!r}; known: {', '.join(sorted(known))}")
        if not shutil.which(binary):
            raise SystemExit(f"bench: {binary} is not there; `make bench` builds and installs all")
    if not (TOOLS / "load").exists() or not (TOOLS / "stub").exists():
        raise SystemExit("bench: load and stub are not compiled; run `make bench`")

    began = time.monotonic()
    # Access logs of millions of lines: not on a memory-backed /tmp.
    with tempfile.TemporaryDirectory(prefix="run-", dir=TOOLS) as directory:
        # nginx started by root drops to another user, who has to reach its files.
        os.chmod(directory, 0o755)
        run = Run(arguments, pathlib.Path(directory))
        rate, rows = run.all()
        versions = {p.name: p.version() for p in run.proxies}
    host = machine()
    print(f"\n{table(rows, arguments.proxies)}\n\n{scaling_line(rows, arguments.proxies)}\n\n{time.monotonic() - began:.0f} s")
    waited = max(row["waited_share"] for row in rows)
    if waited > WAITED_MAX:
        print(f"bench: a proxy waited {waited:.0%} of a window for its core: something else runs "
              "on this machine, and the figures are not to be relied on", file=sys.stderr)
    arguments.json.parent.mkdir(parents=True, exist_ok=True)
    arguments.json.write_text(json.dumps(
        {"machine": host, "versions": versions, "rate": rate, "rows": rows}, indent=1) + "\n")
    if not arguments.no_page:
        versions_text = ", ".join(f"{n} {v}" for n, v in versions.items())
        write_page(arguments.page, "\n".join([
            f"{host['cpu']}, {host['cores']} cores, {host['system']}, Linux {host['kernel']}; "
            f"{versions_text}; {datetime.date.today().isoformat()}.",
            "",
            f"Median of {arguments.repetitions} repetitions (smallest–largest), in which the proxies take "
            f"turns after every {arguments.duration / PARTS:g} s; the last column is the median of each "
            "repetition's ratio. "
            "Each proxy alone on one core, one worker, HTTP/1.1 keep-alive on both sides without a limit of requests, no "
            "buffering, access log to a file; load and upstreams on the other core. Small request: "
            "POST chat, 400 B in, 600 B out, 64 connections. Paced: one 220-byte event per stream "
            "every 50 ms. Flooded: 300 streams in turn, an event each, as fast as they are read. Latency is added to that of "
            f"the upstream without a proxy, at {rate:,} requests/s, half of what the slowest can.",
            "", table(rows, arguments.proxies), "", scaling_line(rows, arguments.proxies)]))
        print(f"written: {arguments.page}")


if __name__ == "__main__":
    try:
        main()
    except KeyboardInterrupt:
        sys.exit(130)
