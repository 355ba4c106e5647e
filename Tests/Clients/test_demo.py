"""The demo on a terminal: its screen fits, says what is so, and gives the terminal back."""

import contextlib
import fcntl
import os
import pty
import re
import select
import signal
import struct
import subprocess
import termios
import time

import pytest

import support

pytestmark = pytest.mark.simulated

ESCAPE = re.compile(r"\x1b\[[0-9;]*[A-Za-z]")


class Screen:
    """The demo behind a pseudo-terminal of a given size."""

    def __init__(self, columns, rows, *flags):
        self.master, slave = pty.openpty()
        self.before = termios.tcgetattr(slave)
        self.slave = slave
        self.resize(columns, rows)
        self.text = ""
        self.process = subprocess.Popen(
            [support.SLUICE, "demo", "--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0", *flags],
            stdin=slave, stdout=slave, stderr=slave, start_new_session=True,
            preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0))

    def resize(self, columns, rows):
        fcntl.ioctl(self.slave, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

    def read(self, seconds):
        end = time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0:
            if not select.select([self.master], [], [], left)[0]:
                return
            with contextlib.suppress(OSError):
                self.text += os.read(self.master, 65_536).decode("utf-8", "replace")
                return

    def frame(self):
        """The lines of the last whole screen."""
        frames = re.findall(r"\x1b\[H(?:\x1b\[2J)?(.*?)\x1b\[J", self.text, re.S)
        return ESCAPE.sub("", frames[-1]).split("\r\n") if frames else []

    def until(self, condition, what):
        def holds():
            self.read(0.2)
            return condition(self.frame())
        return support.until(holds, what=what)

    def end(self):
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGINT)
        end = time.monotonic() + support.PATIENCE
        while self.process.poll() is None and time.monotonic() < end:
            self.read(0.2)
        self.read(0.2)
        status = self.process.poll()
        if status is None:
            self.process.kill()
            self.process.wait()
        after = termios.tcgetattr(self.slave)
        os.close(self.master)
        os.close(self.slave)
        return status, after


def has_states(*states):
    def holds(frame):
        found = [match[1] for line in frame if (match := re.match(r"sim-\d\s+\S+\s+(\w+)", line))]
        return found == list(states)
    return holds


@pytest.mark.parametrize("columns, rows", [(80, 24), (120, 40)])
def test_the_screen_fits(columns, rows):
    screen = Screen(columns, rows)
    try:
        frame = screen.until(
            lambda frame: has_states("ready", "ready", "ready")(frame) and frame, "three replicas")
        assert len(frame) <= rows
        assert max(map(len, frame)) <= columns
        shown = "\n".join(frame)
        for told in ("gateway  http://127.0.0.1:", "admin    http://127.0.0.1:", "errors",
                     "first token", "answered", "curl -N http://", "[q] quit"):
            assert told in shown, shown
        assert ("/sim/faults" in shown) == (rows == 40)
        assert ("since, why" in shown) == (columns == 120)
    finally:
        status, after = screen.end()
    assert status == 0
    assert after == screen.before
    said = ESCAPE.sub("", screen.text)
    assert "stopping: " in said
    assert re.search(r"stopped: \d+ answered", said)


def test_a_key_kills_a_replica_and_revives_it():
    screen = Screen(100, 30)
    try:
        screen.until(has_states("ready", "ready", "ready"), "three replicas")
        os.write(screen.master, b"2")
        screen.until(has_states("ready", "dead", "ready"), "a dead replica")
        assert any("sim-2 killed; press 2" in line for line in screen.frame())
        os.write(screen.master, b"2")
        screen.until(lambda frame: has_states("ready", "warming", "ready")(frame)
                     or has_states("ready", "ready", "ready")(frame), "its return")
        os.write(screen.master, b"q")
        support.until(lambda: (screen.read(0.1), screen.process.poll() is not None)[1], what="the end")
    finally:
        status, _ = screen.end()
    assert status == 0


def test_a_smaller_terminal_loses_hints_and_not_the_table():
    screen = Screen(120, 40)
    try:
        screen.until(has_states("ready", "ready", "ready"), "three replicas")
        screen.resize(80, 16)
        frame = screen.until(lambda frame: len(frame) <= 16 and frame, "a smaller screen")
        assert max(map(len, frame)) <= 80
        assert has_states("ready", "ready", "ready")(frame)
        assert "[q] quit" in frame[-2]
    finally:
        status, _ = screen.end()
    assert status == 0


def test_without_an_admin_listener_the_table_says_so():
    screen = Screen(80, 24, "--admin", "off")
    try:
        screen.until(lambda frame: any("admin listener, which is off" in line for line in frame),
                     "the reason")
    finally:
        status, _ = screen.end()
    assert status == 0
