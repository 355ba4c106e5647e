"""What a replica sends that nobody asked for is given to nobody (response-queue poisoning)."""

import contextlib
import http.client
import json
import os
import pathlib
import signal
import socket
import subprocess

import scripted
import support


def answer(text):
    return b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: %d\r\n\r\n%s" % (len(text), text)


def order(what, replica, gateway):
    subprocess.run([support.SLUICE, what, replica, "--admin", gateway.admin], check=True,
                   capture_output=True, timeout=support.PATIENCE)


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


def test_who_speaks_before_it_is_asked_answers_nobody(tmp_path):
    """Its connection comes about, and its answer is there, while the gateway stands still; nothing
    was asked of it yet, so that another replica can be."""
    hole = scripted.BlackHole()
    well = scripted.Upstream(lambda connection, _: connection.sendall(answer(b"own")) or True)
    config = tmp_path / "sluice.yaml"
    config.write_text(json.dumps({  # JSON is YAML
        "listen": "127.0.0.1:0", "admin": "127.0.0.1:0", "access_log": "off",
        "timeouts": {"connect": "20s"}, "pools": [{
            "name": "default", "replicas": [hole.url, {"url": well.url, "name": "well"}]}]}))
    gateway = support.Gateway("--config", config)
    spoken = []
    try:
        order("cordon", "well", gateway)
        with support.send(gateway.url + "/v1/chat/completions", support.chat_body()) as client:
            support.until(lambda: support.in_flight(gateway.admin) == 1, what="the request's way")
            order("uncordon", "well", gateway)
            os.kill(gateway.process.pid, signal.SIGSTOP)
            support.until(lambda: stopped(gateway.process.pid), what="the stop")
            # Its SYN comes again within seconds (tcp(7)); so does that of a probe.
            fillers = {held.getsockname() for held in hole.held}
            hole.listener.settimeout(4)
            with contextlib.suppress(TimeoutError):
                while True:
                    connection, address = hole.listener.accept()
                    if address not in fillers:
                        connection.sendall(answer(b"stray"))
                    spoken.append(connection)
            os.kill(gateway.process.pid, signal.SIGCONT)
            client.settimeout(support.PATIENCE)
            told = client.recv(65_536)
            assert told.startswith(b"HTTP/1.1 200 ") and told.endswith(b"own"), told
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.kill(gateway.process.pid, signal.SIGCONT)
        gateway.stop()
        hole.close()
        well.close()
        for connection in spoken:
            connection.close()
