"""Replicas that misbehave in ways that vllm-sim cannot, and those that count what they get."""

import contextlib
import json
import re
import socket
import struct
import threading

import support

STREAM_HEAD = (b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n"
               b"Transfer-Encoding: chunked\r\n\r\n")


def chunk(data):
    return b"%x\r\n%s\r\n" % (len(data), data)


def listening(backlog=512):
    listener = socket.socket()
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind(("127.0.0.1", 0))
    listener.listen(backlog)
    return listener


class BlackHole:
    """A port whose accept queue is full: the kernel drops every further SYN."""

    def __init__(self):
        self.listener = listening(backlog=0)
        self.address = self.listener.getsockname()
        self.url = "http://127.0.0.1:%d" % self.address[1]
        self.name = self.url.removeprefix("http://")
        self.held = []
        while len(self.held) < 16:
            filler = socket.socket()
            filler.settimeout(0.2)
            self.held.append(filler)
            try:
                filler.connect(self.address)
            except OSError:  # the queue is full
                return
        raise AssertionError("the accept queue does not fill up")

    def close(self):
        for held in [*self.held, self.listener]:
            held.close()


class Upstream:
    """One thread per connection; `behave(connection, request id)` decides about a POST.

    `/health`, `/v1/models` and `/metrics` (the bytes of `page()`, 404 without) are answered, so
    that it looks alive. `received` holds the ids of all inference requests that arrived whole.
    """

    def __init__(self, behave=None, page=None):
        self.behave, self.page, self.received, self.open = behave, page, [], set()
        self.listener = listening()
        self.url = "http://127.0.0.1:%d" % self.listener.getsockname()[1]
        self.name = self.url.removeprefix("http://")
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self):
        # Wakes the thread that waits in accept; a plain close would not.
        with contextlib.suppress(OSError):
            self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()
        for connection in list(self.open):
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)

    def _accept(self):
        while True:
            try:
                connection, _ = self.listener.accept()
            except OSError:
                return
            self.open.add(connection)
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection):
        pending = b""
        with connection, contextlib.suppress(OSError):
            while True:
                while b"\r\n\r\n" not in pending:
                    data = connection.recv(65_536)
                    if not data:
                        break
                    pending += data
                head, separator, pending = pending.partition(b"\r\n\r\n")
                if not separator:
                    break
                length = re.search(rb"(?i)content-length: *(\d+)", head)
                missing = int(length.group(1)) if length else 0
                while len(pending) < missing:
                    pending += connection.recv(65_536)
                pending = pending[missing:]
                if not self._answer(connection, head):
                    break
        self.open.discard(connection)

    def _answer(self, connection, head):
        """Whether the connection stays."""
        path = head.split(b" ", 2)[1]
        if head.startswith(b"POST"):
            identity = re.search(rb"(?i)x-request-id: *(\S+)-\w{6}", head).group(1)
            self.received.append(identity)
            return self.behave(connection, identity)
        body, status = b"", b"200 OK"
        if path == b"/v1/models":
            body = json.dumps({"object": "list", "data": [
                {"id": support.MODEL, "object": "model", "owned_by": "vllm"}]}).encode()
        elif path == b"/metrics":
            if self.page is None:
                status = b"404 Not Found"
            else:
                body = self.page()
                if not isinstance(body, bytes):  # an endless page
                    connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n\r\n")
                    for part in body:
                        connection.sendall(part)
        connection.sendall(b"HTTP/1.1 " + status + b"\r\nContent-Type: text/plain\r\n"
                           b"Content-Length: %d\r\n\r\n" % len(body) + body)
        return True


def reset(connection, _):
    """Ends with RST, not FIN."""
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    connection.close()
    return False
