"""The processes of a comparison: proxies, each pinned to a core, the load, and what they cost."""

import contextlib
import json
import os
import pathlib
import re
import resource
import signal
import socket
import subprocess
import time

HERE = pathlib.Path(__file__).resolve().parent
TOOLS = HERE.parent / ".build" / "bench"
PAGE = os.sysconf("SC_PAGE_SIZE")
PROXY_CORE, LOAD_CORE = "0", "1"


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def process_tree(root):
    """The process and all its descendants, by parent id."""
    parents = {}
    for entry in os.listdir("/proc"):
        if entry.isdigit():
            with contextlib.suppress(OSError):
                stat = pathlib.Path("/proc", entry, "stat").read_text()
                parents[int(entry)] = int(stat.rpartition(")")[2].split()[1])
    tree = [root]
    for pid in tree:
        tree += [child for child, parent in parents.items() if parent == pid]
    return tree


def thread_times(root):
    """Per thread: nanoseconds on a core, and those in which it could have run and did not."""
    times = {}
    for pid in process_tree(root):
        for stat in pathlib.Path(f"/proc/{pid}/task").glob("*/schedstat"):
            with contextlib.suppress(OSError, IndexError):
                ran, waited = stat.read_text().split()[:2]
                times[stat.parent.name] = (int(ran), int(waited))
    return times


def cpu_seconds(before, after):
    """CPU of the threads that are there at the end; in nanoseconds at the source, where stat has ticks."""
    return sum(after[t][0] - before.get(t, (0, 0))[0] for t in after) / 1e9


def waited_seconds(before, after):
    """How long the thread that does the work waited for its core: others had it.

    Only that one: a log thread that gives way to it waits too, and is meant to.
    """
    grown = [(after[t][0] - before[t][0], after[t][1] - before[t][1]) for t in after if t in before]
    return max(grown, default=(0, 0))[1] / 1e9


def resident_bytes(root):
    total = 0
    for pid in process_tree(root):
        with contextlib.suppress(OSError):
            total += int(pathlib.Path(f"/proc/{pid}/statm").read_text().split()[1]) * PAGE
    return total


def wait_for_port(port, process, seconds=10):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if process.poll() is not None:
            raise RuntimeError(f"{process.args[3:]} ended with {process.returncode}")
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
            return
        time.sleep(0.02)
    raise RuntimeError(f"{process.args[3:]} does not listen on port {port}")


@contextlib.contextmanager
def running(command, core, port, log):
    """A process pinned to a core, from listening until SIGTERM and wait."""
    with open(log, "wb") as out:
        process = subprocess.Popen(
            ["taskset", "-c", core, *command], stdout=out, stderr=subprocess.STDOUT,
            stdin=subprocess.DEVNULL)
    try:
        wait_for_port(port, process)
        yield process.pid
    except RuntimeError as error:
        raise SystemExit(f"bench: {error}\n{pathlib.Path(log).read_text()[-2000:]}") from error
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(5)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


class Proxy:
    """How to start one proxy, and what it is called in the results."""

    def __init__(self, name, directory, sluice):
        self.name, self.directory, self.sluice = name, directory, sluice

    def version(self):
        command = {"nginx": ["nginx", "-v"], "haproxy": ["haproxy", "-v"],
                   "sluice": [self.sluice, "--version"]}[self.name]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        line = (done.stdout + done.stderr).strip().splitlines()
        found = re.search(r"\d+\.\d+[\w.+~-]*", line[0]) if line else None
        return found.group(0) if found else "unknown"

    def command(self, port, upstreams, workers=1):
        if self.name == "sluice":
            path = self.directory / "sluice.yaml"
            path.write_text("limits: {requests_per_connection_max: 0}\n")
            return [self.sluice, "serve", "--config", str(path), "--listen", f"127.0.0.1:{port}",
                    "--admin", f"127.0.0.1:{free_port()}", "--workers", str(workers),
                    "--access-log", str(self.directory / "sluice-access.log"),
                    *[a for u in upstreams for a in ("--replica", f"http://127.0.0.1:{u}")]]
        template, target = {
            "nginx": ("nginx.conf.in", "nginx.conf"),
            "haproxy": ("haproxy.cfg.in", "haproxy.cfg")}[self.name]
        text = (HERE / template).read_text()
        values = {"DIR": self.directory, "PORT": port, "UPSTREAM1": upstreams[0],
                  "UPSTREAM2": upstreams[1], "CONNECTIONS": 12_500, "NOFILE": 25_000, "WORKERS": workers}
        values["NOFILE"] = min(values["NOFILE"], resource.getrlimit(resource.RLIMIT_NOFILE)[1])
        for key, value in values.items():
            text = text.replace(f"@{key}@", str(value))
        path = self.directory / target
        path.write_text(text)
        if self.name == "nginx":
            return ["nginx", "-p", str(self.directory), "-c", str(path),
                    "-e", str(self.directory / "nginx-error.log")]
        return ["haproxy", "-db", "-f", str(path)]


def load(mode, port, pid=None, **flags):
    """Runs the load generator; returns its results plus the proxy's CPU in the window."""
    command = ["taskset", "-c", LOAD_CORE, str(TOOLS / "load"), mode, "--port", str(port)]
    for key, value in flags.items():
        command += [f"--{key.replace('_', '-')}", str(int(value))]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    threads = [{}, {}]
    result, lines = None, []
    for line in process.stdout:
        record = json.loads(line)
        if pid is not None:
            threads[1 if "seconds" in record else 0] = thread_times(pid)
        if record.get("measuring"):
            if mode == "idle" and pid is not None:
                time.sleep(0.3)
                lines.append(resident_bytes(pid))
        else:
            result = record
    if process.wait() != 0 or result is None or pid is not None and not all(threads):
        raise SystemExit(f"bench: load generator failed: {' '.join(command)} -> {result}")
    result["cpu_seconds"] = cpu_seconds(*threads)
    result["waited_share"] = waited_seconds(*threads) / result["seconds"]
    if lines:
        result["resident_bytes"] = lines[0]
    return result
