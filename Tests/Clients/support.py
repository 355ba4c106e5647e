"""Processes and questions that the client tests share. Standard library only."""

import contextlib
import json
import os
import pathlib
import queue
import re
import signal
import socket
import subprocess
import threading
import time
import urllib.error
import urllib.parse
import urllib.request

ROOT = pathlib.Path(__file__).resolve().parents[2]
SLUICE = os.environ.get("SLUICE_BINARY", str(ROOT / ".build/release/sluice"))
VLLM_SIM = os.environ.get("VLLM_SIM_BINARY", str(ROOT / ".build/release/vllm-sim"))
MODEL = "tiny"

# Bound of every wait that has no figure of its own. Generous: these machines are shared.
PATIENCE = 20.0


def until(condition, seconds=PATIENCE, what="the condition"):
    """Asks until the answer is true; returns it. A wait for a condition, never a sleep."""
    end = time.monotonic() + seconds
    while True:
        answer = condition()
        if answer:
            return answer
        if time.monotonic() > end:
            raise AssertionError(f"{what} did not hold within {seconds} s (last: {answer!r})")
        time.sleep(0.01)


class Program:
    """One process of ours: started, ready after its own ready line, ended by its id."""

    def __init__(self, arguments, ready):
        self.arguments = [str(a) for a in arguments]
        self.lines = []
        self.process = subprocess.Popen(
            self.arguments, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
            stdin=subprocess.DEVNULL, text=True)
        self._ready = queue.Queue()
        self._pattern = re.compile(ready)
        self.leaks = []
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()
        try:
            self.ready_line = self._ready.get(timeout=PATIENCE)
        except queue.Empty:
            self.ready_line = None
        if self.ready_line is None:
            self.kill()
            raise AssertionError(
                f"{' '.join(self.arguments)} was not ready; it said:\n{self.output()}")

    def _read(self):
        for line in self.process.stdout:
            if len(self.lines) < 2_000:
                self.lines.append(line)
            # What a worker says at its end of descriptors, timers and buffers.
            if re.search(r" worker \d+: .* left", line):
                self.leaks.append(line)
            if self._pattern.search(line):
                self._ready.put(line)
        self._ready.put(None)

    def output(self):
        return "".join(self.lines[-40:])

    def stop(self):
        """SIGTERM, then the exit status, which has to be 0; nothing may be left by then."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        try:
            status = self.process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            self.kill()
            raise AssertionError(f"{self.arguments[0]} ignored SIGTERM:\n{self.output()}") from None
        assert status == 0, f"{self.arguments[0]} ended with {status}:\n{self.output()}"
        self._reader.join(PATIENCE)
        # By this word no run is repeated (scripts/client-tests.sh).
        assert not self.leaks, f"LEAK: {self.leaks}"

    def kill(self):
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()


class Simulator(Program):
    """A simulated replica on a port of the kernel's choosing."""

    def __init__(self, *flags, model=MODEL, listen="127.0.0.1:0"):
        super().__init__([VLLM_SIM, "--listen", listen, "--model", model, *flags],
                         r"vllm-sim ready on http://")
        self.url = re.search(r"http://[\d.]+:\d+", self.ready_line).group(0)


class Gateway(Program):
    """The gateway on ports of the kernel's choosing."""

    def __init__(self, *flags, command="serve", wrap=()):
        # wrap: a command that runs the gateway in its own process, such as prlimit.
        super().__init__([*wrap, SLUICE, command, *flags], r"^sluice ready ")
        line = self.ready_line
        self.url = re.search(r"https?://[\d.]+:\d+", line).group(0)
        found = re.search(r"admin=(http://[\d.]+:\d+)", line)
        self.admin = found.group(1) if found else None
        found = re.search(r"status=(http://[\d.]+:\d+)", line)
        self.status = found.group(1) if found else None


def gateway_for(*replicas, flags=()):
    """A gateway before these replica URLs that has probed all of them."""
    arguments = ["--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0"]
    for replica in replicas:
        arguments += ["--replica", replica]
    gateway = Gateway(*arguments, *flags)
    until(lambda: get(gateway.admin + "/readyz").status == 200, what="readiness")
    return gateway


class Answer:
    def __init__(self, status, headers, body):
        self.status, self.headers, self.body = status, headers, body

    @property
    def text(self):
        return self.body.decode("utf-8", "replace")

    def json(self):
        return json.loads(self.body)


def get(url, body=None, headers=None, timeout=PATIENCE):
    """One request; every status is an answer, no status an exception."""
    request = urllib.request.Request(url, data=body, headers=headers or {})
    try:
        with urllib.request.urlopen(request, timeout=timeout) as answer:
            return Answer(answer.status, answer.headers, answer.read())
    except urllib.error.HTTPError as error:
        with contextlib.closing(error):
            return Answer(error.code, error.headers, error.read())


def post(url, value, headers=None, timeout=PATIENCE):
    body = value if isinstance(value, bytes) else json.dumps(value).encode()
    return get(url, body, {"Content-Type": "application/json", **(headers or {})}, timeout)


def connect(url):
    """A connection to where a URL leads, to be closed by the caller."""
    where = urllib.parse.urlsplit(url)
    return socket.create_connection((where.hostname, where.port), PATIENCE)


def send(url, value):
    """Sends a request and reads nothing: the connection, to be closed by the caller."""
    where = urllib.parse.urlsplit(url)
    body = json.dumps(value).encode()
    connection = connect(url)
    connection.sendall(
        f"POST {where.path} HTTP/1.1\r\nHost: {where.netloc}\r\n"
        f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body)
    return connection


def samples(url, name, timeout=PATIENCE):
    """The samples of one metric: labels as written → value."""
    found = {}
    for line in get(url, timeout=timeout).text.splitlines():
        match = re.match(rf"{re.escape(name)}(\{{.*\}})? (\S+)", line)
        if match:
            found[match.group(1) or ""] = float(match.group(2))
    return found


def running(replica, timeout=PATIENCE):
    """Requests that a replica says it runs or holds, over all its engines."""
    return int(sum(value for state in ("running", "waiting") for value in samples(
        replica + "/metrics", f"vllm:num_requests_{state}", timeout).values()))


def agree(admin, within=0):
    """The gateway's account of every replica is the replica's own, but for so many, five seconds
    after the last request at most; one that is gone or does not answer has no account."""
    def differences():
        found = {}
        for row in replicas(admin):
            with contextlib.suppress(OSError):
                difference = abs(row["in_flight"] - running(row["url"], timeout=2))
                if difference > within:
                    found[row["name"]] = difference
        return found

    end = time.monotonic() + 5
    while (found := differences()) and time.monotonic() < end:
        time.sleep(0.05)
    assert not found, f"LEAK: gateway and replicas differ by {found} requests"


def replicas(admin):
    """The rows of `/replicas`, whatever page structure holds them: objects with a URL."""
    found = []

    def walk(value):
        if isinstance(value, dict):
            if "url" in value and "in_flight" in value:
                found.append(value)
            for child in value.values():
                walk(child)
        elif isinstance(value, list):
            for child in value:
                walk(child)

    walk(get(admin + "/replicas").json())
    assert found, "/replicas names no replica"
    return found


def in_flight(admin):
    """Requests that the gateway holds at all its replicas together."""
    return sum(row["in_flight"] for row in replicas(admin))


def chat_body(stream=False, tokens=8, model=MODEL, **more):
    return {"model": model, "stream": stream, "max_tokens": tokens, "ignore_eos": True,
            "messages": [{"role": "user", "content": "Say something."}], **more}
