"""The machine's wall clock is put forward and back, as by whoever sets it, while clients are served."""

import datetime
import mmap
import pathlib
import shutil
import struct
import subprocess
import time

import pytest

import support
from fleet import rest, total
from load import Load, Report

HOUR = 3_600
HEAD_SECONDS = 1.2


class WallClock:
    """The wall clock of a program that is started by `wrap`, with the library that moves it."""

    def __init__(self, folder):
        source, library = pathlib.Path(__file__).with_name("wall_clock.c"), folder / "wall_clock.so"
        if not shutil.which("cc"):
            pytest.skip("no C compiler for the library that moves a program's clock")
        subprocess.run(["cc", "-shared", "-fPIC", "-Wall", "-Werror", "-o", library, source],
                       check=True)
        file = folder / "seconds"
        file.write_bytes(bytes(8))
        with file.open("r+b") as opened:
            self._moved = mmap.mmap(opened.fileno(), 8)
        self.wrap = ["env", f"LD_PRELOAD={library}", f"WALL_CLOCK_FILE={file}"]

    def put(self, seconds):
        """So many seconds before the real one."""
        self._moved[:] = struct.pack("=q", seconds)


class HalfAHead:
    """A client that sends half a head and waits for what comes of it."""

    def __init__(self, url):
        self.began = time.monotonic()
        self.socket = support.connect(url)
        self.socket.sendall(b"POST /v1/chat/completions HTTP/1.1\r\nHost: a\r\n")

    def seconds(self):
        """Until it is told off."""
        with self.socket:
            assert self.socket.recv(100).startswith(b"HTTP/1.1 408 ")
        self.ended = time.monotonic()
        return self.ended - self.began


def moved(line, call):
    """Seconds by which the log's clock was before the client's when a request began."""
    at = datetime.datetime.fromisoformat(line["time"]).timestamp()
    return at - (call.began + time.time() - time.monotonic())


def test_row_17_wall_clock_steps(fleet, figures, tmp_path):
    """± 1 h in steps: every limit lasts as long as before, logs jump, nothing is lost."""
    clock = WallClock(tmp_path)
    # Requests wait for slots too, and an hour is longer than any answer may take.
    fleet = fleet(wrap=clock.wrap, pool={"replica_inflight_max": 50},
                  timeouts={"head": f"{HEAD_SECONDS}s", "stream_total": "30m"})
    scrapes, heads, states = [], [], []
    with Load(fleet.url) as load:
        load.wait_for_streams()
        for seconds in (HOUR, 0, -HOUR, 0):
            slow = HalfAHead(fleet.url)
            rest(0.3)
            clock.put(seconds)
            before = total(fleet.metrics(), "sluice_scrapes_total", result="ok")
            late = slow.seconds() - HEAD_SECONDS
            if not load.held_up(slow.began, slow.ended):
                heads.append(late)
                states += [row["state"] for row in support.replicas(fleet.gateway.admin)]
            scrapes.append(total(fleet.metrics(), "sluice_scrapes_total", result="ok") - before)
    report = Report(load.finished)
    lines = fleet.log_lines(report.calls)
    jumps = [moved(lines[call.id], call) for call in report.calls]
    wrong = [call for call in load.undisturbed()
             if abs(lines[call.id]["duration_ms"] / 1000 - call.seconds) > 1]
    figures.note("requests", len(report.calls))
    figures.note("times in the log", f"{min(jumps):+.0f} … {max(jumps):+.0f} s")
    figures.hold("lost", report.not_served, 0)
    figures.hold("refused connections", len(load.refused_connections), 0)
    figures.hold_slowest("half a head: told off too late by", heads, 0.5, load)
    figures.hold_slowest("half a head: too early by", [-late for late in heads], 0.0, load)
    figures.hold("wrong durations in the log", len(wrong), 0)
    figures.hold("replicas that are not ready", len(states) - states.count("ready"), 0)
    figures.hold("steps without scrapes", sum(not count for count in scrapes), 0)
    assert max(jumps) > HOUR - 60 and min(jumps) < 60 - HOUR, "the clock was not moved"
    fleet.check_and_stop()
