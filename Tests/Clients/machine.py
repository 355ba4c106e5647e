"""What a machine of tests does to those who measure time on it: it stands still now and then."""

import asyncio
import contextlib
import os
import threading
import time

# A timer that comes later than this, in seconds, says that the machine did not run us.
LAG_MAX = 0.05
# How long each timer of a measurement runs, in seconds.
PERIOD = 0.005


class Stalls:
    """How late timers come: those of an event loop, from when `measure_lag` begins until it is
    cancelled, and those of a thread on each core while `cores_watched`. Times are
    `time.monotonic()`.

    - lag_max: how late, in seconds, a timer comes where its loop or core was held up.
    """

    def __init__(self, lag_max=LAG_MAX):
        self._lags, self._lag_max = [], lag_max

    async def measure_lag(self):
        while True:
            due = time.monotonic() + PERIOD
            await asyncio.sleep(PERIOD)
            self._note(due)

    @contextlib.contextmanager
    def cores_watched(self):
        """A host may take one core away while the loop runs on another."""
        over = threading.Event()

        def watch(core):
            os.sched_setaffinity(threading.get_native_id(), {core})
            while not over.is_set():
                due = time.monotonic() + PERIOD
                time.sleep(PERIOD)
                self._note(due)

        threads = [threading.Thread(target=watch, args=[core], daemon=True)
                   for core in os.sched_getaffinity(0)]
        for thread in threads:
            thread.start()
        try:
            yield
        finally:
            over.set()
            for thread in threads:
                thread.join()

    def _note(self, due):
        now = time.monotonic()
        self._lags.append((now, now - due))

    @property
    def stalls(self):
        """Beginning and end of each time in which the loop or a core was held up, in order."""
        merged = []
        for begin, end in sorted((at - lag, at) for at, lag in self._lags if lag > self._lag_max):
            if merged and begin <= merged[-1][1]:
                merged[-1] = merged[-1][0], max(end, merged[-1][1])
            else:
                merged.append((begin, end))
        return merged

    @property
    def lags(self):
        """How late each timer came, in seconds, without the stalls."""
        return [lag for _, lag in self._lags if lag <= self._lag_max]

    def held_up(self, begin, end):
        """Seconds between the two in which the loop or a core was held up."""
        return sum(max(0.0, min(end, stop) - max(begin, start)) for start, stop in self.stalls)

    @property
    def part_held_up(self):
        """The part of all the time in which the loop or a core was held up."""
        begin, end = self._lags[0][0], self._lags[-1][0]
        return self.held_up(begin, end) / (end - begin)
