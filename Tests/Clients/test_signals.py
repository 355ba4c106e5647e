"""Signals that log rotation sends: the file is opened anew, and nothing ends."""

import signal

import pytest

import support

pytestmark = pytest.mark.simulated


def test_a_log_that_was_moved_away_is_opened_anew(programs, tmp_path):
    replica = support.Simulator()
    programs.append(replica)
    log = tmp_path / "access.log"
    gateway = support.gateway_for(replica.url, flags=["--access-log", log])
    programs.append(gateway)

    def ask(count):
        for _ in range(count):
            answer = support.post(gateway.url + "/v1/chat/completions", support.chat_body())
            assert answer.status == 200

    def lines(path):
        return path.read_text().count("\n") if path.exists() else 0

    ask(3)
    support.until(lambda: lines(log) == 3, what="three lines")
    moved = tmp_path / "access.log.1"
    log.rename(moved)
    gateway.process.send_signal(signal.SIGUSR1)
    support.until(lambda: "open anew" in gateway.output(), what="the notice")
    ask(2)
    support.until(lambda: lines(log) == 2, what="two lines in the new file")
    assert lines(moved) == 3
    # A path that cannot be opened keeps the file there is.
    log.rename(tmp_path / "access.log.2")
    log.mkdir()
    gateway.process.send_signal(signal.SIGUSR1)
    support.until(lambda: "cannot be opened anew" in gateway.output(), what="the warning")
    ask(1)
    support.until(lambda: lines(tmp_path / "access.log.2") == 3, what="the line in the old file")


def test_a_signal_without_a_meaning_ends_nothing(fleet, programs):
    gateway = support.gateway_for(*fleet.replicas)
    programs.append(gateway)
    gateway.process.send_signal(signal.SIGUSR2)
    support.until(lambda: "SIGUSR2" in gateway.output(), what="the notice")
    assert support.post(gateway.url + "/v1/chat/completions", support.chat_body()).status == 200
