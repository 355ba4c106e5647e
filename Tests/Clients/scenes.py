"""Fleets to which something is done, and their clients: for the test that it is named and nothing
else is, and for the pictures of docs/diagnosis.md."""

import contextlib
import itertools
import json
import os
import pathlib
import signal
import socket
import tempfile
import threading
import typing
import urllib.parse

import support
from serving import Handler, serving

# Seconds in which a gateway learns what is usual.
HEALTHY = 60.0
WORD = "word "


class Load:
    """Clients that ask one request after another, each on a connection of its own."""

    def __init__(self, url):
        self.where = urllib.parse.urlsplit(url)
        self.stopped = threading.Event()
        self.threads = []
        self.numbers = itertools.count()
        self.prompt, self.answer, self.shared, self.pause, self.patience = 40, 20, True, 0.2, 8.0

    def clients(self, count):
        for _ in range(count):
            thread = threading.Thread(target=self._run, daemon=True)
            thread.start()
            self.threads.append(thread)

    def _body(self):
        # The engine counts a token for about four characters.
        system = WORD * self.prompt
        if not self.shared:
            system = f"{next(self.numbers):8d} " + system[9:]
        return json.dumps({
            "model": support.MODEL, "stream": True, "max_tokens": self.answer,
            "messages": [{"role": "system", "content": system},
                         {"role": "user", "content": f"{next(self.numbers):6d}"}]}).encode()

    def _ask(self):
        body = self._body()
        address = (self.where.hostname, self.where.port)
        with contextlib.closing(socket.create_connection(address, self.patience)) as connection:
            connection.settimeout(self.patience)
            connection.sendall(
                f"POST /v1/chat/completions HTTP/1.1\r\nHost: {self.where.netloc}\r\n"
                f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n"
                "Connection: close\r\n\r\n".encode() + body)
            while connection.recv(65_536):
                pass

    def _run(self):
        while not self.stopped.is_set():
            with contextlib.suppress(OSError):
                self._ask()
            self.stopped.wait(self.pause)

    def stop(self):
        self.stopped.set()
        for thread in self.threads:
            thread.join(self.patience + 5)
            assert not thread.is_alive()


class GPUs(contextlib.ExitStack):
    """What dcgm-exporter says of a host with two GPUs, one for each replica."""

    def __init__(self):
        super().__init__()
        self.figures = [
            {"SM_CLOCK": 1980, "GPU_UTIL": 92, "GPU_TEMP": 61, "POWER_USAGE": 480,
             "FB_USED": 71_000, "FB_FREE": 10_000, "XID_ERRORS": 0} for _ in range(2)]
        self.url = self.enter_context(serving(GPUPage, figures=self.figures)).url + "/metrics"


class GPUPage(Handler):
    def do_GET(self):
        body = "".join(
            f'DCGM_FI_DEV_{name}{{gpu="{gpu}",UUID="GPU-{gpu}",Hostname="h"}} {value}\n'
            for gpu, figures in enumerate(self.server.figures)
            for name, value in figures.items()).encode()
        self.answer(body)


class Scene:
    """A fleet of two, before anything is done to it.

    - key: what the replicas ask for, and what the gateway has in a file for each of them.
    """

    def __init__(self, replica_flags=(), gateway_flags=(), clients=3, prompt=40, answer=20,
                 key=None):
        if key:
            replica_flags = [*replica_flags, "--api-key", key]
        self.replicas = [support.Simulator("--seed", str(seed), *replica_flags) for seed in (1, 2)]
        self.gpus = GPUs()
        self.folder = tempfile.TemporaryDirectory()
        entries = [{"url": replica.url, "gpu_metrics_url": self.gpus.url, "gpus": [index]}
                   for index, replica in enumerate(self.replicas)]
        if key:
            for index, entry in enumerate(entries):
                self.key_file(index).write_text(key)
                entry["api_key_file"] = str(self.key_file(index))
        config = pathlib.Path(self.folder.name, "sluice.yaml")
        config.write_text(json.dumps(  # JSON is YAML
            {"pools": [{"name": "default", "replicas": entries}]}))
        self.gateway = support.gateway_for(
            flags=["--config", str(config), *gateway_flags, "--access-log", "off"])
        self.load = Load(self.gateway.url)
        self.others = Load(self.gateway.url)
        self.load.prompt, self.load.answer = prompt, answer
        self.load.clients(clients)

    def key_file(self, index):
        return pathlib.Path(self.folder.name, f"key-{index}")

    def findings(self):
        page = support.get(self.gateway.admin + "/diagnosis").json()
        return page["findings"]

    def fault(self, index=0, **knobs):
        answer = support.post(self.replicas[index].url + "/sim/faults", knobs)
        assert answer.status == 200, answer.text

    def stop(self):
        self.load.stop()
        self.others.stop()
        self.gateway.stop()
        self.gpus.close()
        self.folder.cleanup()
        for replica in self.replicas:
            if replica.process.poll() is None:
                replica.stop()


def kill(scene, index=0):
    os.kill(scene.replicas[index].process.pid, signal.SIGKILL)


def overload(scene):
    scene.load.pause = 0.05
    scene.load.clients(20)


def fill_the_cache(scene):
    scene.load.answer = 600
    scene.load.pause = 0
    scene.load.clients(12)


def send_past_the_gateway(scene, clients=2):
    scene.others = Load(scene.replicas[0].url)
    scene.others.answer = 200
    scene.others.pause = 0
    scene.others.clients(clients)


def send_what_is_refused(scene):
    scene.others.answer = -1
    scene.others.clients(4)


def crowd(scene):
    # Fewer than there are slots, with short prompts: neither may there be a queue.
    scene.load.clients(100)


def leave_early(scene):
    scene.load.patience = 0.005
    scene.load.pause = 0.1


def change_our_key(scene):
    scene.key_file(0).write_text("another-one")
    answer = support.post(scene.gateway.admin + "/reload", {}, {"x-sluice-admin": "1"})
    assert answer.status == 200, answer.text


def lose_a_gpu(scene):
    scene.fault(freeze=True)
    scene.gpus.figures[0]["XID_ERRORS"] = 79


def heat_a_gpu(scene):
    scene.fault(slow=3)
    scene.gpus.figures[0].update(SM_CLOCK=1_005, GPU_TEMP=93)


def do_to_both(**knobs):
    return lambda scene: [scene.fault(index, **knobs) for index in (0, 1)]


class Scenario(typing.NamedTuple):
    """What is done to a fleet, and what may be said of it.

    - begin: what is done; fleet: how the `Scene` is made.
    - beside: causes that may be named besides the one it is: what follows from it.
    - replicas: those to which it is done; of no other may anything be named.
    """

    begin: typing.Callable
    fleet: dict = {}
    beside: frozenset = frozenset()
    replicas: tuple = (0,)


# By the cause that is to be named.
SCENES = {
    "no_replica": Scenario(
        lambda scene: [kill(scene, index) for index in (0, 1)],
        beside={"replica_unreachable", "upstream_errors"}, replicas=(0, 1)),
    "gpu_fault": Scenario(lose_a_gpu),
    # Its streams break off.
    "replica_unreachable": Scenario(kill, beside={"upstream_errors"}),
    # Its requests fail some time before its /health is asked.
    "engine_dead": Scenario(
        lambda scene: scene.fault(die=True), beside={"replica_failing", "upstream_errors"}),
    "key_refused": Scenario(change_our_key, {"key": "one"}),
    "replica_failing": Scenario(lambda scene: scene.fault(reset=True), beside={"upstream_errors"}),
    "metrics_path_broken": Scenario(lambda scene: scene.fault(metrics="dead")),
    "replica_stalled": Scenario(lambda scene: scene.fault(freeze=True)),
    "kv_bound": Scenario(
        fill_the_cache, {"replica_flags": ["--kv-tokens", "1500", "--max-num-seqs", "16"]},
        replicas=(0, 1)),
    "slot_bound": Scenario(
        overload, {"replica_flags": ["--max-num-seqs", "2"],
                   "gateway_flags": ["--ttft-slo", "500ms"], "clients": 2}, replicas=()),
    "other_client": Scenario(send_past_the_gateway, {"replica_flags": ["--max-num-seqs", "8"]}),
    "cache_thrash": Scenario(
        lambda scene: setattr(scene.load, "shared", False),
        {"replica_flags": ["--enable-prefix-caching"], "prompt": 2_000}, replicas=()),
    "longer_prompts": Scenario(
        lambda scene: setattr(scene.load, "prompt", 4_000), replicas=()),
    "gpu_throttled": Scenario(heat_a_gpu),
    "slow_replica": Scenario(lambda scene: scene.fault(slow=3)),
    "imbalance": Scenario(
        lambda scene: send_past_the_gateway(scene, clients=16),
        {"replica_flags": ["--max-num-seqs", "4"]}, beside={"other_client"}),
    # Answers of one token have no gaps that could tell of the engine's steps.
    "slow_prefill": Scenario(
        do_to_both(slow=3), {"prompt": 2_000, "answer": 1}, replicas=()),
    "too_concurrent": Scenario(crowd, {"prompt": 10, "answer": 100}, replicas=()),
    "slow_decode": Scenario(do_to_both(slow=3), replicas=()),
    # Three failures one after the other are enough for either replica.
    "upstream_errors": Scenario(
        do_to_both(reset_after_events=3), beside={"replica_failing"}, replicas=(0, 1)),
    "clients_leave": Scenario(leave_early, replicas=()),
    "client_errors": Scenario(send_what_is_refused, replicas=()),
}
