"""`sluice top` in a real terminal emulator: what is on its screen, not what was written to it."""

import re
import shutil
import subprocess

import pytest

import support

pytestmark = pytest.mark.simulated


class Tmux:
    """A tmux server of its own with one window, in which a shell runs."""

    def __init__(self, folder, columns, rows):
        self.command = ["tmux", "-f", "/dev/null", "-S", str(folder / "tmux")]
        self.run("new-session", "-d", "-x", str(columns), "-y", str(rows), "env", "PS1=prompt> ", "sh")
        self.run("set-option", "-g", "window-size", "manual")

    def run(self, *arguments):
        return subprocess.run([*self.command, *arguments], check=True, capture_output=True,
                              text=True, timeout=support.PATIENCE).stdout

    def type(self, *keys):
        self.run("send-keys", *keys)

    def screen(self, above=0):
        """The lines on the screen, and so many of those that have left it."""
        return self.run("capture-pane", "-p", "-S", str(-above)).rstrip("\n").split("\n")

    def shows(self, pattern):
        """The screen, once a line of it matches."""
        return support.until(
            lambda: next((lines for lines in [self.screen()]
                          if any(re.search(pattern, line) for line in lines)), None),
            what=f"{pattern!r} on the screen")


@pytest.fixture
def tmux(tmp_path):
    if not shutil.which("tmux"):
        pytest.skip("needs tmux")
    made = []

    def start(columns, rows):
        made.append(Tmux(tmp_path, columns, rows))
        return made[-1]

    yield start
    for one in made:
        one.run("kill-server")


def test_top_draws_follows_the_size_and_destroys_nothing(programs, tmux):
    replica = support.Simulator()
    programs.append(replica)
    gateway = support.gateway_for(replica.url, flags=["--access-log", "off"])
    programs.append(gateway)
    window = tmux(120, 36)
    window.shows("^prompt>")
    window.type("echo before", "Enter")
    window.shows("^before")
    window.type(f"{support.SLUICE} top --admin {gateway.admin}", "Enter")
    assert window.shows(r"^sluice top .*  ready")[0].startswith("sluice top")
    for _ in range(3):
        answer = support.post(gateway.url + "/v1/chat/completions", support.chat_body(stream=True))
        assert answer.status == 200
    lines = window.shows(r"^first token or none p99 +[\d.]+ ms")
    assert not any(re.search("before|prompt>", line) for line in lines), "a screen of its own"
    name = replica.url.removeprefix("http://")
    assert any(line.startswith(name) and " ready " in line for line in lines)
    assert lines[-1].startswith("[q] quit")

    window.run("resize-window", "-x", "70", "-y", "20")
    lines = support.until(
        lambda: next((lines for lines in [window.screen()] if len(lines) <= 20
                      and lines[0].startswith("sluice top") and lines[-1].startswith("[q]")), None),
        what="the same in less room")
    assert max(map(len, lines)) <= 70

    window.type("q")
    lines = window.shows(r"^prompt> *$")
    assert lines[0].startswith("sluice top"), "the last figures stay"
    assert "before" in window.screen(above=200), "what was there before is above them"
