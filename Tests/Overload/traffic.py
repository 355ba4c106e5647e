"""Streaming clients in an open loop: arrivals that do not wait for answers.

One event loop in a thread of its own. Every call is judged by what its client saw: status, time to
the first token, and when each token came. Times are `time.monotonic()`.
"""

import asyncio
import contextlib
import json
import math
import random
import threading
import time
import urllib.parse

from machine import Stalls

# Clients give up after so long: nothing that is tried takes longer where it goes well.
PATIENCE_SECONDS = 30.0
# A timer this late, in seconds, is more than the clients' own work does to them.
LAG_MAX = 0.02


def quantile(values, q):
    """The smallest value that a share of at least q does not exceed; NaN of nothing."""
    ordered = sorted(values)
    return ordered[max(0, math.ceil(q * len(ordered)) - 1)] if ordered else math.nan


class Lengths:
    """Lognormal lengths in tokens: a median, the logarithm's deviation, and the longest."""

    def __init__(self, median, sigma, longest):
        self.median, self.sigma, self.longest = median, sigma, longest

    def draw(self, dice):
        drawn = self.median * math.exp(self.sigma * dice.gauss(0, 1))
        return max(1, min(self.longest, round(drawn)))


class Workload:
    """What is asked: prompts and answers of heavy-tailed lengths."""

    def __init__(self, seed=1, prompts=Lengths(200, 0.8, 4000), answers=Lengths(100, 0.8, 1000)):
        self.dice, self.prompts, self.answers = random.Random(seed), prompts, answers

    def body(self):
        words = "ant bay cat dog ear fig gem hat ice jam key log map net oak pen".split()
        prompt = " ".join(self.dice.choices(words, k=self.prompts.draw(self.dice)))
        return json.dumps({
            "model": "tiny", "stream": True, "max_tokens": self.answers.draw(self.dice),
            "messages": [{"role": "user", "content": prompt}]}).encode()


class Call:
    """One attempt of a request and what came of it."""

    __slots__ = ("began", "status", "headers", "tokens", "ended", "whole", "attempt")

    def __init__(self, attempt):
        self.attempt, self.status, self.headers, self.tokens = attempt, 0, {}, []
        self.began, self.ended, self.whole = time.monotonic(), None, False

    @property
    def wait(self):
        """Time to the first token; None where none came."""
        return self.tokens[0] - self.began if self.tokens else None

    @property
    def is_served(self):
        return self.status == 200 and bool(self.tokens)


class Retries:
    """How clients come back after a refusal, as the official client does: a number of times, after
    `retry-after-ms` where it is told, after half a second that doubles where it is not or where the
    client is naive."""

    def __init__(self, tries=1, heeds=True):
        self.tries, self.heeds = tries, heeds

    def pause(self, call):
        told = call.headers.get("retry-after-ms") if self.heeds else None
        return float(told) / 1000 if told else 0.5 * 2 ** (call.attempt - 1)


class Traffic(Stalls):
    """Poisson arrivals at one or several addresses.

    - phases: (requests per second, seconds), one after the other.
    - calls: every attempt, complete once `run` has returned.
    """

    def __init__(self, urls, phases, workload=None, retries=Retries(), seed=1):
        super().__init__(LAG_MAX)
        self.addresses = [urllib.parse.urlsplit(url).netloc.split(":") for url in urls]
        self.phases, self.retries = phases, retries
        self.workload = workload or Workload(seed)
        self.dice = random.Random(seed + 1)
        self.calls = []
        self.began = None

    def start(self):
        def run():
            with self.cores_watched():
                asyncio.run(self._run())

        self._thread = threading.Thread(target=run, daemon=True)
        self._thread.start()
        return self

    def join(self):
        self._thread.join()
        return self

    def run(self):
        return self.start().join()

    async def _run(self):
        tasks, measuring = set(), asyncio.create_task(self.measure_lag())
        due = self.began = time.monotonic()
        for rate, seconds in self.phases:
            until = due + seconds
            while (due := due + self.dice.expovariate(rate)) < until:
                await asyncio.sleep(max(0, due - time.monotonic()))
                task = asyncio.create_task(self._ask())
                tasks.add(task)
                task.add_done_callback(tasks.discard)
            due = until
        await asyncio.gather(*tasks)
        measuring.cancel()

    async def _ask(self):
        body, address = self.workload.body(), self.dice.choice(self.addresses)
        for attempt in range(1, self.retries.tries + 1):
            call = await self.call(address, body, attempt)
            if call.status not in (429, 503) or attempt == self.retries.tries:
                return
            await asyncio.sleep(self.retries.pause(call))

    async def call(self, address, body, attempt=1):
        call = Call(attempt)
        self.calls.append(call)
        with contextlib.suppress(OSError, EOFError, ValueError, asyncio.TimeoutError):
            await asyncio.wait_for(self._exchange(call, address, body), PATIENCE_SECONDS)
        call.ended = time.monotonic()
        return call

    @staticmethod
    async def _exchange(call, address, body):
        reader, writer = await asyncio.open_connection(*address)
        try:
            head = (f"POST /v1/chat/completions HTTP/1.1\r\nHost: {':'.join(address)}\r\n"
                    "Content-Type: application/json\r\nConnection: close\r\n"
                    f"Content-Length: {len(body)}\r\n\r\n")
            writer.write(head.encode() + body)
            lines = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
            call.status = int(lines[0].split()[1])
            call.headers = {name.lower(): value.strip() for name, _, value
                            in (line.partition(":") for line in lines[1:] if line)}
            left = b""
            while data := await reader.read(65536):
                *events, left = (left + data).split(b"\n\n")
                now = time.monotonic()
                for event in events:
                    if b'"content":"' in event and b'"content":""' not in event:
                        call.tokens.append(now)
                    elif b"[DONE]" in event:
                        call.whole = True
        finally:
            writer.close()


def closed_loop(urls, clients, seconds, workload):
    """As many clients as there are slots, one after the other at each address: what the slots can
    do. Gives tokens per second and requests per second of the second half."""
    traffic = Traffic(urls, [], workload)

    async def client(address, until):
        while time.monotonic() < until:
            await traffic.call(address, workload.body())

    async def all_clients():
        until = time.monotonic() + seconds
        addresses = traffic.addresses
        await asyncio.gather(*(client(addresses[index % len(addresses)], until)
                               for index in range(clients)))
        return until

    until = asyncio.run(all_clients())
    # Not to the end: clients whose last answer was short have left by then.
    begin, end = until - seconds * 0.8, until
    tokens = sum(begin <= at < end for call in traffic.calls for at in call.tokens)
    mean = sum(len(call.tokens) for call in traffic.calls) / len(traffic.calls)
    perSecond = tokens / (end - begin)
    return perSecond, perSecond / mean
