"""Three simulated replicas, a gateway before them, and what has to hold after every fault."""

import contextlib
import json
import os
import pathlib
import re
import signal
import threading
import time
import urllib.parse

import support

# How long a fault lasts, in units of a scenario's own time: `make soak` lengthens all of them.
STRETCH = float(os.environ.get("SLUICE_FAULTS_STRETCH", "1"))
MODEL = support.MODEL


def rest(seconds):
    """Lets the load go on; the long run stretches it."""
    time.sleep(seconds * STRETCH)


def total(page, name, **labels):
    """Sum of a metric's samples with these labels on a page of metrics."""
    found = 0.0
    for match in re.finditer(rf"^{re.escape(name)}(\{{[^}}]*\}})? (\S+)$", page, re.M):
        if all(f'{key}="{value}"' in (match.group(1) or "") for key, value in labels.items()):
            found += float(match.group(2))
    return found


class Replica:
    """A simulated replica that keeps its port over restarts."""

    # Every request alone, for latencies that depend on nothing but the gateway.
    FIXED = "--fixed-gap-ms", "100", "--fixed-ttft-ms"

    def __init__(self, seed, *flags, listen="127.0.0.1:0"):
        self.flags = ["--seed", str(seed), *flags]
        self.program = support.Simulator(*self.flags, listen=listen)
        self.url = self.program.url
        self.name = urllib.parse.urlsplit(self.url).netloc

    @property
    def pid(self):
        return self.program.process.pid

    def faults(self, **knobs):
        answer = support.post(self.url + "/sim/faults", knobs)
        assert answer.status == 200, answer.text

    def heal(self):
        self.faults(reset_all=True)

    def kill(self):
        """SIGKILL: from now on its port refuses connections."""
        self.program.kill()

    def restart(self):
        """On the same port."""
        self.program = support.Simulator(*self.flags, listen=self.name)

    def signal(self, number):
        os.kill(self.pid, number)

    def stop(self):
        if self.program.process.poll() is None:
            self.signal(signal.SIGCONT)
            self.program.kill()


class Watch:
    """Scrapes /metrics all the time; every scrape has to add up."""

    PERIOD = 0.25

    def __init__(self, gateway):
        self.gateway, self.scrapes, self.wrong, self.resident = gateway, 0, [], []
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self):
        while not self._stopping.wait(self.PERIOD):
            try:
                page = support.get(self.gateway.admin + "/metrics").text
            except OSError:
                continue  # it is draining or has ended
            self.scrapes += 1
            difference = (total(page, "sluice_requests_received_total")
                          - total(page, "sluice_requests_total"))
            in_flight = total(page, "sluice_requests_in_flight")
            if difference != in_flight:
                self.wrong.append((difference, in_flight))
            self.resident.append(total(page, "process_resident_memory_bytes"))

    def stop(self):
        self._stopping.set()
        self._thread.join()


class Fleet:
    """One gateway, its replicas and its access log.

    - upstreams: further replicas besides the simulated ones: URLs or YAML mappings.
    - pool, timeouts, top: keys of the configuration (see config/sluice.yaml).
    - metrics_urls: index of a simulated replica → where its metrics are read instead.
    - first_token_ms: time to it; longer where latencies are compared, so that 20 % of one is more
      than what a busy machine adds. Then 100 ms from one to the next.
    - engine: flags of replicas that go by the engine's model instead.
    - wait: whether every replica has been probed before the first request.
    - wrap: command in front of the gateway's own, such as `prlimit`.
    """

    def __init__(self, tmp_path, simulated=3, upstreams=(), pool=None, timeouts=None, top=None,
                 wrap=(), metrics_urls=None, first_token_ms=30, engine=None, wait=True):
        self.tmp_path = pathlib.Path(tmp_path)
        self.gateway = None
        self.watch = None
        pace = engine or (*Replica.FIXED, str(first_token_ms))
        self.replicas = [Replica(seed, *pace) for seed in range(1, simulated + 1)]
        try:
            entries = [{"url": replica.url} for replica in self.replicas]
            for index, url in (metrics_urls or {}).items():
                entries[index]["metrics_url"] = url
            entries += [u if isinstance(u, dict) else {"url": u} for u in upstreams]
            self.log = self.tmp_path / "access.log"
            configuration = {
                "listen": "127.0.0.1:0", "admin": "127.0.0.1:0", "workers": 2,
                "access_log": str(self.log), "timeouts": timeouts or {},
                "pools": [{"name": "default", "models": [MODEL], "replicas": entries,
                           "scrape_interval": "500ms", **(pool or {})}], **(top or {})}
            self.file = self.tmp_path / "sluice.yaml"
            self.file.write_text(json.dumps(configuration))  # JSON is YAML
            self.gateway = support.Gateway("--config", str(self.file), wrap=wrap)
            self.settle(wait)
        except BaseException:
            self.kill()
            raise

    def settle(self, wait=True):
        """From now on scrapes are watched, and so many descriptors are what it has at rest."""
        if wait:
            support.until(self.is_ready, what="readiness")
        self.descriptors_before = self.descriptors()
        self.watch = Watch(self.gateway)

    def die(self):
        """SIGKILL of the gateway; `come_back` starts it again."""
        self.watch.stop()
        self.check_scrapes()
        self.gateway.kill()

    def come_back(self):
        """The gateway again, on the ports that it had."""
        ports = ((flag, url.removeprefix("http://")) for flag, url in (
            ("--listen", self.gateway.url), ("--admin", self.gateway.admin)))
        self.gateway = support.Gateway(
            "--config", str(self.file), *(part for pair in ports for part in pair))
        self.settle()

    def start_another(self):
        """A gateway on the port of this one, which becomes the fleet's; returns the one so far."""
        former = self.gateway
        self.gateway = support.Gateway("--config", str(self.file), "--listen",
                                       former.url.removeprefix("http://"))
        self.watch.stop()
        self.check_scrapes()
        self.settle()
        return former

    @property
    def pid(self):
        return self.gateway.process.pid

    @property
    def url(self):
        return self.gateway.url

    def is_ready(self):
        return support.get(self.gateway.admin + "/readyz").status == 200 and all(
            row["signal_age_seconds"] is not None or row["state"] != "warming"
            for row in support.replicas(self.gateway.admin))

    def row(self, replica):
        """The replica's row of /replicas."""
        name = getattr(replica, "name", replica)
        return next(r for r in support.replicas(self.gateway.admin) if r["name"] == name)

    def state(self, replica):
        return self.row(replica)["state"]

    def seconds_until_state(self, replica, *states, since=None, seconds=support.PATIENCE):
        """How long it took from `since` (monotonic; default now) to one of these states."""
        since = time.monotonic() if since is None else since
        support.until(lambda: self.state(replica) in states, seconds,
                      f"{getattr(replica, 'name', replica)} {' or '.join(states)}")
        return time.monotonic() - since

    def metrics(self):
        return support.get(self.gateway.admin + "/metrics").text

    def descriptors(self):
        return len(os.listdir(f"/proc/{self.pid}/fd"))

    def cpu_seconds(self):
        fields = pathlib.Path(f"/proc/{self.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def resident(self):
        pages = int(pathlib.Path(f"/proc/{self.pid}/statm").read_text().split()[1])
        return pages * os.sysconf("SC_PAGE_SIZE")

    def log_lines(self, calls):
        """The access log by request id, once it has a line of each of these calls."""
        def read():
            # The last line may be half written.
            lines = self.log.read_text().splitlines(keepends=True)
            entries = [json.loads(line) for line in lines if line.endswith("\n")]
            found = {entry["request_id"].encode(): entry for entry in entries}
            return found if all(call.id in found for call in calls) else None

        return support.until(read, what="a log line of each request")

    def check_and_stop(self):
        """What every row asks for in the end, whatever happened before."""
        support.until(lambda: self.watch.scrapes, what="a scrape")
        admin = self.gateway.admin
        support.until(lambda: support.in_flight(admin) == 0, what="LEAK: no request in flight")
        # A permit is given back a moment before its exchange is over.
        support.until(lambda: total(self.metrics(), "sluice_requests_in_flight") == 0,
                      what="LEAK: sluice_requests_in_flight 0")
        page = self.metrics()
        assert (total(page, "sluice_requests_received_total")
                == total(page, "sluice_requests_total")), "LEAK: a request has no outcome"
        leaked = total(page, "sluice_leaked_permits_total")
        assert leaked == 0, f"LEAK: {leaked} permits"
        self.watch.stop()
        for replica in self.replicas:
            if replica.program.process.poll() is None:
                replica.signal(signal.SIGCONT)
                replica.heal()
        support.agree(admin, within=2)
        for replica in self.replicas:
            replica.stop()
        support.until(lambda: self.descriptors() <= self.descriptors_before,
                      what=f"LEAK: descriptors back at {self.descriptors_before}")
        self.gateway.stop()  # its exit status is 0
        self.check_scrapes()

    def check_scrapes(self):
        assert self.watch.scrapes > 0, "nothing was scraped"
        assert not self.watch.wrong, (
            f"LEAK: received - finished was not what is in flight in {len(self.watch.wrong)} of "
            f"{self.watch.scrapes} scrapes, such as {self.watch.wrong[:3]}")

    def kill(self):
        """Ends everything, whatever state it is in."""
        if self.watch:
            self.watch.stop()
        if self.gateway:
            self.gateway.kill()
        for replica in self.replicas:
            with contextlib.suppress(Exception):
                replica.stop()
