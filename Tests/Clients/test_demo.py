"""The demo on a terminal: its screen fits, says what is so, and gives the terminal back."""

import os
import re

import pytest

import support
import terminal

pytestmark = pytest.mark.simulated


def demo(columns, rows, *flags):
    return terminal.Screen(
        columns, rows, "demo", "--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0", *flags)


def has_states(*states):
    def holds(frame):
        found = [match[1] for line in frame if (match := re.match(r"sim-\d\s+\S+\s+(\w+)", line))]
        return found == list(states)
    return holds


@pytest.mark.parametrize("columns, rows", [(80, 24), (120, 40)])
def test_the_screen_fits(columns, rows):
    screen = demo(columns, rows)
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
    said = terminal.ESCAPE.sub("", screen.text)
    assert "stopping: " in said
    assert re.search(r"stopped: \d+ answered", said)


def test_a_key_kills_a_replica_and_revives_it():
    screen = demo(100, 30)
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
    screen = demo(120, 40)
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
    screen = demo(80, 24, "--admin", "off")
    try:
        screen.until(lambda frame: any("admin listener, which is off" in line for line in frame),
                     "the reason")
    finally:
        status, _ = screen.end()
    assert status == 0
