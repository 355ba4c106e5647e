"""The load that every fault meets: 200 concurrent streams and 50 short requests a second.

Raw sockets on one event loop in a thread of its own, so that a test reads top down. Every
answer is judged by what its client saw; see `Call.verdict`. Times are `time.monotonic()`.
"""

import asyncio
import contextlib
import json
import math
import random
import threading
import time
import urllib.parse

import support
from machine import LAG_MAX, Stalls

STREAMS = 200
SHORTS_PER_SECOND = 50
TOKENS = 20
# A refused or failed client waits for half to one and a half of this, as SDKs do.
BACK_OFF = 0.3
# Bound of one call: nothing that is tested takes so long.
CALL_SECONDS = 30.0


def quantile(values, q):
    """The smallest value that a share of at least q does not exceed."""
    ordered = sorted(values)
    assert ordered, "nothing was measured, or the machine held up all of it"
    return ordered[max(0, math.ceil(q * len(ordered)) - 1)]


class Call:
    """One request and what came of it."""

    __slots__ = ("id", "stream", "tokens", "began", "head_at", "event_at", "ended", "status",
                 "headers", "whole", "done", "finish", "events", "own", "foreign", "error_event",
                 "body", "raw")

    def __init__(self, identity, stream, tokens):
        self.id, self.stream, self.tokens = identity, stream, tokens
        self.began = self.head_at = self.event_at = self.ended = None
        self.status, self.headers, self.body, self.raw = 0, {}, bytearray(), False
        self.whole = self.done = self.finish = self.error_event = False
        self.events = self.own = self.foreign = 0

    @property
    def verdict(self):
        """One word of what the client saw.

        ok         200, whole, with all its tokens
        refused    429 or 503 with Retry-After: the agreed refusals
        gone_wrong 200, well ended, but not all there: a cut that looks finished
        cut        200, and the connection ended before the answer did
        lost       no answer at all
        NNN        any other status
        """
        if not self.status:
            return "lost"
        if self.status in (429, 503) and "retry-after" in self.headers and self.whole:
            return "refused"
        if self.status != 200:
            return str(self.status)
        if not self.whole:
            return "gone_wrong" if self.done else "cut"
        if self.stream:
            return "ok" if self.done and self.own == self.tokens + 1 else "gone_wrong"
        return "ok" if self.own == 1 and self.finish else "gone_wrong"

    @property
    def seconds(self):
        return self.ended - self.began


class Connection(asyncio.Protocol):
    """One client connection: a call at a time, kept while the gateway keeps it."""

    def __init__(self):
        self.transport, self.call, self.finished = None, None, None
        self.pending, self.length, self.chunked, self.in_head = bytearray(), None, False, True
        self.closed = False

    def connection_made(self, transport):
        self.transport = transport

    def connection_lost(self, error):
        self.closed = True
        self._end()

    def begin(self, call, request):
        self.call, self.finished = call, asyncio.get_running_loop().create_future()
        self.pending.clear()
        self.in_head, self.length, self.chunked = True, None, False
        call.began = time.monotonic()
        self.transport.write(request)
        return self.finished

    def _end(self):
        if self.call is None:
            return
        self.call.ended = time.monotonic()
        self.call = None
        if not self.finished.done():
            self.finished.set_result(None)

    def data_received(self, data):
        call = self.call
        if call is None:  # bytes that nobody asked for
            self.transport.abort()
            return
        self.pending += data
        if self.in_head and not self._head(call):
            return
        if self.chunked:
            self._chunks(call)
        elif self.length is not None and len(self.pending) >= self.length:
            self._payload(call, bytes(self.pending[:self.length]))
            self._whole(call)

    def _head(self, call):
        end = self.pending.find(b"\r\n\r\n")
        if end < 0:
            return False
        lines = bytes(self.pending[:end]).split(b"\r\n")
        del self.pending[:end + 4]
        self.in_head = False
        parts = lines[0].split(b" ")
        if len(parts) < 2 or not parts[0].startswith(b"HTTP/1.1") or not parts[1].isdigit():
            call.raw = True
            self.transport.abort()
            return False
        call.status, call.head_at = int(parts[1]), time.monotonic()
        for line in lines[1:]:
            name, _, value = line.partition(b":")
            call.headers[name.decode("latin-1").lower()] = value.strip().decode("latin-1")
        self.chunked = call.headers.get("transfer-encoding") == "chunked"
        if "content-length" in call.headers:
            self.length = int(call.headers["content-length"])
        return True

    def _chunks(self, call):
        pending, at = self.pending, 0
        while True:
            end = pending.find(b"\r\n", at)
            if end < 0:
                break
            size = int(pending[at:end], 16)
            if len(pending) < end + 4 + size:
                break
            if size == 0:
                del pending[:]
                self._whole(call)
                return
            self._payload(call, bytes(pending[end + 2:end + 2 + size]))
            at = end + 4 + size
        del pending[:at]

    def _payload(self, call, data):
        all_ids = data.count(b'"id":"chatcmpl-')
        own = data.count(b'"id":"chatcmpl-' + call.id + b"-")
        if own:
            call.own += own
            call.event_at = time.monotonic()
        call.foreign += all_ids - own
        call.events += data.count(b"data: ")
        call.done = call.done or b"data: [DONE]" in data
        call.finish = call.finish or b'"finish_reason":"length"' in data
        call.error_event = call.error_event or data.startswith(b'data: {"error"')
        if call.status != 200:
            call.body += data

    def _whole(self, call):
        call.whole = True
        if call.headers.get("connection", "").lower() == "close":
            self.closed = True
            self.transport.close()
        self._end()


class Load(Stalls):
    """`with Load(url) as load:` – the load of section 3 runs until the block ends.

    Leaving the block begins no more calls and waits for those in flight.

    - answers: lengths of the streams' answers in tokens, in place of `tokens` for all of them.
    - prompts: lengths of all prompts in words.
    - context: of TLS, where the gateway speaks it.
    """

    def __init__(self, url, streams=STREAMS, shorts=SHORTS_PER_SECOND, tokens=TOKENS, prefix="f",
                 answers=None, prompts=None, context=None):
        super().__init__()
        where = urllib.parse.urlsplit(url)
        self.host, self.port, self.prefix = where.hostname, where.port, prefix
        self.streams, self.shorts, self.tokens = streams, shorts, tokens
        self.answers, self.prompts, self.context = answers, prompts, context
        self.calls, self.refused_connections, self.unfinished = [], [], 0
        self._stopping, self._serial, self._idle = False, 0, []
        self._thread = threading.Thread(target=lambda: asyncio.run(self._run()), daemon=True)

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *_):
        self.stop()

    def stop(self):
        self._stopping = True
        self._thread.join(CALL_SECONDS + 10)
        assert not self._thread.is_alive(), "the load did not end"

    @property
    def finished(self):
        """The calls that have ended, in the order of their beginning."""
        return [call for call in self.calls if call.ended is not None]

    def undisturbed(self, calls=None, until="ended"):
        """The calls (default: all that finished) in whose time this process was never held up.

        Their time is that until they `ended`, or until `head_at`. Machines of tests stand still
        now and then, for seconds; no figure of ours is to be read from what was under way in
        such a moment.
        """
        calls = self.finished if calls is None else calls
        stalls = self.stalls
        return [c for c in calls
                if not any(c.began < end and begin < (getattr(c, until) or c.ended)
                           for begin, end in stalls)]

    def ended_in_time(self, calls, since="began", until="ended"):
        """Those in the beginning and end of whose time this process was not held up.

        For limits of seconds: what stood still between, while the time ran, changes nothing.
        """
        stalls = [(begin - LAG_MAX, end + 2 * LAG_MAX) for begin, end in self.stalls]
        return [c for c in calls
                if not any(begin < getattr(c, moment) < end
                           for begin, end in stalls for moment in (since, until))]

    def error(self, q=1.0):
        """What a latency of undisturbed calls may be wrong by, in seconds.

        Twice the quantile of how late a timer comes: the gateway's turn is late, and the client's.
        """
        return 2 * quantile(self.lags, q)

    def wait_for_streams(self):
        """Until every stream has received something: the fault meets a full house."""
        def full():
            answered = sum(1 for c in self.calls if c.stream and (c.events or c.ended))
            return answered >= self.streams
        support.until(full, what=f"{self.streams} streams")

    def request(self, stream, tokens):
        self._serial += 1
        identity = f"{self.prefix}{self._serial}".encode()
        words = {"messages": [{"role": "user", "content": "word " * self.prompts.draw()}]
                 } if self.prompts else {}
        body = json.dumps(support.chat_body(stream=stream, tokens=tokens, **words)).encode()
        head = (b"POST /v1/chat/completions HTTP/1.1\r\nHost: sluice\r\nX-Request-Id: " + identity
                + b"\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n" % len(body))
        call = Call(identity, stream, tokens)
        return call, head + body

    async def _open(self):
        """A connection, or None where the listener is not there."""
        try:
            _, protocol = await asyncio.get_running_loop().create_connection(
                Connection, self.host, self.port, ssl=self.context)
            return protocol
        except OSError:
            self.refused_connections.append(time.monotonic())
            return None

    async def _call(self, connection, stream, tokens):
        """One call on this connection or a new one; returns the connection if it was kept."""
        if connection is None or connection.closed:
            connection = await self._open()
            if connection is None:
                return None, None
        call, request = self.request(stream, tokens)
        self.calls.append(call)
        finished = connection.begin(call, request)
        try:
            await asyncio.wait_for(finished, CALL_SECONDS)
        except TimeoutError:
            self.unfinished += 1
            connection.transport.abort()
            connection._end()
        return (None if connection.closed else connection), call

    async def _user(self, number):
        await asyncio.sleep(number * 0.5 / max(1, self.streams))
        connection = None
        while not self._stopping:
            tokens = self.answers.draw() if self.answers else self.tokens
            connection, call = await self._call(connection, True, tokens)
            if call is None or call.verdict != "ok":
                await asyncio.sleep(BACK_OFF * random.uniform(0.5, 1.5))
        if connection:
            connection.transport.close()

    async def _short(self):
        connection = None
        while self._idle and (connection is None or connection.closed):
            connection = self._idle.pop()
        connection, _ = await self._call(connection, False, 1)
        if connection:
            self._idle.append(connection)

    async def _pace(self):
        tasks, due = set(), time.monotonic()
        while not self._stopping:
            task = asyncio.create_task(self._short())
            tasks.add(task)
            task.add_done_callback(tasks.discard)
            due += 1 / self.shorts
            await asyncio.sleep(max(0.0, due - time.monotonic()))
        if tasks:
            await asyncio.wait(tasks)

    async def _run(self):
        jobs = [asyncio.create_task(self._user(n)) for n in range(self.streams)]
        if self.shorts:
            jobs.append(asyncio.create_task(self._pace()))
        measuring = asyncio.create_task(self.measure_lag())
        await asyncio.gather(*jobs)
        measuring.cancel()
        for connection in self._idle:
            with contextlib.suppress(Exception):
                connection.transport.close()
        await asyncio.sleep(0)


class Report:
    """Counts over calls, the figures of every row."""

    def __init__(self, calls):
        self.calls = list(calls)
        self.verdicts = {}
        for call in self.calls:
            self.verdicts[call.verdict] = self.verdicts.get(call.verdict, 0) + 1

    def __getitem__(self, verdict):
        return self.verdicts.get(verdict, 0)

    @property
    def wrong_statuses(self):
        return sum(count for verdict, count in self.verdicts.items() if verdict.isdigit())

    @property
    def not_served(self):
        """Requests without a right answer, the agreed refusals included."""
        return len(self.calls) - self["ok"]

    @property
    def mixed_up(self):
        return sum(call.foreign for call in self.calls)

    @property
    def raw(self):
        """Answers that were no HTTP: bytes of a broken upstream passed through."""
        return sum(call.raw for call in self.calls)

    def first_byte(self, q, stream=True):
        """Quantile of the time to the head of served answers, in seconds."""
        return quantile([c.head_at - c.began for c in self.calls
                         if c.stream == stream and c.verdict == "ok"], q)

    def __str__(self):
        return " ".join(f"{v}={n}" for v, n in sorted(self.verdicts.items())) or "no calls"
