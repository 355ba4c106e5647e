"""Fleets to which something is done, and their clients: for the test that it is named, and for the
pictures of docs/diagnosis.md."""

import contextlib
import http.server
import itertools
import json
import os
import signal
import socket
import tempfile
import threading
import urllib.parse

import support

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


class GPUs(http.server.ThreadingHTTPServer):
    """What dcgm-exporter says of a host with two GPUs, one for each replica."""

    daemon_threads = True

    def __init__(self):
        super().__init__(("127.0.0.1", 0), GPUPage)
        self.figures = [
            {"SM_CLOCK": 1980, "GPU_UTIL": 92, "GPU_TEMP": 61, "POWER_USAGE": 480,
             "FB_USED": 71_000, "FB_FREE": 10_000, "XID_ERRORS": 0} for _ in range(2)]
        self.url = f"http://127.0.0.1:{self.server_port}/metrics"
        self.thread = threading.Thread(target=self.serve_forever, daemon=True)
        self.thread.start()

    def stop(self):
        self.shutdown()
        self.thread.join()
        self.server_close()


class GPUPage(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        body = "".join(
            f'DCGM_FI_DEV_{name}{{gpu="{gpu}",UUID="GPU-{gpu}",Hostname="h"}} {value}\n'
            for gpu, figures in enumerate(self.server.figures)
            for name, value in figures.items()).encode()
        self.send_response(200)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


class Scene:
    """A fleet of two, before anything is done to it."""

    def __init__(self, replica_flags=(), gateway_flags=(), clients=3, prompt=40):
        self.replicas = [support.Simulator("--seed", str(seed), *replica_flags) for seed in (1, 2)]
        self.gpus = GPUs()
        with tempfile.NamedTemporaryFile("w", suffix=".yaml") as config:
            json.dump({"pools": [{"name": "default", "replicas": [
                {"url": replica.url, "gpu_metrics_url": self.gpus.url, "gpus": [index]}
                for index, replica in enumerate(self.replicas)]}]}, config)  # JSON is YAML
            config.flush()
            self.gateway = support.gateway_for(
                flags=["--config", config.name, *gateway_flags, "--access-log", "off"])
        self.load = Load(self.gateway.url)
        self.others = Load(self.replicas[0].url)
        self.load.prompt = prompt
        self.load.clients(clients)

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
        self.gpus.stop()
        for replica in self.replicas:
            if replica.process.poll() is None:
                replica.stop()


def overload(scene):
    scene.load.pause = 0.05
    scene.load.clients(20)


def fill_the_cache(scene):
    scene.load.answer = 600
    scene.load.pause = 0
    scene.load.clients(12)


def send_past_the_gateway(scene, clients=2):
    scene.others.answer = 200
    scene.others.pause = 0
    scene.others.clients(clients)


def leave_early(scene):
    scene.load.patience = 0.005
    scene.load.pause = 0.1


def lose_a_gpu(scene):
    scene.fault(freeze=True)
    scene.gpus.figures[0]["XID_ERRORS"] = 79


def heat_a_gpu(scene):
    scene.fault(slow=3)
    scene.gpus.figures[0].update(SM_CLOCK=1_005, GPU_TEMP=93)


# What is done, by the cause that is to be named for it: how the fleet is made, and what happens.
SCENES = {
    "gpu_fault": ({}, lose_a_gpu),
    "metrics_path_broken": ({}, lambda scene: scene.fault(metrics="dead")),
    "replica_stalled": ({}, lambda scene: scene.fault(freeze=True)),
    "engine_dead": ({}, lambda scene: scene.fault(die=True)),
    "replica_unreachable": (
        {}, lambda scene: os.kill(scene.replicas[0].process.pid, signal.SIGKILL)),
    "kv_bound": (
        {"replica_flags": ["--kv-tokens", "1500", "--max-num-seqs", "16"]}, fill_the_cache),
    "slot_bound": (
        {"replica_flags": ["--max-num-seqs", "2"], "gateway_flags": ["--ttft-slo", "500ms"],
         "clients": 2}, overload),
    "other_client": ({"replica_flags": ["--max-num-seqs", "8"]}, send_past_the_gateway),
    "imbalance": (
        {"replica_flags": ["--max-num-seqs", "4"]},
        lambda scene: send_past_the_gateway(scene, clients=16)),
    "cache_thrash": (
        {"replica_flags": ["--enable-prefix-caching"], "prompt": 2_000},
        lambda scene: setattr(scene.load, "shared", False)),
    "longer_prompts": ({}, lambda scene: setattr(scene.load, "prompt", 4_000)),
    "gpu_throttled": ({}, heat_a_gpu),
    "slow_replica": ({}, lambda scene: scene.fault(slow=3)),
    "slow_decode": ({}, lambda scene: [scene.fault(index, slow=3) for index in (0, 1)]),
    "upstream_errors": (
        {}, lambda scene: [scene.fault(index, reset_after_events=3) for index in (0, 1)]),
    "clients_leave": ({}, leave_early),
}
