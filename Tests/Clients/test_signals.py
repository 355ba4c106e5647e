"""Signals: log rotation's opens the file anew and ends nothing; the end's loses no connection."""

import contextlib
import json
import signal
import socket
import urllib.parse

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


def test_connections_that_the_kernel_has_taken_are_served_before_the_end(fleet, programs):
    gateway = support.gateway_for(*fleet.replicas)
    programs.append(gateway)
    body = json.dumps(support.chat_body()).encode()
    request = b"".join([
        b"POST /v1/chat/completions HTTP/1.1\r\nhost: a\r\ncontent-type: application/json\r\n",
        b"content-length: %d\r\n\r\n" % len(body), body])
    address = urllib.parse.urlsplit(gateway.url)
    with contextlib.ExitStack() as clients:
        # Many more than a turn of the loop accepts come while the gateway does not run.
        gateway.process.send_signal(signal.SIGSTOP)
        try:
            connections = [
                clients.enter_context(socket.create_connection((address.hostname, address.port), timeout=20))
                for _ in range(400)]
            for connection in connections:
                connection.sendall(request)
            gateway.process.send_signal(signal.SIGTERM)
        finally:
            gateway.process.send_signal(signal.SIGCONT)
        answers = [connection.recv(65536)[:13] for connection in connections]
    assert answers == [b"HTTP/1.1 200 "] * 400
    assert gateway.process.wait(timeout=20) == 0
