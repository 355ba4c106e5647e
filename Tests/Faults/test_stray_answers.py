"""What a replica sends that nobody asked for is given to nobody (response-queue poisoning)."""

import contextlib
import http.client
import json
import os
import pathlib
import signal
import socket

import scripted
import support


def answer(text):
    return b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: %d\r\n\r\n%s" % (len(text), text)


def stopped(pid):
    """Whether every thread of the process stands still."""
    states = [stat.read_text().rpartition(")")[2].split()[0]
              for stat in pathlib.Path(f"/proc/{pid}/task").glob("*/stat")]
    return set(states) == {"T"}


def test_an_answer_too_many_in_the_turn_of_the_next_request():
    """The gateway stands still while both come, the request first: it sees them in one turn."""
    used = []

    def behave(connection, _):
        used.append(connection)
        # Else it waits for the acknowledgement that the next request brings.
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        connection.sendall(answer(b"own"))
        return True

    upstream = scripted.Upstream(behave)
    gateway = support.gateway_for(upstream.url, flags=("--workers", "1"))
    try:
        client = http.client.HTTPConnection(gateway.url.removeprefix("http://"), timeout=support.PATIENCE)
        with contextlib.closing(client):
            for _ in range(20):
                client.request("POST", "/v1/chat/completions", json.dumps(support.chat_body()),
                               {"Content-Type": "application/json"})
                assert client.getresponse().read() == b"own"
                os.kill(gateway.process.pid, signal.SIGSTOP)
                support.until(lambda: stopped(gateway.process.pid), what="the stop")
                client.request("POST", "/v1/chat/completions", json.dumps(support.chat_body()),
                               {"Content-Type": "application/json"})
                used[-1].sendall(answer(b"stray"))
                os.kill(gateway.process.pid, signal.SIGCONT)
                assert client.getresponse().read() == b"own"
        assert len(set(used)) > 10, "the connections with stray answers were ended"
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.kill(gateway.process.pid, signal.SIGCONT)
        gateway.stop()
        upstream.close()
