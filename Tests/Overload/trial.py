"""Simulated replicas with few slots, something in front of them, and what its clients saw."""

import concurrent.futures
import json
import threading
import time

import support
from traffic import Workload, closed_loop, quantile

REPLICAS = 4
SLOTS = 4
# The objective for the time to the first token, in seconds.
OBJECTIVE = 0.5


class Replicas:
    """Replicas of a few slots each, and what they can do together."""

    def __init__(self, count=REPLICAS, slots=SLOTS, seed=1):
        self._start = lambda index, listen="127.0.0.1:0": support.Simulator(
            "--seed", str(seed + index), "--max-num-seqs", str(slots), listen=listen)
        self.programs = [self._start(index) for index in range(count)]
        self.urls = [program.url for program in self.programs]
        self.slots = count * slots

    def measure(self, seconds):
        """Tokens and requests per second with every slot in use, and nobody waiting."""
        self.tokens_per_second, self.requests_per_second = closed_loop(
            self.urls, self.slots, seconds, Workload(seed=99))

    def faults(self, index, **knobs):
        answer = support.post(self.urls[index] + "/sim/faults", knobs)
        assert answer.status == 200, answer.text

    def heal(self):
        """Ends all faults; one that was killed starts again on its port."""
        for index, program in enumerate(self.programs):
            if program.process.poll() is None:
                self.faults(index, reset_all=True)
            else:
                self.programs[index] = self._start(
                    index, self.urls[index].removeprefix("http://"))

    def kill(self, index):
        """SIGKILL: from now on its port refuses connections."""
        self.programs[index].kill()

    def busy(self):
        """Requests running and waiting, by the replicas' own pages."""
        total = 0.0
        for url in self.urls:
            for line in support.get(url + "/metrics").text.splitlines():
                if line.startswith(("vllm:num_requests_running{", "vllm:num_requests_waiting{")):
                    total += float(line.rpartition(" ")[2])
        return total

    def stop(self):
        for program in self.programs:
            program.kill()


def gateway(urls, *flags, objective=OBJECTIVE):
    """Sluice as its users start it: an objective, and nothing else."""
    return support.gateway_for(
        *urls, flags=["--ttft-slo", f"{round(objective * 1000)}ms", "--workers", "1",
                      "--access-log", "off", *flags])


class Watch:
    """Asks the admin pages all the time; the slowest answer counts."""

    def __init__(self, admin):
        self.slowest = 0.0
        self._admin, self._over = admin, threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self):
        pages = ("/metrics", "/replicas", "/queue", "/decisions")
        while not self._over.wait(0.5):
            for page in pages:
                began = time.monotonic()
                support.get(self._admin + page)
                self.slowest = max(self.slowest, time.monotonic() - began)

    def stop(self):
        self._over.set()
        self._thread.join()
        return self.slowest


class Seen:
    """What clients saw between two instants of a trial, as offsets from its beginning.

    - goodput: tokens per second that came in this time, of requests within the objective, over the
      capacity.
    - in_objective: their share of those served, by when they came.
    - late: quantiles of the time to the first token of those served.
    - refusal: quantiles of the time until a refusal that needed no wait was complete.
    - held_up: the part of the time in which the machine did not run the clients.
    """

    def __init__(self, traffic, capacity, begin, end, objective=OBJECTIVE):
        begin, end = traffic.began + begin, traffic.began + end
        self.held_up = traffic.held_up(begin, end) / (end - begin)
        came = [call for call in traffic.calls if begin <= call.began < end]
        self.served = [call for call in came if call.is_served]
        self.refused = [call for call in came if self._is_refusal(call)]
        self.broken = [call for call in came
                       if not call.is_served and not self._is_refusal(call)]
        self.cut = [call for call in self.served if not call.whole]
        good = [call for call in traffic.calls if call.is_served and call.wait <= objective]
        tokens = sum(begin <= at < end for call in good for at in call.tokens)
        self.goodput = tokens / (end - begin) / capacity
        self.in_objective = (sum(call.wait <= objective for call in self.served)
                             / max(1, len(self.served)))
        # Some waited and were refused only when their time was over: that is no refusal's cost.
        self.refusals = [call.ended - call.began for call in self.refused
                         if call.headers.get("x-sluice-reason") != "expired"]

    @staticmethod
    def _is_refusal(call):
        """A 503 of ours says that nobody serves, which is no answer to more load; a 503 is how
        others refuse."""
        return call.status == 429 or (
            call.status == 503 and "x-sluice-reason" not in call.headers)

    def late(self, share):
        return quantile([call.wait for call in self.served], share)

    def refusal(self, share):
        return quantile(self.refusals, share)


def is_quiet(replicas, gateways, seconds=5.0):
    """Whether replicas and gateways agree, within two, that nothing is under way any more."""
    time.sleep(seconds)

    def in_flight(program):
        pools = json.loads(support.get(program.admin + "/replicas").text)["pools"]
        return sum(row["in_flight"] for pool in pools for row in pool["replicas"])

    with concurrent.futures.ThreadPoolExecutor() as pool:
        ours = sum(pool.map(in_flight, gateways))
    return abs(ours - replicas.busy()) <= 2 and ours == 0
